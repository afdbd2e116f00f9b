//! The history of a run that is over, on, or was killed.

use super::artifact::settle;
use super::checkpoints;
use super::history::History;
use super::manifest::HISTORY_FILE;
use crate::error::{Error, Result};
use crate::record::file;
use std::io::ErrorKind;
use std::path::Path;

/// The history of a run: of one that is over the one it has written, of any other that of its newest whole checkpoint.
pub fn run_history(artifact_dir: &Path) -> Result<History> {
    settle(artifact_dir)?;
    if let Some(history) = of_ended(artifact_dir)? {
        return Ok(history);
    }
    let (newest, faults) = checkpoints::newest(artifact_dir)?;
    if let Some(newest) = newest {
        return Ok(newest.history);
    }
    let lacks = format!("it has no {HISTORY_FILE} and no whole checkpoint");
    let reasons = [vec![lacks], faults].concat();
    Err(Error::Artifact(format!(
        "{} holds no run to look at: {}",
        artifact_dir.display(),
        reasons.join("; ")
    )))
}

/// What a run wrote at its end; nothing of one that was killed or is on. One of an earlier version wrote it at every checkpoint.
pub(super) fn of_ended(artifact_dir: &Path) -> Result<Option<History>> {
    let path = artifact_dir.join(HISTORY_FILE);
    let bytes = match file::read(&path) {
        Ok(bytes) => bytes,
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let damaged =
        |error: String| Error::Artifact(format!("{} is damaged: {error}", path.display()));
    let history: History =
        serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
    history
        .check()
        .map_err(|error| damaged(error.to_string()))?;
    Ok(Some(history.complete()))
}
