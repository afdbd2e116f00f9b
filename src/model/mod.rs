//! A network on a device that is chosen at run time: inference, training steps and optimizers.

mod classifier;
mod engine;
mod gradients;
mod held_gradients;
mod interface;
mod metrics;
mod objective;
mod optimizer;
mod predictions;
mod step;
mod stepper;
mod summary;
mod tape;
mod views;
mod worker;

pub use crate::kernels::Pixels;
pub use classifier::{from_state, init};
pub use gradients::Gradients;
pub use held_gradients::HeldGradients;
pub use interface::{Classifier, Evaluation, Stepper, Targets, TrainingForward};
pub use optimizer::{Adaptor, ModelOptimizer, OptimizerRecord, OptimizerSettings};
pub use predictions::Predictions;
pub use summary::summary;
pub use views::{evaluate_views, log_probabilities};

pub(crate) use classifier::boxed;
pub(crate) use gradients::{read_gradients, send_gradients};
pub(crate) use metrics::{Measured, Metrics, without_tape};
pub(crate) use objective::Objective;
pub(crate) use optimizer::{MuonState, States, matrix_shape};
pub(crate) use stepper::ModelStepper;
