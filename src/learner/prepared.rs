//! A run before its first step.

use super::artifact::ArtifactDirectory;
use super::average::WeightAverage;
use super::checkpoints::Checkpoint;
use super::data::Data;
use super::deadline::Deadline;
use super::epochs::Run;
use super::history::History;
use super::history_rows::HistoryRows;
use super::loaders::Loaders;
use super::observer::{Observer, warn};
use super::progress::Progress;
use super::ranks::Ranks;
use super::rule::Rule;
use super::run_config::learning_rate;
use super::start::{Initial, RunStart};
use crate::config::{
    CheckpointConfig, EarlyStoppingConfig, ImageStatistics, Metadata, Precision, TrainingConfig,
    Views,
};
use crate::device::{Backend, Device};
use crate::error::Result;
use crate::network::{AnyNetwork, ParameterSpec};
use crate::record::{About, decode_model};
use burn::backend::Autodiff;
use burn::module::AutodiffModule;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A run before its first step.
pub(super) struct Prepared {
    pub config: TrainingConfig,
    pub directory: ArtifactDirectory,
    pub beginning: Beginning,
    pub trainable: Vec<ParameterSpec>,
    pub fingerprints: [String; 2],
    /// What the training images look like.
    pub statistics: Option<ImageStatistics>,
    /// When the run stops because it gets no better; of a resumed run `None` stands for what it was before.
    pub early_stopping: Option<EarlyStoppingConfig>,
    /// Which checkpoints are kept; of a resumed run `None` stands for what it was before.
    pub retention: Option<CheckpointConfig>,
    pub observer: Box<dyn Observer>,
}

/// What the parameters of a run are made from.
pub(super) enum Beginning {
    /// The seed.
    Random,
    /// A model, by a run that has just started from it.
    Start(Initial),
    /// A model, by a run that starts over.
    Again(RunStart),
    Checkpoint(Box<Checkpoint>),
}

/// The model at the start of a run or at its checkpoint, and the run around it.
pub(super) type Started<B> = (AnyNetwork<B>, Run<B>);

impl Prepared {
    /// The model, and all that its steps need.
    pub fn init<B: Backend>(
        self,
        devices: &[Device],
        burn_devices: &[B::Device],
        data: &Data,
        ranks: Option<Arc<Ranks>>,
    ) -> Result<Started<Autodiff<B>>> {
        let burn_device = &burn_devices[0];
        let Prepared {
            config,
            directory,
            beginning,
            trainable,
            fingerprints,
            statistics,
            early_stopping,
            mut retention,
            mut observer,
        } = self;
        for message in doubts(&config, data.train.len()) {
            warn(observer.as_mut(), message);
        }
        let mut rule = Rule::<Autodiff<B>>::new(&config)?;
        let mut progress = Progress {
            epoch: 1,
            ended: false,
            step: 0,
        };
        let mut history = History::default();
        let mut rows = HistoryRows::default();
        let mut average = None;
        let model: AnyNetwork<Autodiff<B>> = match beginning {
            Beginning::Random => AnyNetwork::init_seeded(&config.model, config.seed, burn_device)?,
            Beginning::Start(mut initial) => {
                let parameters = std::mem::take(&mut initial.parameters);
                let model = AnyNetwork::from_state(&config.model, parameters, burn_device)?;
                initial.write(AutodiffModule::valid(&model), &directory)?;
                model
            }
            Beginning::Again(start) => start.model(&directory, &config.model, burn_device)?,
            Beginning::Checkpoint(checkpoint) => {
                let Checkpoint {
                    path,
                    state,
                    history: so_far,
                    rows: on_disk,
                    records,
                } = *checkpoint;
                rule = rule.restore(
                    &records.optimizer,
                    &records.scheduler,
                    &path,
                    &config,
                    &trainable,
                    learning_rate(&state.config).unwrap_or(config.learning_rate),
                    &so_far,
                    burn_device,
                )?;
                progress = state.progress;
                retention.get_or_insert(state.retention);
                history = so_far;
                rows = on_disk;
                let model = decode_model(&records.model, &path, &config.model, burn_device)?;
                match &records.weights {
                    None => model,
                    Some(weights) => {
                        average = Some(AutodiffModule::valid(&model));
                        decode_model(weights, &path, &config.model, burn_device)?
                    }
                }
            }
        };
        let initial = || average.unwrap_or_else(|| AutodiffModule::valid(&model));
        let average = config.average_decay;
        let average = average.map(|decay| WeightAverage::new(decay, initial()));
        let model = model.training_only(&trainable);
        let loaders = Loaders::new(data, &config, burn_devices, ranks.as_deref())?;
        let run = Run {
            train_loaders: loaders.train,
            valid_loaders: loaders.valid,
            valid_targets: data.valid.targets()[..config.limited(data.valid.len())].to_vec(),
            own_metrics: observer.metrics(),
            measured: BTreeMap::new(),
            retention: retention.unwrap_or_default(),
            about: about(data, &config, statistics),
            config,
            devices: devices.to_vec(),
            trainable: trainable.into(),
            burn_devices: loaders.devices,
            ranks,
            directory,
            data: fingerprints,
            rule,
            average,
            progress,
            deadline: Deadline::default(),
            history: History {
                early_stopping: early_stopping.or(history.early_stopping.take()),
                ..history
            },
            rows,
            observer,
            interrupted: Arc::default(),
        };
        Ok((model, run))
    }
}

/// What the model of a run knows of its data.
fn about(data: &Data, config: &TrainingConfig, statistics: Option<ImageStatistics>) -> About {
    About {
        metadata: Metadata {
            statistics,
            views: Views::of_training(config.augmentation.as_ref()),
            ..data.train.metadata(config.model.num_classes())
        },
        ..About::default()
    }
}

/// What may be meant otherwise in the configuration of a run on so many images.
fn doubts(config: &TrainingConfig, images: usize) -> impl Iterator<Item = String> {
    let half = config.recorder.precision() == Precision::Half;
    let half = half.then(|| {
        "checkpoints in half precision: a resumed run will differ from one never stopped".to_owned()
    });
    let schedule = config.lr_scheduler.as_ref();
    let misfit = schedule.and_then(|schedule| schedule.misfit(config.steps(images)));
    half.into_iter().chain(misfit)
}
