//! The validation of an epoch.

use super::due::Due;
use super::epochs::Run;
use super::history::{Ended, ValidStepRow};
use super::metrics::Read;
use super::observer::Event;
use crate::config::EpochMetric;
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::Predictions;
use crate::network::{AnyNetwork, host_values};
use burn::data::dataloader::DataLoader as _;
use burn::tensor::Tensor;
use burn::train::{InferenceStep, Interrupter};

/// The logits of a part of a batch, `[images, num_classes]`, with the numbers of its step and of the part.
type PartLogits<B> = (usize, usize, Tensor<B, 2>);

impl<B: AutodiffBackend> Run<B> {
    /// Validates an epoch, and takes note of it.
    pub fn valid_epoch(
        &mut self,
        model: &AnyNetwork<B>,
        interrupter: &Interrupter,
        due: &Due,
    ) -> Result<Ended> {
        let epoch = self.progress.epoch;
        let steps = self.valid_loaders[0].num_batches();
        if self.observer.wants_all() {
            self.notify_at(Event::ValidStart { epoch, steps }, model);
        }
        let model = self.model(model);
        let mut logits = Vec::new();
        let loaders = self.valid_loaders.clone();
        let mut batches: Vec<_> = loaders
            .iter()
            .map(|loader| {
                loader.start_at(epoch as u64, 0);
                loader.iter()
            })
            .collect();
        let mut unread = self.unread();
        for step in 1..=steps {
            let signals = self.signals(interrupter, due)?;
            if let Some(cause) = signals.stop {
                // A resumed run validates this epoch from the start.
                self.history.forget_validation(epoch);
                return Ok(cause);
            }
            let mut outputs = Vec::new();
            for (part, batches) in batches.iter_mut().enumerate() {
                let Some(batch) = batches.next() else {
                    continue;
                };
                let output = InferenceStep::step(&model, batch);
                if self.measures() {
                    logits.push((step, part, output.output.clone()));
                }
                outputs.push(output);
            }
            if let Some(fault) = loaders.iter().find_map(|loader| loader.fault()) {
                return Err(fault);
            }
            let images = loaders[0].images_in(step) - loaders[0].images_in(step - 1);
            let read = self.measure_step(&mut unread, outputs, step, images, 0.0)?;
            self.take_valid_steps(&read, unread.seconds_each(&read))?;
        }
        let read = unread.read()?;
        self.take_valid_steps(&read, unread.seconds_each(&read))?;
        if self.measures() && !self.measure(logits)? {
            self.history.forget_validation(epoch);
            return Ok(self
                .signals(interrupter, due)?
                .stop
                .unwrap_or(Ended::Stopped));
        }
        Ok(Ended::Completed)
    }

    /// Whether anything is measured beside loss and accuracy.
    fn measures(&self) -> bool {
        !self.config.metrics.is_empty() || !self.own_metrics.is_empty()
    }

    /// Measures what is asked for on the logits of the validation images; false where the observer could not.
    fn measure(&mut self, logits: Vec<PartLogits<B::InnerBackend>>) -> Result<bool> {
        let values = self.joined(logits)?;
        let num_classes = self.config.model.num_classes();
        let predictions = Predictions {
            logits: values,
            targets: self.valid_targets.clone(),
            num_classes,
        };
        let measured = predictions.measure(&self.config.metrics)?;
        let named = self.config.metrics.iter().zip(measured);
        self.measured = named
            .flat_map(|(metric, values)| metric.values(num_classes).into_iter().zip(values))
            .map(|(metric, value)| (EpochMetric::Valid(metric).to_string(), value))
            .collect();
        if self.own_metrics.is_empty() {
            return Ok(true);
        }
        let own = self.observer.measure(&predictions);
        if let Some(ranks) = &self.ranks
            && ranks.exchange(own.is_some())?.contains(&false)
        {
            return Ok(false);
        }
        let Some(own) = own else {
            return Ok(false);
        };
        let named = self.own_metrics.iter().zip(own);
        self.measured
            .extend(named.map(|(name, value)| (format!("valid_{name}"), value)));
        Ok(true)
    }

    /// The logits of all images in their order, of all ranks.
    fn joined(&self, logits: Vec<PartLogits<B::InnerBackend>>) -> Result<Vec<f64>> {
        let mut parts = Vec::new();
        let first = self
            .ranks
            .as_ref()
            .map_or(0, |ranks| ranks.own_parts().start);
        for (step, part, logits) in logits {
            parts.push((step, first + part, host_values(logits.into_data())?));
        }
        if let Some(ranks) = &self.ranks {
            parts = ranks.exchange(parts)?.into_iter().flatten().collect();
            parts.sort_by_key(|(step, part, _)| (*step, *part));
        }
        let values = parts.into_iter().flat_map(|(_, _, values)| values);
        Ok(values.map(f64::from).collect())
    }

    /// Takes note of validation steps that took as many seconds each.
    fn take_valid_steps(&mut self, read: &[Read], seconds: f64) -> Result<()> {
        let epoch = self.progress.epoch;
        for Read { step, measured, .. } in read {
            let step = *step;
            let (images, loss, accuracy) = (measured.images, measured.loss, measured.accuracy());
            if !loss.is_finite() {
                return Err(self.diverged("validation", step, loss, self.progress));
            }
            self.history.valid_steps.push(ValidStepRow {
                epoch,
                step,
                images,
                loss,
                accuracy,
                seconds,
            });
            let images = self.valid_loaders[0].images_in(step);
            self.observer.notify(Event::ValidStep {
                epoch,
                step,
                images,
                loss,
                accuracy,
            });
        }
        Ok(())
    }
}
