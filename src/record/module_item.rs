//! The record of a module, read by its [`Layout`]: nothing is allocated by a length that a file claims.

use super::item::{Dtype, Name, NoSettings, Nothing, OldDtype, ParamItem, TensorItem};
use crate::network::Layout;
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;

/// How a record says what it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    /// With the names of the fields.
    Named,
    /// By their order, and no value stands for a setting of a convolution.
    Positional,
    /// By their order, and two values stand for a setting.
    PositionalWithSettings,
    /// The same with the numbers for types of tensors that Burn 0.16 has.
    PositionalOld,
}

/// More parts than a list of any network has.
const MAX_PARTS: usize = 256;

/// The tensors of a record by their names; `None` where one that may lack is missing.
pub(super) type Found<'a> = Vec<(String, Option<TensorItem<'a>>)>;

/// Reads the record of a module.
pub(super) struct ModuleItem {
    pub layout: Layout,
    pub dialect: Dialect,
}

impl<'de> DeserializeSeed<'de> for ModuleItem {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Found<'de>, D::Error> {
        let mut found = Found::new();
        let part = Part {
            layout: self.layout,
            dialect: self.dialect,
            path: "",
            found: &mut found,
        };
        part.deserialize(deserializer)?;
        Ok(found)
    }
}

/// A part of the module.
struct Part<'p, 'de> {
    layout: Layout,
    dialect: Dialect,
    path: &'p str,
    found: &'p mut Found<'de>,
}

impl<'de> DeserializeSeed<'de> for Part<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        let old = self.dialect == Dialect::PositionalOld;
        let tensor = match self.layout {
            Layout::Parameter if old => {
                Some(ParamItem::<OldDtype>::deserialize(deserializer)?.tensor())
            }
            Layout::Parameter => Some(ParamItem::<Dtype>::deserialize(deserializer)?.tensor()),
            Layout::OptionalParameter if old => {
                Option::<ParamItem<'_, OldDtype>>::deserialize(deserializer)?.map(ParamItem::tensor)
            }
            Layout::OptionalParameter => {
                Option::<ParamItem<'_, Dtype>>::deserialize(deserializer)?.map(ParamItem::tensor)
            }
            Layout::Nothing => return Nothing::deserialize(deserializer).map(drop),
            Layout::Setting => {
                return match self.dialect {
                    Dialect::Named => NoSettings::deserialize(deserializer).map(drop),
                    Dialect::Positional => Nothing::deserialize(deserializer).map(drop),
                    Dialect::PositionalWithSettings | Dialect::PositionalOld => {
                        <[Nothing; 2]>::deserialize(deserializer).map(drop)
                    }
                };
            }
            Layout::Optional(layout) => {
                return deserializer.deserialize_option(Maybe(Self {
                    layout: *layout,
                    ..self
                }));
            }
            Layout::List(layout) => {
                return deserializer.deserialize_seq(List(Self {
                    layout: *layout,
                    ..self
                }));
            }
            Layout::Module(fields) => {
                let fields = Fields { fields, part: self };
                return if fields.part.dialect == Dialect::Named {
                    deserializer.deserialize_map(fields)
                } else {
                    deserializer.deserialize_tuple(fields.fields.len(), fields)
                };
            }
        };
        self.found.push((self.path.to_owned(), tensor));
        Ok(())
    }
}

/// A part that may lack.
struct Maybe<'p, 'de>(Part<'p, 'de>);

impl<'de> Visitor<'de> for Maybe<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a part or nothing")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        self.0.deserialize(deserializer)
    }
}

/// Parts of one layout.
struct List<'p, 'de>(Part<'p, 'de>);

impl<'de> Visitor<'de> for List<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of parts")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut parts: A) -> Result<(), A::Error> {
        let Part {
            layout,
            dialect,
            path,
            found,
        } = self.0;
        for index in 0_usize.. {
            if index > MAX_PARTS {
                return Err(A::Error::custom(format!(
                    "more than {MAX_PARTS} parts in {path}"
                )));
            }
            let part = Part {
                layout,
                dialect,
                path: &format!("{path}.{index}"),
                found,
            };
            if parts.next_element_seed(part)?.is_none() {
                break;
            }
        }
        Ok(())
    }
}

/// The fields of a module.
struct Fields<'p, 'de> {
    fields: &'static [(&'static str, Layout)],
    part: Part<'p, 'de>,
}

impl<'de> Fields<'_, 'de> {
    /// The field as a part, with what reads it.
    fn part<R>(
        &mut self,
        (name, layout): (&str, Layout),
        read: impl FnOnce(Part<'_, 'de>) -> R,
    ) -> R {
        let path = match self.part.path {
            "" => name.to_owned(),
            path => format!("{path}.{name}"),
        };
        read(Part {
            layout,
            dialect: self.part.dialect,
            path: &path,
            found: self.part.found,
        })
    }
}

impl<'de> Visitor<'de> for Fields<'_, 'de> {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.fields.iter().map(|(name, _)| *name).collect();
        write!(formatter, "the fields {}", names.join(", "))
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut seen = Vec::new();
        while let Some(Name(key)) = map.next_key()? {
            let Some(field) = self.fields.iter().find(|(name, _)| *name == key) else {
                let key: String = key.chars().take(40).collect();
                let names: Vec<&str> = self.fields.iter().map(|(name, _)| *name).collect();
                return Err(A::Error::custom(format!(
                    "unknown field `{key}`, expected one of `{}`",
                    names.join("`, `")
                )));
            };
            if seen.contains(&field.0) {
                return Err(A::Error::duplicate_field(field.0));
            }
            seen.push(field.0);
            self.part(*field, |part| map.next_value_seed(part))?;
        }
        for field in self.fields {
            let (name, layout) = field;
            match layout {
                _ if seen.contains(name) => {}
                Layout::Parameter | Layout::Module(_) | Layout::List(_) => {
                    return Err(A::Error::missing_field(name));
                }
                Layout::OptionalParameter => {
                    self.part(*field, |part| part.found.push((part.path.to_owned(), None)));
                }
                Layout::Nothing | Layout::Setting | Layout::Optional(_) => {}
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut sequence: A) -> Result<(), A::Error> {
        for (position, field) in self.fields.iter().enumerate() {
            self.part(*field, |part| sequence.next_element_seed(part))?
                .ok_or_else(|| {
                    A::Error::invalid_length(
                        position,
                        &format!("{} fields", self.fields.len()).as_str(),
                    )
                })?;
        }
        match sequence.next_element::<IgnoredAny>() {
            // bincode has no end of its own.
            Ok(None) => Ok(()),
            _ => Err(A::Error::custom("more fields than the module has")),
        }
    }
}
