//! The devices that share the steps of a run.

mod ranked;
mod several;

use super::ranks::Ranks;
use crate::config::NetworkConfig;
use crate::data::{DataLoader, MnistBatch};
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::{Gradients, Objective, read_gradients, send_gradients, without_tape};
use crate::network::{AnyNetwork, LayerStatistics, ParameterSpec, Statistics, pooled};
use burn::data::dataloader::{DataLoader as _, DataLoaderIterator};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::train::ClassificationOutput;
use several::Several;
use std::sync::Arc;

/// The batches of one device.
pub(super) type Batches<'a, B> = Box<dyn DataLoaderIterator<MnistBatch<B>> + 'a>;

/// What a step leaves: the outputs of the parts of its batches, and what follows from them.
pub(super) struct Step<B: AutodiffBackend> {
    pub parts: Vec<ClassificationOutput<B::InnerBackend>>,
    pub gradients: StepGradients<B>,
}

/// The gradients and the statistics that this process computed.
pub(super) enum StepGradients<B: AutodiffBackend> {
    /// Those of all its images together.
    Sum(GradientsParams, Statistics<B>),
    /// Those of each part, in their order.
    Parts(Vec<Gradients>),
}

impl<B: AutodiffBackend> Step<B> {
    /// That of a batch without an image for this process.
    fn without_images() -> Self {
        Self {
            parts: Vec::new(),
            gradients: StepGradients::Sum(GradientsParams::new(), Vec::new()),
        }
    }
}

/// Does the training steps of a run, each with its batches of the images.
pub(super) struct Group<B: AutodiffBackend> {
    /// One for each device.
    loaders: Vec<Arc<DataLoader<B>>>,
    /// Where there is more than one, or more than one part.
    several: Option<Several<B>>,
    /// Where other processes take part.
    ranks: Option<Arc<Ranks>>,
    trainable: Arc<[ParameterSpec]>,
    has_statistics: bool,
    objective: Objective,
    device: B::Device,
}

impl<B: AutodiffBackend> Group<B> {
    /// A group of devices with a loader each; `trainable` are the parameters that gradients are computed for.
    pub fn new(
        loaders: Vec<Arc<DataLoader<B>>>,
        devices: &[B::Device],
        config: &NetworkConfig,
        trainable: &Arc<[ParameterSpec]>,
        objective: Objective,
        ranks: Option<Arc<Ranks>>,
    ) -> Self {
        let is_ordered = ranks.as_ref().is_some_and(|ranks| ranks.is_ordered());
        let several = (devices.len() > 1 || is_ordered)
            .then(|| Several::new(devices, config, trainable, objective));
        Self {
            loaders,
            several,
            ranks,
            trainable: Arc::clone(trainable),
            // Running averages are no parameters, and part of the state.
            has_statistics: config.state().len() > config.parameters().len(),
            objective,
            device: devices[0].clone(),
        }
    }

    /// Steps in an epoch.
    pub fn steps(&self) -> usize {
        self.loaders[0].num_steps()
    }

    /// Batches that make a step together.
    fn accumulated(&self) -> usize {
        self.loaders[0].accumulated()
    }

    /// Images of an epoch.
    pub fn num_images(&self) -> usize {
        self.loaders[0].num_items()
    }

    /// Images of a step, from 0.
    pub fn step_len(&self, step: usize) -> usize {
        self.images_in(step + 1) - self.images_in(step)
    }

    /// Images of an epoch's first steps.
    pub fn images_in(&self, steps: usize) -> usize {
        self.loaders[0].images_in(steps.saturating_mul(self.accumulated()))
    }

    /// The batches of an epoch from a step on, for each device.
    pub fn batches<'a>(&'a self, epoch: usize, step: usize) -> Vec<Batches<'a, B>> {
        let batches = |loader: &'a Arc<DataLoader<B>>| {
            loader.start_at(epoch as u64, step * self.accumulated());
            loader.iter()
        };
        self.loaders.iter().map(batches).collect()
    }

    /// Forward and backward passes of this process's part of the batches of the next step.
    pub fn step(&self, batches: &mut [Batches<'_, B>], model: &AnyNetwork<B>) -> Result<Step<B>> {
        if let Some(several) = &self.several
            && self.ranks.is_some()
        {
            return self.parts(several, batches, model);
        }
        let mut step = self.batch(batches, model)?;
        if self.accumulated() == 1 {
            return Ok(step);
        }
        let mut sum = GradientsAccumulator::new();
        let mut of_batches = Vec::new();
        let mut parts = Vec::new();
        for number in 1.. {
            if let StepGradients::Sum(gradients, statistics) = step.gradients {
                sum.accumulate(model, gradients);
                of_batches.push(statistics);
            }
            parts.append(&mut step.parts);
            if number == self.accumulated() {
                break;
            }
            step = self.batch(batches, model)?;
            if step.parts.is_empty() {
                // The last step of an epoch may have fewer batches.
                break;
            }
        }
        Ok(Step {
            parts,
            gradients: StepGradients::Sum(sum.grads(), pooled(of_batches, &self.device)?),
        })
    }

    /// The gradients of all processes together: those of one batch of all images of a step.
    pub fn join(
        &self,
        gradients: StepGradients<B>,
        model: &AnyNetwork<B>,
    ) -> Result<(GradientsParams, Statistics<B>)> {
        let specs = &self.trainable;
        let all = match (gradients, &self.ranks) {
            (StepGradients::Sum(gradients, statistics), None) => {
                return Ok((gradients, statistics));
            }
            (StepGradients::Sum(gradients, statistics), Some(ranks)) => {
                let own = if gradients.is_empty() {
                    None
                } else {
                    let statistics = statistics.into_iter().map(LayerStatistics::read);
                    Some(Gradients {
                        parameters: read_gradients(gradients, model, specs)?,
                        statistics: statistics.collect::<Result<_>>()?,
                    })
                };
                ranked::sum_of_ranks(ranks, own, specs, self.has_statistics)?
            }
            (StepGradients::Parts(parts), Some(ranks)) => {
                ranked::sum_in_order(ranks, parts, specs)?
            }
            (StepGradients::Parts(parts), None) => several::sum(parts.into_iter())?,
        };
        let statistics = all.statistics.into_iter();
        Ok((
            send_gradients::<B::InnerBackend>(all.parameters, &self.device)?,
            statistics.map(|layer| layer.send(&self.device)).collect(),
        ))
    }

    /// The step of parts whose gradients are kept apart.
    fn parts(
        &self,
        several: &Several<B>,
        batches: &mut [Batches<'_, B>],
        model: &AnyNetwork<B>,
    ) -> Result<Step<B>> {
        let mut outputs = Vec::new();
        let mut sums: Vec<Option<Gradients>> = vec![None; self.loaders.len()];
        for _ in 0..self.accumulated() {
            let parts = self.checked(several.parts(batches, model))?;
            if parts.is_empty() {
                break;
            }
            for mut part in parts {
                let gradients = part.take_gradients();
                let sum = &mut sums[part.number()];
                *sum = Some(match sum.take() {
                    None => gradients,
                    Some(sum) => sum.plus(&gradients)?,
                });
                outputs.push(part.send(&self.device));
            }
        }
        Ok(Step {
            parts: outputs,
            gradients: StepGradients::Parts(sums.into_iter().flatten().collect()),
        })
    }

    /// Forward and backward passes of the next batch; without the part of a device whose batches have ended.
    fn batch(&self, batches: &mut [Batches<'_, B>], model: &AnyNetwork<B>) -> Result<Step<B>> {
        self.checked(match &self.several {
            Some(several) => several.step(batches, model),
            None => Ok(alone(batches, model, self.objective)),
        })
    }

    /// The result, or what a loader lacked, which says more than what that broke.
    fn checked<T>(&self, done: Result<T>) -> Result<T> {
        match self.loaders.iter().find_map(|loader| loader.fault()) {
            Some(fault) => Err(fault),
            None => done,
        }
    }
}

/// The step of a single device.
fn alone<B: AutodiffBackend>(
    batches: &mut [Batches<'_, B>],
    model: &AnyNetwork<B>,
    objective: Objective,
) -> Step<B> {
    match batches.first_mut().and_then(Iterator::next) {
        None => Step::without_images(),
        Some(batch) => {
            let computed = model.compute(batch, objective);
            Step {
                // The tape holds the parameters, and shared ones would be copied by the update.
                parts: vec![without_tape(computed.item)],
                gradients: StepGradients::Sum(computed.gradients, computed.statistics),
            }
        }
    }
}
