//! How gradients change the parameters: the optimizer, and the learning rate that it takes at each step.

use super::history::History;
use crate::config::{LrSchedule, LrScheduleRecord, Recorder, TrainingConfig};
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::ModelOptimizer;
use crate::network::{AnyNetwork, ParameterSpec, Statistics};
use crate::record::{decode_optimizer, decode_scheduler, encode_optimizer, encode_scheduler};
use burn::lr_scheduler::LrScheduler;
use burn::optim::{GradientsParams, Optimizer};
use std::path::Path;

/// The optimizer and the schedule of a run, with their states.
pub(super) struct Rule<B: AutodiffBackend> {
    pub optimizer: ModelOptimizer<B>,
    pub schedule: LrSchedule,
}

impl<B: AutodiffBackend> Rule<B> {
    /// The rule before the first step.
    pub fn new(config: &TrainingConfig) -> Result<Self> {
        Ok(Self {
            optimizer: config.optimizer.init(),
            schedule: config.schedule()?,
        })
    }

    /// The rule in the state of the records of a checkpoint at `path`, whose run had `learning_rate`.
    #[allow(
        clippy::too_many_arguments,
        reason = "a checkpoint's parts are of different kinds"
    )]
    pub fn restore(
        self,
        optimizer: &[u8],
        schedule: &[u8],
        path: &Path,
        config: &TrainingConfig,
        trainable: &[ParameterSpec],
        learning_rate: f64,
        history: &History,
        device: &B::Device,
    ) -> Result<Self> {
        let record = decode_optimizer(optimizer, path, &config.optimizer, trainable, device)?;
        let like = self.schedule.to_record::<B>();
        let state = match decode_scheduler(schedule, path, like)? {
            // A rate follows from the first one; with another, it is another.
            LrScheduleRecord::Rate(rate)
                if learning_rate.to_bits() != config.learning_rate.to_bits() =>
            {
                LrScheduleRecord::Rate(rate * (config.learning_rate / learning_rate))
            }
            state => state,
        };
        let schedule = self.schedule.restore::<B>(state)?;
        let schedule = match schedule.metric() {
            None => schedule,
            Some(metric) => schedule.after_epochs(history.values(&metric.to_string())?),
        };
        Ok(Self {
            optimizer: self.optimizer.restore(record)?,
            schedule,
        })
    }

    /// The records of optimizer and schedule.
    pub fn encode(&self, recorder: Recorder) -> Result<(Vec<u8>, Vec<u8>)> {
        let optimizer =
            encode_optimizer(self.optimizer.to_record(), recorder, recorder.precision())?;
        let schedule = encode_scheduler::<B>(self.schedule.to_record::<B>(), recorder)?;
        Ok((optimizer, schedule))
    }

    /// The learning rate of the next step.
    pub fn next_rate(&mut self) -> f64 {
        self.schedule.step()
    }

    /// Takes note of the metrics of an epoch that is done.
    pub fn end_epoch(&mut self, history: &History) -> Result<()> {
        if let Some(metric) = self.schedule.metric()
            && let Some(value) = history.values(&metric.to_string())?.last()
        {
            self.schedule.end_epoch(*value);
        }
        Ok(())
    }

    /// The model after a step against the gradients, which has taken in the statistics of its batch.
    pub fn update(
        &mut self,
        model: AnyNetwork<B>,
        learning_rate: f64,
        gradients: GradientsParams,
        statistics: Statistics<B>,
    ) -> AnyNetwork<B> {
        let model = self.optimizer.step(learning_rate, model, gradients);
        model.with_statistics(statistics)
    }
}
