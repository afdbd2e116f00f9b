//! How a new run takes the place of an older one, so that a process may be killed at any moment of it.
//!
//! The new run is written to a hidden directory inside the artifact directory. Once its first checkpoint is whole, one rename
//! decides that this is the run of the directory. What follows from that is done by whoever has the directory's lock, again
//! from the start where it broke off: the older run's files are removed, a second rename says that they are, and the new
//! run's files move up.

use super::older;
use crate::error::{Error, Result};
use crate::record::file;
use std::fs;
use std::path::Path;

/// The new run while files of the older one are removed. No name of an unfinished file: those are swept.
const REMOVING: &str = ".mnistburn-new-run.1";
/// The new run while its files move up.
const MOVING: &str = ".mnistburn-new-run.2";

/// Whether a run was decided on, and is not in its place yet.
pub(super) fn is_pending(root: &Path) -> bool {
    is_pending_name(REMOVING, root) || is_pending_name(MOVING, root)
}

fn is_pending_name(name: &str, root: &Path) -> bool {
    root.join(name).is_dir()
}

/// Decides that the run in `staging` is the run of `root`.
pub(super) fn decide(staging: &Path, root: &Path) -> Result<()> {
    let _ = file::sync_directory(staging);
    step(staging, &root.join(REMOVING))
}

/// Does what is left to do after the decision; nothing where there was none.
pub(super) fn complete(root: &Path) -> Result<()> {
    let (removing, moving) = (root.join(REMOVING), root.join(MOVING));
    if removing.is_dir() {
        older::remove(root)?;
        step(&removing, &moving)?;
    }
    if moving.is_dir() {
        file::move_over(&moving, root)?;
        let _ = file::sync_directory(root);
    }
    Ok(())
}

fn step(from: &Path, to: &Path) -> Result<()> {
    file::gone(file::repeated(|| fs::rename(from, to)))
        .map_err(Error::io("could not move the new run to", to))?;
    file::sync_directory_of(to);
    Ok(())
}
