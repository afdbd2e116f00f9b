//! What is in a model file.

use super::format::Format;
use super::source::Source;
use super::state::ALL;
use super::{open, weights};
use crate::config::NetworkConfig;
use crate::error::Result;
use crate::record::{self, About};
use std::collections::BTreeSet;
use std::path::Path;

/// What a model file holds, as far as it says so.
#[derive(Clone, Debug, PartialEq)]
pub struct Description {
    /// The name of its format.
    pub format: String,
    /// The numbers of its tensors, as in `F32`.
    pub precision: String,
    /// Name, shape as the file has it, and number of each tensor.
    pub tensors: Vec<(String, Vec<usize>, String)>,
    /// The configuration of the network, if the tensors are those of one.
    pub config: Option<NetworkConfig>,
    /// What is known of the model beside its parameters.
    pub about: Option<About>,
    /// Keys and texts: who wrote it, with which versions.
    pub metadata: Vec<(String, String)>,
    /// Why its tensors are not those of the network.
    pub problem: Option<String>,
}

/// Describes a file of any format that is read or written here.
///
/// A record of Burn is parsed for that; of another file only the description is read.
pub fn describe(path: &Path) -> Result<Description> {
    let mut source = Source::open(path)?;
    let Some(format) = Format::of_file(&mut source)? else {
        return describe_record(path);
    };
    let weights = open(source, format)?;
    let tensors: Vec<(String, Vec<usize>, String)> = weights
        .entries()
        .iter()
        .map(|entry| {
            (
                entry.name.clone(),
                entry.shape.clone(),
                entry.number.clone(),
            )
        })
        .collect();
    let numbers: BTreeSet<&str> = tensors
        .iter()
        .map(|(_, _, number)| number.as_str())
        .collect();
    let precision = numbers.into_iter().collect::<Vec<&str>>().join(", ");
    let (checked, problem) = match weights::check(weights.as_ref(), path) {
        Ok(checked) => (Some(checked), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let (config, about) = checked
        .map(|checked| (checked.config, checked.about))
        .unzip();
    // It is shown as what it says.
    let metadata = weights.metadata().iter().filter(|(key, _)| key != ALL);
    Ok(Description {
        format: format.name().to_owned(),
        precision,
        tensors,
        config,
        about,
        metadata: metadata.cloned().collect(),
        problem,
    })
}

fn describe_record(path: &Path) -> Result<Description> {
    let record::Description {
        config,
        about,
        metadata,
    } = record::describe(path)?;
    let text = |key: &str| {
        let found = metadata.iter().find(|(found, _)| *found == key);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let float = text("float");
    let precision = [("f16", "F16"), ("f64", "F64"), ("f32", "F32")]
        .into_iter()
        .find(|(word, _)| float.contains(word))
        .map_or("", |(_, number)| number);
    let tensors = config
        .state()
        .into_iter()
        .map(|parameter| (parameter.name, parameter.shape, precision.to_owned()))
        .collect();
    let metadata = metadata
        .iter()
        .map(|(key, text)| ((*key).to_owned(), text.clone()));
    Ok(Description {
        format: text("format"),
        precision: precision.to_owned(),
        tensors,
        metadata: metadata.collect(),
        config: Some(config),
        about: Some(about),
        problem: None,
    })
}
