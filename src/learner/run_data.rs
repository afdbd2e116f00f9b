//! What a run was trained and validated on.

use super::data::Data;
use super::manifest::DATA_FILE;
use crate::config::{ImageShape, ImageStatistics, Preprocessing};
use crate::data::Dataset;
use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::path::Path;

/// What a run was trained and validated on, as `data.json` keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunData {
    /// Where the data come from, in the words of whoever started the run; null where nobody said.
    #[serde(default)]
    pub source: Value,
    /// The training images.
    pub train: Part,
    /// The validation images.
    pub valid: Part,
    /// Height, width and channels of an image.
    pub shape: [usize; 3],
    /// The names of the classes, by their numbers.
    pub class_names: Option<Vec<String>>,
    /// How pictures became images.
    pub preprocessing: Preprocessing,
    /// What the training images look like.
    pub statistics: Option<ImageStatistics>,
}

/// The images of one part.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// Their number.
    pub images: usize,
    /// SHA-256 of the shape of the images, the images and the targets; in older runs without the shape.
    pub sha256: String,
}

impl RunData {
    /// Describes the data; `fingerprints` are those of the training and the validation images.
    pub(super) fn of(
        data: &Data,
        source: Value,
        fingerprints: &[String; 2],
        statistics: Option<ImageStatistics>,
    ) -> Self {
        let part = |dataset: &Dataset, sha256: &String| Part {
            images: dataset.len(),
            sha256: sha256.clone(),
        };
        let [train, valid] = fingerprints;
        let ImageShape {
            height,
            width,
            channels,
        } = data.train.shape();
        Self {
            source,
            train: part(&data.train, train),
            valid: part(&data.valid, valid),
            shape: [height, width, channels],
            class_names: data.train.class_names().map(<[String]>::to_vec),
            preprocessing: data.train.preprocessing(),
            statistics,
        }
    }

    /// What `data.json` says; nothing where it is gone or damaged.
    pub(super) fn read(artifact_dir: &Path) -> Option<Self> {
        Self::parse(&file::read(&artifact_dir.join(DATA_FILE)).ok()?).ok()
    }

    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(bytes)
    }

    /// The text of `data.json`.
    pub(super) fn to_json(&self) -> Result<String> {
        let text = serde_json::to_string_pretty(self).map_err(|error| {
            Error::Internal(format!(
                "the description of data could not be encoded: {error}"
            ))
        })?;
        Ok(text + "\n")
    }
}

/// A door for fuzzing: `data.json`, read and written again.
pub fn run_data_again(bytes: &[u8]) -> Result<Vec<u8>> {
    let data = RunData::parse(bytes)
        .map_err(|error| Error::Artifact(format!("this describes no data: {error}")))?;
    Ok(data.to_json()?.into_bytes())
}
