//! The loop over epochs and steps.

use super::artifact::ArtifactDirectory;
use super::average::WeightAverage;
use super::deadline::Deadline;
use super::due::Due;
use super::group::Group;
use super::history::{Ended, History};
use super::history_rows::HistoryRows;
use super::moment::RunMoment;
use super::observer::{Event, Observer, tell};
use super::progress::Progress;
use super::ranks::{Ranks, Signals};
use super::rule::Rule;
use crate::config::{CheckpointConfig, TrainingConfig};
use crate::data::DataLoader;
use crate::device::{AutodiffBackend, Device, pass};
use crate::error::{Error, Result};
use crate::model::Objective;
use crate::network::{AnyNetwork, ParameterSpec};
use crate::record::About;
use burn::data::dataloader::DataLoader as _;
use burn::module::AutodiffModule;
use burn::train::Interrupter;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

/// All that a run needs beside its model.
pub(super) struct Run<B: AutodiffBackend> {
    pub config: TrainingConfig,
    /// The devices that share each step; the model is on the first one.
    pub devices: Vec<Device>,
    pub burn_devices: Vec<B::Device>,
    pub directory: ArtifactDirectory,
    pub data: [String; 2],
    /// The parameters that are not frozen.
    pub trainable: Arc<[ParameterSpec]>,
    /// The classes of the validation images, in their order.
    pub valid_targets: Vec<u32>,
    /// Metrics that the observer measures itself.
    pub own_metrics: Vec<String>,
    /// What was measured in the validation that was last done, beside loss and accuracy.
    pub measured: BTreeMap<String, f64>,
    /// Which checkpoints are kept.
    pub retention: CheckpointConfig,
    /// What its model knows of the data.
    pub about: About,
    pub rule: Rule<B>,
    /// That of the weights, if the run keeps one.
    pub average: Option<WeightAverage<B::InnerBackend>>,
    pub progress: Progress,
    pub deadline: Deadline,
    pub history: History,
    /// Which rows of the history are on disk.
    pub rows: HistoryRows,
    pub observer: Box<dyn Observer>,
    /// Whether it is Ctrl-C or the like that the interrupter stops the run for.
    pub interrupted: Arc<AtomicBool>,
    /// One for each device.
    pub train_loaders: Vec<Arc<DataLoader<B>>>,
    /// One, or one for each part of this rank.
    pub valid_loaders: Vec<Arc<DataLoader<B::InnerBackend>>>,
    /// The processes that share the run.
    pub ranks: Option<Arc<Ranks>>,
}

/// What a run leaves in memory.
pub(super) struct Outcome {
    pub history: History,
    pub ended: Ended,
}

impl<B: AutodiffBackend> Run<B> {
    pub fn train(
        mut self,
        model: AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> (Option<AnyNetwork<B>>, Result<Outcome>) {
        self.deadline = Deadline::after(self.config.max_seconds);
        let done = self
            .epochs(model, interrupter)
            .and_then(|(model, ended)| Ok((self.finish(model, ended)?, ended)));
        match settled(self.ranks.as_deref(), done) {
            Ok((model, ended)) => (
                Some(model),
                Ok(Outcome {
                    history: self.history,
                    ended,
                }),
            ),
            Err(error) => {
                if let Some(path) = self.directory.older_run() {
                    let message = format!(
                        "the new run ends before its first checkpoint: the older run in {} is unchanged",
                        path.display()
                    );
                    tell(self.observer.as_mut(), message);
                }
                self.observer.notify(Event::Failed {
                    message: error.to_string(),
                });
                (None, Err(error))
            }
        }
    }

    fn epochs(
        &mut self,
        mut model: AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> Result<(AnyNetwork<B>, Ended)> {
        let first = if self.progress.ended {
            self.progress.epoch + 1
        } else {
            self.progress.epoch
        };
        let group = Group::new(
            self.train_loaders.clone(),
            &self.burn_devices,
            &self.config.model,
            &self.trainable,
            Objective::of(&self.config),
            self.ranks.clone(),
        );
        let start = Event::Start {
            epoch: first,
            num_epochs: self.config.num_epochs,
            train_steps: group.steps(),
            valid_steps: self.valid_loaders[0].num_batches(),
            train_images: group.num_images(),
            valid_images: self.valid_loaders[0].num_items(),
            device: device_names(&self.devices),
        };
        self.notify_at(start, &model);
        if let Some(ranks) = &self.ranks {
            tell(self.observer.as_mut(), ranks.message());
        }
        if first <= self.config.num_epochs && !self.history.stops_early()? {
            self.warm_up(&group, &model, interrupter)?;
        }
        let mut due = self.due(Instant::now());
        for epoch in first..=self.config.num_epochs {
            // Also before the first one: a resumed run stops where one that was never stopped does.
            if self.stops_early(epoch)? {
                return Ok((model, Ended::StoppedEarly));
            }
            if self.progress.ended || self.progress.epoch != epoch {
                self.progress = Progress {
                    epoch,
                    ended: false,
                    step: 0,
                };
            }
            let step = self.progress.step;
            self.notify_at(Event::EpochStart { epoch, step }, &model);
            let mut ended;
            (model, ended) = self.train_epoch(&group, model, interrupter, &mut due)?;
            if ended == Ended::Completed {
                ended = self.valid_epoch(&model, interrupter, &due)?;
            }
            if ended != Ended::Completed {
                if self.directory.older_run().is_some() && self.history.train_steps.step.is_empty()
                {
                    // Nothing is done that could take the place of the older run.
                    return Err(Error::Interrupted);
                }
                self.save_checkpoint(&model)?;
                return Ok((model, ended));
            }
            self.progress.ended = true;
            let measured = std::mem::take(&mut self.measured);
            let row = self.history.end_epoch(epoch, measured)?;
            self.rule.end_epoch(&self.history)?;
            let start = Instant::now();
            self.save_checkpoint(&model)?;
            due = self.due(start);
            if self.observer.wants_all() {
                let end = Event::ValidEnd {
                    epoch,
                    valid_loss: row.valid_loss,
                    valid_accuracy: row.valid_accuracy,
                    metrics: row.metrics.clone(),
                };
                self.notify_at(end, &model);
            }
            self.notify_at(Event::EpochEnd(row), &model);
            let is_over = epoch == self.config.num_epochs || self.history.stops_early()?;
            let signals = self.signals(interrupter, &due)?;
            if let Some(ended) = signals.stop.filter(|_| !is_over) {
                return Ok((model, ended));
            }
            if signals.over && !is_over {
                return Ok((model, self.out_of_time()));
            }
        }
        Ok((model, Ended::Completed))
    }

    /// Whether the run stops before an epoch, as it gets no better.
    fn stops_early(&mut self, epoch: usize) -> Result<bool> {
        // An epoch that has begun is ended first.
        if (!self.progress.ended && self.progress.epoch == epoch && self.progress.step > 0)
            || !self.history.stops_early()?
        {
            return Ok(false);
        }
        if let Some(rule) = &self.history.early_stopping {
            let waited = rule.waited(self.history.values(&rule.metric)?);
            let message = format!(
                "stopped early after epoch {}: {} has not improved for {waited} epochs, and patience is {}; more patience goes on \
                 with the run",
                epoch - 1,
                rule.metric,
                rule.patience
            );
            tell(self.observer.as_mut(), message);
        }
        Ok(true)
    }

    /// The model that the run validates, saves and returns: the moving average of the weights, if it keeps one.
    pub(super) fn model(&self, weights: &AnyNetwork<B>) -> AnyNetwork<B::InnerBackend> {
        match &self.average {
            Some(average) => average.model().clone(),
            None => weights.valid(),
        }
    }

    /// Tells the observer of an event, and lets it look at the run.
    pub(super) fn notify_at(&mut self, event: Event, model: &AnyNetwork<B>) {
        let moment = RunMoment {
            model,
            average: self.average.as_ref(),
            config: &self.config.model,
            device: self.devices[0],
            burn_device: &self.burn_devices[0],
            about: &self.about,
            history: &self.history,
        };
        self.observer.notify_at(event, &moment);
    }

    /// What this process is told, between two batches: other threads have their turns at its devices first.
    pub(super) fn own_signals(&self, interrupter: &Interrupter, due: &Due) -> Signals {
        pass();
        let cause = if self.interrupted.load(Ordering::Relaxed) {
            Ended::Interrupted
        } else {
            Ended::Stopped
        };
        Signals {
            stop: interrupter.should_stop().then_some(cause),
            due: due.is_now(),
            over: self.deadline.is_over(),
        }
    }

    /// What any process of the run is told.
    pub(super) fn signals(&self, interrupter: &Interrupter, due: &Due) -> Result<Signals> {
        let own = self.own_signals(interrupter, due);
        match &self.ranks {
            None => Ok(own),
            Some(ranks) => ranks.agree(own),
        }
    }

    /// The end of a run whose time is over.
    pub(super) fn out_of_time(&mut self) -> Ended {
        if let Some(seconds) = self.config.max_seconds {
            let message = format!(
                "stopped after max_seconds, which is {seconds}; resume goes on, for as long again"
            );
            tell(self.observer.as_mut(), message);
        }
        Ended::Stopped
    }

    pub(super) fn due(&self, start: Instant) -> Due {
        Due::after(start, self.config.checkpoint_every)
    }
}

pub(super) fn missing_batch() -> Error {
    Error::Internal(
        "the data loader ended before its epoch, and a part of it is missing; please report it"
            .into(),
    )
}

/// The result of all ranks, where there are several.
fn settled<T>(ranks: Option<&Ranks>, result: Result<T>) -> Result<T> {
    match ranks {
        None => result,
        Some(ranks) => ranks.settle(result),
    }
}

fn device_names(devices: &[Device]) -> String {
    let names: Vec<String> = devices.iter().map(Device::to_string).collect();
    names.join(", ")
}
