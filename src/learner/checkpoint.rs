use super::artifact::{file_name, list};
use super::{CHECKPOINT_DIRECTORY, History};
use crate::config::Recorder;
use crate::data::hexadecimal;
use crate::error::{Error, Result};
use crate::record::atomic;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

const STATE_FILE: &str = "state.json";
/// Checkpoints that are kept beside the best one.
const KEPT: usize = 2;

/// How far a run has come: the epoch in progress, and what of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Progress {
    /// The epoch, from 1.
    pub epoch: usize,
    /// Whether the epoch is validated, and so at its end.
    pub ended: bool,
    /// Training steps done in it.
    pub step: usize,
}

/// What a checkpoint holds beside its records.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct State {
    pub progress: Progress,
    /// SHA-256 of the training and the validation images with their targets.
    pub data: [String; 2],
    pub recorder: String,
    pub history: History,
}

/// The bytes of the records of model, optimizer and schedule.
pub(super) struct Records {
    pub model: Vec<u8>,
    pub optimizer: Vec<u8>,
    pub scheduler: Vec<u8>,
}

/// `state.json`: the state, with size and hash of the records beside it.
#[derive(Serialize, Deserialize)]
struct StateFile {
    #[serde(flatten)]
    state: State,
    files: BTreeMap<String, Fingerprint>,
}

#[derive(PartialEq, Serialize, Deserialize)]
struct Fingerprint {
    bytes: usize,
    sha256: String,
}

impl Fingerprint {
    fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.len(),
            sha256: hexadecimal(&Sha256::digest(bytes)),
        }
    }
}

impl Progress {
    fn directory_name(self) -> String {
        if self.ended {
            format!("epoch-{:04}", self.epoch)
        } else {
            format!("epoch-{:04}-step-{:06}", self.epoch, self.step)
        }
    }

    fn from_directory_name(name: &str) -> Option<Self> {
        let rest = name.strip_prefix("epoch-")?;
        let progress = match rest.split_once("-step-") {
            None => Self {
                epoch: rest.parse().ok()?,
                ended: true,
                step: 0,
            },
            Some((epoch, step)) => Self {
                epoch: epoch.parse().ok()?,
                ended: false,
                step: step.parse().ok()?,
            },
        };
        (progress.directory_name() == name).then_some(progress)
    }

    /// Ended epochs all have the same number of steps: where a name doesn't say it, it doesn't count.
    fn key(self) -> (usize, bool, usize) {
        (
            self.epoch,
            self.ended,
            if self.ended { 0 } else { self.step },
        )
    }
}

/// The checkpoints of a run, oldest first.
fn all(artifact_dir: &Path) -> Result<Vec<(Progress, PathBuf)>> {
    let directory = artifact_dir.join(CHECKPOINT_DIRECTORY);
    if !directory.is_dir() {
        return Ok(Vec::new());
    }
    let mut checkpoints: Vec<(Progress, PathBuf)> = list(&directory)?
        .into_iter()
        .filter_map(|path| Some((Progress::from_directory_name(&file_name(&path))?, path)))
        .collect();
    checkpoints.sort_by_key(|(progress, _)| progress.key());
    Ok(checkpoints)
}

/// Saves a checkpoint: its directory appears whole or not at all. Older ones are removed, but for the last before it
/// and the best.
pub(super) fn save(
    artifact_dir: &Path,
    recorder: Recorder,
    state: &State,
    records: &Records,
) -> Result<PathBuf> {
    let parent = artifact_dir.join(CHECKPOINT_DIRECTORY);
    fs::create_dir_all(&parent).map_err(Error::io("could not create", &parent))?;
    let path = parent.join(state.progress.directory_name());
    let temporary = atomic::temporary_beside(&path);
    let written =
        fill(&temporary, &path, recorder, state, records).and_then(|()| replace(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_dir_all(&temporary);
        written?;
    }
    atomic::sync_directory_of(&path)?;
    remove_older(artifact_dir, state)?;
    Ok(path)
}

/// Writes a checkpoint's files; errors name `path`, where it will be.
fn fill(
    directory: &Path,
    path: &Path,
    recorder: Recorder,
    state: &State,
    records: &Records,
) -> Result<()> {
    fs::create_dir(directory).map_err(Error::io("could not create", path))?;
    let mut files = BTreeMap::new();
    for (stem, bytes) in [
        ("model", &records.model),
        ("optim", &records.optimizer),
        ("scheduler", &records.scheduler),
    ] {
        let name = record_name(stem, recorder);
        atomic::write_synced(&directory.join(&name), bytes, &path.join(&name))?;
        files.insert(name, Fingerprint::of(bytes));
    }
    let text = serde_json::to_vec(&StateFile {
        state: state.clone(),
        files,
    })
    .map_err(|error| {
        Error::Internal(format!("the state of a run could not be encoded: {error}"))
    })?;
    atomic::write_synced(&directory.join(STATE_FILE), &text, &path.join(STATE_FILE))?;
    atomic::sync_directory_of(&directory.join(STATE_FILE))
}

fn record_name(stem: &str, recorder: Recorder) -> String {
    format!("{stem}.{}", recorder.extension())
}

/// Renames a finished checkpoint into place. One of the same progress is there only after a resume: equal but for time.
fn replace(temporary: &Path, path: &Path) -> Result<()> {
    if path.exists() {
        fs::remove_dir_all(path).map_err(Error::io("could not remove", path))?;
    }
    fs::rename(temporary, path).map_err(Error::io("could not write", path))
}

fn remove_older(artifact_dir: &Path, state: &State) -> Result<()> {
    let checkpoints = all(artifact_dir)?;
    let last = checkpoints.len().saturating_sub(KEPT);
    for (progress, path) in &checkpoints[..last] {
        let best = progress.ended && Some(progress.epoch) == state.history.best_epoch;
        if !best {
            fs::remove_dir_all(path).map_err(Error::io("could not remove", path))?;
        }
    }
    Ok(())
}

/// A checkpoint that is as it was written.
pub(super) struct Checkpoint {
    pub path: PathBuf,
    pub state: State,
    pub records: Records,
}

/// The newest checkpoint that is whole, and what was wrong with those after it.
pub(super) fn newest(artifact_dir: &Path) -> Result<(Option<Checkpoint>, Vec<String>)> {
    let mut faults = Vec::new();
    for (_, path) in all(artifact_dir)?.into_iter().rev() {
        match read(&path) {
            Ok((state, records)) => {
                return Ok((
                    Some(Checkpoint {
                        path,
                        state,
                        records,
                    }),
                    faults,
                ));
            }
            Err(error) => faults.push(format!(
                "the checkpoint {} is left out: {error}",
                path.display()
            )),
        }
    }
    Ok((None, faults))
}

/// The path of the model's record in the newest checkpoint that is whole.
pub(super) fn newest_model(artifact_dir: &Path) -> Result<Option<PathBuf>> {
    let (found, _) = newest(artifact_dir)?;
    found
        .map(|found| {
            Ok(found
                .path
                .join(record_name("model", found.state.recorder.parse()?)))
        })
        .transpose()
}

fn read(directory: &Path) -> Result<(State, Records)> {
    let path = directory.join(STATE_FILE);
    let text = fs::read_to_string(&path).map_err(Error::io("could not read", &path))?;
    let StateFile { state, files } = serde_json::from_str(&text).map_err(|error| {
        Error::Artifact(format!(
            "{} must be the state of a run: {error}",
            path.display()
        ))
    })?;
    state.history.check()?;
    let recorder: Recorder = state.recorder.parse()?;
    let record = |stem: &str| -> Result<Vec<u8>> {
        let name = record_name(stem, recorder);
        let path = directory.join(&name);
        let bytes = fs::read(&path).map_err(Error::io("could not read", &path))?;
        if files.get(&name) == Some(&Fingerprint::of(&bytes)) {
            Ok(bytes)
        } else {
            Err(Error::Artifact(format!(
                "{} is not as it was written",
                path.display()
            )))
        }
    };
    let records = Records {
        model: record("model")?,
        optimizer: record("optim")?,
        scheduler: record("scheduler")?,
    };
    Ok((state, records))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: usize, ended: bool, step: usize, best_epoch: Option<usize>) -> State {
        State {
            progress: Progress { epoch, ended, step },
            data: ["a".into(), "b".into()],
            recorder: "default".into(),
            history: History {
                best_epoch,
                ..History::default()
            },
        }
    }

    fn records(content: &[u8]) -> Records {
        Records {
            model: content.to_vec(),
            optimizer: content.to_vec(),
            scheduler: content.to_vec(),
        }
    }

    fn names(root: &Path) -> Vec<String> {
        all(root)
            .unwrap()
            .iter()
            .map(|(_, path)| file_name(path))
            .collect()
    }

    #[test]
    fn the_last_two_and_the_best_are_kept() {
        let root = tempfile::tempdir().unwrap();
        for (epoch, best) in [(1, 1), (2, 2), (3, 2), (4, 2), (5, 2)] {
            save(
                root.path(),
                Recorder::Default,
                &state(epoch, true, 7, Some(best)),
                &records(b"x"),
            )
            .unwrap();
        }
        save(
            root.path(),
            Recorder::Default,
            &state(6, false, 3, Some(2)),
            &records(b"x"),
        )
        .unwrap();
        assert_eq!(
            names(root.path()),
            ["epoch-0002", "epoch-0005", "epoch-0006-step-000003"]
        );
    }

    #[test]
    fn an_ended_epoch_comes_after_its_steps() {
        let root = tempfile::tempdir().unwrap();
        save(
            root.path(),
            Recorder::Default,
            &state(2, false, 9, None),
            &records(b"x"),
        )
        .unwrap();
        save(
            root.path(),
            Recorder::Default,
            &state(2, true, 9, None),
            &records(b"x"),
        )
        .unwrap();
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
            save(
                root.path(),
                Recorder::Default,
                &state(1, true, 9, None),
                &records(b"abc"),
            )
            .unwrap();
            let path = save(
                root.path(),
                Recorder::Default,
                &state(2, true, 9, None),
                &records(b"def"),
            )
            .unwrap()
            .join(file);
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

    #[test]
    fn names_are_read_back() {
        for progress in [(3, true, 0), (3, false, 0), (12_345, false, 9_999_999)] {
            let progress = Progress {
                epoch: progress.0,
                ended: progress.1,
                step: progress.2,
            };
            assert_eq!(
                Progress::from_directory_name(&progress.directory_name()),
                Some(progress)
            );
        }
        assert_eq!(Progress::from_directory_name("epoch-1"), None);
        assert_eq!(Progress::from_directory_name("epoch-0001-step-x"), None);
    }
}
