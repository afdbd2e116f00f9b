use super::desktop::is_dropped;
use super::{CHECKPOINT_DIRECTORY, History};
use crate::config::Recorder;
use crate::data::hexadecimal;
use crate::error::{Error, Result};
use crate::record::file;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

const STATE_FILE: &str = "state.json";
/// Checkpoints that are kept beside the best one.
const KEPT: usize = 2;

/// How far a run has come: the epoch in progress, and what of it is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
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
    /// The fingerprints of the training and the validation images.
    pub data: [String; 2],
    /// The configuration, every key.
    pub config: Map<String, Value>,
    pub recorder: String,
    pub history: History,
}

/// The bytes of the records of model, optimizer and schedule.
pub(super) struct Records {
    pub model: Vec<u8>,
    pub optimizer: Vec<u8>,
    pub scheduler: Vec<u8>,
}

/// `state.json`: the state, size and hash of the records beside it, and a hash of all that.
#[derive(Serialize, Deserialize)]
struct StateFile {
    state: State,
    files: BTreeMap<String, Fingerprint>,
    sha256: String,
}

impl StateFile {
    fn new(state: State, files: BTreeMap<String, Fingerprint>) -> Result<Self> {
        let sha256 = Self::hash(&state, &files)?;
        Ok(Self {
            state,
            files,
            sha256,
        })
    }

    fn parse(bytes: &[u8], path: &Path) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::Artifact(format!(
                "{} must be the state of a run: {error}",
                path.display()
            ))
        })
    }

    /// The same, if it is as it was written.
    fn whole(self, path: &Path) -> Result<Self> {
        if self.sha256 == Self::hash(&self.state, &self.files)? {
            Ok(self)
        } else {
            Err(Error::Artifact(format!(
                "{} is not as it was written",
                path.display()
            )))
        }
    }

    /// Numbers are written with as many digits as name them, so what was read hashes as what was written.
    fn hash(state: &State, files: &BTreeMap<String, Fingerprint>) -> Result<String> {
        Ok(hexadecimal(&Sha256::digest(json(&(state, files))?)))
    }
}

fn json(value: &impl Serialize) -> Result<Vec<u8>> {
    serde_json::to_vec(value).map_err(|error| {
        Error::Internal(format!("the state of a run could not be encoded: {error}"))
    })
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

    /// The progress that a checkpoint's directory is named for.
    pub fn from_directory_name(name: &str) -> Option<Self> {
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
    if path.exists() {
        // A resumed run that was stopped before its next step: the checkpoint is there already.
        if read(&path).is_ok() {
            return Ok(path);
        }
        remove(&path)?;
    }
    let temporary = file::temporary_beside(&path);
    let written = fill(&temporary, &path, recorder, state, records)
        // What somebody dropped into a directory that was removed keeps it there.
        .and_then(|()| file::move_over(&temporary, &path));
    if written.is_err() {
        let _ = fs::remove_dir_all(&temporary);
        written?;
    }
    file::sync_directory_of(&path);
    remove_others(artifact_dir, state)?;
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
        file::write_synced(&directory.join(&name), bytes, &path.join(&name))?;
        files.insert(name, Fingerprint::of(bytes));
    }
    let text = json(&StateFile::new(state.clone(), files)?)?;
    file::write_synced(&directory.join(STATE_FILE), &text, &path.join(STATE_FILE))?;
    file::sync_directory_of(&directory.join(STATE_FILE));
    Ok(())
}

fn record_name(stem: &str, recorder: Recorder) -> String {
    format!("{stem}.{}", recorder.extension())
}

/// Whether a file in a checkpoint's directory has a name that is written there.
pub(super) fn is_checkpoint_file(name: &str) -> bool {
    let records = || ["model", "optim", "scheduler"].into_iter();
    name == STATE_FILE
        || Recorder::ALL
            .into_iter()
            .any(|recorder| records().any(|stem| record_name(stem, recorder) == name))
}

/// Removes a checkpoint's files and its directory, unless somebody put something else there.
pub(super) fn remove(directory: &Path) -> Result<()> {
    for entry in file::list(directory)?
        .iter()
        .filter(|entry| is_checkpoint_file(&file::name(entry)))
    {
        file::gone(fs::remove_file(entry)).map_err(Error::io("could not remove", entry))?;
    }
    remove_if_empty(directory)
}

/// Removes the checkpoints before this one, but for the last and the best, and those after it: a run that went on from
/// here because they were damaged has superseded them.
fn remove_others(artifact_dir: &Path, state: &State) -> Result<()> {
    let current = state.progress.key();
    let (before, after): (Vec<_>, Vec<_>) = all(artifact_dir)?
        .into_iter()
        .partition(|(progress, _)| progress.key() <= current);
    let last = before.len().saturating_sub(KEPT);
    let old = before[..last].iter().filter(|(progress, _)| {
        !progress.ended || Some(progress.epoch) != state.history.best_epoch
    });
    old.chain(&after).try_for_each(|(_, path)| remove(path))
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

/// The path of the model's record in the newest checkpoint, if that is as new as the run's history of `steps` steps.
pub(super) fn newest_model(artifact_dir: &Path, steps: usize) -> Result<Option<PathBuf>> {
    let (found, _) = newest(artifact_dir)?;
    found
        .filter(|found| found.state.history.train_steps.step.len() >= steps)
        .map(|found| {
            Ok(found
                .path
                .join(record_name("model", found.state.recorder.parse()?)))
        })
        .transpose()
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
    let (state, _) = read(path)?;
    Ok(path.join(record_name("model", state.recorder.parse()?)))
}

/// Whether there is a checkpoint, whole or not.
pub(super) fn is_any(artifact_dir: &Path) -> bool {
    all(artifact_dir).is_ok_and(|checkpoints| !checkpoints.is_empty())
}

fn read(directory: &Path) -> Result<(State, Records)> {
    let path = directory.join(STATE_FILE);
    let StateFile { state, files, .. } =
        StateFile::parse(&file::read(&path)?, &path)?.whole(&path)?;
    check(&state, directory)?;
    let recorder: Recorder = state.recorder.parse()?;
    let record = |stem: &str| -> Result<Vec<u8>> {
        let name = record_name(stem, recorder);
        let path = directory.join(&name);
        let length = path
            .metadata()
            .map_err(Error::io("could not read", &path))?
            .len();
        // A file of another length need not be read.
        let written = files
            .get(&name)
            .filter(|written| written.bytes as u64 == length);
        if let Some(written) = written {
            let bytes = file::read_at_most(&path, length)?;
            if *written == Fingerprint::of(&bytes) {
                return Ok(bytes);
            }
        }
        Err(Error::Artifact(format!(
            "{} is not as it was written",
            path.display()
        )))
    };
    let records = Records {
        model: record("model")?,
        optimizer: record("optim")?,
        scheduler: record("scheduler")?,
    };
    Ok((state, records))
}

/// A door for fuzzing: `state.json`, read and written again. Its hash, which would refuse nearly every other input, counts only
/// where it is `hashed`.
pub fn state_again(bytes: &[u8], hashed: bool) -> Result<Vec<u8>> {
    let path = Path::new(STATE_FILE);
    let mut file = StateFile::parse(bytes, path)?;
    if hashed {
        file = file.whole(path)?;
    }
    let StateFile { state, files, .. } = file;
    check(&state, Path::new(&state.progress.directory_name()))?;
    let _: Recorder = state.recorder.parse()?;
    json(&StateFile::new(state, files)?)
}

/// Checks that a state is one that a run can be in, and that it is the one its directory is named for.
fn check(state: &State, directory: &Path) -> Result<()> {
    let State {
        progress, history, ..
    } = state;
    history.check()?;
    let steps = &history.train_steps;
    let last_step = steps.epoch.last().copied().zip(steps.step.last().copied());
    let reached = progress.step == 0 || last_step == Some((progress.epoch, progress.step));
    let ended = history.epochs.epoch.last().copied().unwrap_or(0);
    let fits = ended
        == if progress.ended {
            progress.epoch
        } else {
            progress.epoch.saturating_sub(1)
        };
    if progress.epoch == 0
        || !reached
        || !fits
        || progress.directory_name() != file::name(directory)
    {
        return Err(Error::Artifact(format!(
            "{} holds the state of another moment of the run",
            directory.display()
        )));
    }
    Ok(())
}

/// Removes a directory unless something is in it.
pub(super) fn remove_if_empty(directory: &Path) -> Result<()> {
    match fs::remove_dir(directory) {
        Err(error)
            if !matches!(
                error.kind(),
                ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists | ErrorKind::NotFound
            ) =>
        {
            Err(Error::io("could not remove", directory)(error))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(epoch: usize, ended: bool, step: usize, best_epoch: Option<usize>) -> State {
        let mut history = History::default();
        for done in 1..epoch + usize::from(ended) {
            history.epochs.push(done, 1.0, 0.5, 1.0, 0.5, 0.1, 1.0, 1.0);
        }
        history
            .train_steps
            .push(epoch, step, 1, 1.0, 1.0, 0.1, 1.0, 1.0);
        history.best_epoch = best_epoch;
        State {
            progress: Progress { epoch, ended, step },
            data: ["a".into(), "b".into()],
            config: Map::new(),
            recorder: "default".into(),
            history,
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
            .map(|(_, path)| file::name(path))
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
