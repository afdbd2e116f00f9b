//! The models of a run.

use super::artifact::settle;
use super::checkpoint;
use super::history::History;
use super::manifest::{HISTORY_FILE, MODEL_FILE};
use super::run_config::read_config;
use crate::config::{Metadata, TrainingConfig, Views};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::record::{self, About, Loaded, Stated, file};
use std::path::{Path, PathBuf};

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
