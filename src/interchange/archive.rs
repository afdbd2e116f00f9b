//! Zip archives, which `.npz` and `.pt` files are: what they may cost is known before it is paid.

use super::source::{Source, reason};
use crate::error::Result;
use std::cell::Cell;
use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::rc::Rc;
use zip::ZipArchive;

/// What may be read to find the names: each takes some 60 bytes, and a comment at most 64 KiB.
const MAX_DIRECTORY_BYTES: u64 = 1 << 20;
/// More arrays than any network of ours has.
const MAX_ENTRIES: usize = 4096;

pub(super) type Archive = ZipArchive<Limited>;

/// A file of which only so much is read.
pub(super) struct Limited {
    file: BufReader<File>,
    left: Rc<Cell<u64>>,
}

impl Read for Limited {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let wanted = (buffer.len() as u64).min(self.left.get()) as usize;
        if wanted == 0 && !buffer.is_empty() {
            return Err(std::io::Error::other(format!(
                "the directory must take at most {MAX_DIRECTORY_BYTES} bytes"
            )));
        }
        let count = self.file.read(&mut buffer[..wanted])?;
        self.left.set(self.left.get() - count as u64);
        Ok(count)
    }
}

impl Seek for Limited {
    fn seek(&mut self, position: SeekFrom) -> std::io::Result<u64> {
        self.file.seek(position)
    }
}

/// Opens an archive of few entries whose contents take no more than the file may unpack to.
pub(super) fn open(source: &Source, kind: &str) -> Result<Archive> {
    let not_an_archive = |error: &dyn std::fmt::Display| {
        source.fault(&format!(
            "expected {kind}, which is a zip archive, found something else: {}",
            reason(error)
        ))
    };
    let left = Rc::new(Cell::new(MAX_DIRECTORY_BYTES));
    let file = Limited {
        file: BufReader::new(
            source
                .file
                .try_clone()
                .map_err(|error| not_an_archive(&error))?,
        ),
        left: Rc::clone(&left),
    };
    let mut archive = ZipArchive::new(file).map_err(|error| not_an_archive(&error))?;
    left.set(u64::MAX);
    if archive.len() > MAX_ENTRIES {
        return Err(source.fault(&format!(
            "expected {kind} of at most {MAX_ENTRIES} entries, found {}",
            archive.len()
        )));
    }
    let mut total = 0_u64;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| not_an_archive(&error))?;
        total = total.saturating_add(entry.size());
    }
    if total > source.limit() {
        return Err(source.fault(&format!(
            "the contents must take at most {} bytes in an archive of this size, found {total}",
            source.limit()
        )));
    }
    Ok(archive)
}
