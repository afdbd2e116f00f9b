//! Training: Burn's `SupervisedTraining` with a strategy of our own.
//!
//! Burn does the steps (`TrainStep`, `InferenceStep`, the optimizer, the learning-rate schedule, autodiff). The strategy
//! owns the model and the optimizer, so that parameters are updated in place, and replaces what surrounds the steps in
//! Burn's learner: files are written whole or not at all, nothing is printed, and a run continues after any batch.

mod artifact;
mod checkpoint;
mod desktop;
mod devices;
mod history;
mod lock;
mod log_file;
mod manifest;
mod observer;
mod older;
mod renderer;
mod run;
mod run_data;
mod start;
mod strategy;
mod summary;
mod switch;
mod threads;

pub use artifact::settle;
#[doc(hidden)]
pub use checkpoint::state_again;
pub use history::{Ended, EpochColumns, EpochRow, History, TrainStepColumns, ValidStepColumns};
pub use manifest::{
    CHECKPOINT_DIRECTORY, CLASS_NAMES_FILE, CONFIG_FILE, DATA_FILE, HISTORY_FILE, LOG_FILE,
    MODEL_FILE, START_FILE, START_MODEL_FILE, SUMMARY_FILE,
};
pub use observer::{Event, Level, Observer, Silent};
pub use older::holds_run;
pub use run::{Data, TrainOptions, Trained, WhichModel, load_run, train};
pub use run_data::{Part, RunData};
pub use start::{OutputLayer, RunStart, Start};
pub use summary::summary_table;
