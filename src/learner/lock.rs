use crate::error::{Error, Result};
use crate::record::file;
use std::fs::{File, OpenOptions, TryLockError};
use std::path::Path;

/// Held while a run is on.
pub(super) const LOCK_FILE: &str = ".mnistburn-lock";

/// Keeps other runs out of a directory, where its file system has locks.
pub(super) struct Lock {
    file: File,
    /// What to tell where it has none.
    pub notice: Option<String>,
}

impl Lock {
    /// The lock of a directory, or nothing while another has it.
    pub fn take(path: &Path) -> Result<Option<Self>> {
        let lock_path = path.join(LOCK_FILE);
        let file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .map_err(Error::io("could not open the lock", &lock_path))?;
        let locked = file::repeated(|| match file.try_lock() {
            Ok(()) => Ok(true),
            Err(TryLockError::WouldBlock) => Ok(false),
            Err(TryLockError::Error(error)) => Err(error),
        });
        let notice = match locked {
            Ok(true) => None,
            Ok(false) => return Ok(None),
            Err(error) if file::is_unsupported(&error) => Some(format!(
                "the file system of {} has no locks ({error}): see to it that no other run uses the directory meanwhile",
                path.display()
            )),
            Err(error) => return Err(Error::io("could not lock", &lock_path)(error)),
        };
        Ok(Some(Self { file, notice }))
    }
}

impl Drop for Lock {
    /// Without this a process that was forked meanwhile would hold the lock as long as it lives.
    fn drop(&mut self) {
        // Closing the file, which follows, unlocks it as well where nobody was forked.
        let _ = self.file.unlock();
    }
}
