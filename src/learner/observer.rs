use super::history::{Ended, EpochRow};
use super::moment::Moment;
use crate::device::without_turns;
use crate::model::Predictions;
use serde::Serialize;
use std::collections::BTreeMap;

/// What happens in a run, in this order:
///
/// ```text
/// Start
///   EpochStart (TrainStep)* (ValidStep)* EpochEnd     for each epoch
/// End
/// ```
///
/// `Log` comes anywhere. A run that is stopped goes from any step to `End`; a failed one ends with `Failed`.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The run begins or goes on.
    Start {
        /// First epoch to run, from 1.
        epoch: usize,
        /// Epochs of the whole run.
        num_epochs: usize,
        /// Training steps in an epoch.
        train_steps: usize,
        /// Validation steps in an epoch.
        valid_steps: usize,
        /// Training images.
        train_images: usize,
        /// Validation images.
        valid_images: usize,
        /// Where it computes.
        device: String,
    },
    /// An epoch begins or goes on.
    EpochStart {
        /// The epoch, from 1.
        epoch: usize,
        /// Training steps already done in it.
        step: usize,
    },
    /// A training step begins; only for observers that want all.
    StepStart {
        /// The epoch, from 1.
        epoch: usize,
        /// The step in the epoch, from 1.
        step: usize,
    },
    /// A training step is done.
    TrainStep {
        /// The epoch, from 1.
        epoch: usize,
        /// The step in the epoch, from 1.
        step: usize,
        /// Images done in this epoch.
        images: usize,
        /// Mean cross-entropy of the batch.
        loss: f64,
        /// Share of hits in the batch, in 0..1.
        accuracy: f64,
        /// What the optimizer used.
        learning_rate: f64,
        /// Time since the step before.
        seconds: f64,
    },
    /// The validation of an epoch begins; only for observers that want all.
    ValidStart {
        /// The epoch, from 1.
        epoch: usize,
        /// Validation steps.
        steps: usize,
    },
    /// The validation of an epoch is done; only for observers that want all.
    ValidEnd {
        /// The epoch, from 1.
        epoch: usize,
        /// Mean cross-entropy over the images.
        valid_loss: f64,
        /// Share of hits, in 0..1.
        valid_accuracy: f64,
        /// What else was measured, by name.
        metrics: BTreeMap<String, f64>,
    },
    /// A validation step is done.
    ValidStep {
        /// The epoch, from 1.
        epoch: usize,
        /// The step in the validation, from 1.
        step: usize,
        /// Images done in this validation.
        images: usize,
        /// Mean cross-entropy of the batch.
        loss: f64,
        /// Share of hits in the batch, in 0..1.
        accuracy: f64,
    },
    /// An epoch is done, validated and kept.
    EpochEnd(EpochRow),
    /// Something a person may want to know.
    Log {
        /// How much it matters.
        level: Level,
        /// One line of text.
        message: String,
    },
    /// The run is over, and everything is written.
    End {
        /// Why.
        ended: Ended,
        /// Whether that was Ctrl-C or the like.
        interrupted: bool,
    },
    /// The run can't go on; its last checkpoint is kept, or the older run if it had none yet.
    Failed {
        /// The error.
        message: String,
    },
}

/// How much a message matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The course of things.
    Info,
    /// Something to look at.
    Warning,
}

/// Told of every event, on the training thread: what it does costs training time.
///
/// To stop a run, an observer keeps a clone of its `Interrupter`.
pub trait Observer: Send {
    /// Takes note of an event.
    fn notify(&mut self, event: Event);

    /// The same, with a look at the run.
    fn notify_at(&mut self, event: Event, moment: &dyn Moment) {
        let _ = moment;
        self.notify(event);
    }

    /// Whether it is told of the beginnings of steps, and of the beginning and the end of validations.
    fn wants_all(&self) -> bool {
        false
    }

    /// The names of the metrics that it measures itself.
    fn metrics(&self) -> Vec<String> {
        Vec::new()
    }

    /// The values of these for the validation images; `None` where the run is to stop instead.
    fn measure(&mut self, predictions: &Predictions) -> Option<Vec<f64>> {
        let _ = predictions;
        Some(Vec::new())
    }

    /// Whether it must be told of each step before the next one. Otherwise a GPU may be some steps ahead: its metrics are
    /// read several steps at a time.
    fn wants_each_step(&self) -> bool {
        false
    }
}

/// An observer that is told between two turns at the devices of the run: it may compute there itself, or wait for who does.
pub(super) struct BetweenTurns(pub Box<dyn Observer>);

impl Observer for BetweenTurns {
    fn notify(&mut self, event: Event) {
        without_turns(|| self.0.notify(event));
    }

    fn notify_at(&mut self, event: Event, moment: &dyn Moment) {
        without_turns(|| self.0.notify_at(event, moment));
    }

    fn wants_all(&self) -> bool {
        self.0.wants_all()
    }

    fn metrics(&self) -> Vec<String> {
        self.0.metrics()
    }

    fn measure(&mut self, predictions: &Predictions) -> Option<Vec<f64>> {
        without_turns(|| self.0.measure(predictions))
    }

    fn wants_each_step(&self) -> bool {
        self.0.wants_each_step()
    }
}

/// Takes note of nothing.
#[derive(Clone, Copy, Debug)]
pub struct Silent;

impl Observer for Silent {
    fn notify(&mut self, _event: Event) {}
}

/// Tells of the course of things.
pub(super) fn tell(observer: &mut dyn Observer, message: String) {
    observer.notify(Event::Log {
        level: Level::Info,
        message,
    });
}

/// Tells of something to look at.
pub(super) fn warn(observer: &mut dyn Observer, message: String) {
    observer.notify(Event::Log {
        level: Level::Warning,
        message,
    });
}
