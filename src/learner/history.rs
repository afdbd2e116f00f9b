use super::metrics::Totals;
use crate::config::{Direction, EarlyStoppingConfig, EpochMetric};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Why a run is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All its epochs are done.
    Completed,
    /// An observer asked for it; the run can be resumed.
    Stopped,
    /// Its metric got no better; with more patience the run can be resumed.
    StoppedEarly,
    /// A person or the system did, or the process was killed; the run can be resumed.
    Interrupted,
}

/// Every step and every epoch of a run, in columns.
///
/// All columns but those of time are the same bits for the same run, stopped and resumed or not.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct History {
    /// One row an epoch.
    pub epochs: EpochColumns,
    /// One row a training step.
    pub train_steps: TrainStepColumns,
    /// One row a validation step.
    pub valid_steps: ValidStepColumns,
    /// The epoch with the lowest validation loss, or the best one by the metric of `early_stopping`, the first of equals; none
    /// before the first is done.
    pub best_epoch: Option<usize>,
    /// When the run stops because it gets no better.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// The epoch that the run's model is of, where that is not the last one. In no checkpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_epoch: Option<usize>,
    /// Whether the run was interrupted: the same as `ended` says.
    pub interrupted: bool,
    /// Why the run is over. In a checkpoint before the end of the run it is interrupted, which is what a run is that is killed
    /// afterwards. Files of earlier versions have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Ended>,
    /// Time spent in steps.
    pub seconds: f64,
    /// Time spent before the first step, to compile and tune the kernels of a GPU; 0 on the CPU, and then not written.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub warm_up_seconds: f64,
}

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
pub(super) fn is_zero(seconds: &f64) -> bool {
    *seconds == 0.0
}

/// One epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRow {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Mean training loss over the images, with dropout and while the weights moved.
    pub train_loss: f64,
    /// Share of hits in training, in 0..1.
    pub train_accuracy: f64,
    /// Mean validation loss over the images.
    pub valid_loss: f64,
    /// Share of hits in validation, in 0..1.
    pub valid_accuracy: f64,
    /// The learning rate of the last step.
    pub learning_rate: f64,
    /// Time spent in training and validation steps.
    pub seconds: f64,
    /// Training images over the time spent in training steps.
    pub images_per_second: f64,
    /// What else was measured in validation, by name, as in `valid_f1_macro`.
    #[serde(flatten)]
    pub metrics: BTreeMap<String, f64>,
}

/// One training step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct TrainStepRow {
    pub epoch: usize,
    pub step: usize,
    pub images: usize,
    pub loss: f64,
    pub accuracy: f64,
    pub learning_rate: f64,
    pub seconds: f64,
    pub images_per_second: f64,
}

/// One validation step.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct ValidStepRow {
    pub epoch: usize,
    pub step: usize,
    pub images: usize,
    pub loss: f64,
    pub accuracy: f64,
    pub seconds: f64,
}

macro_rules! columns {
    ($(#[$about:meta])* $name:ident of $row:ident { $($column:ident: $kind:ty,)* } $($metrics:ident)?) => {
        $(#[$about])*
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        #[expect(missing_docs, reason = "the columns are named as the fields of the events and of `EpochRow`")]
        pub struct $name {
            $(pub $column: Vec<$kind>,)*
            $(
                /// The metrics that the run measures beside these, by name.
                #[serde(flatten)]
                pub $metrics: BTreeMap<String, Vec<f64>>,
            )?
        }

        impl $name {
            pub(super) fn push(&mut self, row: $row) {
                $(self.$column.push(row.$column);)*
                $(
                    for (name, value) in row.$metrics {
                        self.$metrics.entry(name).or_default().push(value);
                    }
                )?
            }

            /// The rows from number `start` on, from 0.
            pub(super) fn rows_from(&self, start: usize) -> impl Iterator<Item = $row> + '_ {
                (start..self.epoch.len()).map(|row| $row {
                    $($column: self.$column[row],)*
                    $(
                        $metrics: self
                            .$metrics
                            .iter()
                            .map(|(name, values)| (name.clone(), values[row]))
                            .collect(),
                    )?
                })
            }

            fn lengths(&self) -> Vec<usize> {
                let lengths = vec![$(self.$column.len()),*];
                $(
                    let metrics = self.$metrics.values().map(Vec::len);
                    let lengths = lengths.into_iter().chain(metrics).collect();
                )?
                lengths
            }
        }
    };
}

columns! {
    /// The epochs: see [`EpochRow`].
    EpochColumns of EpochRow {
        epoch: usize,
        train_loss: f64,
        train_accuracy: f64,
        valid_loss: f64,
        valid_accuracy: f64,
        learning_rate: f64,
        seconds: f64,
        images_per_second: f64,
    } metrics
}

columns! {
    /// The training steps; `images` counts those of the batch.
    TrainStepColumns of TrainStepRow {
        epoch: usize,
        step: usize,
        images: usize,
        loss: f64,
        accuracy: f64,
        learning_rate: f64,
        seconds: f64,
        images_per_second: f64,
    }
}

columns! {
    /// The validation steps; `images` counts those of the batch.
    ValidStepColumns of ValidStepRow {
        epoch: usize,
        step: usize,
        images: usize,
        loss: f64,
        accuracy: f64,
        seconds: f64,
    }
}

impl History {
    /// Ends an epoch: its row follows from its steps.
    pub(super) fn end_epoch(
        &mut self,
        epoch: usize,
        metrics: BTreeMap<String, f64>,
    ) -> Result<EpochRow> {
        let steps = &self.train_steps;
        let train = Totals::of(
            &steps.epoch,
            &steps.images,
            &steps.loss,
            &steps.accuracy,
            &steps.seconds,
            epoch,
        );
        let learning_rate = steps.learning_rate.last().copied().unwrap_or(0.0);
        let steps = &self.valid_steps;
        let valid = Totals::of(
            &steps.epoch,
            &steps.images,
            &steps.loss,
            &steps.accuracy,
            &steps.seconds,
            epoch,
        );
        let row = EpochRow {
            epoch,
            train_loss: train.mean_loss(),
            train_accuracy: train.accuracy(),
            valid_loss: valid.mean_loss(),
            valid_accuracy: valid.accuracy(),
            learning_rate,
            seconds: train.seconds + valid.seconds,
            images_per_second: train.images as f64 / train.seconds,
            metrics,
        };
        self.epochs.push(row.clone());
        self.find_best()?;
        Ok(row)
    }

    /// Finds the best epoch anew.
    pub(super) fn find_best(&mut self) -> Result<()> {
        let default = EarlyStoppingConfig::default();
        let rule = self.early_stopping.as_ref().unwrap_or(&default);
        self.best_epoch = self.best_by(&rule.metric, rule.direction)?;
        Ok(())
    }

    /// The epochs in which the metric of the best epoch is best, so many, the best first.
    pub(super) fn best_epochs(&self, count: usize) -> Result<Vec<usize>> {
        let default = EarlyStoppingConfig::default();
        let rule = self.early_stopping.as_ref().unwrap_or(&default);
        let values = self.values(&rule.metric)?.iter().copied();
        let mut rows: Vec<(f64, usize)> = values.zip(self.epochs.epoch.iter().copied()).collect();
        rows.sort_by(|left, right| match rule.direction {
            Direction::Min => left.0.total_cmp(&right.0),
            Direction::Max => right.0.total_cmp(&left.0),
        });
        Ok(rows
            .into_iter()
            .map(|(_, epoch)| epoch)
            .take(count)
            .collect())
    }

    /// The epoch in which a metric is best, the first of equals.
    pub(super) fn best_by(&self, metric: &str, direction: Direction) -> Result<Option<usize>> {
        let values = self.values(metric)?.iter().copied();
        let rows = self.epochs.epoch.iter().copied().zip(values);
        let best = rows.reduce(|best, row| {
            if direction.is_better(row.1, best.1) {
                row
            } else {
                best
            }
        });
        Ok(best.map(|(epoch, _)| epoch))
    }

    /// The column of a metric of the epochs.
    pub(super) fn values(&self, metric: &str) -> Result<&[f64]> {
        let epochs = &self.epochs;
        match metric {
            "train_loss" => return Ok(&epochs.train_loss),
            "train_accuracy" => return Ok(&epochs.train_accuracy),
            "valid_loss" => return Ok(&epochs.valid_loss),
            "valid_accuracy" => return Ok(&epochs.valid_accuracy),
            _ => {}
        }
        match epochs.metrics.get(metric) {
            Some(values) => Ok(values),
            None if epochs.epoch.is_empty() => Ok(&[]),
            None => Err(not_measured(metric, epochs.metrics.keys().cloned())),
        }
    }

    /// Refuses to go on with other metrics than those of the epochs that are done.
    pub(super) fn check_metrics(&self, measured: &[String]) -> Result<()> {
        let before: Vec<&String> = self.epochs.metrics.keys().collect();
        let is_same =
            before.len() == measured.len() && before.iter().all(|name| measured.contains(name));
        if is_same || self.epochs.epoch.is_empty() {
            return Ok(());
        }
        let listed = |names: Vec<&String>| match names.as_slice() {
            [] => "none".to_owned(),
            names => names
                .iter()
                .map(|name| name.as_str())
                .collect::<Vec<_>>()
                .join(", "),
        };
        Err(Error::Config(format!(
            "metrics must be those of the epochs that are done where a run is resumed, {}, got {}; give functions of your own again \
             with metrics=[...]",
            listed(before),
            listed(measured.iter().collect())
        )))
    }

    /// Whether the run stops because it got no better.
    pub(super) fn stops_early(&self) -> Result<bool> {
        match &self.early_stopping {
            None => Ok(false),
            Some(rule) => Ok(rule.is_over(self.values(&rule.metric)?)),
        }
    }

    /// Epoch and step of the last training step.
    pub(super) fn last_step(&self) -> Option<(usize, usize)> {
        let steps = &self.train_steps;
        steps.epoch.last().copied().zip(steps.step.last().copied())
    }

    /// Forgets the validation steps of an epoch whose validation did not end.
    pub(super) fn forget_validation(&mut self, epoch: usize) {
        let all = std::mem::take(&mut self.valid_steps);
        for row in all.rows_from(0).filter(|row| row.epoch != epoch) {
            self.valid_steps.push(row);
        }
    }

    /// Sets the totals that are no column.
    pub(super) fn close(&mut self, ended: Ended) {
        self.interrupted = ended == Ended::Interrupted;
        self.ended = Some(ended);
        self.seconds = self
            .train_steps
            .seconds
            .iter()
            .chain(&self.valid_steps.seconds)
            .sum();
    }

    /// Says why the run is over where an earlier version, which knew only whether it was cut short, has not.
    pub(super) fn complete(mut self) -> Self {
        self.ended.get_or_insert(if self.interrupted {
            Ended::Interrupted
        } else {
            Ended::Completed
        });
        self
    }

    /// Checks that columns that belong together are equally long, as in a file that someone edited they may not be.
    pub(super) fn check(&self) -> Result<()> {
        let tables = [
            self.epochs.lengths(),
            self.train_steps.lengths(),
            self.valid_steps.lengths(),
        ];
        if tables
            .iter()
            .all(|lengths| lengths.iter().all(|length| length == &lengths[0]))
        {
            Ok(())
        } else {
            Err(Error::Artifact(
                "the columns of a history must be equally long".into(),
            ))
        }
    }
}

/// The error for a metric that a run does not measure.
pub(super) fn not_measured(metric: &str, others: impl Iterator<Item = String>) -> Error {
    let always = EpochMetric::ALWAYS.map(|metric| metric.to_string());
    let names: Vec<String> = always.into_iter().chain(others).collect();
    Error::Config(format!(
        "metric must be one that the run measures, {}, got {metric:?}; others are measured with metrics=[...]",
        names.join(", ")
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_epochs_loss_is_the_mean_over_images_and_the_best_has_the_lowest_validation_loss() {
        let mut history = History::default();
        for (epoch, valid_loss) in [(1, 0.5), (2, 0.3), (3, 0.3)] {
            for (step, images, loss, accuracy) in [(1, 3, 1.0, 1.0 / 3.0), (2, 1, 5.0, 1.0)] {
                history.train_steps.push(TrainStepRow {
                    epoch,
                    step,
                    images,
                    loss,
                    accuracy,
                    learning_rate: 0.1,
                    seconds: 1.0,
                    images_per_second: images as f64,
                });
            }
            history.valid_steps.push(ValidStepRow {
                epoch,
                step: 1,
                images: 2,
                loss: valid_loss,
                accuracy: 0.5,
                seconds: 0.5,
            });
            let row = history.end_epoch(epoch, BTreeMap::new()).unwrap();
            assert!((row.train_loss - 2.0).abs() < 1e-12);
            assert!((row.train_accuracy - 0.5).abs() < 1e-12);
            assert!((row.images_per_second - 2.0).abs() < 1e-12);
        }
        assert_eq!(history.best_epoch, Some(2));
        assert!(history.check().is_ok());
        history.valid_steps.loss.pop();
        assert!(history.check().is_err());
    }
}
