//! The way from a loss back to the gradients, for loops of one's own.

use super::cnn::classification;
use super::parameters::{host_values, parameter_id, parameter_shapes};
use super::{Model, PARAMETER_NAMES, Parameter};
use crate::data::DropoutKey;
use crate::device::Backend;
use crate::error::{Error, Result, contain_panics};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, Param};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};

/// The gradient of a loss for each parameter, in the order of [`PARAMETER_NAMES`].
pub type Gradients = Vec<Parameter>;

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
/// - images: `[batch_size, height, width]`
/// - targets: `[batch_size]`
pub(super) fn forward<B: Backend>(
    model: &Model<B>,
    images: Tensor<B, 3>,
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
}

impl<B: BurnBackend> Tape<B> {
    fn backward(&mut self) -> Result<Gradients> {
        let Some(loss) = self.loss.take() else {
            return Err(Error::Internal("a tape was used twice".into()));
        };
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        let shapes = parameter_shapes(&self.model.config());
        PARAMETER_NAMES
            .into_iter()
            .zip(shapes)
            .map(|(name, shape)| {
                let data = match shape.len() {
                    1 => gradient::<B, 1>(&gradients, name),
                    2 => gradient::<B, 2>(&gradients, name),
                    _ => gradient::<B, 4>(&gradients, name),
                };
                let data =
                    data.ok_or_else(|| Error::Internal(format!("{name} has no gradient")))?;
                Ok(Parameter {
                    name,
                    shape,
                    values: host_values(data)?,
                })
            })
            .collect()
    }
}

/// Burn frees a recorded graph in the backward pass alone. A loss that was only looked at would keep its activations for
/// ever; a backward pass of one parameter, once the loss is gone, frees them too.
impl<B: BurnBackend> Drop for Tape<B> {
    fn drop(&mut self) {
        if self.loss.take().is_some() {
            // A panic in a destructor would end the process.
            let _ = contain_panics(|| {
                self.model.linear2.weight.val().sum().backward();
                Ok(())
            });
        }
    }
}

fn gradient<B: BurnBackend, const D: usize>(
    gradients: &GradientsParams,
    name: &str,
) -> Option<TensorData> {
    gradients
        .get::<B, D>(parameter_id(name))
        .map(Tensor::into_data)
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
