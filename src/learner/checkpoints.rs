//! The checkpoints of a run: which are kept, and which one it goes on from.

use super::CHECKPOINT_DIRECTORY;
use super::checkpoint::{self, Records, record_name};
use super::desktop::is_dropped;
use super::history::History;
use super::history_rows::HistoryRows;
use super::progress::Progress;
use super::state::State;
use crate::config::Recorder;
use crate::error::{Error, Result};
use crate::record::file;
use std::fs;
use std::path::{Path, PathBuf};

/// A checkpoint that is as it was written, with its history.
pub(super) struct Checkpoint {
    pub path: PathBuf,
    pub state: State,
    pub history: History,
    /// Which rows of the history are in the run's file of rows.
    pub rows: HistoryRows,
    pub records: Records,
}

/// The checkpoints of a run, oldest first.
pub(super) fn all(artifact_dir: &Path) -> Result<Vec<(Progress, PathBuf)>> {
    let directory = artifact_dir.join(CHECKPOINT_DIRECTORY);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut checkpoints = Vec::new();
    for path in file::list(&directory)? {
        if let Some(progress) = Progress::from_directory_name(&file::name(&path))
            && holds_something(&path)?
        {
            checkpoints.push((progress, path));
        }
    }
    checkpoints.sort_by_key(|(progress, _)| progress.key());
    Ok(checkpoints)
}

/// Whether there is anything in a checkpoint's directory but what somebody dropped there, which its removal leaves.
fn holds_something(directory: &Path) -> Result<bool> {
    let entries = file::list(directory)?;
    Ok(!entries.iter().all(|entry| is_dropped(&file::name(entry))))
}

/// Saves a checkpoint: its directory appears atomically. Older ones are removed, but for the last before it and those of
/// the best epochs, as its retention has it.
pub(super) fn save(
    artifact_dir: &Path,
    recorder: Recorder,
    state: State,
    best_epochs: &[usize],
    records: &Records,
) -> Result<PathBuf> {
    let parent = artifact_dir.join(CHECKPOINT_DIRECTORY);
    file::repeated(|| fs::create_dir_all(&parent))
        .map_err(Error::io("could not create", &parent))?;
    let progress = state.progress;
    let path = parent.join(progress.directory_name());
    if path.exists() {
        // A resumed run that was stopped before its next step: the checkpoint is there already.
        if read(artifact_dir, &path).is_ok() {
            return Ok(path);
        }
        checkpoint::remove(&path)?;
    }
    let keep_last = state.retention.keep_last;
    checkpoint::write(&path, recorder, state, records)?;
    remove_others(artifact_dir, progress, keep_last, best_epochs)?;
    Ok(path)
}

/// Removes the checkpoints before this one, but for the last and the best, and those after it: a run that went on from
/// here because they were damaged has superseded them.
fn remove_others(
    artifact_dir: &Path,
    current: Progress,
    keep_last: Option<usize>,
    best_epochs: &[usize],
) -> Result<()> {
    let current = current.key();
    let (before, after): (Vec<_>, Vec<_>) = all(artifact_dir)?
        .into_iter()
        .partition(|(progress, _)| progress.key() <= current);
    let last = keep_last.map_or(0, |kept| before.len().saturating_sub(kept));
    let old = before[..last]
        .iter()
        .filter(|(progress, _)| !progress.ended || !best_epochs.contains(&progress.epoch));
    old.chain(&after)
        .try_for_each(|(_, path)| checkpoint::remove(path))
}

/// The newest checkpoint that is whole, and what was wrong with those after it.
///
/// # Errors
///
/// There are checkpoints, and the rows of none of their histories are left.
pub(super) fn newest(artifact_dir: &Path) -> Result<(Option<Checkpoint>, Vec<String>)> {
    let (found, faults) = newest_by(artifact_dir, |path| read(artifact_dir, path))?;
    if found.is_none()
        && let Some((model, _)) = newest_by(artifact_dir, model_in)?.0
        && let Some((_, fault)) = faults.first()
    {
        return Err(Error::Artifact(format!(
            "{fault}, and without it the run can't go on; bring it back, or start a new run from its model, {}",
            model.display()
        )));
    }
    let told = |(path, error): &(PathBuf, Error)| {
        format!("the checkpoint {} is left out: {error}", path.display())
    };
    Ok((found, faults.iter().map(told).collect()))
}

/// The path of the model's record in the newest checkpoint, if that is no older than an epoch and its step.
pub(super) fn newest_model(artifact_dir: &Path, since: (usize, usize)) -> Result<Option<PathBuf>> {
    let (found, _) = newest_by(artifact_dir, model_in)?;
    Ok(found
        .filter(|(_, progress)| (progress.epoch, progress.step) >= since)
        .map(|(path, _)| path))
}

/// Whether a run can go on from a checkpoint.
pub(super) fn is_whole(artifact_dir: &Path, path: &Path) -> bool {
    read(artifact_dir, path).is_ok()
}

/// Checkpoints, and why they can't be read.
type Faults = Vec<(PathBuf, Error)>;

/// What `read` makes of the newest checkpoint that it doesn't fail at, and its faults with those after it.
fn newest_by<T>(
    artifact_dir: &Path,
    read: impl Fn(&Path) -> Result<T>,
) -> Result<(Option<T>, Faults)> {
    let mut checkpoints = all(artifact_dir)?;
    loop {
        let (mut found, mut faults) = (None, Vec::new());
        for (_, path) in checkpoints.iter().rev() {
            match read(path) {
                Ok(read) => {
                    found = Some(read);
                    break;
                }
                Err(error) => faults.push((path.clone(), error)),
            }
        }
        if faults.is_empty() {
            return Ok((found, faults));
        }
        // A run that is on may have removed some meanwhile.
        let now = all(artifact_dir)?;
        if now == checkpoints {
            return Ok((found, faults));
        }
        checkpoints = now;
    }
}

fn read(artifact_dir: &Path, path: &Path) -> Result<Checkpoint> {
    let (state, records) = checkpoint::read(path)?;
    let (history, rows) = state.read_history(artifact_dir, path)?;
    Ok(Checkpoint {
        path: path.to_path_buf(),
        state,
        history,
        rows,
        records,
    })
}

/// The path of a checkpoint's model, and the progress it is of.
fn model_in(path: &Path) -> Result<(PathBuf, Progress)> {
    let (state, _) = checkpoint::read(path)?;
    let model = path.join(record_name(checkpoint::MODEL, state.recorder.parse()?));
    Ok((model, state.progress))
}

/// The path of the model's record in the checkpoint of an epoch that is done.
pub(super) fn model_of(artifact_dir: &Path, epoch: usize) -> Result<PathBuf> {
    let kept: Vec<(usize, PathBuf)> = all(artifact_dir)?
        .into_iter()
        .filter(|(progress, _)| progress.ended)
        .map(|(progress, path)| (progress.epoch, path))
        .collect();
    let Some((_, path)) = kept.iter().find(|(found, _)| *found == epoch) else {
        let epochs: Vec<String> = kept.iter().map(|(epoch, _)| epoch.to_string()).collect();
        let kept = match epochs.as_slice() {
            [] => "no epoch; epoch=\"last\" gives the model after the last step".to_owned(),
            [one] => format!("epoch {one} alone"),
            _ => format!("the epochs {}", epochs.join(", ")),
        };
        return Err(Error::Artifact(format!(
            "epoch must be one whose checkpoint is kept, got {epoch}, and {} keeps {kept}",
            artifact_dir.display()
        )));
    };
    Ok(model_in(path)?.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::CheckpointConfig;
    use crate::learner::history::{EpochRow, TrainStepRow};
    use crate::learner::state::StoredHistory;
    use serde_json::Map;

    /// Saves a checkpoint of a run that has but this one.
    fn save_at(
        root: &Path,
        (epoch, ended, step): (usize, bool, usize),
        best: usize,
        content: &[u8],
    ) -> PathBuf {
        let mut history = History::default();
        for epoch in 1..epoch + usize::from(ended) {
            history.epochs.push(EpochRow {
                epoch,
                train_loss: 1.0,
                train_accuracy: 0.5,
                valid_loss: 1.0,
                valid_accuracy: 0.5,
                learning_rate: 0.1,
                seconds: 1.0,
                images_per_second: 1.0,
                metrics: std::collections::BTreeMap::new(),
            });
        }
        history.train_steps.push(TrainStepRow {
            epoch,
            step,
            images: 1,
            loss: 1.0,
            accuracy: 1.0,
            learning_rate: 0.1,
            seconds: 1.0,
            images_per_second: 1.0,
        });
        history.best_epoch = Some(best);
        let state = State {
            progress: Progress { epoch, ended, step },
            data: ["a".into(), "b".into()],
            config: Map::new(),
            recorder: "default".into(),
            retention: CheckpointConfig::default(),
            history: StoredHistory::Whole(Box::new(history)),
        };
        save(root, Recorder::Default, state, &[best], &records(content)).unwrap()
    }

    fn records(content: &[u8]) -> Records {
        Records {
            model: content.to_vec(),
            weights: None,
            optimizer: content.to_vec(),
            scheduler: content.to_vec(),
        }
    }

    fn names(root: &Path) -> Vec<String> {
        all(root)
            .unwrap()
            .iter()
            .map(|(_, path)| file::name(path))
            .collect()
    }

    #[test]
    fn the_last_two_and_the_best_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for (epoch, best) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            save_at(root.path(), (epoch, true, 7), best, b"x");
        }
        save_at(root.path(), (6, false, 3), 2, b"x");
        assert_eq!(
            names(root.path()),
            ["epoch-0002", "epoch-0005", "epoch-0006-step-000003"]
        );
    }

    #[test]
    fn an_ended_epoch_comes_after_its_steps() {
        let root = tempfile::tempdir().unwrap();
        save_at(root.path(), (2, false, 9), 1, b"x");
        save_at(root.path(), (2, true, 9), 1, b"x");
        let (newest, faults) = newest(root.path()).unwrap();
        assert!(newest.unwrap().state.progress.ended && faults.is_empty());
    }

    #[test]
    fn a_damaged_checkpoint_is_found_out_and_the_one_before_it_taken() {
        for (file, damage) in [
            ("model.mpk", "flip"),
            ("optim.mpk", "truncate"),
            ("scheduler.mpk", "remove"),
            ("state.json", "truncate"),
        ] {
            let root = tempfile::tempdir().unwrap();
            save_at(root.path(), (1, true, 9), 1, b"abc");
            let path = save_at(root.path(), (2, true, 9), 1, b"def").join(file);
            let mut bytes = fs::read(&path).unwrap();
            match damage {
                "flip" => bytes[0] ^= 1,
                "truncate" => bytes.truncate(1),
                _ => {}
            }
            fs::write(&path, bytes).unwrap();
            if damage == "remove" {
                fs::remove_file(&path).unwrap();
            }
            let (found, faults) = newest(root.path()).unwrap();
            assert_eq!(found.unwrap().state.progress.epoch, 1, "{file}");
            assert_eq!(faults.len(), 1);
        }
    }
}
