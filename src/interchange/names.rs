//! Which tensors of a file are the parameters: other programs put their names behind a prefix, and other things beside them.

use super::source::{fault, quoted};
use super::state::Entry;
use crate::error::{Error, Result};
use crate::network::{ParameterSpec, torch_name};
use std::collections::BTreeSet;
use std::path::Path;

/// Keys of a checkpoint's dictionary below which its model is, and nothing of the model is elsewhere.
const MODEL_KEYS: [&str; 2] = ["state_dict.", "model_state_dict."];
/// What a checkpoint holds beside a model, by how its keys begin.
const OTHER_KEYS: [&str; 7] = [
    "optim",
    "scheduler",
    "lr_scheduler",
    "scaler",
    "rng",
    "torch_rng",
    "cuda_rng",
];

/// Where each of the parameters is. All are there, once, behind the same prefix (`module.`, `state_dict.model.` or another that
/// ends in a dot); beside them is nothing that could be of the model.
pub(super) fn positions(
    entries: &[Entry],
    parameters: &[ParameterSpec],
    path: &Path,
) -> Result<Vec<usize>> {
    let names: Vec<String> = parameters
        .iter()
        .map(|parameter| torch_name(&parameter.name))
        .collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let wrong = |what: &str| {
        let names = names.join(", ");
        fault(path, &format!("the parameters must be {names}; {what}"))
    };
    let prefixes = prefixes(entries, &names);
    let prefix = match prefixes[..] {
        [] => "",
        [prefix] => prefix,
        [first, second, ..] => return Err(ambiguous(path, first, second)),
    };
    let strange = |entry: &&Entry| is_strange(&entry.name, prefix, &names);
    if let Some(entry) = entries.iter().find(strange) {
        return Err(wrong(&format!("found {}", quoted(&entry.name))));
    }
    names
        .iter()
        .map(|name| {
            let mut found = entries
                .iter()
                .enumerate()
                .filter(|(_, entry)| entry.name.strip_prefix(prefix) == Some(*name));
            match (found.next(), found.next()) {
                (Some((index, _)), None) => Ok(index),
                (None, _) => Err(wrong(&format!("{name} is missing"))),
                _ => Err(wrong(&format!("{name} is there twice"))),
            }
        })
        .collect()
}

/// The prefixes behind which all parameters are.
fn prefixes<'a>(entries: &'a [Entry], parameters: &[&str]) -> Vec<&'a str> {
    let names: BTreeSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    let whole = |prefix: &&str| {
        parameters
            .iter()
            .all(|name| names.contains(format!("{prefix}{name}").as_str()))
    };
    let first = parameters.first().copied().unwrap_or_default();
    names
        .iter()
        .filter_map(|name| name.strip_suffix(first))
        .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
        .filter(whole)
        .collect()
}

/// Whether a tensor may be a part of a model that is not ours.
fn is_strange(name: &str, prefix: &str, parameters: &[&str]) -> bool {
    if let Some(rest) = name.strip_prefix(prefix)
        && (parameters.contains(&rest) || is_count_of_batches(rest, parameters))
    {
        return false;
    }
    let key = MODEL_KEYS.into_iter().find(|key| prefix.starts_with(key));
    match key {
        Some(key) => name.starts_with(key),
        None => prefix.is_empty() || !OTHER_KEYS.iter().any(|key| name.starts_with(key)),
    }
}

/// Whether it is the counter that PyTorch keeps beside running statistics. Nothing is computed from it.
fn is_count_of_batches(name: &str, parameters: &[&str]) -> bool {
    name.strip_suffix("num_batches_tracked")
        .is_some_and(|layer| parameters.contains(&format!("{layer}running_mean").as_str()))
}

fn ambiguous(path: &Path, first: &str, second: &str) -> Error {
    let shown = |prefix: &str| match prefix {
        "" => "no prefix".to_owned(),
        prefix => quoted(prefix),
    };
    fault(
        path,
        &format!(
            "the parameters of one model must be in it, found two: behind {} and behind {}; write the one that is meant to a file \
             of its own",
            shown(first),
            shown(second)
        ),
    )
}
