//! The validation of an epoch.

use super::epochs::{Run, missing_batch};
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
use std::sync::Arc;

impl<B: AutodiffBackend> Run<B> {
    /// Validates an epoch, and takes note of it.
    pub fn valid_epoch(
        &mut self,
        model: &AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> Result<Ended> {
        let epoch = self.progress.epoch;
        let steps = self.valid_loader.num_batches();
        if self.observer.wants_all() {
            self.notify_at(Event::ValidStart { epoch, steps }, model);
        }
        let model = self.model(model);
        let mut logits = Vec::new();
        self.valid_loader.start_at(epoch as u64, 0);
        let loader = Arc::clone(&self.valid_loader);
        let mut batches = loader.iter();
        let mut unread = self.unread();
        for step in 1..=steps {
            if interrupter.should_stop() {
                // A resumed run validates this epoch from the start.
                self.history.forget_validation(epoch);
                return Ok(self.stopped());
            }
            let batch = batches
                .next()
                .ok_or_else(|| loader.fault().unwrap_or_else(missing_batch))?;
            let output = InferenceStep::step(&model, batch);
            if self.measures() {
                logits.push(output.output.clone());
            }
            unread.push(vec![output], step, 0.0);
            let read = unread.read_if_due()?;
            self.take_valid_steps(&read, unread.seconds_each(&read))?;
        }
        let read = unread.read()?;
        self.take_valid_steps(&read, unread.seconds_each(&read))?;
        if self.measures() && !self.measure(logits)? {
            self.history.forget_validation(epoch);
            return Ok(self.stopped());
        }
        Ok(Ended::Completed)
    }

    /// Whether anything is measured beside loss and accuracy.
    fn measures(&self) -> bool {
        !self.config.metrics.is_empty() || !self.own_metrics.is_empty()
    }

    /// Measures what is asked for on the logits of the validation images; false where the observer could not.
    fn measure(&mut self, logits: Vec<Tensor<B::InnerBackend, 2>>) -> Result<bool> {
        let mut values = Vec::new();
        for batch in logits {
            values.extend(host_values(batch.into_data())?.into_iter().map(f64::from));
        }
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
        let Some(own) = self.observer.measure(&predictions) else {
            return Ok(false);
        };
        let named = self.own_metrics.iter().zip(own);
        self.measured
            .extend(named.map(|(name, value)| (format!("valid_{name}"), value)));
        Ok(true)
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
            let images = self.valid_loader.images_in(step);
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
