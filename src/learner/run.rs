//! Training: a run from its start to its end.

use super::data::Data;
use super::history::{Ended, History};
use super::manifest::CONFIG_FILE;
use super::observer::{BetweenTurns, Silent};
use super::options::TrainOptions;
use super::prepare::prepare;
use super::prepared::Prepared;
use super::ranks::Ranks;
use super::renderer::{NoLogger, NoRenderer};
use super::strategy::{Components, ResumableStrategy};
use super::threads::in_pool;
use crate::config::{Settings, TrainingConfig};
use crate::device::{Backend, Device, OnBackend, in_turns, on_backend};
use crate::error::{Error, Result, contain_panics};
use crate::model::{Classifier, boxed};
use crate::record::About;
use burn::backend::Autodiff;
use burn::train::{Learner, SupervisedTraining, TrainingStrategy};
use std::path::Path;
use std::sync::{Arc, PoisonError};

/// A trained model and how it came to be.
pub struct Trained {
    /// The model after the last step.
    pub model: Box<dyn Classifier>,
    /// What is known of it beside its parameters.
    pub about: About,
    /// Every step and epoch.
    pub history: History,
    /// Why the run is over; one that is not complete can be resumed.
    pub ended: Ended,
}

/// Trains a model as the Burn book's training chapter does, and keeps the run in `artifact_dir`.
///
/// Without a `config` a resumed run has that of the directory, and a new one the defaults. A resumed run may change
/// `num_epochs`, `learning_rate`, `num_workers`, `threads`, `recorder` and `checkpoint_every`; its data must be that of its start.
///
/// Several `devices`, all of one back end, share each step: every one computes its part of the batch, their gradients are
/// averaged on the first one, and the model is there. Equal bits are promised for a single device only.
pub fn train(
    artifact_dir: &Path,
    config: Option<&TrainingConfig>,
    devices: &[Device],
    data: &Data,
    options: TrainOptions,
) -> Result<Trained> {
    let Some(first) = devices.first() else {
        return Err(Error::Device(
            "a run must have at least one device, got none; use \"auto\" or \"cpu\"".into(),
        ));
    };
    contain_panics(|| {
        on_backend(
            *first,
            Train {
                artifact_dir,
                config,
                devices,
                data,
                options,
            },
        )
    })
}

struct Train<'a> {
    artifact_dir: &'a Path,
    config: Option<&'a TrainingConfig>,
    devices: &'a [Device],
    data: &'a Data,
    options: TrainOptions,
}

impl Train<'_> {
    /// All before the first tensor.
    fn prepare(&mut self, ranks: Option<&Arc<Ranks>>) -> Result<Prepared> {
        if ranks.is_some() && self.devices.len() > 1 {
            return Err(Error::Device(format!(
                "a rank computes on one device, got {}; start a rank for each device",
                self.devices.len()
            )));
        }
        let sharers = match ranks {
            None => (self.devices.len(), "devices"),
            Some(ranks) => (ranks.num_parts(), "parts"),
        };
        prepare(
            self.artifact_dir,
            self.config,
            sharers,
            self.data,
            &mut self.options,
        )
    }

    /// The run from its first tensor on.
    fn fit<B: Backend>(
        self,
        prepared: Result<Prepared>,
        burn_devices: &[B::Device],
        ranks: Option<&Arc<Ranks>>,
    ) -> Result<Trained> {
        let begun = prepared.and_then(|prepared| {
            prepared.init::<B>(self.devices, burn_devices, self.data, ranks.cloned())
        });
        let (model, mut run) = match ranks {
            None => begun?,
            Some(ranks) => {
                let (model, run) = ranks.settle(begun)?;
                run.check_ranks(ranks, &model)?;
                (model, run)
            }
        };
        run.interrupted = Arc::clone(&self.options.interrupted);
        let (num_epochs, model_config) = (run.config.num_epochs, run.config.model.clone());
        let about = run.about.clone();
        // Not before the checkpoint is decoded: a run that can't go on stays as it was.
        let claimed = run.directory.claim().and_then(|()| {
            run.directory
                .write(CONFIG_FILE, run.config.to_json().as_bytes())
        });
        match ranks {
            None => claimed?,
            Some(ranks) => ranks.settle(claimed)?,
        }
        let of_rank = ranks.and_then(|ranks| ranks.threads());
        let threads = run.config.threads.or(of_rank);
        let schedule = run.rule.schedule.clone();
        let optimizer = run.rule.optimizer.clone();
        let (train_loader, valid_loader) = (
            Arc::clone(&run.train_loaders[0]),
            Arc::clone(&run.valid_loaders[0]),
        );
        let (strategy, outcome) = ResumableStrategy::new(run);

        let interrupter = self.options.interrupter;
        let artifact_dir = self.artifact_dir;
        let launch = || {
            contain_panics(|| {
                Ok(SupervisedTraining::<Components<Autodiff<B>>>::new(
                    artifact_dir,
                    train_loader,
                    valid_loader,
                )
                .with_application_logger(None)
                .renderer(NoRenderer)
                .with_metric_logger(NoLogger)
                .with_interrupter(interrupter)
                .num_epochs(num_epochs)
                .with_training_strategy(TrainingStrategy::Custom(Arc::new(strategy)))
                .launch(Learner::new(model, optimizer, schedule)))
            })
        };
        let launched = if B::ON_HOST {
            in_pool(threads, launch)
        } else {
            launch()
        };
        // What went wrong in the run says more than what its end then broke.
        let outcome = outcome
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
            .transpose()?;
        let result = launched?;
        let outcome =
            outcome.ok_or_else(|| Error::Internal("a run ended without an outcome".into()))?;
        Ok(Trained {
            model: boxed::<B>(
                result.model,
                model_config,
                self.devices[0],
                &burn_devices[0],
            ),
            about,
            history: outcome.history,
            ended: outcome.ended,
        })
    }
}

impl OnBackend for Train<'_> {
    type Output = Trained;

    const TAKES_TURNS: bool = true;

    fn run<B: Backend>(mut self, _first: Device, _burn_first: &B::Device) -> Result<Trained> {
        let burn_devices = self
            .devices
            .iter()
            .map(|device| B::device(*device))
            .collect::<Result<Vec<_>>>()?;
        let observer = std::mem::replace(&mut self.options.observer, Box::new(Silent));
        self.options.observer = Box::new(BetweenTurns(observer));
        let ranks = self.options.ranks.take();
        let prepared = self.prepare(ranks.as_ref());
        in_turns::<B, _>(&burn_devices, || {
            self.fit::<B>(prepared, &burn_devices, ranks.as_ref())
        })
    }
}
