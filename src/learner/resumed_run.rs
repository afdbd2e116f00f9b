//! Going on with a run.

use super::artifact::ArtifactDirectory;
use super::checked::{Checked, logged};
use super::checkpoints::{self, Checkpoint};
use super::data::Data;
use super::history::History;
use super::manifest::DATA_FILE;
use super::observer::{tell, warn};
use super::options::TrainOptions;
use super::prepare;
use super::prepared::{Beginning, Prepared};
use super::progress::Progress;
use super::run_config::{check_same_run, learning_rate};
use super::run_data::RunData;
use super::start::RunStart;
use super::state::State;
use crate::config::{EarlyStoppingConfig, Settings, TrainingConfig};
use crate::error::{Error, Result};
use crate::record;
use serde_json::Value;
use std::path::Path;

/// Goes on with the run of the directory.
pub(super) fn go_on(
    artifact_dir: &Path,
    data: &Data,
    options: &mut TrainOptions,
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
    let (checkpoint, faults) = checkpoints::newest(artifact_dir)?;
    if let Some(checkpoint) = &checkpoint {
        let state = &checkpoint.state;
        // Not what config.json says: that may have been edited since.
        check_same_run(&state.config, &config)?;
        check_same_data(state, &fingerprints, data, artifact_dir)?;
        check_reached(state, &config, data)?;
        let measured = prepare::measured(&config, &observer.metrics());
        checkpoint.history.check_metrics(&measured)?;
        check_best(
            &checkpoint.history,
            options.early_stopping.as_ref(),
            artifact_dir,
        )?;
    } else {
        check_same_run(&stored_config.write(true), &config)?;
    }
    let began = RunStart::read(artifact_dir);
    let began = match (&checkpoint, &options.start) {
        // It goes on without what start.json says.
        (Some(_), None) => began.unwrap_or_default(),
        _ => began?,
    };
    if let Some(start) = &options.start {
        RunStart::check(began.as_ref(), start)?;
    }
    let mut observer = logged(&directory, observer)?;
    for message in faults {
        warn(observer.as_mut(), message);
    }
    let message = match checkpoint
        .as_ref()
        .map(|checkpoint| checkpoint.state.progress)
    {
        None if options.early_stopping.is_none() => {
            "resumed before the first checkpoint: the run starts over, without early stopping unless EarlyStopping is passed again"
                .into()
        }
        None => "resumed before the first checkpoint: the run starts over".into(),
        Some(progress) => format!("resumed {progress}"),
    };
    tell(observer.as_mut(), message);
    if let Some(Checkpoint { state, .. }) = &checkpoint
        && let Some(before) = learning_rate(&state.config)
        && before.to_bits() != config.learning_rate.to_bits()
    {
        let message = format!(
            "the learning_rate is {} from here on; it was {before}",
            config.learning_rate
        );
        tell(observer.as_mut(), message);
    }
    keep_source(artifact_dir, options, &directory)?;
    // As found at the run's start; it goes on without them where data.json is gone or damaged.
    let known = record::run_metadata(artifact_dir, config.model.num_classes()).ok();
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
        early_stopping: options.early_stopping.take(),
        retention: options.retention.take(),
        observer,
    })
}

/// Keeps where the data of a resumed run are now; they may have been moved since its start.
fn keep_source(
    artifact_dir: &Path,
    options: &mut TrainOptions,
    directory: &ArtifactDirectory,
) -> Result<()> {
    let source = std::mem::take(&mut options.data_source);
    let is_found_again = source.get("location").is_some_and(Value::is_string);
    match RunData::read(artifact_dir) {
        Some(known) if is_found_again && known.source != source => {
            let known = RunData { source, ..known };
            directory.write(DATA_FILE, known.to_json()?.as_bytes())
        }
        _ => Ok(()),
    }
}

fn check_same_data(
    state: &State,
    fingerprints: &[String; 2],
    data: &Data,
    artifact_dir: &Path,
) -> Result<()> {
    let sets = [("training", &data.train), ("validation", &data.valid)];
    let mut changed = None;
    for ((name, dataset), (stored, given)) in
        sets.into_iter().zip(state.data.iter().zip(fingerprints))
    {
        if stored != given && !dataset.has_fingerprint(stored)? {
            changed = Some((name, stored, given));
            break;
        }
    }
    let Some((name, stored, given)) = changed else {
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

/// Refuses to look for the best epoch by another metric where the checkpoint of that epoch is gone.
fn check_best(
    history: &History,
    given: Option<&EarlyStoppingConfig>,
    artifact_dir: &Path,
) -> Result<()> {
    let Some(given) = given else {
        return Ok(());
    };
    let best = history.best_by(&given.metric, given.direction)?;
    let Some(best) = best.filter(|best| Some(*best) != history.best_epoch) else {
        return Ok(());
    };
    let kept = checkpoints::model_of(artifact_dir, best);
    kept.map(drop).map_err(|error| {
        Error::Config(format!(
            "metric must be one whose best epoch is kept where a run is resumed: by {} that is epoch {best}, and {error}; leave \
             early stopping as it was at the start of the run, or start a new one",
            given.metric
        ))
    })
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
