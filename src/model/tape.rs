//! The way from a loss back to the gradients, for loops of one's own.

use super::engine::Engine;
use super::held_gradients::HeldGradients;
use super::interface::{Targets, TrainingForward};
use super::objective::{Objective, cross_entropies, regression, squared_errors};
use super::worker::on_worker;
use crate::config::NetworkConfig;
use crate::data::{DropoutKey, targets_tensor};
use crate::device::{Backend, Device, Kept, check_process};
use crate::error::{Error, Result, contain_panics};
use crate::kernels::Pixels;
use crate::network::{
    AnyNetwork, HostStatistics, LayerStatistics, ParameterSpec, TrainingPass, host_values,
    parameter_id,
};
use burn::backend::Autodiff;
use burn::module::{AutodiffModule, Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};

/// Runs a forward pass with dropout and records its tape. The arguments are checked.
pub(super) fn forward<B: Backend>(
    Engine {
        model,
        config,
        device,
        burn_device,
        ..
    }: &Engine<B>,
    pixels: Pixels<'_>,
    targets: Targets<'_>,
    shares: Option<Vec<f32>>,
    key: &DropoutKey,
) -> Result<TrainingForward> {
    let model = to_training::<B>(model, config);
    let pass = TrainingPass::new(key);
    let logits = model.logits(pixels.images(burn_device), Some(&pass));
    let statistics = pass.into_statistics().into_iter();
    let shape = [pixels.len(), config.num_classes()];
    let of_images = |values: Vec<f32>| {
        Tensor::<Autodiff<B>, 1>::from_data(TensorData::new(values, [shape[0]]), burn_device)
    };
    let (loss, output) = match targets {
        Targets::Classes(classes) => {
            let classes: Vec<u32> = classes.iter().map(|class| *class as u32).collect();
            let classes = targets_tensor(&classes, burn_device);
            // The mean of a classification is over the number of images.
            let weights = shares.map(|shares| of_images(shares) * shape[0] as f64);
            let item = Objective::default().classification(logits, classes, weights);
            (item.loss, item.output)
        }
        Targets::Values(values) => {
            let values = Tensor::from_data(TensorData::new(values.to_vec(), shape), burn_device);
            let shares = shares.unwrap_or_else(|| vec![1.0 / shape[0] as f32; shape[0]]);
            let item = regression(logits, values, of_images(shares));
            (item.loss, item.output)
        }
    };
    let output = host_values(output.into_data())?;
    let losses = match targets {
        Targets::Classes(classes) => cross_entropies(&output, classes),
        Targets::Values(values) => squared_errors(&output, values, shape[1]),
    };
    let number = host_values(loss.clone().into_data())?;
    let mut tape = Tape {
        loss: Some(loss),
        statistics: statistics
            .map(LayerStatistics::read)
            .collect::<Result<_>>()?,
        model: Kept::<B, _>::new(model, burn_device.clone()),
        parameters: config.parameters(),
        device: *device,
        burn_device: burn_device.clone(),
    };
    Ok(TrainingForward {
        loss: number.first().copied().unwrap_or(f32::NAN),
        losses,
        output,
        backward: Box::new(move || {
            let device = tape.burn_device.clone();
            on_worker::<B, _>(&device, || tape.backward())
        }),
    })
}

/// A loss and the model it came from.
struct Tape<B: Backend> {
    loss: Option<Tensor<Autodiff<B>, 1>>,
    statistics: Vec<HostStatistics>,
    model: Kept<B, AnyNetwork<Autodiff<B>>>,
    parameters: Vec<ParameterSpec>,
    device: Device,
    burn_device: B::Device,
}

impl<B: Backend> Tape<B> {
    fn backward(&mut self) -> Result<HeldGradients> {
        let Some(loss) = self.loss.take() else {
            return Err(Error::Internal("a tape was used twice".into()));
        };
        check_process(self.device)?;
        let gradients = GradientsParams::from_grads(loss.backward(), &*self.model);
        let specs = std::mem::take(&mut self.parameters);
        let statistics = std::mem::take(&mut self.statistics);
        Ok(HeldGradients::of_pass(
            gradients,
            &self.model,
            specs,
            statistics,
            &self.burn_device,
        ))
    }
}

/// Burn frees a recorded graph in the backward pass alone. A loss that was only looked at would keep its activations for
/// ever; a backward pass of one parameter, once the loss is gone, frees them too.
impl<B: Backend> Drop for Tape<B> {
    fn drop(&mut self) {
        if let Some(loss) = self.loss.take()
            && check_process(self.device).is_ok()
        {
            // A panic in a destructor would end the process.
            let _ = contain_panics(|| {
                on_worker::<B, _>(&self.burn_device, || {
                    drop(loss);
                    free(&self.model);
                });
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
