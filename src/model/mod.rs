//! A network on a device that is chosen at run time: inference, training steps and optimizers.

mod adam;
mod classifier;
mod gradients;
mod loss;
mod metrics;
mod optimizer;
mod step;
mod stepper;
mod summary;
mod tape;

pub use crate::kernels::Pixels;
pub use classifier::{Classifier, Evaluation, from_parameters, init};
pub use gradients::Gradients;
pub use optimizer::{ModelOptimizer, OptimizerRecord};
pub use stepper::Stepper;
pub use summary::summary;
pub use tape::TrainingForward;

pub(crate) use classifier::boxed;
pub(crate) use gradients::{read_gradients, send_gradients};
pub(crate) use metrics::{Measured, Metrics, without_tape};
pub(crate) use optimizer::States;
pub(crate) use stepper::ModelStepper;
