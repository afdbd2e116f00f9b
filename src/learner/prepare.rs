//! All that is done for a run before its first step.

use super::artifact::ArtifactDirectory;
use super::checked::Checked;
use super::data::Data;
use super::history::not_measured;
use super::loaders::weights_of;
use super::observer::Silent;
use super::options::TrainOptions;
use super::prepared::Prepared;
use super::run_config::read_config;
use super::threads::in_pool;
use super::{new_run, resumed_run};
use crate::config::{EarlyStoppingConfig, EpochMetric, Settings, TrainingConfig};
use crate::data::{Dataset, pixel_statistics};
use crate::error::{Error, Result};
use crate::model::Predictions;
use std::path::Path;

/// Checks everything that can be checked, and only then touches the directory. `sharers` of a batch are so many devices or parts.
pub(super) fn prepare(
    artifact_dir: &Path,
    config: Option<&TrainingConfig>,
    sharers: (usize, &str),
    data: &Data,
    options: &mut TrainOptions,
) -> Result<Prepared> {
    let observer = std::mem::replace(&mut options.observer, Box::new(Silent));
    let stored = if options.resume {
        Some(ArtifactDirectory::open(artifact_dir)?)
    } else {
        None
    };
    let stored_config = stored
        .as_ref()
        .map(|_| read_config(artifact_dir))
        .transpose()?;
    let config = config
        .cloned()
        .or_else(|| stored_config.clone())
        .unwrap_or_default();
    config.validate()?;
    // Also the images are looked at by the run's own threads.
    in_pool(config.threads, || {
        data.check(&config)?;
        let config = with_length(config, stored_config.as_ref(), &data.train);
        check_metrics(
            &config,
            data,
            &observer.metrics(),
            options.early_stopping.as_ref(),
        )?;
        let trainable = config.model.trainable(&config.freeze)?;
        if let Some(weights) = &config.class_weights {
            weights.check(config.model.num_classes())?;
        }
        weights_of(&data.train, &config)?;
        let config = match &options.start {
            Some(start) if stored.is_none() => start.with_pixels(config),
            _ => config,
        };
        let config = with_pixels(config, stored_config.as_ref(), &data.train)?;
        let (number, sharers) = sharers;
        if config.batch_size < number {
            return Err(Error::Config(format!(
                "batch_size must be at least the number of {sharers}, {number}, got {}; use a larger batch or fewer {sharers}",
                config.batch_size
            )));
        }
        let checked = Checked {
            config,
            trainable,
            fingerprints: [data.train.fingerprint()?, data.valid.fingerprint()?],
            observer,
        };
        match (stored, stored_config) {
            (Some(directory), Some(config)) => {
                resumed_run::go_on(artifact_dir, data, options, checked, directory, &config)
            }
            _ => new_run::begin(artifact_dir, data, options, checked),
        }
    })
}

/// Checks that the validation images can have the metrics of the run, and that it measures those that it follows.
fn check_metrics(
    config: &TrainingConfig,
    data: &Data,
    own: &[String],
    early_stopping: Option<&EarlyStoppingConfig>,
) -> Result<()> {
    let num_classes = config.model.num_classes();
    for metric in &config.metrics {
        Predictions::check(data.valid.targets(), num_classes, *metric)?;
    }
    let always = EpochMetric::ALWAYS.map(|metric| metric.to_string());
    let measured = measured(config, own);
    for (place, name) in measured.iter().enumerate() {
        if measured[..place].contains(name) || always.contains(name) {
            return Err(Error::Config(format!(
                "metrics must measure each one once, got {name} twice"
            )));
        }
    }
    let schedule = config.schedule()?.metric();
    let followed = [
        early_stopping.map(|rule| rule.metric.clone()),
        schedule.map(|metric| metric.to_string()),
    ];
    let is_measured = |name: &String| always.contains(name) || measured.contains(name);
    match followed
        .into_iter()
        .flatten()
        .find(|name| !is_measured(name))
    {
        None => Ok(()),
        Some(name) => Err(not_measured(&name, measured.into_iter())),
    }
}

/// The columns of the metrics that a run measures beside loss and accuracy.
pub(super) fn measured(config: &TrainingConfig, own: &[String]) -> Vec<String> {
    let num_classes = config.model.num_classes();
    let named = config
        .metrics
        .iter()
        .flat_map(|metric| metric.values(num_classes));
    let named = named.map(|metric| EpochMetric::Valid(metric).to_string());
    named
        .chain(own.iter().map(|name| format!("valid_{name}")))
        .collect()
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

/// The configuration with the length of the run in the schedules that have none. That of a run that goes on is the one it began
/// with, also where it goes on for longer.
fn with_length(
    mut config: TrainingConfig,
    stored: Option<&TrainingConfig>,
    train: &Dataset,
) -> TrainingConfig {
    let known = stored.and_then(|stored| stored.lr_scheduler.as_ref());
    if let (Some(schedule), Some(known)) = (&config.lr_scheduler, known)
        && let Some(schedule) = schedule.clone().with_lengths_of(known)
    {
        config.lr_scheduler = Some(schedule);
    }
    config.with_length(train.len())
}
