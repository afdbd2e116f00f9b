//! The loop around Burn's steps.

use super::artifact::ArtifactDirectory;
use super::checkpoint::Records;
use super::checkpoints;
use super::devices::{Batches, Devices};
use super::history::{Ended, History, TrainStepRow, ValidStepRow};
use super::history_rows::HistoryRows;
use super::observer::{Event, Level, Observer};
use super::progress::Progress;
use super::state::{State, StoredHistory};
use super::{HISTORY_FILE, MODEL_FILE, SUMMARY_FILE, summary_table};
use crate::config::{LrSchedule, Precision, Recorder, Settings, TrainingConfig};
use crate::data::DataLoader;
use crate::device::{AutodiffBackend, Backend, Device};
use crate::error::{Error, Result};
use crate::model::{Measured, Metrics, ModelOptimizer};
use crate::network::{AnyNetwork, Network, ParameterSpec, WithNetwork};
use crate::record::{self, About, encode, encode_optimizer, encode_scheduler};
use burn::data::dataloader::DataLoader as _;
use burn::lr_scheduler::LrScheduler;
use burn::module::{AutodiffModule, DisplaySettings};
use burn::optim::Optimizer;
use burn::train::{
    ClassificationOutput, InferenceStep, Interrupter, Learner, LearningComponentsMarker,
    SupervisedLearningStrategy, SupervisedTrainingEventProcessor, TrainLoader, TrainStep,
    TrainingComponents, ValidLoader,
};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Steps on a GPU between two readings of their metrics, each of which waits for the device.
const STEPS_PER_READING: usize = 32;
/// A slow GPU is read before that, so that one who watches sees it move.
const TIME_PER_READING: Duration = Duration::from_millis(250);
/// Rounds of the warm-up on a GPU: in the first one kernels are compiled and tuned, and fusion settles on what to fuse after
/// it has seen a step again.
const WARM_UP_ROUNDS: usize = 3;

/// A checkpoint within an epoch waits at least this many times as long as the last one took, so that those of a very large
/// model take no more than a twentieth of the time.
const TIMES_LAST_CHECKPOINT: u32 = 20;

/// The types that Burn's learner is made of.
pub(super) type Components<B> =
    LearningComponentsMarker<B, LrSchedule, AnyNetwork<B>, ModelOptimizer<B>>;

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
    /// What its model knows of the data.
    pub about: About,
    pub optimizer: ModelOptimizer<B>,
    pub schedule: LrSchedule,
    pub progress: Progress,
    pub history: History,
    /// Which rows of the history are on disk.
    pub rows: HistoryRows,
    pub observer: Box<dyn Observer>,
    /// Whether it is Ctrl-C or the like that the interrupter stops the run for.
    pub interrupted: Arc<AtomicBool>,
    /// One for each device.
    pub train_loaders: Vec<Arc<DataLoader<B>>>,
    pub valid_loader: Arc<DataLoader<B::InnerBackend>>,
}

/// What a run leaves in memory.
pub(super) struct Outcome {
    pub history: History,
    pub ended: Ended,
}

/// Trains on one device or several, and can stop and go on at any batch.
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
    ) -> (
        AnyNetwork<B>,
        SupervisedTrainingEventProcessor<Components<B>>,
    ) {
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
        let (config, device) = (run.config.model.clone(), run.burn_devices[0].clone());
        let (model, outcome) = run.train(model, &components.interrupter);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        // Burn's signature wants a model also from a run that failed; nobody sees this one.
        let model = model.unwrap_or_else(|| AnyNetwork::init(&config, &device));
        (model, components.event_processor)
    }
}

/// When the next checkpoint within an epoch is due.
struct Due {
    last: Instant,
    wait: Option<Duration>,
}

impl Due {
    /// After a checkpoint that was begun at `start`, or with the first step of a run, which comes after none.
    fn after(start: Instant, every: Option<f64>) -> Self {
        let took = start.elapsed();
        let wait = every.map(|seconds| {
            let seconds = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            seconds.max(took.saturating_mul(TIMES_LAST_CHECKPOINT))
        });
        Self {
            last: Instant::now(),
            wait,
        }
    }

    fn is_now(&self) -> bool {
        self.wait.is_some_and(|wait| self.last.elapsed() >= wait)
    }
}

impl<B: AutodiffBackend> Run<B> {
    fn train(
        mut self,
        model: AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> (Option<AnyNetwork<B>>, Result<Outcome>) {
        match self
            .epochs(model, interrupter)
            .and_then(|(model, ended)| self.finish(&model, ended).map(|()| (model, ended)))
        {
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
                    self.observer.notify(Event::Log {
                        level: Level::Info,
                        message,
                    });
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
        let devices = Devices::new(&self.burn_devices, &self.config.model, &self.trainable);
        self.observer.notify(Event::Start {
            epoch: first,
            num_epochs: self.config.num_epochs,
            train_steps: self.steps(),
            valid_steps: self.valid_loader.num_batches(),
            train_images: self.train_loaders[0].num_items(),
            valid_images: self.valid_loader.num_items(),
            device: device_names(&self.devices),
        });
        if first <= self.config.num_epochs {
            self.warm_up(&devices, &model, interrupter)?;
        }
        let mut due = self.due(Instant::now());
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
            (model, ended) = self.train_epoch(&devices, model, interrupter, &mut due)?;
            if ended == Ended::Completed {
                ended = self.valid_epoch(&model, interrupter)?;
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
            let row = self.history.end_epoch(epoch);
            let start = Instant::now();
            self.save_checkpoint(&model)?;
            due = self.due(start);
            self.observer.notify(Event::EpochEnd(row));
            if interrupter.should_stop() && epoch < self.config.num_epochs {
                return Ok((model, self.stopped()));
            }
        }
        Ok((model, Ended::Completed))
    }

    /// Why a run is over that was told to stop.
    fn stopped(&self) -> Ended {
        if self.interrupted.load(Ordering::Relaxed) {
            Ended::Interrupted
        } else {
            Ended::Stopped
        }
    }

    fn due(&self, start: Instant) -> Due {
        Due::after(start, self.config.checkpoint_every)
    }

    /// Does steps that leave no trace, so that the time of those that do says how fast training is.
    fn warm_up(
        &mut self,
        devices: &Devices<B>,
        model: &AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> Result<()> {
        if B::ON_HOST || self.steps() == 0 {
            return Ok(());
        }
        let message = "warm-up: kernels are compiled and tuned".into();
        self.observer.notify(Event::Log {
            level: Level::Info,
            message,
        });
        let clock = Instant::now();
        let mut optimizer = self.config.optimizer.init();
        let mut model = model.clone();
        let mut metrics = Metrics::new();
        // A batch of another size takes kernels of its own.
        for step in [0, self.steps() - 1] {
            for _ in 0..WARM_UP_ROUNDS {
                if interrupter.should_stop() {
                    return Ok(());
                }
                let mut batches = batches(&self.train_loaders, 1, step);
                let done = devices.step(&mut batches, &model)?;
                metrics.push(done.parts);
                model = model.optimize(&mut optimizer, 0.0, done.gradients);
            }
        }
        let model = model.valid();
        for step in [0, self.valid_loader.num_batches().saturating_sub(1)] {
            for _ in 0..WARM_UP_ROUNDS {
                if interrupter.should_stop() {
                    return Ok(());
                }
                self.valid_loader.start_at(1, step);
                if let Some(batch) = self.valid_loader.iter().next() {
                    metrics.push(vec![InferenceStep::step(&model, batch)]);
                }
            }
        }
        metrics.read()?;
        let seconds = clock.elapsed().as_secs_f64();
        self.history.warm_up_seconds += seconds;
        self.observer.notify(Event::Log {
            level: Level::Info,
            message: format!("warm-up: done in {seconds:.1} s"),
        });
        Ok(())
    }

    /// Training steps in an epoch.
    fn steps(&self) -> usize {
        self.train_loaders
            .first()
            .map_or(0, |loader| loader.num_batches())
    }

    fn train_epoch(
        &mut self,
        devices: &Devices<B>,
        mut model: AnyNetwork<B>,
        interrupter: &Interrupter,
        due: &mut Due,
    ) -> Result<(AnyNetwork<B>, Ended)> {
        let epoch = self.progress.epoch;
        let steps = self.steps();
        let loaders = self.train_loaders.clone();
        let mut batches = batches(&loaders, epoch, self.progress.step);
        let mut unread = self.unread();
        let mut ended = Ended::Completed;
        while self.progress.step < steps {
            // Also before the first batch: a run that is told to stop at once does no step.
            if interrupter.should_stop() {
                ended = self.stopped();
                break;
            }
            let done = devices.step(&mut batches, &model);
            if let Some(fault) = loaders.iter().find_map(|loader| loader.fault()) {
                return Err(fault);
            }
            let done = done?;
            let learning_rate = self.schedule.step();
            self.progress.step += 1;
            let images = unread.push(done.parts, self.progress.step, learning_rate);
            if images != self.train_loaders[0].batch_len(self.progress.step - 1) {
                return Err(missing_batch());
            }
            let read = unread.read_if_due()?;
            model = model.optimize(&mut self.optimizer, learning_rate, done.gradients);
            self.take_train_steps(read, &mut unread.clock)?;
            if due.is_now() && !interrupter.should_stop() {
                // A checkpoint's history has all its steps.
                let read = unread.read()?;
                self.take_train_steps(read, &mut unread.clock)?;
                let start = Instant::now();
                self.save_checkpoint(&model)?;
                *due = self.due(start);
                // The time that took is none of the next step's.
                unread.clock = Instant::now();
            }
        }
        let read = unread.read()?;
        self.take_train_steps(read, &mut unread.clock)?;
        Ok((model, ended))
    }

    fn take_train_steps(&mut self, read: Vec<Read>, clock: &mut Instant) -> Result<()> {
        let epoch = self.progress.epoch;
        let seconds = lap(clock, read.len());
        for (step, learning_rate, Measured { images, loss, hits }) in read {
            let accuracy = hits as f64 / images as f64;
            if !loss.is_finite() {
                return Err(self.diverged("training", step, loss));
            }
            self.history.train_steps.push(TrainStepRow {
                epoch,
                step,
                images,
                loss,
                accuracy,
                learning_rate,
                seconds,
                images_per_second: images as f64 / seconds,
            });
            let images = self.train_loaders[0].images_in(step);
            self.observer.notify(Event::TrainStep {
                epoch,
                step,
                images,
                loss,
                accuracy,
                learning_rate,
                seconds,
            });
        }
        Ok(())
    }

    fn valid_epoch(&mut self, model: &AnyNetwork<B>, interrupter: &Interrupter) -> Result<Ended> {
        let model = model.valid();
        let epoch = self.progress.epoch;
        let steps = self.valid_loader.num_batches();
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
            unread.push(vec![InferenceStep::step(&model, batch)], step, 0.0);
            let read = unread.read_if_due()?;
            self.take_valid_steps(read, &mut unread.clock)?;
        }
        let read = unread.read()?;
        self.take_valid_steps(read, &mut unread.clock)?;
        Ok(Ended::Completed)
    }

    fn take_valid_steps(&mut self, read: Vec<Read>, clock: &mut Instant) -> Result<()> {
        let epoch = self.progress.epoch;
        let seconds = lap(clock, read.len());
        for (step, _, Measured { images, loss, hits }) in read {
            let accuracy = hits as f64 / images as f64;
            if !loss.is_finite() {
                return Err(self.diverged("validation", step, loss));
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

    fn unread(&self) -> Unread<B::InnerBackend> {
        let at_once = B::ON_HOST || self.observer.wants_each_step();
        Unread {
            metrics: Metrics::new(),
            steps: Vec::new(),
            most: if at_once { 1 } else { STEPS_PER_READING },
            clock: Instant::now(),
        }
    }

    fn diverged(&self, phase: &str, step: usize, loss: f64) -> Error {
        let kept = match self.directory.older_run() {
            Some(path) => format!("the older run in {} is unchanged", path.display()),
            None if checkpoints::is_any(&self.directory.file("")) => {
                "the checkpoints before that are kept".into()
            }
            None => "there was no checkpoint yet".into(),
        };
        Error::Training(format!(
            "the loss must stay finite, and it became {loss} in {phase} step {step} of epoch {}; lower the learning_rate of {} or clip \
             the gradients; {kept}",
            self.progress.epoch, self.config.learning_rate
        ))
    }

    fn save_checkpoint(&mut self, model: &AnyNetwork<B>) -> Result<()> {
        let recorder = self.config.recorder;
        let precision = recorder.precision();
        let records = Records {
            model: encode(model.valid(), recorder, precision)?,
            optimizer: encode_optimizer(self.optimizer.to_record(), recorder, precision)?,
            scheduler: encode_scheduler::<B>(self.schedule.to_record::<B>(), recorder)?,
        };
        self.history.close(if self.progress == self.last() {
            Ended::Completed
        } else {
            Ended::Interrupted
        });
        let artifact_dir = self.directory.file("");
        let mark = self.rows.append(&artifact_dir, &self.history)?;
        let state = State {
            progress: self.progress,
            data: self.data.clone(),
            config: self.config.write(true),
            recorder: recorder.name().into(),
            history: StoredHistory::Marked(mark),
        };
        let path = checkpoints::save(&artifact_dir, recorder, state, &records)?;
        let message = format!("checkpoint {} saved", relative(&path, &artifact_dir));
        self.directory.publish()?;
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
            step: self.steps(),
        }
    }

    fn write_history(&self) -> Result<()> {
        let text = serde_json::to_vec(&self.history).map_err(|error| {
            Error::Internal(format!("the history could not be encoded: {error}"))
        })?;
        self.directory.write(HISTORY_FILE, &text)
    }

    fn finish(&mut self, model: &AnyNetwork<B>, ended: Ended) -> Result<()> {
        self.history.close(ended);
        self.write_history()?;
        let model = model.valid();
        self.directory.write(
            SUMMARY_FILE,
            summary_table(&self.history, &model.clone().with(Displayed)).as_bytes(),
        )?;
        record::write(
            &self.directory.file(MODEL_FILE),
            &encode(model, Recorder::Compact, Precision::Half)?,
            &self.config.model,
            &self.about,
        )?;
        self.observer.notify(Event::End {
            ended,
            interrupted: ended == Ended::Interrupted,
        });
        Ok(())
    }
}

/// A network as Burn displays it.
struct Displayed;

impl<B: Backend> WithNetwork<B> for Displayed {
    type Output = String;

    fn run<N: Network<B>>(self, network: N) -> String {
        network.format(DisplaySettings::default())
    }
}

/// Steps whose metrics are still on their device.
struct Unread<B: Backend> {
    metrics: Metrics<B>,
    /// Step and learning rate.
    steps: Vec<(usize, f64)>,
    most: usize,
    /// When the last reading was.
    clock: Instant,
}

/// A step with its learning rate and what was measured.
type Read = (usize, f64, Measured);

impl<B: Backend> Unread<B> {
    /// Takes a step; the answer is the number of its images.
    fn push(
        &mut self,
        parts: Vec<ClassificationOutput<B>>,
        step: usize,
        learning_rate: f64,
    ) -> usize {
        self.steps.push((step, learning_rate));
        self.metrics.push(parts)
    }

    fn read_if_due(&mut self) -> Result<Vec<Read>> {
        if self.steps.len() >= self.most || self.clock.elapsed() >= TIME_PER_READING {
            self.read()
        } else {
            Ok(Vec::new())
        }
    }

    fn read(&mut self) -> Result<Vec<Read>> {
        let measured = self.metrics.read()?;
        let steps = self.steps.drain(..).zip(measured);
        Ok(steps
            .map(|((step, learning_rate), measured)| (step, learning_rate, measured))
            .collect())
    }
}

/// The seconds of each of `steps` since the clock was last looked at; it is looked at only when there were any.
fn lap(clock: &mut Instant, steps: usize) -> f64 {
    if steps == 0 {
        return 0.0;
    }
    let now = Instant::now();
    // Never 0, so that a rate can be taken.
    let seconds = now.duration_since(*clock).as_secs_f64().max(1e-9) / steps as f64;
    *clock = now;
    seconds
}

/// The batches of an epoch from `step` on, for each device.
fn batches<B: AutodiffBackend>(
    loaders: &[Arc<DataLoader<B>>],
    epoch: usize,
    step: usize,
) -> Vec<Batches<'_, B>> {
    let batches = |loader| {
        DataLoader::start_at(loader, epoch as u64, step);
        loader.iter()
    };
    loaders.iter().map(Arc::as_ref).map(batches).collect()
}

fn missing_batch() -> Error {
    Error::Internal(
        "the data loader ended before its epoch, and a part of it is missing; please report it"
            .into(),
    )
}

fn device_names(devices: &[Device]) -> String {
    let names: Vec<String> = devices.iter().map(Device::to_string).collect();
    names.join(", ")
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
