//! Training: Burn's `SupervisedTraining` with a strategy of our own.
//!
//! Burn does the steps (`TrainStep`, `InferenceStep`, the optimizer, the learning-rate schedule, autodiff). The strategy
//! owns the model and the optimizer, so that parameters are updated in place, and replaces what surrounds the steps in
//! Burn's learner: files are written atomically, nothing is printed, and a run continues after any batch.

mod alike;
mod artifact;
mod average;
mod checked;
mod checkpoint;
mod checkpoints;
mod data;
mod deadline;
mod desktop;
mod divergence;
mod due;
mod epochs;
mod find_rate;
mod group;
mod history;
mod history_rows;
mod load;
mod loaders;
mod lock;
mod log_file;
mod manifest;
mod metrics;
mod moment;
mod new_run;
mod observer;
mod older;
mod options;
mod prepare;
mod prepared;
mod progress;
mod ranks;
mod renderer;
mod resumed_run;
mod rule;
mod run;
mod run_config;
mod run_data;
mod run_files;
mod run_history;
mod start;
mod state;
mod strategy;
mod summary;
mod switch;
mod threads;
mod training;
mod validation;
mod warm_up;

pub use artifact::settle;
pub use data::Data;
pub use find_rate::{RateCurve, RateRange, find_rate};
pub use history::{Ended, EpochColumns, EpochRow, History, TrainStepColumns, ValidStepColumns};
#[doc(hidden)]
pub use history_rows::history_rows_again;
pub use load::{WhichModel, load_run};
#[doc(hidden)]
pub use manifest::manifest_again;
pub use manifest::{
    CHECKPOINT_DIRECTORY, CLASS_NAMES_FILE, CONFIG_FILE, DATA_FILE, HISTORY_FILE,
    HISTORY_ROWS_FILE, LOG_FILE, MODEL_FILE, START_FILE, START_MODEL_FILE, SUMMARY_FILE, run_files,
};
pub use moment::Moment;
pub use observer::{Event, Level, Observer, Silent};
pub use older::holds_run;
pub use options::TrainOptions;
pub use ranks::{Communicator, Ranks};
pub use run::{Trained, train};
#[doc(hidden)]
pub use run_data::run_data_again;
pub use run_data::{Part, RunData};
pub use run_history::run_history;
pub use start::{OutputLayer, RunStart, Start};
#[doc(hidden)]
pub use state::state_again;
pub use summary::summary_table;
