//! Training: Burn's `SupervisedTraining` with a strategy of our own.
//!
//! Burn does the steps (`TrainStep`, `InferenceStep`, the optimizer, the learning-rate schedule, autodiff). The strategy
//! owns the model and the optimizer, so that parameters are updated in place, and replaces what surrounds the steps in
//! Burn's learner: files are written whole or not at all, nothing is printed, and a run continues after any batch.

mod artifact;
mod checkpoint;
mod devices;
mod history;
mod log_file;
mod observer;
mod renderer;
mod run;
mod run_data;
mod strategy;
mod summary;
mod threads;

pub use artifact::{
    CHECKPOINT_DIRECTORY, CLASS_NAMES_FILE, CONFIG_FILE, DATA_FILE, HISTORY_FILE, LOG_FILE,
    MODEL_FILE, SUMMARY_FILE,
};
#[doc(hidden)]
pub use checkpoint::state_again;
pub use history::{EpochColumns, EpochRow, History, TrainStepColumns, ValidStepColumns};
pub use observer::{Event, Level, Observer, Silent};
pub use run::{Data, TrainOptions, Trained, load_run, train};
pub use run_data::{Part, RunData};
pub use summary::summary_table;
