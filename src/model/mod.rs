//! The guide network of the Burn book.

mod classifier;
mod cnn;
mod parameters;
mod step;
mod summary;

pub use classifier::{
    Classifier, Evaluation, Gradients, Pixels, Stepper, TrainingForward, from_parameters, init,
};
pub use cnn::Model;
pub use parameters::{PARAMETER_NAMES, Parameter, parameter_id, parameter_shapes};
pub use summary::summary;

pub(crate) use classifier::{boxed, read_metrics};
