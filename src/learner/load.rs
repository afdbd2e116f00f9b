//! The models of a run.

use super::artifact::settle;
use super::checkpoints;
use super::history::History;
use super::manifest::MODEL_FILE;
use super::run_config::read_config;
use super::run_history;
use crate::config::{Metadata, TrainingConfig, Views};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::record::{self, About, Loaded, Stated};
use std::path::{Path, PathBuf};

/// Which of a run's models.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WhichModel {
    /// The one that the run ended with: after the last step, or where early stopping restored it that of the best epoch.
    Run,
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
        WhichModel::Run => model_of_run(artifact_dir)?,
        WhichModel::Last => last_model(artifact_dir)?,
        WhichModel::Epoch(epoch) => checkpoints::model_of(artifact_dir, epoch)?,
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

fn model_of_run(artifact_dir: &Path) -> Result<PathBuf> {
    let ended = run_history::of_ended(artifact_dir)?;
    let Some(epoch) = ended.and_then(|history| history.model_epoch) else {
        return last_model(artifact_dir);
    };
    let file = artifact_dir.join(MODEL_FILE);
    match checkpoints::model_of(artifact_dir, epoch) {
        Err(_) if file.exists() => Ok(file),
        found => found,
    }
}

fn last_model(artifact_dir: &Path) -> Result<PathBuf> {
    let file = artifact_dir.join(MODEL_FILE);
    let start = (0, 0);
    // A run that is not over has no model but that of a checkpoint.
    let ended = run_history::of_ended(artifact_dir)?;
    let since = ended.as_ref().and_then(History::last_step).unwrap_or(start);
    let restored = ended.and_then(|history| history.model_epoch);
    Ok(match checkpoints::newest_model(artifact_dir, since)? {
        Some(path) => path,
        None if let Some(epoch) = restored => {
            return Err(Error::Artifact(format!(
                "{} keeps no checkpoint of the last step, and its {MODEL_FILE} is of epoch {epoch}; leave epoch out to take that",
                artifact_dir.display()
            )));
        }
        None if file.exists() => file,
        None => checkpoints::newest_model(artifact_dir, start)?.unwrap_or(file),
    })
}
