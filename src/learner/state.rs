//! What a checkpoint says of itself: `state.json`.

use super::history::History;
use super::history_rows::{HistoryMark, HistoryRows};
use super::progress::Progress;
use crate::config::{CheckpointConfig, Recorder};
use crate::data::hexadecimal;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::path::Path;

pub(super) const STATE_FILE: &str = "state.json";

/// What a checkpoint holds beside its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub progress: Progress,
    /// The fingerprints of the training and the validation images.
    pub data: [String; 2],
    /// The configuration, every key.
    pub config: Map<String, Value>,
    pub recorder: String,
    /// Which checkpoints of the run are kept.
    #[serde(default, skip_serializing_if = "is_default")]
    pub retention: CheckpointConfig,
    pub history: StoredHistory,
}

impl State {
    /// The history, and which of its rows are in the run's file of rows; errors name the checkpoint at `path`.
    pub fn read_history(&self, artifact_dir: &Path, path: &Path) -> Result<(History, HistoryRows)> {
        let (history, rows) = match &self.history {
            StoredHistory::Marked(mark) => mark.read(artifact_dir)?,
            StoredHistory::Whole(history) => (history.as_ref().clone(), HistoryRows::default()),
        };
        self.progress.check_history(&history, path)?;
        Ok((history, rows))
    }
}

fn is_default(retention: &CheckpointConfig) -> bool {
    *retention == CheckpointConfig::default()
}

/// The history up to a checkpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub(super) enum StoredHistory {
    /// Its rows are in the run's file of rows.
    Marked(HistoryMark),
    /// All of it, as earlier versions wrote it.
    Whole(Box<History>),
}

/// `state.json`: the state, size and hash of the records beside it, and a hash of all that.
#[derive(Serialize, Deserialize)]
pub(super) struct StateFile {
    pub state: State,
    pub files: BTreeMap<String, Fingerprint>,
    sha256: String,
}

impl StateFile {
    pub fn new(state: State, files: BTreeMap<String, Fingerprint>) -> Result<Self> {
        let sha256 = Self::hash(&state, &files)?;
        Ok(Self {
            state,
            files,
            sha256,
        })
    }

    pub fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::Artifact(format!(
                "{} must be the state of a run: {error}",
                path.display()
            ))
        })
    }

    /// The same, if it is as it was written.
    pub fn whole(self, path: &Path) -> Result<Self> {
        if self.sha256 == Self::hash(&self.state, &self.files)? {
            Ok(self)
        } else {
            Err(Error::Artifact(format!(
                "{} is not as it was written",
                path.display()
            )))
        }
    }

    pub fn to_json(&self) -> Result<Vec<u8>> {
        json(self)
    }

    /// Numbers are written with as many digits as name them, so what was read hashes as what was written.
    fn hash(state: &State, files: &BTreeMap<String, Fingerprint>) -> Result<String> {
        Ok(hexadecimal(&Sha256::digest(json(&(state, files))?)))
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        Error::Internal(format!("the state of a run could not be encoded: {error}"))
    })
}

#[derive(PartialEq, Serialize, Deserialize)]
pub(super) struct Fingerprint {
    pub bytes: usize,
    sha256: String,
}

impl Fingerprint {
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len(),
            sha256: hexadecimal(&Sha256::digest(bytes)),
        }
    }
}

/// A door for fuzzing: `state.json`, read and written again. Its hash, which would refuse nearly every other input, counts only
/// where it is `hashed`.
pub fn state_again(bytes: &[u8], hashed: bool) -> Result<Vec<u8>> {
    let path = Path::new(STATE_FILE);
    let mut file = StateFile::parse(bytes, path)?;
    if hashed {
        file = file.whole(path)?;
    }
    let StateFile { state, files, .. } = file;
    let directory = state.progress.directory_name();
    state.progress.check_directory(Path::new(&directory))?;
    if let StoredHistory::Whole(history) = &state.history {
        state.progress.check_history(history, path)?;
    }
    let _: Recorder = state.recorder.parse()?;
    StateFile::new(state, files)?.to_json()
}
