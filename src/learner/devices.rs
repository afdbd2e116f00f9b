//! A training step that several devices share.

use crate::config::LrSchedule;
use crate::data::MnistBatch;
use crate::device::{AutodiffBackend, Backend, finish};
use crate::error::{Result, contain_panics};
use crate::model::Model;
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::module::Module;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{Adam, GradientsAccumulator, GradientsParams};
use burn::tensor::backend::Backend as BurnBackend;
use burn::train::train::MultiDevicesTrainStep;
use burn::train::{
    ClassificationOutput, InferenceStep, ItemLazy, LearningComponentsMarker, TrainOutput, TrainStep,
};

/// The batches of one device.
pub(super) type Batches<'a, B> = Box<dyn DataLoaderIterator<MnistBatch<B>> + 'a>;

/// What a step leaves: the outputs of the parts of its batch, and the gradients of the whole.
pub(super) type Step<B> = (Vec<ClassificationOutput<B>>, GradientsParams);

/// Does the steps of a run on its devices.
pub(super) enum Devices<B: AutodiffBackend> {
    One,
    /// Each device computes its part of every batch with a copy of the model, and the gradients meet on the first one.
    Several {
        workers: MultiDevicesTrainStep<Components<B>>,
        first: B::Device,
    },
}

impl<B: AutodiffBackend> Devices<B> {
    pub fn new(devices: &[B::Device]) -> Self {
        match devices {
            [first, _, ..] => Self::Several {
                workers: MultiDevicesTrainStep::new(devices),
                first: first.clone(),
            },
            _ => Self::One,
        }
    }

    /// Forward and backward passes of the next batch; no part of it where a data loader ended early.
    pub fn step(&self, batches: &mut [Batches<'_, B>], model: &Model<B>) -> Result<Step<B>> {
        match self {
            Self::One => Ok(match batches.first_mut().and_then(Iterator::next) {
                None => (Vec::new(), GradientsParams::new()),
                Some(batch) => {
                    let output = TrainStep::step(model, batch);
                    (vec![output.item], output.grads)
                }
            }),
            Self::Several { workers, first } => {
                finish::<B>(first)?;
                let replica = Replica {
                    model: model.clone(),
                };
                let (outputs, _) = workers.step(batches, &replica);
                let mut sum = GradientsAccumulator::new();
                let mut parts = Vec::with_capacity(outputs.len());
                for output in outputs {
                    let output = output.output;
                    parts.push(output.item.into_result()?);
                    sum.accumulate(model, output.grads.to_device(first, model));
                }
                Ok((parts, sum.grads()))
            }
        }
    }
}

/// Batches that are made on this thread and used on another.
pub(super) struct HandedOver<'a, B: BurnBackend>(pub Batches<'a, B>);

impl<B: BurnBackend> Iterator for HandedOver<'_, B> {
    type Item = MnistBatch<B>;

    fn next(&mut self) -> Option<MnistBatch<B>> {
        let batch = self.0.next()?;
        // A device that failed here fails in the step.
        let _ = finish::<B>(&batch.images.device());
        Some(batch)
    }
}

impl<B: BurnBackend> DataLoaderIterator<MnistBatch<B>> for HandedOver<'_, B> {
    fn progress(&self) -> Progress {
        self.0.progress()
    }
}

type Components<B> =
    LearningComponentsMarker<B, LrSchedule, Replica<B>, OptimizerAdaptor<Adam, Replica<B>, B>>;

/// A model on one of several devices. Burn waits for ever for a device whose thread panicked: here a panic ends in the
/// output of the step.
#[derive(Module, Debug)]
pub(super) struct Replica<B: BurnBackend> {
    model: Model<B>,
}

impl<B: AutodiffBackend> TrainStep for Replica<B> {
    type Input = MnistBatch<B>;
    type Output = Part<B>;

    fn step(&self, batch: MnistBatch<B>) -> TrainOutput<Part<B>> {
        let device = batch.images.device();
        let work = || {
            let output = TrainStep::step(&self.model, batch);
            finish::<B>(&device).map(|()| output)
        };
        match contain_panics(work) {
            Ok(TrainOutput { grads, item }) => TrainOutput {
                grads,
                item: Part(Ok(item)),
            },
            Err(error) => TrainOutput {
                grads: GradientsParams::new(),
                item: Part(Err(error)),
            },
        }
    }
}

/// Burn's types ask for it; validation is the model's own.
impl<B: Backend> InferenceStep for Replica<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> ClassificationOutput<B> {
        InferenceStep::step(&self.model, batch)
    }
}

/// The output of a device's part of a batch.
pub(super) struct Part<B: BurnBackend>(Result<ClassificationOutput<B>>);

impl<B: BurnBackend> Part<B> {
    fn into_result(self) -> Result<ClassificationOutput<B>> {
        self.0
    }
}

impl<B: BurnBackend> ItemLazy for Part<B> {
    type ItemSync = ();

    fn sync(self) {}
}
