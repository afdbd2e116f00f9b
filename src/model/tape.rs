//! The way from a loss back to the gradients, for loops of one's own.

use super::engine::Engine;
use super::gradients::{Gradients, read_gradients};
use super::interface::TrainingForward;
use super::objective::classification;
use crate::config::NetworkConfig;
use crate::data::DropoutKey;
use crate::device::{Backend, Device, check_process};
use crate::error::{Error, Result, contain_panics};
use crate::network::{
    AnyNetwork, HostStatistics, LayerStatistics, ParameterSpec, TrainingPass, host_values,
    parameter_id,
};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};

/// Runs a forward pass with dropout and records its tape.
///
/// # Shapes
///
/// - images: `[batch_size, channels, height, width]`
/// - targets: `[batch_size]`
pub(super) fn forward<B: Backend>(
    Engine {
        model,
        config,
        device,
        ..
    }: &Engine<B>,
    images: Tensor<B, 4>,
    targets: Tensor<B, 1, Int>,
    key: &DropoutKey,
) -> Result<TrainingForward> {
    let model = to_training(model, config);
    let pass = TrainingPass::new(key);
    let logits = model.logits(Tensor::from_inner(images).into(), Some(&pass));
    let item = classification(logits, Tensor::from_inner(targets));
    let loss = host_values(item.loss.clone().into_data())?;
    let statistics = pass.into_statistics().into_iter();
    let mut tape = Tape {
        loss: Some(item.loss),
        statistics: statistics
            .map(LayerStatistics::read)
            .collect::<Result<_>>()?,
        model,
        parameters: config.parameters(),
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
    statistics: Vec<HostStatistics>,
    model: AnyNetwork<Autodiff<B>>,
    parameters: Vec<ParameterSpec>,
    device: Device,
}

impl<B: BurnBackend> Tape<B> {
    fn backward(&mut self) -> Result<Gradients> {
        let Some(loss) = self.loss.take() else {
            return Err(Error::Internal("a tape was used twice".into()));
        };
        check_process(self.device)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &self.model);
        Ok(Gradients {
            parameters: read_gradients(&gradients, &self.model, &self.parameters)?,
            statistics: std::mem::take(&mut self.statistics),
        })
    }
}

/// Burn frees a recorded graph in the backward pass alone. A loss that was only looked at would keep its activations for
/// ever; a backward pass of one parameter, once the loss is gone, frees them too.
impl<B: BurnBackend> Drop for Tape<B> {
    fn drop(&mut self) {
        if self.loss.take().is_some() && check_process(self.device).is_ok() {
            // A panic in a destructor would end the process.
            let _ = contain_panics(|| {
                free(&self.model);
                Ok(())
            });
        }
    }
}

/// Runs the backward pass of one parameter alone.
fn free<B: BurnBackend>(model: &AnyNetwork<Autodiff<B>>) {
    struct Last<B: BurnBackend>(Option<Tensor<Autodiff<B>, 1>>);

    impl<B: BurnBackend> ModuleVisitor<Autodiff<B>> for Last<B> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
            // A buffer is on no tape.
            if param.is_require_grad() {
                self.0 = Some(param.val().sum());
            }
        }
    }

    let mut last = Last(None);
    model.visit(&mut last);
    if let Some(sum) = last.0 {
        sum.backward();
    }
}

/// The model on the autodiff back end, every parameter tracked, and no buffer.
pub(super) fn to_training<B: BurnBackend>(
    model: &AnyNetwork<B>,
    config: &NetworkConfig,
) -> AnyNetwork<Autodiff<B>> {
    struct Track(Vec<ParamId>);

    impl<B: BurnBackend> ModuleMapper<B> for Track {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let is_parameter = self.0.contains(&param.id);
            let (id, tensor, mapper) = param.consume();
            Param::from_mapped_value(id, tensor.set_require_grad(is_parameter), mapper)
        }
    }

    let ids = config.parameters();
    let ids = ids.iter().map(|spec| parameter_id(&spec.name)).collect();
    AnyNetwork::<Autodiff<B>>::from_inner(model.clone()).map(&mut Track(ids))
}
