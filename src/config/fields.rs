//! Reads the keys of a JSON object one by one; every message names the key, the rule and the value.

use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The keys of one JSON object, and which of them were asked for.
pub struct Fields<'a> {
    object: &'a Map<String, Value>,
    path: String,
    kind: &'static str,
    known: Vec<&'static str>,
}

impl<'a> Fields<'a> {
    pub fn new(value: &'a Value, path: &str, kind: &'static str) -> Result<Self> {
        let Value::Object(object) = value else {
            let name = if path.is_empty() {
                format!("the {kind} configuration")
            } else {
                path.to_owned()
            };
            return Err(Error::Config(format!(
                "{name} must be a JSON object, got {}",
                shown(value)
            )));
        };
        Ok(Self {
            object,
            path: path.to_owned(),
            kind,
            known: Vec::new(),
        })
    }

    /// The key's value; `None` when it is absent.
    pub fn get(&mut self, key: &'static str) -> Option<&'a Value> {
        self.known.push(key);
        self.object.get(key)
    }

    /// The key's value; `None` when it is absent or null.
    pub fn get_some(&mut self, key: &'static str) -> Option<&'a Value> {
        self.get(key).filter(|value| !value.is_null())
    }

    /// The key with the names of the objects around it.
    pub fn name(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    /// The key and the value of an object that is a variant of an enum, as Burn writes it; `None` for any other object.
    pub fn variant(
        &mut self,
        variants: &[&'static str],
    ) -> Result<Option<(&'static str, &'a Value)>> {
        // No key of a configuration begins so: one that does is a variant, or a slip for one.
        let is_tag = |(key, value): &(&String, &Value)| {
            variants.contains(&key.as_str())
                || key.starts_with(char::is_uppercase) && value.is_object()
        };
        let Some((tag, _)) = self.object.iter().find(is_tag) else {
            return Ok(None);
        };
        let place = self.place();
        if self.object.len() != 1 {
            let given: Vec<&str> = self.object.keys().map(String::as_str).collect();
            return Err(Error::Config(format!(
                "{place} must have one key alone where that is one of {}, got the keys {}",
                variants.join(", "),
                shown(&Value::from(given))
            )));
        }
        let Some(known) = variants.iter().find(|variant| *variant == tag) else {
            let near = nearest(tag, variants)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            return Err(Error::Config(format!(
                "unknown {} {} in {place}: {near}the {0}s are {}",
                self.kind,
                shown(&Value::from(tag.as_str())),
                variants.join(", ")
            )));
        };
        let value = self.get(known);
        Ok(value.map(|value| (*known, value)))
    }

    /// A whole number within `range`.
    pub fn whole(
        &mut self,
        key: &'static str,
        default: Option<u64>,
        range: (u64, u64),
    ) -> Result<u64> {
        let (least, most) = range;
        let rule = if most == u64::MAX && least > 0 {
            format!("a whole number of at least {least}")
        } else {
            format!("a whole number from {least} to {most}")
        };
        let Some(value) = self.get(key) else {
            return default.ok_or_else(|| self.missing(key, &rule));
        };
        value
            .as_u64()
            .filter(|number| (least..=most).contains(number))
            .ok_or_else(|| self.broken(key, &rule, value))
    }

    /// A finite number that `holds` accepts; `rule` says in words what that is.
    pub fn number(
        &mut self,
        key: &'static str,
        default: Option<f64>,
        rule: &str,
        holds: impl Fn(f64) -> bool,
    ) -> Result<f64> {
        let Some(value) = self.get(key) else {
            return default.ok_or_else(|| self.missing(key, rule));
        };
        value
            .as_f64()
            .filter(|number| number.is_finite() && holds(*number))
            .ok_or_else(|| self.broken(key, rule, value))
    }

    /// A whole number within `range`; `None` for null, or where there is none.
    pub fn some_whole(&mut self, key: &'static str, range: (u64, u64)) -> Result<Option<u64>> {
        self.get_some(key)
            .is_some()
            .then(|| self.whole(key, None, range))
            .transpose()
    }

    /// A finite number that `holds` accepts; `None` for null, or where there is none.
    pub fn some_number(
        &mut self,
        key: &'static str,
        rule: &str,
        holds: impl Fn(f64) -> bool,
    ) -> Result<Option<f64>> {
        self.get_some(key)
            .is_some()
            .then(|| self.number(key, None, rule, holds))
            .transpose()
    }

    /// true or false.
    pub fn flag(&mut self, key: &'static str, default: bool) -> Result<bool> {
        let Some(value) = self.get(key) else {
            return Ok(default);
        };
        value
            .as_bool()
            .ok_or_else(|| self.broken(key, "true or false", value))
    }

    /// The error for a value that breaks its rule.
    pub fn broken(&self, key: &str, rule: &str, value: &Value) -> Error {
        Error::Config(format!(
            "{} must be {rule}, got {}",
            self.name(key),
            shown(value)
        ))
    }

    fn place(&self) -> String {
        if self.path.is_empty() {
            format!("the {} configuration", self.kind)
        } else {
            self.path.clone()
        }
    }

    fn missing(&self, key: &str, rule: &str) -> Error {
        Error::Config(format!("{} must be given: {rule}", self.name(key)))
    }

    /// Refuses keys that nobody asked for.
    pub fn finish(self) -> Result<()> {
        let Some((key, value)) = self
            .object
            .iter()
            .find(|(key, _)| !self.known.contains(&key.as_str()))
        else {
            return Ok(());
        };
        let place = self.place();
        let known = self.known.join(", ");
        let advice = nearest(key, &self.known)
            .map_or_else(String::new, |near| format!("did you mean {near:?}? "));
        Err(Error::Config(format!(
            "unknown key {} (value {}) in {place}: {advice}the keys are {known}",
            shown(&Value::from(key.as_str())),
            shown(value)
        )))
    }
}

/// A value as a person would write it; long ones are cut.
pub fn shown(value: &Value) -> String {
    let text = match value {
        // Python sends the numbers that JSON lacks as text.
        Value::String(text) if matches!(text.as_str(), "nan" | "inf" | "-inf") => text.clone(),
        other => other.to_string(),
    };
    if text.chars().count() > 80 {
        let cut: String = text.chars().take(77).collect();
        format!("{cut}...")
    } else {
        text
    }
}

/// The candidate that differs from `word` by the fewest edits, if that is few enough for a slip.
pub fn nearest<'a>(word: &str, candidates: &[&'a str]) -> Option<&'a str> {
    candidates
        .iter()
        .map(|candidate| {
            (
                edits(&word.to_lowercase(), &candidate.to_lowercase()),
                *candidate,
            )
        })
        .filter(|(distance, candidate)| *distance <= candidate.len().max(word.len()) / 2)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance (1966), by rows.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().take(200).collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, from) in left.chars().take(200).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in right.iter().enumerate() {
            let replaced = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_found_and_a_stranger_is_not() {
        let names = ["num_classes", "hidden_size", "dropout"];
        assert_eq!(nearest("hiden_size", &names), Some("hidden_size"));
        assert_eq!(nearest("drop_out", &names), Some("dropout"));
        assert_eq!(nearest("zzzz", &names), None);
        assert_eq!(edits("kitten", "sitting"), 3);
    }
}
