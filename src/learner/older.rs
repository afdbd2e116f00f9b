//! What an older run left in a directory, and what is somebody else's.

use super::checkpoint::{self, is_checkpoint_file, remove_if_empty};
use super::desktop::is_dropped;
use super::lock::LOCK_FILE;
use super::manifest::{FILES, HISTORY_ROWS_FILE, MANIFEST_FILE, is_directory, read_manifest};
use super::progress::Progress;
use super::{CHECKPOINT_DIRECTORY, CONFIG_FILE};
use crate::error::{Error, Result};
use crate::record::file;
use std::fs;
use std::path::Path;

/// Whether a directory holds a run that can be gone on with.
pub fn holds_run(path: &Path) -> bool {
    path.join(MANIFEST_FILE).is_file() && path.join(CONFIG_FILE).is_file()
}

/// Refuses a directory that holds anything but an older run, naming it.
pub(super) fn check(path: &Path) -> Result<()> {
    let manifest = read_manifest(path)?;
    for entry in file::list(path)? {
        let name = file::name(&entry);
        if name == LOCK_FILE || is_dropped(&name) || file::is_temporary(&name) {
            continue;
        }
        let known = manifest
            .as_ref()
            .is_some_and(|manifest| name == MANIFEST_FILE || manifest.files.contains(&name));
        match (known, is_directory(&entry)) {
            (true, true) if name == CHECKPOINT_DIRECTORY => check_checkpoints(path, &entry)?,
            (true, false) => {}
            _ => return Err(stranger(path, &entry)),
        }
    }
    Ok(())
}

fn check_checkpoints(root: &Path, directory: &Path) -> Result<()> {
    for checkpoint in file::list(directory)? {
        let name = file::name(&checkpoint);
        if is_dropped(&name) {
            continue;
        }
        let ours = Progress::from_directory_name(&name).is_some() || file::is_temporary(&name);
        if !ours || !is_directory(&checkpoint) {
            return Err(stranger(root, &checkpoint));
        }
        for entry in file::list(&checkpoint)? {
            let name = file::name(&entry);
            let ours = is_checkpoint_file(&name) || file::is_temporary(&name);
            let is_file = entry
                .symlink_metadata()
                .is_ok_and(|metadata| metadata.is_file());
            if !(is_dropped(&name) || ours && is_file) {
                return Err(stranger(root, &entry));
            }
        }
    }
    Ok(())
}

/// Lets the run in a directory, which may be one of an earlier version, have all the files of this one.
pub(super) fn claim(root: &Path) -> Result<()> {
    let Some(mut manifest) = read_manifest(root)? else {
        return Ok(());
    };
    let is_new = |name: &&&str| !manifest.files.iter().any(|file| file == **name);
    let new: Vec<&str> = FILES.iter().filter(is_new).copied().collect();
    if new.is_empty() {
        return Ok(());
    }
    let rows = root.join(HISTORY_ROWS_FILE);
    if new.contains(&HISTORY_ROWS_FILE) && rows.exists() {
        return Err(Error::Artifact(format!(
            "a resumed run writes {}, which there is and the run has not written; move it away",
            rows.display()
        )));
    }
    manifest.files.extend(new.into_iter().map(str::to_owned));
    manifest.write(root)
}

fn stranger(root: &Path, entry: &Path) -> Error {
    let name = entry.strip_prefix(root).unwrap_or(entry);
    Error::Artifact(format!(
        "a new run needs an empty directory or one with nothing but an older run, and {} holds {:?}, which mnistburn did \
         not write; choose another directory or move it away",
        root.display(),
        name.display().to_string()
    ))
}

/// Removes the files of an older run, but for its manifest, and nothing that somebody put beside them meanwhile.
pub(super) fn remove(root: &Path) -> Result<()> {
    let files = read_manifest(root)?.map_or_else(Vec::new, |manifest| manifest.files);
    for path in FILES
        .iter()
        .filter(|name| files.iter().any(|file| file == *name))
        .map(|name| root.join(name))
        .filter(|path| !is_directory(path))
    {
        file::gone(file::repeated(|| fs::remove_file(&path)))
            .map_err(Error::io("could not remove", &path))?;
    }
    let checkpoints = root.join(CHECKPOINT_DIRECTORY);
    if !files.iter().any(|file| file == CHECKPOINT_DIRECTORY) || !is_directory(&checkpoints) {
        return Ok(());
    }
    for entry in file::list(&checkpoints)? {
        let name = file::name(&entry);
        if file::is_temporary(&name) {
            remove_temporary(&entry)?;
        } else if Progress::from_directory_name(&name).is_some() {
            checkpoint::remove(&entry)?;
        }
    }
    remove_if_empty(&checkpoints)
}

/// Removes what a killed run was writing.
pub(super) fn sweep(root: &Path) -> Result<()> {
    for folder in [root.to_path_buf(), root.join(CHECKPOINT_DIRECTORY)]
        .iter()
        .filter(|folder| is_directory(folder))
    {
        for entry in file::list(folder)?
            .iter()
            .filter(|entry| file::is_temporary(&file::name(entry)))
        {
            remove_temporary(entry)?;
        }
    }
    Ok(())
}

fn remove_temporary(entry: &Path) -> Result<()> {
    let removed = file::repeated(|| {
        if is_directory(entry) {
            fs::remove_dir_all(entry)
        } else {
            fs::remove_file(entry)
        }
    });
    file::gone(removed).map_err(Error::io("could not remove", entry))
}
