//! The guide network of the Burn book.

mod adam;
mod classifier;
mod cnn;
mod gradients;
mod metrics;
mod optimizer;
mod parameters;
mod step;
mod stepper;
mod summary;
mod tape;

pub use crate::kernels::Pixels;
pub use classifier::{Classifier, Evaluation, from_parameters, init};
pub use cnn::Model;
pub use gradients::Gradients;
pub use optimizer::{ModelOptimizer, OptimizerRecord};
pub(crate) use parameters::parameter_id;
pub use parameters::{PARAMETER_NAMES, Parameter, parameter_shapes};
pub use stepper::Stepper;
pub use summary::summary;
pub use tape::TrainingForward;

pub(crate) use classifier::boxed;
pub(crate) use gradients::{read_gradients, send_gradients};
pub(crate) use metrics::{Measured, Metrics, without_tape};
pub(crate) use optimizer::States;
pub(crate) use stepper::ModelStepper;
