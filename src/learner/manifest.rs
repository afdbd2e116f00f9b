//! The files of a run, and the manifest that says which are ours.

use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::Path;

/// The configuration of the run.
pub const CONFIG_FILE: &str = "config.json";
/// The model after the last epoch, as Burn's `CompactRecorder` writes it.
pub const MODEL_FILE: &str = "model.mpk";
/// The checkpoints, a directory each.
pub const CHECKPOINT_DIRECTORY: &str = "checkpoint";
/// Every step and epoch, in columns; of a run that is over.
pub const HISTORY_FILE: &str = "history.json";
/// Every step and epoch up to the newest checkpoint, a line each.
pub const HISTORY_ROWS_FILE: &str = "history.jsonl";
/// The table of metrics.
pub const SUMMARY_FILE: &str = "summary.txt";
/// The names of the classes, a JSON list; only where the training images have such.
pub const CLASS_NAMES_FILE: &str = "class_names.json";
/// What the run was trained and validated on.
pub const DATA_FILE: &str = "data.json";
/// Where the run started; only of one that did from a model.
pub const START_FILE: &str = "start.json";
/// That model before the first step, in full precision.
pub const START_MODEL_FILE: &str = "start.mpk";
/// What happened when.
pub const LOG_FILE: &str = "train.log";
/// Which files of the directory are ours.
pub(super) const MANIFEST_FILE: &str = "manifest.json";

/// What is known of the model in its file, beside it.
const MODEL_COMPANION: &str = "model.mpk.meta.json";

/// The files of a run beside its checkpoints.
pub(super) const FILES: [&str; 11] = [
    CONFIG_FILE,
    MODEL_FILE,
    MODEL_COMPANION,
    HISTORY_FILE,
    HISTORY_ROWS_FILE,
    SUMMARY_FILE,
    CLASS_NAMES_FILE,
    DATA_FILE,
    START_FILE,
    START_MODEL_FILE,
    LOG_FILE,
];

/// The names of all that a run may have in its directory.
pub fn run_files() -> impl Iterator<Item = &'static str> {
    FILES
        .into_iter()
        .chain([MANIFEST_FILE, CHECKPOINT_DIRECTORY])
}

#[derive(Serialize, Deserialize)]
pub(super) struct Manifest {
    /// The version that wrote it.
    pub mnistburn: String,
    /// Files and directories that this program may replace or remove.
    pub files: Vec<String>,
    /// Tells the run from every other one.
    #[serde(default)]
    pub run: Option<String>,
}

impl Manifest {
    /// Only names that this program has ever written count, whatever the file says.
    fn parse(bytes: &[u8]) -> serde_json::Result<Self> {
        let mut manifest: Self = serde_json::from_slice(bytes)?;
        manifest
            .files
            .retain(|name| FILES.contains(&name.as_str()) || name == CHECKPOINT_DIRECTORY);
        Ok(manifest)
    }

    fn to_json(&self) -> String {
        format!("{:#}\n", serde_json::json!(self))
    }

    pub fn write(&self, directory: &Path) -> Result<()> {
        file::write(&directory.join(MANIFEST_FILE), self.to_json().as_bytes())
    }
}

/// The manifest of a directory; `None` where there is none, or something else of that name.
pub(super) fn read_manifest(path: &Path) -> Result<Option<Manifest>> {
    let path = path.join(MANIFEST_FILE);
    match fs::read(&path) {
        Ok(bytes) => Ok(Manifest::parse(&bytes).ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("could not read", &path)(error)),
    }
}

/// A door for fuzzing: `manifest.json`, read and written again.
pub fn manifest_again(bytes: &[u8]) -> Result<Vec<u8>> {
    let manifest = Manifest::parse(bytes)
        .map_err(|error| Error::Artifact(format!("this is no manifest: {error}")))?;
    Ok(manifest.to_json().into_bytes())
}

/// Whether a path is a directory itself, and not a link to one.
pub(super) fn is_directory(path: &Path) -> bool {
    path.symlink_metadata()
        .is_ok_and(|metadata| metadata.is_dir())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_manifest_counts_as_none() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read_manifest(folder.path()).unwrap().is_none());
        // JSON of another program in UTF-16, which is no text to us.
        for bytes in [b"\xff\xfe{\0}\0".as_slice(), b"{}", b"[]", b""] {
            fs::write(folder.path().join(MANIFEST_FILE), bytes).unwrap();
            assert!(read_manifest(folder.path()).unwrap().is_none());
        }
    }

    #[test]
    fn only_names_of_a_run_count() {
        let text = br#"{"mnistburn": "0", "files": ["/etc", "../up", "train.log", "checkpoint"]}"#;
        let manifest = Manifest::parse(text).unwrap();
        assert_eq!(manifest.files, [LOG_FILE, CHECKPOINT_DIRECTORY]);
    }
}
