//! The devices that share the steps of a run.

mod several;

use crate::config::NetworkConfig;
use crate::data::{DataLoader, MnistBatch};
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::{Objective, without_tape};
use crate::network::{AnyNetwork, ParameterSpec, Statistics, pooled};
use burn::data::dataloader::{DataLoader as _, DataLoaderIterator};
use burn::optim::{GradientsAccumulator, GradientsParams};
use burn::train::ClassificationOutput;
use several::Several;
use std::sync::Arc;

/// The batches of one device.
pub(super) type Batches<'a, B> = Box<dyn DataLoaderIterator<MnistBatch<B>> + 'a>;

/// What a step leaves: the outputs of the parts of its batches, and the gradients and the statistics of the whole.
pub(super) struct Step<B: AutodiffBackend> {
    pub parts: Vec<ClassificationOutput<B::InnerBackend>>,
    pub gradients: GradientsParams,
    pub statistics: Statistics<B>,
}

/// Does the training steps of a run, each with its batches of the images.
pub(super) struct Group<B: AutodiffBackend> {
    /// One for each device.
    loaders: Vec<Arc<DataLoader<B>>>,
    /// Where there is more than one.
    several: Option<Several<B>>,
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
    ) -> Self {
        let several =
            (devices.len() > 1).then(|| Several::new(devices, config, trainable, objective));
        Self {
            loaders,
            several,
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

    /// Forward and backward passes of the batches of the next step; its gradients are those of one batch of all their images.
    pub fn step(&self, batches: &mut [Batches<'_, B>], model: &AnyNetwork<B>) -> Result<Step<B>> {
        let mut step = self.batch(batches, model)?;
        if self.accumulated() == 1 {
            return Ok(step);
        }
        let mut sum = GradientsAccumulator::new();
        let mut statistics = Vec::new();
        let mut parts = Vec::new();
        for number in 1.. {
            sum.accumulate(model, step.gradients);
            statistics.push(step.statistics);
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
            gradients: sum.grads(),
            statistics: pooled(statistics, &self.device)?,
        })
    }

    /// Forward and backward passes of the next batch; without the part of a device whose batches have ended.
    fn batch(&self, batches: &mut [Batches<'_, B>], model: &AnyNetwork<B>) -> Result<Step<B>> {
        let done = match &self.several {
            Some(several) => several.step(batches, model),
            None => Ok(alone(batches, model, self.objective)),
        };
        // What a loader lacked says more than what that broke.
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
        None => Step {
            parts: Vec::new(),
            gradients: GradientsParams::new(),
            statistics: Vec::new(),
        },
        Some(batch) => {
            let computed = model.compute(batch, objective);
            Step {
                // The tape holds the parameters, and shared ones would be copied by the update.
                parts: vec![without_tape(computed.item)],
                gradients: computed.gradients,
                statistics: computed.statistics,
            }
        }
    }
}
