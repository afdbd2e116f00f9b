//! The state of an optimizer whose back end is chosen at run time, as bytes.

use super::{decode_optimizer, encode_optimizer};
use crate::config::{NetworkConfig, OptimizerConfig, Precision, Recorder};
use crate::device::{Backend, Device, OnBackend, on_backend};
use crate::error::{Error, Result};
use crate::model::{ModelStepper, Stepper};
use burn::backend::Autodiff;
use burn::optim::Optimizer;
use std::path::Path;

/// The state of an optimizer after a step, in full precision.
pub struct StepperState {
    /// What Burn's recorder writes.
    pub bytes: Vec<u8>,
    /// The configuration of the model it is of.
    pub model: NetworkConfig,
    /// Where that is.
    pub device: Device,
}

impl StepperState {
    /// That of an optimizer; `None` before its first step.
    pub fn of(stepper: &dyn Stepper) -> Result<Option<Self>> {
        struct Encode<'a>(&'a dyn Stepper);

        impl OnBackend for Encode<'_> {
            type Output = Vec<u8>;

            fn run<B: Backend>(self, _device: Device, _burn: &B::Device) -> Result<Vec<u8>> {
                let stepper = self.0.as_any().downcast_ref::<ModelStepper<Autodiff<B>>>();
                let stepper = stepper.ok_or_else(|| {
                    Error::Internal("an optimizer is on another device than its model".into())
                })?;
                let state = stepper.optimizer.to_record();
                encode_optimizer(state, Recorder::Default, Precision::Full)
            }
        }

        let Some((model, device)) = stepper.of_model() else {
            return Ok(None);
        };
        Ok(Some(Self {
            bytes: on_backend(device, Encode(stepper))?,
            model: model.clone(),
            device,
        }))
    }

    /// The optimizer of `config` in this state; `path` is what messages call the bytes.
    pub fn restore(&self, config: &OptimizerConfig, path: &Path) -> Result<Box<dyn Stepper>> {
        struct Decode<'a>(&'a StepperState, &'a OptimizerConfig, &'a Path);

        impl OnBackend for Decode<'_> {
            type Output = Box<dyn Stepper>;

            fn run<B: Backend>(
                self,
                device: Device,
                burn_device: &B::Device,
            ) -> Result<Self::Output> {
                let Self(state, config, path) = self;
                let record = decode_optimizer::<Autodiff<B>>(
                    &state.bytes,
                    path,
                    config,
                    &state.model.parameters(),
                    burn_device,
                )?;
                let optimizer = config.init().restore(record)?;
                let mut stepper = ModelStepper::<Autodiff<B>>::new(optimizer, burn_device);
                stepper.first = Some((state.model.clone(), device));
                Ok(Box::new(stepper))
            }
        }

        on_backend(self.device, Decode(self, config, path))
    }
}
