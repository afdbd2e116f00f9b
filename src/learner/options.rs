//! How a run is started and watched.

use super::observer::{Observer, Silent};
use super::ranks::Ranks;
use super::start::Start;
use crate::config::{CheckpointConfig, EarlyStoppingConfig};
use burn::train::Interrupter;
use serde_json::Value;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// How a run is started and watched.
pub struct TrainOptions {
    /// Go on with the run in the directory. One that was stopped before its first checkpoint starts over.
    pub resume: bool,
    /// Whether a new run may take the place of one in the directory, which it does with its first checkpoint.
    pub overwrite: bool,
    /// Stops the run after the current batch.
    pub interrupter: Interrupter,
    /// Set before the interrupter stops a run for Ctrl-C and the like, so that the run counts as interrupted.
    pub interrupted: Arc<AtomicBool>,
    /// Told of every event.
    pub observer: Box<dyn Observer>,
    /// The model that a new run begins with; `None` for random parameters. A resumed run needs none, and takes that of its start
    /// alone.
    pub start: Option<Start>,
    /// When the run stops because it gets no better, and which epoch is its best; `None` leaves a resumed run as it was.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Which checkpoints are kept; `None` leaves a resumed run as it was.
    pub retention: Option<CheckpointConfig>,
    /// The processes that share the run; `None` for this one alone. All of them train with the same data and configuration, each
    /// into a directory of its own.
    pub ranks: Option<Arc<Ranks>>,
    /// Where the data come from, which is kept with the run; null where it is not known.
    pub data_source: Value,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            resume: false,
            overwrite: true,
            interrupter: Interrupter::new(),
            interrupted: Arc::default(),
            observer: Box::new(Silent),
            start: None,
            early_stopping: None,
            retention: None,
            ranks: None,
            data_source: Value::Null,
        }
    }
}
