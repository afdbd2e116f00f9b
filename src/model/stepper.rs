//! The optimizer's step, for loops of one's own.

use super::ModelOptimizer;
use super::engine::Engine;
use super::gradients::{Gradients, send_gradients};
use super::interface::{Classifier, Stepper};
use super::tape::to_training;
use crate::config::{NetworkConfig, OptimizerConfig};
use crate::device::{AutodiffBackend, Backend, Device, check_process};
use crate::error::{Error, Result};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::Optimizer;
use std::any::Any;

/// An optimizer of Burn's, for models of one back end and one size.
pub(crate) struct ModelStepper<B: AutodiffBackend> {
    pub optimizer: ModelOptimizer<B>,
    /// What the state fits: the model of the first step.
    pub first: Option<(NetworkConfig, Device)>,
}

impl<B: AutodiffBackend> ModelStepper<B> {
    pub fn new(config: &OptimizerConfig) -> Self {
        Self {
            optimizer: config.init(),
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
        gradients: &Gradients,
    ) -> Result<Box<dyn Classifier>> {
        let Some(engine) = model.as_any().downcast_ref::<Engine<B>>() else {
            return Err(Error::Device(format!(
                "an optimizer steps models of the back end it was first used on, got one on {}; make another optimizer",
                model.device()
            )));
        };
        check_process(engine.device)?;
        check_gradients(&engine.config, gradients)?;
        self.check_sizes(&engine.config, engine.device)?;
        let Gradients {
            parameters,
            statistics,
        } = gradients.clone();
        let tensors = send_gradients::<B>(parameters, &engine.burn_device)?;
        let statistics = statistics.into_iter();
        let statistics = statistics.map(|layer| layer.send(&engine.burn_device));
        let model = self.optimizer.step(
            learning_rate,
            to_training(&engine.model, &engine.config),
            tensors,
        );
        Ok(Box::new(Engine::new(
            model.valid().with_statistics(statistics.collect()),
            engine.config.clone(),
            engine.device,
            engine.burn_device.clone(),
        )?))
    }

    fn of_model(&self) -> Option<(&NetworkConfig, Device)> {
        let (config, device) = self.first.as_ref()?;
        Some((config, *device))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn check_gradients(config: &NetworkConfig, gradients: &Gradients) -> Result<()> {
    let specs = config.parameters();
    match gradients
        .parameters
        .iter()
        .zip(&specs)
        .find(|(gradient, spec)| gradient.shape != spec.shape)
    {
        None => Ok(()),
        Some((gradient, spec)) => Err(Error::Training(format!(
            "gradients must have the shapes of the model's parameters: {} is {:?}, got {:?}; take them from a loss of this model",
            gradient.name, spec.shape, gradient.shape
        ))),
    }
}
