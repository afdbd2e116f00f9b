//! The loop around Burn's steps.

use super::artifact::ArtifactDirectory;
use super::checkpoint::{self, Progress, Records, State};
use super::history::History;
use super::observer::{Event, Level, Observer};
use super::{HISTORY_FILE, MODEL_FILE, SUMMARY_FILE, summary_table};
use crate::config::{LrSchedule, Precision, Recorder, Settings, TrainingConfig};
use crate::data::DataLoader;
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Model, read_metrics};
use crate::record::{encode, encode_optimizer, encode_scheduler};
use burn::data::dataloader::DataLoader as _;
use burn::lr_scheduler::LrScheduler;
use burn::module::AutodiffModule;
use burn::optim::Adam;
use burn::optim::Optimizer;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::tensor::backend::AutodiffBackend;
use burn::train::{
    InferenceStep, Interrupter, Learner, LearningComponentsMarker, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainStep, TrainingComponents, ValidLoader,
};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The optimizer of a run.
pub(super) type AdamOptimizer<B> = OptimizerAdaptor<Adam, Model<B>, B>;
/// The types that Burn's learner is made of.
pub(super) type Components<B> = LearningComponentsMarker<B, LrSchedule, Model<B>, AdamOptimizer<B>>;

/// All that a run needs beside its model.
pub(super) struct Run<B: AutodiffBackend> {
    pub config: TrainingConfig,
    pub device: Device,
    pub burn_device: B::Device,
    pub directory: ArtifactDirectory,
    pub data: [String; 2],
    pub optimizer: AdamOptimizer<B>,
    pub schedule: LrSchedule,
    pub progress: Progress,
    pub history: History,
    pub observer: Box<dyn Observer>,
    pub train_loader: Arc<DataLoader<B>>,
    pub valid_loader: Arc<DataLoader<B::InnerBackend>>,
}

/// What a run leaves in memory.
pub(super) struct Outcome {
    pub history: History,
    pub interrupted: bool,
}

/// Trains on one device, and can stop and go on at any batch.
///
/// Burn's own `SingleDeviceTrainingStrategy` clones the model for every step, so that no parameter is ever updated in
/// place, and keeps the optimizer where only Burn's checkpointer reaches it. Here the strategy owns both. Burn's event
/// processor is started and ended but not fed: it copies every batch's output to a thread of its own.
pub(super) struct ResumableStrategy<B: AutodiffBackend> {
    run: Mutex<Option<Run<B>>>,
    outcome: Arc<Mutex<Option<Result<Outcome>>>>,
}

impl<B: AutodiffBackend> ResumableStrategy<B> {
    /// The strategy and the place where its outcome will be.
    pub fn new(run: Run<B>) -> (Self, Arc<Mutex<Option<Result<Outcome>>>>) {
        let outcome = Arc::new(Mutex::new(None));
        (
            Self {
                run: Mutex::new(Some(run)),
                outcome: Arc::clone(&outcome),
            },
            outcome,
        )
    }
}

impl<B: AutodiffBackend> SupervisedLearningStrategy<Components<B>> for ResumableStrategy<B> {
    /// Burn's default `train` calls this with `starting_epoch` 1: where the run goes on is for its [`Progress`] to say,
    /// as Burn's own way to load a checkpoint restores to the default device.
    fn fit(
        &self,
        components: TrainingComponents<Components<B>>,
        learner: Learner<Components<B>>,
        _dataloader_train: TrainLoader<Components<B>>,
        _dataloader_valid: ValidLoader<Components<B>>,
        _starting_epoch: usize,
    ) -> (Model<B>, SupervisedTrainingEventProcessor<Components<B>>) {
        let model = learner.model();
        // Nobody else may hold the parameters: shared ones are copied at every step.
        drop(learner);
        let run = self
            .run
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(run) = run else {
            // Burn calls this once; the caller finds no second outcome.
            return (model, components.event_processor);
        };
        let (config, device) = (run.config.model, run.burn_device.clone());
        let (model, outcome) = run.train(model, &components.interrupter);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        // Burn's signature wants a model also from a run that failed; nobody sees this one.
        let model = model.unwrap_or_else(|| {
            config
                .init_seeded(0, &device)
                .unwrap_or_else(|_| config.init(&device))
        });
        (model, components.event_processor)
    }
}

/// Whether a loop came to its end or was asked to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Ended {
    Complete,
    Stopped,
}

impl<B: AutodiffBackend> Run<B> {
    fn train(
        mut self,
        model: Model<B>,
        interrupter: &Interrupter,
    ) -> (Option<Model<B>>, Result<Outcome>) {
        match self
            .epochs(model, interrupter)
            .and_then(|(model, ended)| self.finish(&model, ended).map(|()| (model, ended)))
        {
            Ok((model, ended)) => (
                Some(model),
                Ok(Outcome {
                    history: self.history,
                    interrupted: ended == Ended::Stopped,
                }),
            ),
            Err(error) => {
                self.observer.notify(Event::Failed {
                    message: error.to_string(),
                });
                (None, Err(error))
            }
        }
    }

    fn epochs(
        &mut self,
        mut model: Model<B>,
        interrupter: &Interrupter,
    ) -> Result<(Model<B>, Ended)> {
        let first = if self.progress.ended {
            self.progress.epoch + 1
        } else {
            self.progress.epoch
        };
        self.observer.notify(Event::Start {
            epoch: first,
            num_epochs: self.config.num_epochs,
            train_steps: self.train_loader.num_batches(),
            valid_steps: self.valid_loader.num_batches(),
            train_images: self.train_loader.num_items(),
            valid_images: self.valid_loader.num_items(),
            device: self.device.to_string(),
        });
        for epoch in first..=self.config.num_epochs {
            if self.progress.ended || self.progress.epoch != epoch {
                self.progress = Progress {
                    epoch,
                    ended: false,
                    step: 0,
                };
            }
            self.observer.notify(Event::EpochStart {
                epoch,
                step: self.progress.step,
            });
            let mut ended;
            (model, ended) = self.train_epoch(model, interrupter)?;
            if ended == Ended::Complete {
                ended = self.valid_epoch(&model, interrupter)?;
            }
            if ended == Ended::Stopped {
                self.save_checkpoint(&model)?;
                return Ok((model, ended));
            }
            self.progress.ended = true;
            let row = self.history.end_epoch(epoch);
            self.save_checkpoint(&model)?;
            self.observer.notify(Event::EpochEnd(row));
            if interrupter.should_stop() && epoch < self.config.num_epochs {
                return Ok((model, Ended::Stopped));
            }
        }
        Ok((model, Ended::Complete))
    }

    fn train_epoch(
        &mut self,
        mut model: Model<B>,
        interrupter: &Interrupter,
    ) -> Result<(Model<B>, Ended)> {
        let epoch = self.progress.epoch;
        let steps = self.train_loader.num_batches();
        self.train_loader.start_at(epoch as u64, self.progress.step);
        let loader = Arc::clone(&self.train_loader);
        let mut batches = loader.iter();
        let mut clock = Instant::now();
        while self.progress.step < steps {
            // Also before the first batch: a run that is told to stop at once does no step.
            if interrupter.should_stop() {
                return Ok((model, Ended::Stopped));
            }
            let batch = batches.next().ok_or_else(missing_batch)?;
            let progress = batches.progress();
            let [images] = batch.targets.dims();
            let learning_rate = self.schedule.step();
            let output = TrainStep::step(&model, batch);
            // Read first: the output's tape holds the parameters, and shared ones would be copied by the update.
            let (loss, hits) = read_metrics(output.item)?;
            model = model.optimize(&mut self.optimizer, learning_rate, output.grads);
            self.progress.step += 1;
            let seconds = lap(&mut clock);
            let (loss, accuracy) = (f64::from(loss), hits as f64 / images as f64);
            if !loss.is_finite() {
                return Err(self.diverged("training", self.progress.step, loss));
            }
            let step = self.progress.step;
            let rate = images as f64 / seconds;
            self.history.train_steps.push(
                epoch,
                step,
                images,
                loss,
                accuracy,
                learning_rate,
                seconds,
                rate,
            );
            self.observer.notify(Event::TrainStep {
                epoch,
                step,
                images: progress.items_processed,
                loss,
                accuracy,
                learning_rate,
                seconds,
            });
        }
        Ok((model, Ended::Complete))
    }

    fn valid_epoch(&mut self, model: &Model<B>, interrupter: &Interrupter) -> Result<Ended> {
        let model = model.valid();
        let epoch = self.progress.epoch;
        let steps = self.valid_loader.num_batches();
        self.valid_loader.start_at(epoch as u64, 0);
        let loader = Arc::clone(&self.valid_loader);
        let mut batches = loader.iter();
        let mut clock = Instant::now();
        for step in 1..=steps {
            if interrupter.should_stop() {
                // A resumed run validates this epoch from the start.
                self.history.forget_validation(epoch);
                return Ok(Ended::Stopped);
            }
            let batch = batches.next().ok_or_else(missing_batch)?;
            let progress = batches.progress();
            let [images] = batch.targets.dims();
            let (loss, hits) = read_metrics(InferenceStep::step(&model, batch))?;
            let (loss, accuracy) = (f64::from(loss), hits as f64 / images as f64);
            if !loss.is_finite() {
                return Err(self.diverged("validation", step, loss));
            }
            self.history
                .valid_steps
                .push(epoch, step, images, loss, accuracy, lap(&mut clock));
            let images = progress.items_processed;
            self.observer.notify(Event::ValidStep {
                epoch,
                step,
                images,
                loss,
                accuracy,
            });
        }
        Ok(Ended::Complete)
    }

    fn diverged(&self, phase: &str, step: usize, loss: f64) -> Error {
        Error::Training(format!(
            "the loss must stay finite, and it became {loss} in {phase} step {step} of epoch {}; lower the learning_rate of {} or clip \
             the gradients; checkpoints of earlier epochs are kept",
            self.progress.epoch, self.config.learning_rate
        ))
    }

    fn save_checkpoint(&mut self, model: &Model<B>) -> Result<()> {
        let recorder = self.config.recorder;
        let precision = recorder.precision();
        let records = Records {
            model: encode(model.valid(), recorder, precision)?,
            optimizer: encode_optimizer::<B>(
                Optimizer::<Model<B>, B>::to_record(&self.optimizer),
                recorder,
                precision,
            )?,
            scheduler: encode_scheduler::<B>(self.schedule.to_record::<B>(), recorder)?,
        };
        self.history.close(self.progress != self.last());
        let state = State {
            progress: self.progress,
            data: self.data.clone(),
            config: self.config.write(true),
            recorder: recorder.name().into(),
            history: self.history.clone(),
        };
        let path = checkpoint::save(&self.directory.file(""), recorder, &state, &records)?;
        self.write_history()?;
        let message = format!(
            "checkpoint {} saved",
            relative(&path, &self.directory.file(""))
        );
        self.observer.notify(Event::Log {
            level: Level::Info,
            message,
        });
        Ok(())
    }

    /// The progress of a complete run.
    fn last(&self) -> Progress {
        Progress {
            epoch: self.config.num_epochs,
            ended: true,
            step: self.train_loader.num_batches(),
        }
    }

    fn write_history(&self) -> Result<()> {
        let text = serde_json::to_vec(&self.history).map_err(|error| {
            Error::Internal(format!("the history could not be encoded: {error}"))
        })?;
        self.directory.write(HISTORY_FILE, &text)
    }

    fn finish(&mut self, model: &Model<B>, ended: Ended) -> Result<()> {
        let interrupted = ended == Ended::Stopped;
        self.history.close(interrupted);
        self.write_history()?;
        let model = model.valid();
        self.directory.write(
            SUMMARY_FILE,
            summary_table(&self.history, &model.to_string()).as_bytes(),
        )?;
        self.directory.write(
            MODEL_FILE,
            &encode(model, Recorder::Compact, Precision::Half)?,
        )?;
        self.observer.notify(Event::End { interrupted });
        Ok(())
    }
}

fn lap(clock: &mut Instant) -> f64 {
    let now = Instant::now();
    // Never 0, so that a rate can be taken.
    let seconds = now.duration_since(*clock).as_secs_f64().max(1e-9);
    *clock = now;
    seconds
}

fn missing_batch() -> Error {
    Error::Internal(
        "a worker of the data loader died, and with it a part of the epoch; please report it"
            .into(),
    )
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
