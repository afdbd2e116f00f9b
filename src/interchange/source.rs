//! Files of other people: opened without waiting, read only as far as they are known to reach.

use crate::error::{Error, Result};
pub(super) use crate::record::fault;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// What any file may unpack to.
const FREE_BYTES: u64 = 64 << 20;
/// How many times its size a larger one may unpack to: weights hardly compress.
const LARGEST_RATIO: u64 = 16;

/// A regular file and its length.
pub(super) struct Source {
    pub path: PathBuf,
    pub file: File,
    pub length: u64,
}

impl Source {
    /// Opens a file; refuses a directory, and a pipe, which would be waited for.
    pub fn open(path: &Path) -> Result<Self> {
        let io = || Error::io("could not read", path);
        let metadata = path.metadata().map_err(io())?;
        if metadata.is_dir() {
            let advice = "a model file must be a file, this is a directory; for a run's directory use load_run";
            return Err(fault(path, advice));
        }
        if !metadata.is_file() {
            return Err(fault(path, "a model file must be a regular file"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            file: File::open(path).map_err(io())?,
            length: metadata.len(),
        })
    }

    /// `count` bytes from `start` on, which must lie in the file.
    pub fn read(&mut self, start: u64, count: u64) -> Result<Vec<u8>> {
        if start.checked_add(count).is_none_or(|end| end > self.length) {
            return Err(self.fault(&format!(
                "expected at least {count} bytes at {start}, found a file of {} bytes",
                self.length
            )));
        }
        let mut bytes = vec![0; count as usize];
        self.file
            .seek(SeekFrom::Start(start))
            .and_then(|_| self.file.read_exact(&mut bytes))
            .map_err(Error::io("could not read", &self.path))?;
        Ok(bytes)
    }

    /// The most that the file may unpack to: a small compressed file can stand for a thousand times its size.
    pub fn limit(&self) -> u64 {
        FREE_BYTES.max(self.length.saturating_mul(LARGEST_RATIO))
    }

    pub fn fault(&self, what: &str) -> Error {
        fault(&self.path, what)
    }
}

/// Text of a file as a message shows it: short, and on one line.
pub(super) fn quoted(text: &str) -> String {
    const LONGEST: usize = 60;

    let shown: String = text.chars().take(LONGEST).collect();
    let more = if text.chars().nth(LONGEST).is_some() {
        "..."
    } else {
        ""
    };
    format!("{shown:?}{more}")
}

/// The reason of another library as a message shows it.
pub(super) fn reason(error: &dyn std::fmt::Display) -> String {
    let text: String = error.to_string().chars().take(200).collect();
    text.replace(|character: char| character.is_control(), " ")
}
