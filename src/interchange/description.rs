//! What is in a model file.

use super::format::Format;
use super::source::Source;
use super::{open, weights};
use crate::config::ModelConfig;
use crate::device::Device;
use crate::error::Result;
use crate::model::{PARAMETER_NAMES, parameter_shapes};
use crate::record;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufReader, Read};
use std::path::Path;

/// Largest content of a compressed record.
const MAX_UNCOMPRESSED_BYTES: u64 = 1 << 30;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

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
    pub config: Option<ModelConfig>,
    /// Keys and texts: who wrote it, with which versions.
    pub metadata: Vec<(String, String)>,
    /// Why its tensors are not those of the network.
    pub problem: Option<String>,
}

/// Describes a file of any format that is read or written here.
///
/// A record of Burn is loaded for that, onto `device`; of another file only the description is read.
pub fn describe(path: &Path, device: Device) -> Result<Description> {
    let mut source = Source::open(path)?;
    let Some(format) = Format::of_file(&mut source)? else {
        return describe_record(source, device);
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
    let (config, problem) = match weights::check(weights.as_ref(), path) {
        Ok((config, _)) => (Some(config), None),
        Err(error) => (None, Some(error.to_string())),
    };
    Ok(Description {
        format: format.name().to_owned(),
        precision,
        tensors,
        config,
        metadata: weights.metadata().to_vec(),
        problem,
    })
}

fn describe_record(source: Source, device: Device) -> Result<Description> {
    let config = record::load(&source.path, device)?.config();
    let metadata = record_metadata(source).unwrap_or_default();
    let text = |key: &str| {
        metadata
            .get(key)
            .map(ToString::to_string)
            .unwrap_or_default()
    };
    let format = match text("format") {
        format if format.is_empty() => "a record of Burn".to_owned(),
        format => format,
    };
    let float = text("float");
    let precision = [("f16", "F16"), ("f64", "F64"), ("f32", "F32")]
        .into_iter()
        .find(|(word, _)| float.contains(word))
        .map_or("", |(_, number)| number);
    let tensors = PARAMETER_NAMES
        .into_iter()
        .zip(parameter_shapes(&config))
        .map(|(name, shape)| (name.to_owned(), shape, precision.to_owned()))
        .collect();
    Ok(Description {
        format,
        precision: precision.to_owned(),
        tensors,
        config: Some(config),
        metadata: metadata.into_iter().collect(),
        problem: None,
    })
}

/// The texts that Burn writes beside the item; `None` for a positional format, which can't be read without its types.
fn record_metadata(source: Source) -> Option<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct Metadata {
        metadata: BTreeMap<String, Value>,
    }

    let mut file = BufReader::new(source.file);
    let mut start = [0; 2];
    file.read_exact(&mut start).ok()?;
    let whole = start.as_slice().chain(file);
    let mut bytes = Vec::new();
    if start == GZIP_MAGIC {
        let unpacked = flate2::read::MultiGzDecoder::new(whole);
        unpacked
            .take(MAX_UNCOMPRESSED_BYTES)
            .read_to_end(&mut bytes)
            .ok()?;
    } else {
        whole.take(source.length).read_to_end(&mut bytes).ok()?;
    }
    let found: Metadata = serde_json::from_slice(&bytes)
        .ok()
        .or_else(|| rmp_serde::from_slice(&bytes).ok())?;
    let texts = found
        .metadata
        .into_iter()
        .filter_map(|(key, value)| match value {
            Value::String(text) => Some((key, text)),
            _ => None,
        });
    Some(texts.collect())
}
