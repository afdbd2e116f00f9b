use crate::config::Fields;
use crate::config::metric::{Direction, EpochMetric};
use crate::error::Result;
use serde_json::{Value, json};

/// A learning rate that falls where a metric gets no better: `PyTorch`'s `ReduceLROnPlateau` with its relative threshold.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauConfig {
    /// The metric.
    pub metric: EpochMetric,
    /// What the rate is multiplied by, above 0 and below 1.
    pub factor: f64,
    /// Epochs without an improvement that are passed over; the rate falls with the next one.
    pub patience: usize,
    /// An epoch improves the metric if it is better by more than this share of the best value.
    pub threshold: f64,
    /// Epochs after a fall of the rate that do not count.
    pub cooldown: usize,
    /// The lowest rate.
    pub min_lr: f64,
}

impl PlateauConfig {
    pub(super) fn read(fields: &mut Fields<'_>, most: u64) -> Result<Self> {
        let metric = match fields.get("metric") {
            None => EpochMetric::ValidLoss,
            Some(value) => value
                .as_str()
                .and_then(|name| name.parse().ok())
                .ok_or_else(|| fields.broken("metric", &EpochMetric::rule(), value))?,
        };
        let share = ("a number from 0 to 1", |share: f64| {
            (0.0..=1.0).contains(&share)
        });
        Ok(Self {
            metric,
            factor: fields.number(
                "factor",
                Some(0.1),
                "a number above 0 and below 1",
                |factor| factor > 0.0 && factor < 1.0,
            )?,
            patience: fields.whole("patience", Some(10), (0, most))? as usize,
            threshold: fields.number("threshold", Some(1e-4), share.0, share.1)?,
            cooldown: fields.whole("cooldown", Some(0), (0, most))? as usize,
            min_lr: fields.number("min_lr", Some(0.0), share.0, share.1)?,
        })
    }

    pub(super) fn to_value(self) -> Value {
        json!({
            "metric": self.metric.to_string(),
            "factor": self.factor,
            "patience": self.patience,
            "threshold": self.threshold,
            "cooldown": self.cooldown,
            "min_lr": self.min_lr,
        })
    }
}

/// The rate of a run under a [`PlateauConfig`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PlateauLrScheduler {
    config: PlateauConfig,
    /// The rate of the first epoch.
    first: f64,
    pub(super) rate: f64,
    best: Option<f64>,
    /// Epochs without an improvement since the last one, or since the last fall of the rate.
    bad_epochs: usize,
    /// Epochs that do not count yet.
    cooldown: usize,
}

impl PlateauLrScheduler {
    pub(super) fn new(config: PlateauConfig, learning_rate: f64) -> Self {
        Self {
            config,
            first: learning_rate,
            rate: learning_rate,
            best: None,
            bad_epochs: 0,
            cooldown: 0,
        }
    }

    /// The metric that it watches.
    pub(super) fn metric(&self) -> EpochMetric {
        self.config.metric
    }

    /// The schedule at a rate, as the record of a checkpoint has it. What it waits for follows from the history: see
    /// [`after_epochs`](Self::after_epochs).
    pub(super) fn with_rate(self, rate: f64) -> Self {
        Self { rate, ..self }
    }

    /// The schedule after epochs with these values of the metric.
    pub(super) fn after_epochs(self, values: &[f64]) -> Self {
        let start = Self::new(self.config, self.first);
        values.iter().fold(start, |mut schedule, value| {
            schedule.end_epoch(*value);
            schedule
        })
    }

    /// Takes note of the metric after an epoch.
    pub(super) fn end_epoch(&mut self, value: f64) {
        let config = self.config;
        let is_better = self
            .best
            .is_none_or(|best| match config.metric.direction() {
                Direction::Min => value < best * (1.0 - config.threshold),
                Direction::Max => value > best * (1.0 + config.threshold),
            });
        if is_better {
            self.best = Some(value);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
        if self.cooldown > 0 {
            self.cooldown -= 1;
            self.bad_epochs = 0;
        }
        if self.bad_epochs > config.patience {
            self.rate = (self.rate * config.factor).max(config.min_lr);
            self.cooldown = config.cooldown;
            self.bad_epochs = 0;
        }
    }
}
