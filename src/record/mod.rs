//! Models as files in the formats of Burn's recorders.
//!
//! Writing goes through Burn's own record types, so that a plain Burn program reads what is written here, but only as
//! far as bytes in memory: Burn's file recorders truncate a file on a full disk without an error. Reading goes through
//! types of our own: a file is parsed, then names, shapes and sizes are checked, and only then tensors are made.

pub(crate) mod atomic;
mod decode;
mod encode;
mod optimizer;

pub use decode::load;
pub(crate) use decode::{decode_model, decode_scheduler, load_with_dropout};
pub(crate) use encode::{encode, encode_scheduler};
pub(crate) use optimizer::{decode_optimizer, encode_optimizer};

use crate::config::{Precision, Recorder};
use crate::error::Result;
use crate::model::Classifier;
use std::path::{Path, PathBuf};

/// Saves a model; the answer is the path with the format's extension.
///
/// The file appears whole or not at all, and an older one of that name survives any failure.
pub fn save(
    model: &dyn Classifier,
    path: &Path,
    recorder: Recorder,
    precision: Option<Precision>,
) -> Result<PathBuf> {
    let path = recorder.complete_path(path)?;
    let bytes = model.encode(recorder, precision.unwrap_or(recorder.precision()))?;
    atomic::write(&path, &bytes)?;
    Ok(path)
}
