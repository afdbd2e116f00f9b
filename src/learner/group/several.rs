//! A training step that several devices share.
//!
//! What goes from one device to another goes through the host: then any two devices can work together, without a library
//! for it (CUDA would need NCCL).

use super::{Batches, Step, StepGradients};
use crate::config::{LrSchedule, NetworkConfig};
use crate::data::MnistBatch;
use crate::device::{AutodiffBackend, Backend, on_stream};
use crate::error::{Error, Result, contain_panics};
use crate::kernels::optimizer::Adam;
use crate::model::{Gradients, Objective, read_gradients, send_gradients, without_tape};
use crate::network::{AnyNetwork, LayerStatistics, Parameter, ParameterSpec};
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::module::Module;
use burn::optim::GradientsParams;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use burn::train::train::MultiDevicesTrainStep;
use burn::train::{
    ClassificationOutput, InferenceStep, ItemLazy, LearningComponentsMarker, TrainOutput, TrainStep,
};
use std::marker::PhantomData;
use std::sync::Arc;

/// Several devices: each computes its part of every batch with a copy of the model; the model itself is on the first one.
pub(super) struct Several<B: AutodiffBackend> {
    workers: Workers<B>,
    first: B::Device,
    config: NetworkConfig,
    trainable: Arc<[ParameterSpec]>,
    objective: Objective,
}

impl<B: AutodiffBackend> Several<B> {
    /// `trainable` are the parameters that gradients are computed for.
    pub fn new(
        devices: &[B::Device],
        config: &NetworkConfig,
        trainable: &Arc<[ParameterSpec]>,
        objective: Objective,
    ) -> Self {
        Self {
            workers: Workers::new(devices),
            first: devices[0].clone(),
            config: config.clone(),
            trainable: Arc::clone(trainable),
            objective,
        }
    }

    /// Forward and backward passes of the next batch; without the part of a device whose batches have ended.
    pub fn step(&self, batches: &mut [Batches<'_, B>], model: &AnyNetwork<B>) -> Result<Step<B>> {
        let mut parts = self.parts(batches, model)?;
        let gradients = sum(parts.iter_mut().map(Part::take_gradients))?;
        let statistics = gradients.statistics.into_iter();
        Ok(Step {
            gradients: StepGradients::Sum(
                send_gradients::<B::InnerBackend>(gradients.parameters, &self.first)?,
                statistics.map(|layer| layer.send(&self.first)).collect(),
            ),
            parts: parts
                .into_iter()
                .map(|part| part.send(&self.first))
                .collect(),
        })
    }

    /// The parts of the next batch, in their order: a sum of fixed order has the same bits each time.
    pub fn parts(
        &self,
        batches: &mut [Batches<'_, B>],
        model: &AnyNetwork<B>,
    ) -> Result<Vec<Part>> {
        let work = self.share(batches, model)?;
        let mut parts = self.workers.compute(work)?;
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// The work of each device: the next of its batches, and the parameters of the model; `None` where its batches have ended.
    fn share(
        &self,
        batches: &mut [Batches<'_, B>],
        model: &AnyNetwork<B>,
    ) -> Result<Vec<Option<Work<B>>>> {
        let parameters = Arc::from(model.state()?);
        let work: Vec<Option<Work<B>>> = batches
            .iter_mut()
            .enumerate()
            .map(|(number, batches)| {
                Some(Work {
                    number,
                    batch: batches.next()?,
                    config: self.config.clone(),
                    parameters: Arc::clone(&parameters),
                    trainable: Arc::clone(&self.trainable),
                    objective: self.objective,
                })
            })
            .collect();
        Ok(work)
    }
}

/// Who computes the parts of a batch.
enum Workers<B: AutodiffBackend> {
    /// The threads of the run, one part after the other: devices on the host are one processor, and threads of their own would
    /// be beside those that `threads` of the configuration allows.
    Host,
    /// A thread for each device.
    Devices(MultiDevicesTrainStep<Components<B>>),
}

impl<B: AutodiffBackend> Workers<B> {
    fn new(devices: &[B::Device]) -> Self {
        if B::ON_HOST {
            Self::Host
        } else {
            Self::Devices(MultiDevicesTrainStep::new(devices))
        }
    }

    /// The parts, in any order.
    fn compute(&self, work: Vec<Option<Work<B>>>) -> Result<Vec<Part>> {
        match self {
            Self::Host => work
                .into_iter()
                .flatten()
                .map(|work| contain_panics(|| work.run()))
                .collect(),
            Self::Devices(workers) => {
                let mut work: Vec<Batch<B>> = work
                    .into_iter()
                    .map(|work| -> Batch<B> { Box::new(Once(work)) })
                    .collect();
                let (outputs, _) = workers.step(&mut work, &Replica::new());
                outputs
                    .into_iter()
                    .map(|output| output.output.item.0)
                    .collect()
            }
        }
    }
}

/// The sum of the gradients of parts.
pub(super) fn sum(mut parts: impl Iterator<Item = Gradients>) -> Result<Gradients> {
    let first = parts.next().unwrap_or_default();
    parts.try_fold(first, |sum, part| sum.plus(&part))
}

/// One batch, as Burn takes it: from an iterator.
type Batch<B> = Box<dyn DataLoaderIterator<Work<B>>>;

struct Once<T>(Option<T>);

impl<T> Iterator for Once<T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> DataLoaderIterator<T> for Once<T> {
    fn progress(&self) -> Progress {
        Progress::new(0, 1)
    }
}

/// What a device does in a step.
pub(super) struct Work<B: BurnBackend> {
    number: usize,
    batch: MnistBatch<B>,
    config: NetworkConfig,
    parameters: Arc<[Parameter]>,
    trainable: Arc<[ParameterSpec]>,
    objective: Objective,
}

impl<B: AutodiffBackend> Work<B> {
    fn run(self) -> Result<Part> {
        let device = self.batch.images.device();
        let model = AnyNetwork::<B>::from_state(&self.config, self.parameters.to_vec(), &device)?;
        let model = model.training_only(&self.trainable);
        let computed = model.compute(self.batch, self.objective);
        let item = without_tape(computed.item);
        let statistics = computed.statistics.into_iter();
        Ok(Part {
            number: self.number,
            loss: item.loss.into_data(),
            output: item.output.into_data(),
            targets: item.targets.into_data(),
            gradients: Gradients {
                parameters: read_gradients(computed.gradients, &model, &self.trainable)?,
                statistics: statistics
                    .map(LayerStatistics::read)
                    .collect::<Result<_>>()?,
            },
        })
    }
}

/// The part of a step that one device did.
pub(super) struct Part {
    number: usize,
    loss: TensorData,
    output: TensorData,
    targets: TensorData,
    gradients: Gradients,
}

impl Part {
    /// The number of its loader.
    pub fn number(&self) -> usize {
        self.number
    }

    /// What follows from it, which is gone after that.
    pub fn take_gradients(&mut self) -> Gradients {
        std::mem::take(&mut self.gradients)
    }

    /// What it leaves, on a device.
    pub fn send<B: BurnBackend>(self, device: &B::Device) -> ClassificationOutput<B> {
        ClassificationOutput::new(
            Tensor::from_data(self.loss, device),
            Tensor::from_data(self.output, device),
            Tensor::from_data(self.targets, device),
        )
    }
}

/// Burn's types ask for an optimizer; the step is done by the run's own.
type Components<B> =
    LearningComponentsMarker<B, LrSchedule, Replica<B>, OptimizerAdaptor<Adam, Replica<B>, B>>;

/// The model as Burn's workers have it: without parameters, which come with the work. Burn would wait for ever for a worker
/// that panicked, so all that may panic is done in its step, and ends there.
#[derive(Module, Debug)]
pub(super) struct Replica<B: BurnBackend> {
    backend: PhantomData<B>,
}

impl<B: BurnBackend> Replica<B> {
    fn new() -> Self {
        Self {
            backend: PhantomData,
        }
    }
}

impl<B: AutodiffBackend> TrainStep for Replica<B> {
    type Input = Work<B>;
    type Output = Answer;

    fn step(&self, work: Work<B>) -> TrainOutput<Answer> {
        TrainOutput {
            // They are in the answer: those of Burn stay on their device.
            grads: GradientsParams::new(),
            item: Answer(on_stream(|| contain_panics(|| work.run()))),
        }
    }
}

/// Burn's types ask for it; validation is the model's own.
impl<B: Backend> InferenceStep for Replica<B> {
    type Input = ();
    type Output = Answer;

    fn step(&self, (): ()) -> Answer {
        Answer(Err(Error::Internal("a replica does not validate".into())))
    }
}

/// The answer of a worker.
pub(super) struct Answer(Result<Part>);

impl ItemLazy for Answer {
    type ItemSync = ();

    fn sync(self) {}
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::config::{ImageShape, ModelConfig};
    use crate::data::{DataLoader, Dataset, Order};
    use burn::backend::flex::FlexDevice;
    use burn::backend::{Autodiff, Flex};
    use burn::data::dataloader::DataLoader as _;

    type B = Autodiff<Flex>;

    /// The losses of the parts and the gradients of a first step.
    fn first_step(workers: Workers<B>) -> (Vec<f32>, Vec<Vec<f32>>) {
        let shape = ImageShape::MNIST;
        let pixels: Vec<u8> = (0..10 * shape.len())
            .map(|index| (index % 251) as u8)
            .collect();
        let targets: Vec<i64> = (0..10).collect();
        let dataset = Dataset::new(pixels, shape, &targets).unwrap();
        let config: NetworkConfig = ModelConfig {
            hidden_size: 8,
            ..ModelConfig::default()
        }
        .into();
        let model = AnyNetwork::<B>::init_seeded(&config, 3, &FlexDevice).unwrap();
        let trainable: Arc<[ParameterSpec]> = config.parameters().into();
        let loaders = DataLoader::<B>::new(dataset, 10, 0, Order::Sequential, 3, FlexDevice)
            .in_parts(&[FlexDevice; 3], 0, 3);
        let mut batches: Vec<Batches<'_, B>> = loaders.iter().map(|loader| loader.iter()).collect();
        let several = Several {
            workers,
            first: FlexDevice,
            config,
            trainable: Arc::clone(&trainable),
            objective: Objective::default(),
        };
        let mut parts = several.parts(&mut batches, &model).unwrap();
        let gradients = sum(parts.iter_mut().map(Part::take_gradients)).unwrap();
        (
            parts
                .iter()
                .map(|part| part.loss.to_vec::<f32>().unwrap()[0])
                .collect(),
            gradients
                .parameters
                .into_iter()
                .map(|gradient| gradient.values)
                .collect(),
        )
    }

    #[test]
    fn threads_of_the_devices_and_those_of_the_run_compute_the_same() {
        let (losses, gradients) = first_step(Workers::Host);
        assert_eq!(losses.len(), 3);
        assert!(gradients.iter().flatten().any(|value| *value != 0.0));
        let of_devices = Workers::Devices(MultiDevicesTrainStep::new(&[FlexDevice; 3]));
        assert_eq!(first_step(of_devices), (losses, gradients));
    }
}
