//! A model and an optimizer whose back end and network are no longer in their types.

use super::held_gradients::HeldGradients;
use crate::config::{NetworkConfig, OptimizerConfig};
use crate::data::{Dataset, DropoutKey};
use crate::device::Device;
use crate::error::Result;
use crate::kernels::Pixels;
use crate::network::Parameter;
use std::any::Any;
use std::sync::atomic::AtomicBool;

/// Loss and accuracy over a data set.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evaluation {
    /// Mean cross-entropy over the images.
    pub loss: f64,
    /// Share of images whose largest logit is that of their class, in 0..1.
    pub accuracy: f64,
}

/// A model on the device that was chosen for it.
pub trait Classifier: Send + Sync {
    /// What the model was made from.
    fn config(&self) -> &NetworkConfig;

    /// Where it computes.
    fn device(&self) -> Device;

    /// The parameters and the buffers as numbers.
    fn state(&self) -> Result<Vec<Parameter>>;

    /// Logits without dropout, `[n, num_classes]` row by row; [`Error::Interrupted`](crate::error::Error::Interrupted) soon after `stop` is set.
    fn forward(&self, pixels: Pixels<'_>, stop: &AtomicBool) -> Result<Vec<f32>>;

    /// Mean loss and accuracy without dropout, in batches of `batch_size`; the logits are appended to `kept`, where that is given.
    fn evaluate(
        &self,
        dataset: &Dataset,
        batch_size: usize,
        kept: Option<&mut Vec<f64>>,
        stop: &AtomicBool,
    ) -> Result<Evaluation>;

    /// Loss and logits with dropout by the masks of `key`, and the way back to the gradients.
    ///
    /// `weights` are what the images count in the mean, alike without.
    fn forward_training(
        &self,
        pixels: Pixels<'_>,
        targets: Targets<'_>,
        weights: Option<&[f32]>,
        key: &DropoutKey,
    ) -> Result<TrainingForward>;

    /// An optimizer for models on this device.
    fn optimizer(&self, config: &OptimizerConfig) -> Box<dyn Stepper>;

    /// For [`Stepper`], which steps models of its own back end.
    fn as_any(&self) -> &dyn Any;
}

/// What the outputs of a network are compared with, and the loss that this gives.
#[derive(Clone, Copy, Debug)]
pub enum Targets<'a> {
    /// The class of each image, `[batch_size]`: the cross-entropy.
    Classes(&'a [i64]),
    /// A number for each output, `[batch_size, num_classes]` row by row: the mean squared error.
    Values(&'a [f32]),
}

/// A forward pass with dropout and its recorded tape.
pub struct TrainingForward {
    /// Mean loss of the batch.
    pub loss: f32,
    /// The loss of each image.
    pub losses: Vec<f32>,
    /// Logits, `[batch_size, num_classes]` row by row.
    pub output: Vec<f32>,
    /// Computes the gradients, and uses up the tape.
    pub backward: Box<dyn FnOnce() -> Result<HeldGradients> + Send>,
}

/// An optimizer with its state.
pub trait Stepper: Send {
    /// The model after one step; `model` stays as it is.
    fn step(
        &mut self,
        learning_rate: f64,
        model: &dyn Classifier,
        gradients: &HeldGradients,
    ) -> Result<Box<dyn Classifier>>;

    /// The configuration and the device of the model of the first step, which the state fits; `None` before it.
    fn of_model(&self) -> Option<(&NetworkConfig, Device)>;

    /// For records, which are of one back end.
    fn as_any(&self) -> &dyn Any;
}
