//! The optimizer's step, for loops of one's own.

use super::classifier::Engine;
use super::gradients::{Gradients, send_gradients};
use super::parameters::parameter_shapes;
use super::tape::to_training;
use super::{Classifier, ModelOptimizer};
use crate::config::{ModelConfig, OptimizerConfig};
use crate::device::{AutodiffBackend, Backend, check_process};
use crate::error::{Error, Result};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use burn::optim::Optimizer;

/// An optimizer with its state.
pub trait Stepper: Send {
    /// The model after one step; `model` stays as it is.
    fn step(
        &mut self,
        learning_rate: f64,
        model: &dyn Classifier,
        gradients: &Gradients,
    ) -> Result<Box<dyn Classifier>>;
}

/// An optimizer of Burn's, for models of one back end and one size.
pub(super) struct ModelStepper<B: AutodiffBackend> {
    optimizer: ModelOptimizer<B>,
    /// What the state fits: the model of the first step.
    sizes: Option<[usize; 2]>,
}

impl<B: AutodiffBackend> ModelStepper<B> {
    pub fn new(config: &OptimizerConfig) -> Self {
        Self {
            optimizer: config.init(),
            sizes: None,
        }
    }

    fn check_sizes(&mut self, config: &ModelConfig) -> Result<()> {
        let given = [config.hidden_size, config.num_classes];
        match self.sizes.replace(given) {
            None => Ok(()),
            Some(first) if first == given => Ok(()),
            Some(first) => {
                self.sizes = Some(first);
                Err(Error::Training(format!(
                    "an optimizer keeps the state of one model, of hidden_size {} and num_classes {}, got one of {} and {}; \
                     make another optimizer",
                    first[0], first[1], given[0], given[1]
                )))
            }
        }
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
        self.check_sizes(&engine.config)?;
        let tensors = send_gradients::<B>(gradients.clone(), &engine.burn_device);
        let model = self
            .optimizer
            .step(learning_rate, to_training(&engine.model), tensors);
        Ok(Box::new(Engine::new(
            model.valid(),
            engine.config,
            engine.device,
            engine.burn_device.clone(),
        )?))
    }
}

fn check_gradients(config: &ModelConfig, gradients: &Gradients) -> Result<()> {
    let shapes = parameter_shapes(config);
    match gradients
        .iter()
        .zip(&shapes)
        .find(|(gradient, shape)| gradient.shape != **shape)
    {
        None => Ok(()),
        Some((gradient, shape)) => Err(Error::Training(format!(
            "gradients must have the shapes of the model's parameters: {} is {shape:?}, got {:?}; take them from a loss of this model",
            gradient.name, gradient.shape
        ))),
    }
}
