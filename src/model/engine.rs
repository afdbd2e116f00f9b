//! A model of one back end.

use crate::config::NetworkConfig;
use crate::device::{Backend, Device, finish};
use crate::error::{Error, Result};
use crate::kernels::{Pixels, Predict};
use crate::network::AnyNetwork;
use burn::tensor::backend::Backend as BurnBackend;
use std::sync::OnceLock;

/// A model of one back end, and where it is.
pub(crate) struct Engine<B: BurnBackend> {
    pub(super) model: AnyNetwork<B>,
    pub(super) config: NetworkConfig,
    pub(super) device: Device,
    pub(super) burn_device: B::Device,
    /// Prepared when it is first used.
    predictor: OnceLock<Option<Box<dyn Predict>>>,
}

impl<B: Backend> Engine<B> {
    /// A model that any thread may use.
    pub(super) fn new(
        model: AnyNetwork<B>,
        config: NetworkConfig,
        device: Device,
        burn_device: B::Device,
    ) -> Result<Self> {
        finish::<B>(&burn_device)?;
        Ok(Self {
            model,
            config,
            device,
            burn_device,
            predictor: OnceLock::new(),
        })
    }

    pub fn predictor(&self) -> Option<&dyn Predict> {
        self.predictor
            .get_or_init(|| self.model.predictor(self.config.image()))
            .as_deref()
    }

    pub fn check_shape(&self, pixels: Pixels<'_>) -> Result<()> {
        let (expected, found) = (self.config.image(), pixels.shape());
        if found == expected {
            return Ok(());
        }
        Err(Error::Data(format!(
            "images must be of the model's {expected} (height x width x channels), got {found}"
        )))
    }
}
