//! The uncompressed content of a record, read up to a limit.

use super::fault::fault;
use super::file::MAX_BYTES;
use super::format::Format;
use crate::error::{Error, Result};
use flate2::bufread::MultiGzDecoder;
use serde::Deserialize;
use std::borrow::Cow;
use std::fmt::Display;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Most bytes of a number.
const WIDTH: u64 = 8;
/// Room for names and metadata.
const MARGIN: u64 = 1 << 16;
/// What a compressed record may hold whatever its size. Trained weights shrink to a half at best, to a twelfth in JSON.
const COMPRESSED_MARGIN: u64 = 1 << 26;
const COMPRESSED_RATIO: u64 = 32;

pub(super) struct Content<'a> {
    pub path: &'a Path,
    pub format: Format,
    pub bytes: Cow<'a, [u8]>,
}

impl<'a> Content<'a> {
    /// The content of a file of any size that a model can have; compressed, what such a file may grow to.
    pub fn of_file(path: &'a Path) -> Result<Self> {
        if path.is_dir() {
            let advice =
                "a record must be a file, this is a directory; for a run's directory use load_run";
            return Err(fault(path, advice));
        }
        if path.exists() && !path.is_file() {
            return Err(fault(path, "a record must be a regular file"));
        }
        let unreadable = |error| Error::io("could not read", path)(error);
        let file = File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        let mut reader = BufReader::new(file);
        let compressed = reader
            .fill_buf()
            .map_err(unreadable)?
            .starts_with(&GZIP_MAGIC);
        let (format, bytes) = if compressed {
            let limit = length
                .saturating_mul(COMPRESSED_RATIO)
                .saturating_add(COMPRESSED_MARGIN)
                .min(MAX_BYTES);
            bounded(
                MultiGzDecoder::new(reader),
                path,
                |_| limit,
                |error| undecodable(path, &error),
            )
        } else {
            bounded(reader, path, |_| MAX_BYTES, unreadable)
        }?;
        Ok(Self {
            path,
            format,
            bytes: Cow::Owned(bytes),
        })
    }

    /// The content of the bytes of a file that holds so many numbers.
    pub fn of_bytes(bytes: &'a [u8], path: &'a Path, numbers: usize) -> Result<Self> {
        let limit = |format: Format| {
            (numbers as u64)
                .saturating_mul(WIDTH * format.bytes_per_byte())
                .saturating_add(MARGIN)
        };
        let (format, bytes) = if bytes.starts_with(&GZIP_MAGIC) {
            let (format, bytes) = bounded(MultiGzDecoder::new(bytes), path, limit, |error| {
                undecodable(path, &error)
            })?;
            (format, Cow::Owned(bytes))
        } else {
            let format = Format::of(bytes).ok_or_else(|| unknown(path))?;
            if bytes.len() as u64 > limit(format) {
                return Err(too_long(path, limit(format)));
            }
            (format, Cow::Borrowed(bytes))
        };
        Ok(Self {
            path,
            format,
            bytes,
        })
    }

    /// The item of a record that is the same in all versions of Burn; `of` says whose it is.
    pub fn item<T: Deserialize<'a>>(&'a self, of: &str) -> Result<T> {
        self.format
            .record(&self.bytes)
            .map(|(_, item)| item)
            .map_err(|reason| self.other(of, &reason))
    }

    /// The error for content that is no record of that thing.
    pub fn other(&self, of: &str, reason: &str) -> Error {
        let reason: String = reason.chars().take(200).collect();
        let format = self.format.name();
        fault(
            self.path,
            &format!("expected a record of {of} in {format}, found something else: {reason}"),
        )
    }
}

fn bounded(
    mut reader: impl Read,
    path: &Path,
    limit: impl Fn(Format) -> u64,
    unreadable: impl Fn(std::io::Error) -> Error,
) -> Result<(Format, Vec<u8>)> {
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(Format::HEAD)
        .read_to_end(&mut bytes)
        .map_err(&unreadable)?;
    let format = Format::of(&bytes).ok_or_else(|| unknown(path))?;
    let limit = limit(format);
    reader
        .take((limit + 1).saturating_sub(bytes.len() as u64))
        .read_to_end(&mut bytes)
        .map_err(&unreadable)?;
    if bytes.len() as u64 > limit {
        return Err(too_long(path, limit));
    }
    Ok((format, bytes))
}

fn undecodable(path: &Path, error: &impl Display) -> Error {
    fault(
        path,
        &format!("the gzip data of a record must be whole, and can't be decoded: {error}"),
    )
}

fn unknown(path: &Path) -> Error {
    let what = "expected a record in MessagePack, bincode or JSON, found something else: it starts like none of them";
    fault(path, what)
}

fn too_long(path: &Path, limit: u64) -> Error {
    fault(
        path,
        &format!("a record of this size or model must hold at most {limit} bytes, found more"),
    )
}
