//! One checkpoint: a directory with the records of model, optimizer and schedule, and the state of the run.

use super::state::{Fingerprint, STATE_FILE, State, StateFile};
use crate::config::Recorder;
use crate::error::{Error, Result};
use crate::record::file;
use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The bytes of the records of a checkpoint.
pub(super) struct Records {
    /// What the run validates and returns.
    pub model: Vec<u8>,
    /// What its steps change, where `model` is the moving average of that.
    pub weights: Option<Vec<u8>>,
    pub optimizer: Vec<u8>,
    pub scheduler: Vec<u8>,
}

/// The names of the records, without what their format adds.
pub(super) const MODEL: &str = "model";
const WEIGHTS: &str = "weights";
const OPTIMIZER: &str = "optim";
const SCHEDULER: &str = "scheduler";

/// Writes a checkpoint to the directory `path`, which is written atomically.
pub(super) fn write(
    path: &Path,
    recorder: Recorder,
    state: State,
    records: &Records,
) -> Result<()> {
    let temporary = file::temporary_beside(path);
    let written = fill(&temporary, path, recorder, state, records)
        // What somebody dropped into a directory that was removed keeps it there.
        .and_then(|()| file::move_over(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_dir_all(&temporary);
        return written;
    }
    file::sync_directory_of(path);
    Ok(())
}

/// Writes a checkpoint's files; errors name `path`, where it will be.
fn fill(
    directory: &Path,
    path: &Path,
    recorder: Recorder,
    state: State,
    records: &Records,
) -> Result<()> {
    file::repeated(|| fs::create_dir(directory)).map_err(Error::io("could not create", path))?;
    let mut files = BTreeMap::new();
    for (stem, bytes) in [
        (MODEL, Some(&records.model)),
        (WEIGHTS, records.weights.as_ref()),
        (OPTIMIZER, Some(&records.optimizer)),
        (SCHEDULER, Some(&records.scheduler)),
    ] {
        let Some(bytes) = bytes else {
            continue;
        };
        let name = record_name(stem, recorder);
        file::write_synced(&directory.join(&name), bytes, &path.join(&name))?;
        files.insert(name, Fingerprint::of(bytes));
    }
    let text = StateFile::new(state, files)?.to_json()?;
    file::write_synced(&directory.join(STATE_FILE), &text, &path.join(STATE_FILE))?;
    file::sync_directory_of(&directory.join(STATE_FILE));
    Ok(())
}

pub(super) fn record_name(stem: &str, recorder: Recorder) -> String {
    format!("{stem}.{}", recorder.extension())
}

/// Whether a file in a checkpoint's directory has a name that is written there.
pub(super) fn is_checkpoint_file(name: &str) -> bool {
    let records = || [MODEL, WEIGHTS, OPTIMIZER, SCHEDULER].into_iter();
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
        file::gone(file::repeated(|| fs::remove_file(entry)))
            .map_err(Error::io("could not remove", entry))?;
    }
    remove_if_empty(directory)
}

/// What a checkpoint holds, if it is as it was written.
pub(super) fn read(directory: &Path) -> Result<(State, Records)> {
    let path = directory.join(STATE_FILE);
    let StateFile { state, files, .. } =
        StateFile::parse(&file::read(&path)?, &path)?.whole(&path)?;
    state.progress.check_directory(directory)?;
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
        model: record(MODEL)?,
        weights: files
            .contains_key(&record_name(WEIGHTS, recorder))
            .then(|| record(WEIGHTS))
            .transpose()?,
        optimizer: record(OPTIMIZER)?,
        scheduler: record(SCHEDULER)?,
    };
    Ok((state, records))
}

/// Removes a directory unless something is in it.
pub(super) fn remove_if_empty(directory: &Path) -> Result<()> {
    match file::repeated(|| fs::remove_dir(directory)) {
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
