use super::{
    AugmentationConfig, ClassWeights, Fields, LrSchedule, LrSchedulerConfig, Metric, NetworkConfig,
    OptimizerConfig, Recorder, Settings, impl_config,
};
use crate::error::Result;
use serde_json::{Map, Value, json};
use std::num::NonZeroUsize;

/// A training run, as in the Burn book; every field has the book's default.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainingConfig {
    /// The network.
    pub model: NetworkConfig,
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Passes over the training set.
    pub num_epochs: usize,
    /// Images of a batch.
    pub batch_size: usize,
    /// Batches whose gradients make one step of the optimizer, as one batch of all their images would.
    pub grads_accumulation: usize,
    /// Batches at most that an epoch trains and validates with, to try a run; `None` for all.
    pub limit_batches: Option<usize>,
    /// Seconds after which a run is stopped, with a checkpoint; `None` for no limit. A resumed run has as many again. No effect on
    /// the results of a run that is resumed until it is complete.
    pub max_seconds: Option<f64>,
    /// Threads that prepare batches ahead of the training step; 0 prepares them in line. No effect on results, and none
    /// on a GPU, where batches are gathered.
    pub num_workers: usize,
    /// Threads that compute on the CPU; `None` takes those of `RAYON_NUM_THREADS`, else one for each core. No effect on
    /// results.
    pub threads: Option<NonZeroUsize>,
    /// What weights, order, dropout masks and augmentation follow from.
    pub seed: u64,
    /// Step size of the optimizer; the starting point of `lr_scheduler` where there is one.
    pub learning_rate: f64,
    /// How the learning rate moves; `None` keeps it constant.
    pub lr_scheduler: Option<LrSchedulerConfig>,
    /// How training images are changed; `None` leaves them as they are.
    pub augmentation: Option<AugmentationConfig>,
    /// The share of each target that is spread over all classes (Szegedy et al., 2016), in [0, 1).
    pub label_smoothing: f64,
    /// How much the images of each class count in the loss; `None` for all alike.
    pub class_weights: Option<ClassWeights>,
    /// The decay of a moving average of the weights, in (0, 1), which is what the run validates, saves and returns; `None` for the
    /// weights themselves.
    pub average_decay: Option<f64>,
    /// Parameters that training leaves as they are: names as in `conv1.weight`, or what names begin with, as in `conv1` or
    /// `blocks.0`.
    pub freeze: Vec<String>,
    /// What is measured on the validation images after each epoch, beside loss and accuracy.
    pub metrics: Vec<Metric>,
    /// The format of checkpoints. A full-precision one resumes bit for bit.
    pub recorder: Recorder,
    /// Seconds between two checkpoints within an epoch; `None` saves one at the end of each epoch alone. No effect on results.
    pub checkpoint_every: Option<f64>,
}

impl Default for TrainingConfig {
    fn default() -> Self {
        Self {
            model: NetworkConfig::default(),
            optimizer: OptimizerConfig::default(),
            num_epochs: 10,
            batch_size: 64,
            grads_accumulation: 1,
            limit_batches: None,
            max_seconds: None,
            num_workers: 4,
            threads: None,
            seed: 42,
            learning_rate: 1.0e-4,
            lr_scheduler: None,
            augmentation: None,
            label_smoothing: 0.0,
            class_weights: None,
            average_decay: None,
            freeze: Vec::new(),
            metrics: Vec::new(),
            recorder: Recorder::Default,
            checkpoint_every: Some(60.0),
        }
    }
}

impl TrainingConfig {
    /// More threads than this only cost memory.
    pub const MAX_WORKERS: usize = 256;
    /// As many threads as Rayon's pools can have at least.
    pub const MAX_THREADS: usize = 255;
    /// Largest accepted batch and number of epochs: both are counted in 32 bits in places.
    const MAX_COUNT: u64 = (u32::MAX >> 1) as u64;

    /// The schedule of the learning rate; an error where it has no length, which is that of the run. See
    /// [`with_length`](Self::with_length).
    pub fn schedule(&self) -> Result<LrSchedule> {
        LrSchedule::new(self.learning_rate, self.lr_scheduler.as_ref())
    }

    /// The configuration of a run over so many images: schedules without a length get that of the run.
    #[must_use]
    pub fn with_length(mut self, images: usize) -> Self {
        let steps = self.steps(images);
        self.lr_scheduler = self
            .lr_scheduler
            .map(|schedule| schedule.with_length(steps));
        self
    }

    /// The optimizer's steps in a run over so many images.
    pub fn steps(&self, images: usize) -> usize {
        self.limited(images)
            .div_ceil(self.batch_size)
            .div_ceil(self.grads_accumulation)
            .saturating_mul(self.num_epochs)
    }

    /// How many of so many images an epoch takes.
    pub fn limited(&self, images: usize) -> usize {
        self.limit_batches.map_or(images, |batches| {
            images.min(batches.saturating_mul(self.batch_size))
        })
    }
}

impl Settings for TrainingConfig {
    const KIND: &'static str = "training";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let count = (1, Self::MAX_COUNT);
        let config = Self {
            model: match fields.get("model") {
                None => default.model,
                Some(value) => NetworkConfig::from_value(value, &fields.name("model"))?,
            },
            optimizer: match fields.get("optimizer") {
                None => default.optimizer,
                Some(value) => OptimizerConfig::from_value(value, &fields.name("optimizer"))?,
            },
            num_epochs: fields.whole("num_epochs", Some(default.num_epochs as u64), count)?
                as usize,
            batch_size: fields.whole("batch_size", Some(default.batch_size as u64), count)?
                as usize,
            grads_accumulation: fields.whole(
                "grads_accumulation",
                Some(default.grads_accumulation as u64),
                count,
            )? as usize,
            limit_batches: fields
                .some_whole("limit_batches", count)?
                .map(|batches| batches as usize),
            max_seconds: fields.some_number(
                "max_seconds",
                "seconds above 0, or null for no limit",
                |seconds| seconds > 0.0,
            )?,
            num_workers: fields.whole(
                "num_workers",
                Some(default.num_workers as u64),
                (0, Self::MAX_WORKERS as u64),
            )? as usize,
            threads: fields
                .some_whole("threads", (1, Self::MAX_THREADS as u64))?
                .and_then(|threads| NonZeroUsize::new(threads as usize)),
            seed: fields.whole("seed", Some(default.seed), (0, u64::MAX))?,
            learning_rate: fields.number(
                "learning_rate",
                Some(default.learning_rate),
                "a finite number above 0",
                |rate| rate > 0.0,
            )?,
            lr_scheduler: match fields.get_some("lr_scheduler") {
                None => None,
                Some(value) => Some(LrSchedulerConfig::from_value(
                    value,
                    &fields.name("lr_scheduler"),
                )?),
            },
            augmentation: match fields.get_some("augmentation") {
                None => default.augmentation,
                Some(value) => {
                    let path = fields.name("augmentation");
                    let config = AugmentationConfig::from_value(value, &path)?;
                    // One that changes nothing is none.
                    Some(config).filter(|config| !config.is_off())
                }
            },
            label_smoothing: fields.number(
                "label_smoothing",
                Some(default.label_smoothing),
                "a number of at least 0 and below 1",
                |share| (0.0..1.0).contains(&share),
            )?,
            class_weights: ClassWeights::read(fields)?,
            average_decay: fields.some_number(
                "average_decay",
                "a number above 0 and below 1, or null for no average",
                |decay| decay > 0.0 && decay < 1.0,
            )?,
            freeze: names(fields, "freeze", "a list of names of parameters")?,
            metrics: names(fields, "metrics", "a list of names of metrics")?
                .iter()
                .map(|name| name.parse())
                .collect::<Result<_>>()?,
            recorder: match fields.get("recorder") {
                None => default.recorder,
                Some(Value::String(name)) => name.parse()?,
                Some(other) => {
                    return Err(fields.broken("recorder", "the name of a recorder", other));
                }
            },
            checkpoint_every: match fields.get("checkpoint_every") {
                None => default.checkpoint_every,
                Some(Value::Null) => None,
                Some(_) => Some(fields.number(
                    "checkpoint_every",
                    None,
                    "seconds above 0, or null for the ends of epochs alone",
                    |seconds| seconds > 0.0,
                )?),
            },
        };
        // Whatever the length will be.
        let schedule = config.lr_scheduler.clone();
        let schedule = schedule.map(|schedule| schedule.with_length(1));
        LrSchedule::new(config.learning_rate, schedule.as_ref())?;
        Ok(config)
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("model".into(), Value::Object(self.model.write(complete)));
        object.insert(
            "optimizer".into(),
            Value::Object(self.optimizer.write(complete)),
        );
        object.insert("num_epochs".into(), json!(self.num_epochs));
        object.insert("batch_size".into(), json!(self.batch_size));
        object.insert("num_workers".into(), json!(self.num_workers));
        object.insert("seed".into(), json!(self.seed));
        object.insert("learning_rate".into(), json!(self.learning_rate));
        let default = Self::default();
        if complete || self.lr_scheduler != default.lr_scheduler {
            let schedule = self
                .lr_scheduler
                .as_ref()
                .map_or(Value::Null, LrSchedulerConfig::to_value);
            object.insert("lr_scheduler".into(), schedule);
        }
        let augmentation = self.augmentation.filter(|config| !config.is_off());
        if complete || augmentation != default.augmentation {
            let value =
                augmentation.map_or(Value::Null, |config| Value::Object(config.write(complete)));
            object.insert("augmentation".into(), value);
        }
        if complete || self.label_smoothing > 0.0 {
            object.insert("label_smoothing".into(), json!(self.label_smoothing));
        }
        if complete || self.class_weights != default.class_weights {
            let weights = self.class_weights.as_ref().map(ClassWeights::write);
            object.insert("class_weights".into(), json!(weights));
        }
        if complete || self.average_decay != default.average_decay {
            object.insert("average_decay".into(), json!(self.average_decay));
        }
        if complete || self.freeze != default.freeze {
            object.insert("freeze".into(), json!(self.freeze));
        }
        if complete || self.metrics != default.metrics {
            let names: Vec<String> = self.metrics.iter().map(Metric::to_string).collect();
            object.insert("metrics".into(), json!(names));
        }
        if complete || self.grads_accumulation != default.grads_accumulation {
            object.insert("grads_accumulation".into(), json!(self.grads_accumulation));
        }
        if complete || self.limit_batches != default.limit_batches {
            object.insert("limit_batches".into(), json!(self.limit_batches));
        }
        if complete || self.max_seconds != default.max_seconds {
            object.insert("max_seconds".into(), json!(self.max_seconds));
        }
        if complete || self.threads != default.threads {
            object.insert("threads".into(), json!(self.threads));
        }
        if complete || self.recorder != default.recorder {
            object.insert("recorder".into(), json!(self.recorder.name()));
        }
        if complete || self.checkpoint_every != default.checkpoint_every {
            object.insert("checkpoint_every".into(), json!(self.checkpoint_every));
        }
        object
    }
}

/// The texts of a list, of which there may be none.
fn names(fields: &mut Fields<'_>, key: &'static str, rule: &str) -> Result<Vec<String>> {
    let Some(value) = fields.get_some(key) else {
        return Ok(Vec::new());
    };
    let name = |item: &Value| item.as_str().map(str::to_owned);
    let names: Option<Vec<String>> = value
        .as_array()
        .and_then(|items| items.iter().map(name).collect());
    names.ok_or_else(|| fields.broken(key, rule, value))
}

impl_config!(TrainingConfig);
