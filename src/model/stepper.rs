//! The optimizer's step, for loops of one's own.

use super::ModelOptimizer;
use super::classifier::boxed;
use super::engine::Engine;
use super::held_gradients::HeldGradients;
use super::interface::{Classifier, Stepper};
use super::tape::to_training;
use super::worker::on_worker;
use crate::config::NetworkConfig;
use crate::device::{AutodiffBackend, Backend, Device, Kept, check_process, in_turn};
use crate::error::{Error, Result};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use std::any::Any;

/// An optimizer of Burn's, for models of one back end and one size.
pub(crate) struct ModelStepper<B: AutodiffBackend> {
    pub optimizer: Kept<B, ModelOptimizer<B>>,
    /// What the state fits: the model of the first step.
    pub first: Option<(NetworkConfig, Device)>,
}

impl<B: AutodiffBackend> ModelStepper<B> {
    pub fn new(optimizer: ModelOptimizer<B>, device: &B::Device) -> Self {
        Self {
            optimizer: Kept::<B, _>::new(optimizer, device.clone()),
            first: None,
        }
    }

    fn check_sizes(&mut self, config: &NetworkConfig, device: Device) -> Result<()> {
        let (first, _) = self.first.get_or_insert_with(|| (config.clone(), device));
        if first.has_parameters_of(config) {
            return Ok(());
        }
        Err(Error::Training(format!(
            "an optimizer keeps the state of one model, with {}, got one with {}; make another optimizer",
            first.sizes(),
            config.sizes()
        )))
    }
}

impl<B: Backend> Stepper for ModelStepper<Autodiff<B>> {
    fn step(
        &mut self,
        learning_rate: f64,
        model: &dyn Classifier,
        gradients: &HeldGradients,
    ) -> Result<Box<dyn Classifier>> {
        let Some(engine) = model.as_any().downcast_ref::<Engine<B>>() else {
            return Err(Error::Device(format!(
                "an optimizer steps models of the back end it was first used on, got one on {}; make another optimizer",
                model.device()
            )));
        };
        check_process(engine.device)?;
        let specs = engine.config.parameters();
        let burn_device = &engine.burn_device;
        in_turn::<B, _>(burn_device, || {
            let tensors = gradients.send::<B>(&specs, burn_device)?;
            self.check_sizes(&engine.config, engine.device)?;
            let statistics = gradients.statistics().iter().cloned();
            let statistics = statistics.map(|layer| layer.send(burn_device));
            let optimizer = &mut *self.optimizer;
            let model = on_worker::<B, _>(burn_device, || {
                let model = to_training(&engine.model, &engine.config);
                optimizer.step(learning_rate, model, tensors)
            });
            Ok(boxed::<B>(
                model.valid().with_statistics(statistics.collect()),
                engine.config.clone(),
                engine.device,
                burn_device,
            ))
        })
    }

    fn of_model(&self) -> Option<(&NetworkConfig, Device)> {
        let (config, device) = self.first.as_ref()?;
        Some((config, *device))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}
