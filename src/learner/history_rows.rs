//! The rows of a history in a file that only grows.
//!
//! Each checkpoint appends the rows since the one before it, and marks how far the file went and what it held. Whatever a killed
//! run wrote after that is cut off before the next rows.

use super::history::{EpochRow, History, TrainStepRow, ValidStepRow, is_zero};
use super::manifest::HISTORY_ROWS_FILE;
use super::{Ended, HISTORY_FILE};
use crate::config::EarlyStoppingConfig;
use crate::data::hexadecimal;
use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::path::Path;

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Row {
    TrainStep(TrainStepRow),
    ValidStep(ValidStepRow),
    Epoch(EpochRow),
}

/// The history up to a checkpoint: its rows by the bytes of the file up to there, and what is no row.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct HistoryMark {
    bytes: u64,
    sha256: String,
    pub best_epoch: Option<usize>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    early_stopping: Option<EarlyStoppingConfig>,
    ended: Ended,
    #[serde(default, skip_serializing_if = "is_zero")]
    warm_up_seconds: f64,
}

/// How far the file goes, and which rows of the history are in it.
#[derive(Clone, Default)]
pub(super) struct HistoryRows {
    train_steps: usize,
    valid_steps: usize,
    epochs: usize,
    bytes: u64,
    hash: Sha256,
}

impl HistoryRows {
    /// Appends the rows that are not in the file yet, and marks where the history is now.
    pub fn append(&mut self, artifact_dir: &Path, history: &History) -> Result<HistoryMark> {
        let path = artifact_dir.join(HISTORY_ROWS_FILE);
        if path.metadata().map_or(0, |metadata| metadata.len()) < self.bytes {
            // Somebody removed or cut it: all its rows are in memory.
            *self = Self::default();
        }
        let text = self.missing(history)?;
        if !text.is_empty() {
            // The history of a run that was over, and goes on.
            let ended = artifact_dir.join(HISTORY_FILE);
            file::append(&path, self.bytes, &text)?;
            file::gone(file::repeated(|| std::fs::remove_file(&ended)))
                .map_err(Error::io("could not remove", &ended))?;
            self.take(&text, history);
        }
        Ok(HistoryMark {
            bytes: self.bytes,
            sha256: hexadecimal(&self.hash.clone().finalize()),
            best_epoch: history.best_epoch,
            early_stopping: history.early_stopping.clone(),
            ended: history.ended.unwrap_or(Ended::Interrupted),
            warm_up_seconds: history.warm_up_seconds,
        })
    }

    /// The lines of the rows that are not in the file yet.
    fn missing(&self, history: &History) -> Result<Vec<u8>> {
        let train_steps = history.train_steps.rows_from(self.train_steps);
        let valid_steps = history.valid_steps.rows_from(self.valid_steps);
        let epochs = history.epochs.rows_from(self.epochs);
        let rows = train_steps
            .map(Row::TrainStep)
            .chain(valid_steps.map(Row::ValidStep))
            .chain(epochs.map(Row::Epoch));
        let mut text = Vec::new();
        for row in rows {
            serde_json::to_writer(&mut text, &row).map_err(|error| {
                Error::Internal(format!(
                    "a row of the history could not be encoded: {error}"
                ))
            })?;
            text.push(b'\n');
        }
        Ok(text)
    }

    /// Counts in what was appended.
    fn take(&mut self, text: &[u8], history: &History) {
        self.train_steps = history.train_steps.epoch.len();
        self.valid_steps = history.valid_steps.epoch.len();
        self.epochs = history.epochs.epoch.len();
        self.bytes += text.len() as u64;
        self.hash.update(text);
    }
}

impl HistoryMark {
    /// The history, from the file of its rows.
    pub fn read(&self, artifact_dir: &Path) -> Result<(History, HistoryRows)> {
        let path = artifact_dir.join(HISTORY_ROWS_FILE);
        let text = if self.bytes == 0 {
            Vec::new()
        } else {
            file::read_start(&path, self.bytes)?
        };
        if text.len() as u64 != self.bytes || hexadecimal(&Sha256::digest(&text)) != self.sha256 {
            return Err(Error::Artifact(format!(
                "{} is not as it was written",
                path.display()
            )));
        }
        let mut history = parse(&text, &path)?;
        let mut rows = HistoryRows::default();
        rows.take(&text, &history);
        history.best_epoch = self.best_epoch;
        history.early_stopping.clone_from(&self.early_stopping);
        history.warm_up_seconds = self.warm_up_seconds;
        history.close(self.ended);
        Ok((history, rows))
    }
}

fn parse(text: &[u8], path: &Path) -> Result<History> {
    let mut history = History::default();
    for (number, line) in (1..).zip(text.split_inclusive(|byte| *byte == b'\n')) {
        match serde_json::from_slice(line) {
            Ok(Row::TrainStep(row)) => history.train_steps.push(row),
            Ok(Row::ValidStep(row)) => history.valid_steps.push(row),
            Ok(Row::Epoch(row)) => history.epochs.push(row),
            Err(error) => {
                return Err(Error::Artifact(format!(
                    "line {number} of {} must be a row of a history: {error}",
                    path.display()
                )));
            }
        }
    }
    Ok(history)
}

/// A door for fuzzing: the rows of a history, read and written again.
pub fn history_rows_again(bytes: &[u8]) -> Result<Vec<u8>> {
    HistoryRows::default().missing(&parse(bytes, Path::new(HISTORY_ROWS_FILE))?)
}
