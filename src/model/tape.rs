//! The way from a loss back to the gradients, for loops of one's own.

use super::Model;
use super::classifier::Engine;
use super::cnn::classification;
use super::gradients::{Gradients, read_gradients};
use super::parameters::host_values;
use crate::data::DropoutKey;
use crate::device::{Backend, Device, check_process};
use crate::error::{Error, Result, contain_panics};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};

/// A forward pass with dropout and its recorded tape.
pub struct TrainingForward {
    /// Mean cross-entropy of the batch.
    pub loss: f32,
    /// Logits, `[batch_size, num_classes]` row by row.
    pub output: Vec<f32>,
    /// Computes the gradients, and uses up the tape.
    pub backward: Box<dyn FnOnce() -> Result<Gradients> + Send>,
}

/// Runs a forward pass with dropout and records its tape.
///
/// # Shapes
///
/// - images: `[batch_size, channels, height, width]`
/// - targets: `[batch_size]`
pub(super) fn forward<B: Backend>(
    Engine { model, device, .. }: &Engine<B>,
    images: Tensor<B, 4>,
    targets: Tensor<B, 1, Int>,
    key: &DropoutKey,
) -> Result<TrainingForward> {
    let model = to_training(model);
    let logits = model.forward_training(Tensor::from_inner(images), key);
    let item = classification(logits, Tensor::from_inner(targets));
    let loss = host_values(item.loss.clone().into_data())?;
    let mut tape = Tape {
        loss: Some(item.loss),
        model,
        device: *device,
    };
    Ok(TrainingForward {
        loss: loss.first().copied().unwrap_or(f32::NAN),
        output: host_values(item.output.into_data())?,
        backward: Box::new(move || tape.backward()),
    })
}

/// A loss and the model it came from.
struct Tape<B: BurnBackend> {
    loss: Option<Tensor<Autodiff<B>, 1>>,
    model: Model<Autodiff<B>>,
    device: Device,
}

impl<B: BurnBackend> Tape<B> {
    fn backward(&mut self) -> Result<Gradients> {
        let Some(loss) = self.loss.take() else {
            return Err(Error::Internal("a tape was used twice".into()));
        };
        check_process(self.device)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        read_gradients::<B>(&gradients, &self.model.config())
    }
}

/// Burn frees a recorded graph in the backward pass alone. A loss that was only looked at would keep its activations for
/// ever; a backward pass of one parameter, once the loss is gone, frees them too.
impl<B: BurnBackend> Drop for Tape<B> {
    fn drop(&mut self) {
        if self.loss.take().is_some() && check_process(self.device).is_ok() {
            // A panic in a destructor would end the process.
            let _ = contain_panics(|| {
                self.model.linear2.weight.val().sum().backward();
                Ok(())
            });
        }
    }
}

/// The model on the autodiff back end, every parameter tracked.
pub(super) fn to_training<B: BurnBackend>(model: &Model<B>) -> Model<Autodiff<B>> {
    struct Track;

    impl<B: BurnBackend> ModuleMapper<B> for Track {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let (id, tensor, mapper) = param.consume();
            Param::from_mapped_value(id, tensor.require_grad(), mapper)
        }
    }

    Model::<Autodiff<B>>::from_inner(model.clone()).map(&mut Track)
}
