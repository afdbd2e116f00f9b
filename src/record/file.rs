//! Reading whole files, writing files atomically, and listing directories.

use crate::error::{Error, Result};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// What the names of unfinished files and directories start and end with.
const TEMPORARY: (&str, &str) = (".mnistburn-", ".tmp");

static COUNT: AtomicU64 = AtomicU64::new(0);

/// A name beside `path` that no other write uses, nor one of an earlier process with the same number.
pub fn temporary_beside(path: &Path) -> PathBuf {
    let (start, end) = TEMPORARY;
    path.with_file_name(format!("{start}{}{end}", unique()))
}

/// A text that no other call gives, nor one in an earlier process with the same number.
pub fn unique() -> String {
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    format!("{}-{}-{number}", std::process::id(), since.as_nanos())
}

/// Whether a name is that of an unfinished file or directory.
pub fn is_temporary(name: &str) -> bool {
    name.starts_with(TEMPORARY.0) && name.ends_with(TEMPORARY.1)
}

/// Largest file that is read.
pub const MAX_BYTES: u64 = 8 << 30;

/// The bytes of a regular file.
pub fn read(path: &Path) -> Result<Vec<u8>> {
    read_at_most(path, MAX_BYTES)
}

/// The bytes of a regular file that has no more than `limit`.
pub fn read_at_most(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let reason = || format!("it is no regular file of at most {limit} bytes");
    if regular_length(path, reason)? > limit {
        return Err(unreadable(path, reason()));
    }
    read_to(path, limit)
}

/// The first `length` bytes of a regular file, or all of a shorter one.
pub fn read_start(path: &Path, length: u64) -> Result<Vec<u8>> {
    regular_length(path, || "it is no regular file".into())?;
    read_to(path, length)
}

/// The length of a regular file. Asked for before it is opened: opening a pipe waits for somebody to write to it.
fn regular_length(path: &Path, reason: impl Fn() -> String) -> Result<u64> {
    let metadata = path.metadata().map_err(Error::io("could not read", path))?;
    if metadata.is_file() {
        Ok(metadata.len())
    } else {
        Err(unreadable(path, reason()))
    }
}

fn unreadable(path: &Path, reason: String) -> Error {
    Error::io("could not read", path)(std::io::Error::new(ErrorKind::InvalidInput, reason))
}

fn read_to(path: &Path, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(length).read_to_end(&mut bytes))
        .map_err(Error::io("could not read", path))?;
    Ok(bytes)
}

/// Writes `bytes` to a temporary file beside `path`, syncs it, renames it to `path` and syncs the directory.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.is_dir() {
        return Err(Error::Io {
            action: "could not write",
            path: path.to_path_buf(),
            source: std::io::ErrorKind::IsADirectory.into(),
        });
    }
    if path.exists() && !path.is_file() {
        let reason = std::io::Error::new(ErrorKind::InvalidInput, "it is no regular file");
        return Err(Error::io("could not replace", path)(reason));
    }
    let temporary = temporary_beside(path);
    let written = write_synced(&temporary, bytes, path).and_then(|()| {
        repeated(|| fs::rename(&temporary, path)).map_err(Error::io("could not write", path))
    });
    if written.is_err() {
        // What is left of a failed write is of no use; that it can't be removed changes nothing.
        let _ = fs::remove_file(&temporary);
        return written;
    }
    sync_directory_of(path);
    Ok(())
}

/// Writes and syncs one file; errors name `path`, which is what the caller asked for.
pub fn write_synced(temporary: &Path, bytes: &[u8], path: &Path) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(temporary)?;
        file.write_all(bytes)?;
        sync(&file)
    };
    attempt().map_err(Error::io("could not write", path))
}

/// Cuts a file to `length` bytes, makes it where there is none, writes `bytes` after them, and syncs it. A process that is killed
/// meanwhile leaves the first `length` bytes as they are.
pub fn append(path: &Path, length: u64, bytes: &[u8]) -> Result<()> {
    let attempt = || -> std::io::Result<()> {
        match path.symlink_metadata() {
            Ok(metadata) if !metadata.is_file() => {
                let reason = "it is no regular file";
                return Err(std::io::Error::new(ErrorKind::InvalidInput, reason));
            }
            _ => {}
        }
        let mut file = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path)?;
        file.set_len(length)?;
        file.seek(SeekFrom::End(0))?;
        file.write_all(bytes)?;
        sync(&file)
    };
    attempt().map_err(Error::io("could not write", path))?;
    if length == 0 {
        sync_directory_of(path);
    }
    Ok(())
}

/// Syncs a file, where its file system can.
fn sync(file: &File) -> std::io::Result<()> {
    match file.sync_all() {
        Err(error) if !is_unsupported(&error) => Err(error),
        _ => Ok(()),
    }
}

/// Makes a rename in the directory around `path` durable, where the file system can.
///
/// A directory that can't be synced, for whatever reason, is no failure: the file is whole and in its place already, and an
/// error would claim that the one before it is still there.
pub fn sync_directory_of(path: &Path) {
    let parent = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    let _ = sync_directory(parent);
}

/// Syncs a directory.
pub fn sync_directory(path: &Path) -> std::io::Result<()> {
    if cfg!(unix) {
        File::open(path)?.sync_all()
    } else {
        Ok(())
    }
}

/// Whether an error says that the file system has no such operation, as network and shared file systems lack syncing and
/// locks.
pub fn is_unsupported(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    let known = error.raw_os_error().is_some_and(|number| {
        number == libc::EINVAL
            || number == libc::ENOSYS
            || number == libc::ENOTSUP
            || number == libc::EOPNOTSUPP
            || number == libc::ENOLCK
    });
    #[cfg(not(unix))]
    let known = false;
    known || error.kind() == ErrorKind::Unsupported
}

/// Renames `from` to `to`. Where both are directories, what is in the one moves into the other, by name, and replaces files
/// there; what somebody else has moved meanwhile is passed over.
pub fn move_over(from: &Path, to: &Path) -> Result<()> {
    let is_directory = |path: &Path| {
        path.symlink_metadata()
            .is_ok_and(|metadata| metadata.is_dir())
    };
    if is_directory(from) && is_directory(to) {
        for entry in list(from)? {
            move_over(&entry, &to.join(name(&entry)))?;
        }
        return gone(repeated(|| fs::remove_dir(from)))
            .map_err(Error::io("could not remove", from));
    }
    gone(repeated(|| fs::rename(from, to))).map_err(Error::io("could not move a file to", to))
}

/// Repeats a call as long as signals interrupt it. File systems over a network are interrupted where local ones are not, and the
/// standard library repeats reads and writes alone.
pub fn repeated<T>(mut call: impl FnMut() -> std::io::Result<T>) -> std::io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The same result, but that what is not there any more is no error.
pub fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The entries of a directory, by name.
pub fn list(path: &Path) -> Result<Vec<PathBuf>> {
    let mut entries = fs::read_dir(path)
        .and_then(|entries| {
            entries
                .map(|entry| entry.map(|entry| entry.path()))
                .collect::<std::io::Result<Vec<PathBuf>>>()
        })
        .map_err(Error::io("could not list", path))?;
    entries.sort();
    Ok(entries)
}

/// The last part of a path.
pub fn name(path: &Path) -> String {
    path.file_name()
        .map(|name| name.to_string_lossy().into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_keeps_the_old_file_and_leaves_nothing_behind() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("model.mpk");
        write(&path, b"old").unwrap();
        write(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");

        let occupied = directory.path().join("occupied");
        fs::create_dir(&occupied).unwrap();
        assert!(write(&occupied, b"x").is_err());
        assert!(write(&directory.path().join("absent/model.mpk"), b"x").is_err());
        let mut names: Vec<_> = fs::read_dir(directory.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        assert_eq!(names, ["model.mpk", "occupied"]);
    }
    #[test]
    fn what_is_appended_takes_the_place_of_what_was_behind_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("rows");
        append(&path, 0, b"one\ntwo\nunfin").unwrap();
        append(&path, 8, b"three\n").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one\ntwo\nthree\n");
        assert_eq!(read_start(&path, 8).unwrap(), b"one\ntwo\n");
        assert_eq!(read_start(&path, 99).unwrap(), b"one\ntwo\nthree\n");
        let error = append(directory.path(), 0, b"x").unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }
}
