//! A model of one back end.

use super::metrics::{Measured, Metrics};
use super::objective::classification;
use crate::config::NetworkConfig;
use crate::data::{Dataset, targets_tensor};
use crate::device::{Backend, Device, Kept, pass};
use crate::error::{Error, Result};
use crate::kernels::{Pixels, Predict};
use crate::network::{AnyNetwork, host_values};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Batches between two readings on a GPU.
const BATCHES_PER_READING: usize = 64;

/// A model of one back end, and where it is.
pub(crate) struct Engine<B: BurnBackend> {
    pub(super) model: Kept<B, AnyNetwork<B>>,
    pub(super) config: NetworkConfig,
    pub(super) device: Device,
    pub(super) burn_device: B::Device,
    /// Prepared when it is first used.
    predictor: OnceLock<Option<Box<dyn Predict>>>,
}

impl<B: Backend> Engine<B> {
    pub(super) fn new(
        model: AnyNetwork<B>,
        config: NetworkConfig,
        device: Device,
        burn_device: B::Device,
    ) -> Self {
        Self {
            model: Kept::<B, _>::new(model, burn_device.clone()),
            config,
            device,
            burn_device,
            predictor: OnceLock::new(),
        }
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

    /// Loss and hits of each batch; the logits are appended to `kept`, where that is given.
    pub fn measure(
        &self,
        dataset: &Dataset,
        batch_size: usize,
        mut kept: Option<&mut Vec<f64>>,
        stop: &AtomicBool,
    ) -> Result<Vec<Measured>> {
        let batches_per_reading = if B::ON_HOST { 1 } else { BATCHES_PER_READING };
        let mut metrics = Metrics::new();
        let mut measured = Vec::new();
        for first in (0..dataset.len()).step_by(batch_size) {
            check(stop)?;
            let last = first.saturating_add(batch_size).min(dataset.len());
            let pixels = dataset.read(first..last)?;
            let images = Pixels::raw(&pixels, dataset.shape())?;
            let logits = if let Some(predictor) = self.predictor() {
                let shape = [images.len(), self.config.num_classes()];
                let logits = TensorData::new(predictor.logits(images), shape);
                Tensor::from_data(logits, &self.burn_device)
            } else {
                let images = images.tensor(&self.burn_device);
                self.model.logits(images.into(), None)
            };
            let targets = targets_tensor(&dataset.targets()[first..last], &self.burn_device);
            if let Some(kept) = &mut kept {
                let values = host_values(logits.clone().into_data())?;
                kept.extend(values.into_iter().map(f64::from));
            }
            metrics.push(vec![classification(logits, targets)]);
            if metrics.len() == batches_per_reading {
                measured.append(&mut metrics.read()?);
            }
        }
        measured.append(&mut metrics.read()?);
        Ok(measured)
    }
}

/// Between two batches: other threads have their turns, and a call that is to stop does.
pub(super) fn check(stop: &AtomicBool) -> Result<()> {
    pass();
    if stop.load(Ordering::Relaxed) {
        Err(Error::Interrupted)
    } else {
        Ok(())
    }
}
