use super::artifact::{ArtifactDirectory, settle};
use super::checkpoint::{self, Checkpoint, Progress, State};
use super::log_file::LogFile;
use super::observer::{Event, Level, Observer, Silent};
use super::renderer::{NoLogger, NoRenderer};
use super::run_data::RunData;
use super::start::{Initial, RunStart, Start};
use super::strategy::{Components, ResumableStrategy, Run};
use super::threads::in_pool;
use super::{CLASS_NAMES_FILE, CONFIG_FILE, DATA_FILE, Ended, HISTORY_FILE, History, MODEL_FILE};
use crate::config::{ImageStatistics, Metadata, Precision, Settings, TrainingConfig, Views, shown};
use crate::data::{Augmentation, DataLoader, Dataset, Description, Order, pixel_statistics};
use crate::device::{Backend, Device, OnBackend, on_backend};
use crate::error::{Error, Result, contain_panics};
use crate::model::{Classifier, boxed};
use crate::network::{AnyNetwork, ParameterSpec};
use crate::record::{
    self, About, Loaded, Stated, decode_model, decode_optimizer, decode_scheduler, file,
};
use burn::backend::Autodiff;
use burn::lr_scheduler::LrScheduler;
use burn::module::AutodiffModule;
use burn::train::{Interrupter, Learner, SupervisedTraining, TrainingStrategy};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, PoisonError};

/// What a run learns from and is measured on.
#[derive(Clone)]
pub struct Data {
    /// The training images.
    pub train: Dataset,
    /// The validation images.
    pub valid: Dataset,
}

/// How a run is started and watched.
pub struct TrainOptions {
    /// Go on with the run in the directory. One that was stopped before its first checkpoint starts over.
    pub resume: bool,
    /// Whether a new run may take the place of one in the directory, which it does with its first checkpoint.
    pub overwrite: bool,
    /// Stops the run after the current batch.
    pub interrupter: Interrupter,
    /// Set before the interrupter stops a run for Ctrl-C and the like, so that the run counts as interrupted.
    pub interrupted: Arc<AtomicBool>,
    /// Told of every event.
    pub observer: Box<dyn Observer>,
    /// The model that a new run begins with; `None` for random parameters. A resumed run needs none, and takes that of its start
    /// alone.
    pub start: Option<Start>,
    /// Where the data come from, which is kept with the run; null where it is not known.
    pub data_source: Value,
}

impl Default for TrainOptions {
    fn default() -> Self {
        Self {
            resume: false,
            overwrite: true,
            interrupter: Interrupter::new(),
            interrupted: Arc::default(),
            observer: Box::new(Silent),
            start: None,
            data_source: Value::Null,
        }
    }
}

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
/// `num_epochs`, `num_workers`, `threads`, `recorder` and `checkpoint_every`; its data must be that of its start.
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

/// Which of a run's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichModel {
    /// The one after the last step: that of the newest whole checkpoint, which has full precision, or else of `model.mpk`.
    Last,
    /// The one after an epoch whose checkpoint is kept.
    Epoch(usize),
}

/// A model of a run with what is known of it, and the run's configuration.
pub fn load_run(
    artifact_dir: &Path,
    device: Device,
    which: WhichModel,
) -> Result<(Loaded, TrainingConfig)> {
    settle(artifact_dir)?;
    let config = read_config(artifact_dir)?;
    let path = match which {
        WhichModel::Last => last_model(artifact_dir)?,
        WhichModel::Epoch(epoch) => checkpoint::model_of(artifact_dir, epoch)?,
    };
    let about = About {
        metadata: Metadata {
            views: Views::of_training(config.augmentation.as_ref()),
            ..record::run_metadata(artifact_dir, config.model.num_classes())?
        },
        ..About::default()
    };
    let stated = Stated {
        config: config.model.clone(),
        about,
    };
    Ok((record::load_as(&path, stated, device)?, config))
}

fn last_model(artifact_dir: &Path) -> Result<PathBuf> {
    let last = artifact_dir.join(MODEL_FILE);
    Ok(
        match checkpoint::newest_model(artifact_dir, steps_done(artifact_dir)?)? {
            Some(path) => path,
            // A run that was killed before its end has no model but that of a checkpoint.
            None if last.exists() => last,
            None => checkpoint::newest_model(artifact_dir, 0)?.unwrap_or(last),
        },
    )
}

/// Training steps in the run's history; 0 where there is none yet.
fn steps_done(artifact_dir: &Path) -> Result<usize> {
    let path = artifact_dir.join(HISTORY_FILE);
    if !path.exists() {
        return Ok(0);
    }
    let history: History = serde_json::from_slice(&file::read(&path)?)
        .map_err(|error| Error::Artifact(format!("{} is damaged: {error}", path.display())))?;
    Ok(history.train_steps.step.len())
}

struct Train<'a> {
    artifact_dir: &'a Path,
    config: Option<&'a TrainingConfig>,
    devices: &'a [Device],
    data: &'a Data,
    options: TrainOptions,
}

impl OnBackend for Train<'_> {
    type Output = Trained;

    fn run<B: Backend>(mut self, device: Device, burn_device: &B::Device) -> Result<Trained> {
        let burn_devices = self
            .devices
            .iter()
            .map(|device| B::device(*device))
            .collect::<Result<Vec<_>>>()?;
        let prepared = self.prepare()?;
        let (model, mut run) = start::<B>(prepared, self.devices, burn_devices, self.data)?;
        run.interrupted = Arc::clone(&self.options.interrupted);
        let (num_epochs, model_config) = (run.config.num_epochs, run.config.model.clone());
        let about = run.about.clone();
        // Not before the checkpoint is decoded: a run that can't go on stays as it was.
        run.directory
            .write(CONFIG_FILE, run.config.to_json().as_bytes())?;
        let threads = run.config.threads;
        let schedule = run.schedule.clone();
        let optimizer = run.optimizer.clone();
        let (train_loader, valid_loader) = (
            Arc::clone(&run.train_loaders[0]),
            Arc::clone(&run.valid_loader),
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
            model: boxed(result.model, model_config, device, burn_device)?,
            about,
            history: outcome.history,
            ended: outcome.ended,
        })
    }
}

/// What the parameters of a run are made from.
enum Beginning {
    /// The seed.
    Random,
    /// A model, by a run that has just started from it.
    Start(Initial),
    /// A model, by a run that starts over.
    Again(RunStart),
    Checkpoint(Box<Checkpoint>),
}

/// What is known of a run before its directory is touched.
struct Checked {
    config: TrainingConfig,
    trainable: Vec<ParameterSpec>,
    fingerprints: [String; 2],
    observer: Box<dyn Observer>,
}

/// A run before its first step.
struct Prepared {
    config: TrainingConfig,
    directory: ArtifactDirectory,
    beginning: Beginning,
    trainable: Vec<ParameterSpec>,
    fingerprints: [String; 2],
    /// What the training images look like.
    statistics: Option<ImageStatistics>,
    observer: Box<dyn Observer>,
}

impl Train<'_> {
    /// Checks everything that can be checked, and only then touches the directory.
    fn prepare(&mut self) -> Result<Prepared> {
        let observer = std::mem::replace(&mut self.options.observer, Box::new(Silent));
        let stored = if self.options.resume {
            Some(ArtifactDirectory::open(self.artifact_dir)?)
        } else {
            None
        };
        let stored_config = stored
            .as_ref()
            .map(|_| read_config(self.artifact_dir))
            .transpose()?;
        let config = self
            .config
            .cloned()
            .or_else(|| stored_config.clone())
            .unwrap_or_default();
        config.validate()?;
        check_data(self.data, &config)?;
        let trainable = config.model.trainable(&config.freeze)?;
        let config = match &self.options.start {
            Some(start) if stored.is_none() => start.with_pixels(config),
            _ => config,
        };
        let config = with_pixels(config, stored_config.as_ref(), &self.data.train)?;
        if config.batch_size < self.devices.len() {
            return Err(Error::Config(format!(
                "batch_size must be at least the number of devices, {}, got {}; use a larger batch or fewer devices",
                self.devices.len(),
                config.batch_size
            )));
        }
        let checked = Checked {
            config,
            trainable,
            fingerprints: [
                self.data.train.fingerprint()?,
                self.data.valid.fingerprint()?,
            ],
            observer,
        };
        match (stored, stored_config) {
            (Some(directory), Some(config)) => self.go_on(checked, directory, &config),
            _ => self.begin(checked),
        }
    }

    /// A new run.
    fn begin(&mut self, checked: Checked) -> Result<Prepared> {
        let Checked {
            config,
            trainable,
            fingerprints,
            observer,
        } = checked;
        let metadata = self.data.train.metadata(config.model.num_classes());
        let initial = match self.options.start.take() {
            Some(start) => Some(start.initial(&config, metadata.class_names.as_deref())?),
            None => None,
        };
        let directory = ArtifactDirectory::create(self.artifact_dir, self.options.overwrite)?;
        let mut observer: Box<dyn Observer> =
            Box::new(LogFile::append_to(directory.place(), observer)?);
        warn_of_file_system(&directory, observer.as_mut());
        if let Some(initial) = &initial {
            tell(observer.as_mut(), initial.message());
        }
        if !config.freeze.is_empty() {
            tell(observer.as_mut(), frozen(&config, &trainable));
        }
        let statistics = warn_of_data(self.data, config.model.num_classes(), observer.as_mut())?;
        if let Some(names) = self.data.train.class_names() {
            let names = format!("{:#}\n", serde_json::json!(names));
            directory.write(CLASS_NAMES_FILE, names.as_bytes())?;
        }
        let source = std::mem::take(&mut self.options.data_source);
        let run_data = RunData::of(self.data, source, &fingerprints, Some(statistics));
        directory.write(DATA_FILE, run_data.to_json()?.as_bytes())?;
        Ok(Prepared {
            config,
            directory,
            beginning: initial.map_or(Beginning::Random, Beginning::Start),
            trainable,
            fingerprints,
            statistics: Some(statistics),
            observer,
        })
    }

    /// A resumed run.
    fn go_on(
        &mut self,
        checked: Checked,
        directory: ArtifactDirectory,
        stored_config: &TrainingConfig,
    ) -> Result<Prepared> {
        let Checked {
            config,
            trainable,
            fingerprints,
            observer,
        } = checked;
        let (checkpoint, faults) = checkpoint::newest(self.artifact_dir)?;
        if let Some(Checkpoint { state, .. }) = &checkpoint {
            // Not what config.json says: that may have been edited since.
            check_same_run(&state.config, &config)?;
            check_same_data(state, &fingerprints, self.data, self.artifact_dir)?;
            check_reached(state, &config, self.data)?;
        } else {
            check_same_run(&stored_config.write(true), &config)?;
        }
        let began = RunStart::read(self.artifact_dir);
        let began = match (&checkpoint, &self.options.start) {
            // It goes on without what start.json says.
            (Some(_), None) => began.unwrap_or_default(),
            _ => began?,
        };
        if let Some(start) = &self.options.start {
            RunStart::check(began.as_ref(), start)?;
        }
        let mut observer: Box<dyn Observer> =
            Box::new(LogFile::append_to(directory.place(), observer)?);
        warn_of_file_system(&directory, observer.as_mut());
        for message in faults {
            observer.notify(Event::Log {
                level: Level::Warning,
                message,
            });
        }
        let message = match checkpoint
            .as_ref()
            .map(|checkpoint| checkpoint.state.progress)
        {
            None => "resumed before the first checkpoint: the run starts over".into(),
            Some(Progress {
                epoch, ended: true, ..
            }) => format!("resumed after epoch {epoch}"),
            Some(Progress { epoch, step, .. }) => {
                format!("resumed in epoch {epoch} after step {step}")
            }
        };
        tell(observer.as_mut(), message);
        self.keep_source(&directory)?;
        // As found at the run's start; it goes on without them where data.json is gone or damaged.
        let known = record::run_metadata(self.artifact_dir, config.model.num_classes()).ok();
        Ok(Prepared {
            config,
            directory,
            beginning: match (checkpoint, began) {
                (Some(checkpoint), _) => Beginning::Checkpoint(Box::new(checkpoint)),
                (None, Some(began)) => Beginning::Again(began),
                (None, None) => Beginning::Random,
            },
            trainable,
            fingerprints,
            statistics: known.and_then(|known| known.statistics),
            observer,
        })
    }
}

fn tell(observer: &mut dyn Observer, message: String) {
    observer.notify(Event::Log {
        level: Level::Info,
        message,
    });
}

/// What to tell of frozen parameters.
fn frozen(config: &TrainingConfig, trainable: &[ParameterSpec]) -> String {
    let all = config.model.parameters();
    let frozen = all.iter().filter(|spec| !trainable.contains(spec));
    let names: Vec<&str> = frozen.clone().map(|spec| spec.name.as_str()).collect();
    format!(
        "frozen are {}, {} of {} values",
        names.join(", "),
        frozen.map(ParameterSpec::len).sum::<usize>(),
        all.iter().map(ParameterSpec::len).sum::<usize>()
    )
}

/// The configuration with the mean and the deviation of the training images in its network, where that has places for them and
/// they are not given.
fn with_pixels(
    config: TrainingConfig,
    stored: Option<&TrainingConfig>,
    train: &Dataset,
) -> Result<TrainingConfig> {
    if !config.model.wants_pixels() {
        return Ok(config);
    }
    let known = stored.and_then(|stored| stored.model.pixels());
    let model = if let Some((mean, std)) = known {
        config.model.with_pixels(mean, std)
    } else {
        let (mean, std) = pixel_statistics(train)?;
        config.model.with_pixels(&mean, &std)
    };
    Ok(TrainingConfig { model, ..config })
}

impl Train<'_> {
    /// Keeps where the data of a resumed run are now; they may have been moved since its start.
    fn keep_source(&mut self, directory: &ArtifactDirectory) -> Result<()> {
        let source = std::mem::take(&mut self.options.data_source);
        let is_found_again = source.get("location").is_some_and(Value::is_string);
        match RunData::read(self.artifact_dir) {
            Some(known) if is_found_again && known.source != source => {
                let known = RunData { source, ..known };
                directory.write(DATA_FILE, known.to_json()?.as_bytes())
            }
            _ => Ok(()),
        }
    }
}

/// The model at the start of a run or at its checkpoint, and the run around it.
type Started<B> = (AnyNetwork<B>, Run<B>);

fn start<B: Backend>(
    prepared: Prepared,
    devices: &[Device],
    burn_devices: Vec<B::Device>,
    data: &Data,
) -> Result<Started<Autodiff<B>>> {
    let burn_device = &burn_devices[0];
    let Prepared {
        config,
        directory,
        beginning,
        trainable,
        fingerprints,
        statistics,
        mut observer,
    } = prepared;
    if config.recorder.precision() == Precision::Half {
        observer.notify(Event::Log {
            level: Level::Warning,
            message:
                "checkpoints in half precision: a resumed run will differ from one never stopped"
                    .into(),
        });
    }
    let mut optimizer = config.optimizer.init::<Autodiff<B>>();
    let mut schedule = config.schedule()?;
    let mut progress = Progress {
        epoch: 1,
        ended: false,
        step: 0,
    };
    let mut history = History::default();
    let model: AnyNetwork<Autodiff<B>> = match beginning {
        Beginning::Random => AnyNetwork::init_seeded(&config.model, config.seed, burn_device)?,
        Beginning::Start(mut initial) => {
            let parameters = std::mem::take(&mut initial.parameters);
            let model = AnyNetwork::from_parameters(&config.model, parameters, burn_device)?;
            initial.write(AutodiffModule::valid(&model), &directory)?;
            model
        }
        Beginning::Again(start) => start.model(&directory, &config.model, burn_device)?,
        Beginning::Checkpoint(checkpoint) => {
            let Checkpoint {
                path,
                state,
                records,
            } = *checkpoint;
            optimizer = optimizer.restore(decode_optimizer(
                &records.optimizer,
                &path,
                &config.optimizer,
                &trainable,
                burn_device,
            )?)?;
            let like = schedule.to_record::<B>();
            schedule = schedule.restore::<B>(decode_scheduler(&records.scheduler, &path, like)?)?;
            progress = state.progress;
            history = state.history;
            decode_model(&records.model, &path, &config.model, burn_device)?
        }
    };
    let model = model.training_only(&trainable);
    let augmentation = config
        .augmentation
        .map(|augmentation| Augmentation::new(&augmentation, data.train.shape(), config.seed))
        .transpose()?;
    let run = Run {
        train_loaders: loader(&data.train, Order::Shuffled, &config, burn_device)
            .with_augmentation(augmentation)
            .shared(&burn_devices)
            .into_iter()
            .map(Arc::new)
            .collect(),
        // The order of the validation changes nothing but the rounding of its mean.
        valid_loader: Arc::new(loader(&data.valid, Order::Sequential, &config, burn_device)),
        about: About {
            metadata: Metadata {
                statistics,
                views: Views::of_training(config.augmentation.as_ref()),
                ..data.train.metadata(config.model.num_classes())
            },
            ..About::default()
        },
        config,
        devices: devices.to_vec(),
        trainable: trainable.into(),
        burn_devices,
        directory,
        data: fingerprints,
        optimizer,
        schedule,
        progress,
        history,
        observer,
        interrupted: Arc::default(),
    };
    Ok((model, run))
}

fn loader<B: Backend>(
    dataset: &Dataset,
    order: Order,
    config: &TrainingConfig,
    device: &B::Device,
) -> DataLoader<B> {
    let TrainingConfig {
        batch_size,
        num_workers,
        seed,
        ..
    } = *config;
    DataLoader::new(
        dataset.clone(),
        batch_size,
        num_workers,
        order,
        seed,
        device.clone(),
    )
}

fn read_config(artifact_dir: &Path) -> Result<TrainingConfig> {
    let path = artifact_dir.join(CONFIG_FILE);
    let bytes = file::read(&path)?;
    TrainingConfig::from_json(&String::from_utf8_lossy(&bytes))
        .map_err(|error| Error::Artifact(format!("{}: {error}", path.display())))
}

fn check_data(data: &Data, config: &TrainingConfig) -> Result<()> {
    for (name, dataset) in [("training", &data.train), ("validation", &data.valid)] {
        if dataset.is_empty() {
            return Err(Error::Data(format!(
                "the {name} set must have at least one image, got 0"
            )));
        }
        dataset
            .check_model(config.model.image(), config.model.num_classes())
            .map_err(|error| Error::Data(format!("in the {name} set, {error}")))?;
    }
    Ok(())
}

/// Tells what the directory's file system lacks, once for a run.
fn warn_of_file_system(directory: &ArtifactDirectory, observer: &mut dyn Observer) {
    for message in directory.notices() {
        observer.notify(Event::Log {
            level: Level::Warning,
            message,
        });
    }
}

/// Tells what is odd about the data, once for a run; returns what the training images look like.
fn warn_of_data(
    data: &Data,
    num_classes: usize,
    observer: &mut dyn Observer,
) -> Result<ImageStatistics> {
    let (train, train_hashes) = Description::of(&data.train, num_classes, &false.into())?;
    let (mut valid, valid_hashes) = Description::of(&data.valid, num_classes, &false.into())?;
    valid.find_leaks(&valid_hashes, &train_hashes);
    let warnings = [
        train.warnings("training images"),
        valid.warnings("validation images"),
    ];
    for message in warnings.into_iter().flatten() {
        observer.notify(Event::Log {
            level: Level::Warning,
            message,
        });
    }
    Ok(train.statistics())
}

fn check_same_data(
    state: &State,
    fingerprints: &[String; 2],
    data: &Data,
    artifact_dir: &Path,
) -> Result<()> {
    let names = ["training", "validation"];
    let changed = names
        .iter()
        .zip(state.data.iter().zip(fingerprints))
        .find(|(_, (stored, given))| stored != given);
    let Some((name, (stored, given))) = changed else {
        return Ok(());
    };
    let began = RunData::read(artifact_dir).map_or_else(String::new, |run| {
        let source = run.source.get("described").and_then(Value::as_str);
        format!(
            "; the run began with {} images to train with and {} to validate on{}, and now these are {} and {}",
            run.train.images,
            run.valid.images,
            source.map_or_else(String::new, |source| format!(" of {source}")),
            data.train.len(),
            data.valid.len()
        )
    });
    Err(Error::Artifact(format!(
        "a resumed run must have the data of its start, and the {name} set is another (SHA-256 {stored}, got {given}){began}; bring \
         the data back as they were, or name them where they are now, with data= or --data; to train on others, start a new run, \
         without resume and in another directory"
    )))
}

/// What a resumed run may change: the rest decides its results.
const FREE: [&str; 5] = [
    "num_epochs",
    "num_workers",
    "threads",
    "recorder",
    "checkpoint_every",
];

fn check_same_run(stored: &Map<String, Value>, given: &TrainingConfig) -> Result<()> {
    let given = given.write(true);
    // What an older version did not know has its default.
    let known = TrainingConfig::from_value(&Value::Object(stored.clone()), "");
    let stored = known.map_or_else(|_| stored.clone(), |known| known.write(true));
    let changed = |(key, value): &(&String, &Value)| {
        !FREE.contains(&key.as_str()) && given.get(*key) != Some(value)
    };
    match stored.iter().find(changed) {
        None => Ok(()),
        Some((key, value)) => {
            let (name, stored, given) =
                difference(key, value, given.get(key).unwrap_or(&Value::Null));
            Err(Error::Config(format!(
                "a resumed run may change only {}, and {name} was {stored} at its start, got {given}; leave config out and \
                 config.json as it is to go on",
                FREE.join(", ")
            )))
        }
    }
}

fn check_reached(state: &State, config: &TrainingConfig, data: &Data) -> Result<()> {
    let Progress { epoch, step, .. } = state.progress;
    if config.num_epochs < epoch {
        return Err(Error::Config(format!(
            "num_epochs must be at least the {epoch} epochs that the run has reached, got {}",
            config.num_epochs
        )));
    }
    let steps = data.train.len().div_ceil(config.batch_size);
    if step > steps {
        return Err(Error::Artifact(format!(
            "a checkpoint of this run must be at one of the {steps} steps of an epoch, and is at step {step}"
        )));
    }
    Ok(())
}

/// The innermost key that both have and whose values differ.
fn difference(name: &str, stored: &Value, given: &Value) -> (String, String, String) {
    if let (Value::Object(stored), Value::Object(given)) = (stored, given)
        && let Some((key, value)) = stored
            .iter()
            .find(|(key, value)| given.get(*key).is_some_and(|given| given != *value))
    {
        return difference(
            &format!("{name}.{key}"),
            value,
            given.get(key).unwrap_or(&Value::Null),
        );
    }
    (name.to_owned(), shown(stored), shown(given))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AugmentationConfig;

    #[test]
    fn a_run_of_a_version_that_knew_fewer_keys_is_the_same_run() {
        let mut config = TrainingConfig {
            augmentation: Some(AugmentationConfig {
                rotate: 10.0,
                ..AugmentationConfig::default()
            }),
            ..TrainingConfig::default()
        };
        let mut stored = config.write(true);
        let augmentation = stored
            .get_mut("augmentation")
            .and_then(Value::as_object_mut);
        assert!(augmentation.unwrap().remove("flip").is_some());
        check_same_run(&stored, &config).unwrap();
        config.batch_size += 1;
        let error = check_same_run(&stored, &config).unwrap_err().to_string();
        assert!(error.contains("batch_size was 64"), "{error}");
    }
}
