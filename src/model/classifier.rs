//! A trained network on some device, behind one type.
//!
//! [`AnyNetwork`] is generic over the back end, as the model of the Burn book. Where the device is chosen at run time, as from
//! Python, a [`Classifier`] stands for the model on any of them.

use super::engine::{Engine, check};
use super::interface::{Classifier, Evaluation, Stepper, Targets, TrainingForward};
use super::metrics::Measured;
use super::stepper::ModelStepper;
use super::worker::on_worker;
use crate::config::{NetworkConfig, OptimizerConfig};
use crate::data::{Dataset, DropoutKey, check_weights, total_weight};
use crate::device::{Backend, Device, OnBackend, check_process, in_turn, on_backend};
use crate::error::{Error, Result};
use crate::kernels::Pixels;
use crate::network::{AnyNetwork, Parameter, host_values, initial};
use burn::backend::Autodiff;
use std::any::Any;
use std::sync::atomic::AtomicBool;

/// Images of [`Classifier::forward`] between two looks at whether to stop, where a prepared model shares them out itself.
const PREDICTOR_BATCH: usize = 4096;
/// Images in a forward pass on a processor without one: enough to use the cores, few enough to stay in cache.
const HOST_BATCH: usize = 64;
/// The same on a GPU: enough to fill it, and that it is seldom waited for.
const DEVICE_BATCH: usize = 1024;

/// A model whose back end is no longer in its type.
pub(crate) fn boxed<B: Backend>(
    model: AnyNetwork<B>,
    config: NetworkConfig,
    device: Device,
    burn_device: &B::Device,
) -> Box<dyn Classifier> {
    Box::new(Engine::new(model, config, device, burn_device.clone()))
}

/// A model with random parameters from `seed`.
pub fn init(config: &NetworkConfig, seed: u64, device: Device) -> Result<Box<dyn Classifier>> {
    from_state(config, initial(config.state(), seed), device)
}

/// A model with the given parameters.
pub fn from_state(
    config: &NetworkConfig,
    parameters: Vec<Parameter>,
    device: Device,
) -> Result<Box<dyn Classifier>> {
    struct FromParameters<'a>(&'a NetworkConfig, Vec<Parameter>);

    impl OnBackend for FromParameters<'_> {
        type Output = Box<dyn Classifier>;

        fn run<B: Backend>(self, device: Device, burn_device: &B::Device) -> Result<Self::Output> {
            let model = AnyNetwork::<B>::from_state(self.0, self.1, burn_device)?;
            Ok(boxed(model, self.0.clone(), device, burn_device))
        }
    }

    on_backend(device, FromParameters(config, parameters))
}

impl<B: Backend> Classifier for Engine<B> {
    fn config(&self) -> &NetworkConfig {
        &self.config
    }

    fn device(&self) -> Device {
        self.device
    }

    fn state(&self) -> Result<Vec<Parameter>> {
        check_process(self.device)?;
        in_turn::<B, _>(&self.burn_device, || self.model.state())
    }

    fn forward(&self, pixels: Pixels<'_>, stop: &AtomicBool) -> Result<Vec<f32>> {
        check_process(self.device)?;
        self.check_shape(pixels)?;
        let num_classes = self.config.num_classes();
        let batch = match self.predictor() {
            Some(_) => PREDICTOR_BATCH,
            None if B::ON_HOST => HOST_BATCH,
            None => DEVICE_BATCH,
        };
        let mut logits = Vec::with_capacity(pixels.len() * num_classes);
        for first in (0..pixels.len()).step_by(batch) {
            check(stop)?;
            let pixels = pixels.range(first..(first + batch).min(pixels.len()));
            if let Some(predictor) = self.predictor() {
                logits.append(&mut predictor.logits(pixels));
                continue;
            }
            let values = in_turn::<B, _>(&self.burn_device, || {
                let mut images = pixels.tensor(&self.burn_device);
                if B::ON_HOST && pixels.len() == 1 {
                    // A product with a single row is summed in another order. Computed beside a copy,
                    // an image has the same bits in every batch.
                    images = images.repeat_dim(0, 2);
                }
                host_values(self.model.logits(images.into(), None).into_data())
            })?;
            logits.extend_from_slice(&values[..pixels.len() * num_classes]);
        }
        Ok(logits)
    }

    fn evaluate(
        &self,
        dataset: &Dataset,
        batch_size: usize,
        kept: Option<&mut Vec<f64>>,
        stop: &AtomicBool,
    ) -> Result<Evaluation> {
        check_process(self.device)?;
        dataset.check_model(self.config.image(), self.config.num_classes())?;
        if dataset.is_empty() {
            return Err(Error::Data(
                "a data set to evaluate must have at least one image, got 0".into(),
            ));
        }
        let measured = in_turn::<B, _>(&self.burn_device, || {
            self.measure(dataset, batch_size.max(1), kept, stop)
        })?;
        let images = dataset.len() as f64;
        let loss = |batch: &Measured| batch.loss * batch.images as f64;
        let hits: usize = measured.iter().map(|batch| batch.hits).sum();
        Ok(Evaluation {
            loss: measured.iter().map(loss).sum::<f64>() / images,
            accuracy: hits as f64 / images,
        })
    }

    fn forward_training(
        &self,
        pixels: Pixels<'_>,
        targets: Targets<'_>,
        weights: Option<&[f32]>,
        key: &DropoutKey,
    ) -> Result<TrainingForward> {
        check_process(self.device)?;
        self.check_shape(pixels)?;
        check_key(key, pixels.len())?;
        check_targets(targets, pixels.len(), self.config.num_classes())?;
        let shares = weights
            .map(|weights| shares(weights, pixels.len()))
            .transpose()?;
        on_worker::<B, _>(&self.burn_device, || {
            super::tape::forward(self, pixels, targets, shares, key)
        })
    }

    fn optimizer(&self, config: &OptimizerConfig) -> Box<dyn Stepper> {
        Box::new(ModelStepper::<Autodiff<B>>::new(
            config.init(),
            &self.burn_device,
        ))
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

fn check_key(key: &DropoutKey, images: usize) -> Result<()> {
    if images > 0 && key.indices.len() == images {
        return Ok(());
    }
    Err(Error::Data(format!(
        "there must be at least one image, and an index of the dropout for each, got {images} images and {} indices",
        key.indices.len()
    )))
}

fn check_targets(targets: Targets<'_>, images: usize, num_classes: usize) -> Result<()> {
    let (found, expected) = match targets {
        Targets::Classes(classes) => (classes.len(), images),
        Targets::Values(values) => (values.len(), images * num_classes),
    };
    if found != expected {
        return Err(Error::Data(format!(
            "there must be {expected} targets for {images} images, got {found}"
        )));
    }
    match targets {
        Targets::Classes(classes) => {
            let known = |class: &i64| (0..num_classes as i64).contains(class);
            match classes.iter().position(|class| !known(class)) {
                None => Ok(()),
                Some(index) => Err(Error::Data(format!(
                    "targets must be classes from 0 to {}, got {} at index {index}",
                    num_classes - 1,
                    classes[index]
                ))),
            }
        }
        Targets::Values(values) => match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(index) => Err(Error::Data(format!(
                "targets must be finite numbers, got {} for output {} of image {}",
                values[index],
                index % num_classes,
                index / num_classes
            ))),
        },
    }
}

/// The share of each image in the mean.
fn shares(weights: &[f32], images: usize) -> Result<Vec<f32>> {
    check_weights(weights, images)?;
    let sum = total_weight(weights)?;
    let share = |weight: &f32| (f64::from(*weight) / sum) as f32;
    Ok(weights.iter().map(share).collect())
}
