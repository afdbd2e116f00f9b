//! NumPy's archive of arrays: a zip file with an array file for each name.

use super::archive::{self, Archive};
use super::npy;
use super::source::{Source, quoted, reason};
use super::state::{Entry, State, too_long};
use super::weights::{Weights, width};
use crate::error::{Error, Result};
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

const EXTENSION: &str = ".npy";
/// The largest array that an archive without 64-bit sizes holds.
const MAX_SMALL_BYTES: usize = 0xffff_0000;
/// The longest comment of an archive.
const MAX_COMMENT_BYTES: u64 = 0xffff;

/// The bytes of an `.npz` file. What it says about itself is JSON in the archive's comment, so that it holds nothing but
/// the parameters for NumPy.
pub(super) fn encode(state: &State<'_>) -> Result<Vec<u8>> {
    let not_written = |error: zip::result::ZipError| {
        Error::Internal(format!("an archive could not be written: {error}"))
    };
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    for tensor in &state.tensors {
        // The time of writing would make equal models unequal files.
        let options = SimpleFileOptions::default()
            .compression_method(CompressionMethod::Stored)
            .last_modified_time(DateTime::default())
            .large_file(4 * tensor.values.len() > MAX_SMALL_BYTES);
        archive
            .start_file(format!("{}{EXTENSION}", tensor.name), options)
            .map_err(not_written)?;
        archive
            .write_all(&npy::encode(tensor))
            .map_err(|error| not_written(error.into()))?;
    }
    let metadata = state
        .metadata()
        .map(|(key, value)| (key.to_owned(), serde_json::Value::from(value)));
    let metadata: serde_json::Map<String, serde_json::Value> = metadata.into_iter().collect();
    let comment = serde_json::Value::Object(metadata).to_string();
    if comment.len() as u64 > MAX_COMMENT_BYTES {
        return Err(too_long(
            "the comment of an .npz file",
            MAX_COMMENT_BYTES,
            comment.len(),
        ));
    }
    archive.set_comment(comment).map_err(not_written)?;
    Ok(archive.finish().map_err(not_written)?.into_inner())
}

/// An archive whose array headers have been read.
pub(super) struct Npz {
    source: Source,
    archive: Archive,
    arrays: Vec<Array>,
    entries: Vec<Entry>,
    metadata: Vec<(String, String)>,
}

/// What it takes to read the numbers of an entry.
struct Array {
    /// Its place in the archive.
    index: usize,
    /// Where the numbers start in it.
    start: usize,
    fortran_order: bool,
    big_endian: bool,
}

impl Npz {
    pub fn open(source: Source) -> Result<Self> {
        let mut archive = archive::open(&source, "a NumPy .npz file")?;
        let metadata = serde_json::from_slice(archive.comment())
            .map(|texts: std::collections::BTreeMap<String, String>| texts.into_iter().collect())
            .unwrap_or_default();
        let (mut arrays, mut entries) = (Vec::new(), Vec::new());
        for index in 0..archive.len() {
            let (array, entry) = array(&mut archive, index, &source)?;
            arrays.push(array);
            entries.push(entry);
        }
        Ok(Self {
            source,
            archive,
            arrays,
            entries,
            metadata,
        })
    }
}

/// Reads the header of one array.
fn array(archive: &mut Archive, index: usize, source: &Source) -> Result<(Array, Entry)> {
    let unreadable = |error: &dyn std::fmt::Display| {
        source.fault(&format!("array {index} can't be read: {}", reason(error)))
    };
    let mut file = archive
        .by_index(index)
        .map_err(|error| unreadable(&error))?;
    let name = file
        .name()
        .map_err(|error| unreadable(&error))?
        .into_owned();
    let about = |what: String| source.fault(&format!("{}: {what}", quoted(&name)));
    let mut prefix = [0; npy::PREFIX_BYTES];
    file.read_exact(&mut prefix)
        .map_err(|error| unreadable(&error))?;
    let (text, start) = npy::extent(&prefix).map_err(about)?;
    let mut rest = vec![0; start.saturating_sub(prefix.len())];
    file.read_exact(&mut rest)
        .map_err(|error| unreadable(&error))?;
    let header = [&prefix[..], &rest].concat();
    let header = header.get(text..start).unwrap_or_default();
    let header = npy::parse(header).map_err(about)?;
    let (big_endian, number) = match header.descr.as_str() {
        "<f2" => (false, "F16"),
        ">f2" => (true, "F16"),
        "<f4" => (false, "F32"),
        ">f4" => (true, "F32"),
        "<f8" => (false, "F64"),
        ">f8" => (true, "F64"),
        other => (false, other),
    };
    let needed = header
        .shape
        .iter()
        .try_fold(width(number).unwrap_or(0), |bytes, size| {
            bytes.checked_mul(*size)
        })
        .and_then(|bytes| bytes.checked_add(start));
    if width(number).is_some() && needed.map(|bytes| bytes as u64) != Some(file.size()) {
        return Err(about(format!(
            "expected the bytes of {number} numbers of the shape {:?}, found {} after the header",
            &header.shape[..header.shape.len().min(8)],
            file.size().saturating_sub(start as u64)
        )));
    }
    let entry = Entry {
        name: name.strip_suffix(EXTENSION).unwrap_or(&name).to_owned(),
        shape: header.shape,
        number: number.to_owned(),
    };
    let array = Array {
        index,
        start,
        fortran_order: header.fortran_order,
        big_endian,
    };
    Ok((array, entry))
}

impl Weights for Npz {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn limit(&self) -> u64 {
        self.source.limit()
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let (array, entry) = (&self.arrays[index], &self.entries[index]);
        let unreadable = |error: &dyn std::fmt::Display| {
            self.source
                .fault(&format!("{} can't be read: {}", entry.name, reason(error)))
        };
        let mut file = self
            .archive
            .by_index(array.index)
            .map_err(|error| unreadable(&error))?;
        let width = width(&entry.number).unwrap_or(1);
        let length = array.start + width * entry.shape.iter().product::<usize>();
        let mut bytes = Vec::new();
        // One byte more than there should be: the checksum is looked at when the data end.
        file.by_ref()
            .take(length as u64 + 1)
            .read_to_end(&mut bytes)
            .map_err(|error| unreadable(&error))?;
        if bytes.len() != length {
            return Err(unreadable(&format!(
                "expected {length} bytes, found {} or more",
                bytes.len()
            )));
        }
        let mut bytes = bytes.split_off(array.start);
        if array.big_endian {
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        if array.fortran_order {
            bytes = last_dimension_fastest(&bytes, &entry.shape, width);
        }
        Ok(bytes)
    }
}

/// Reorders numbers whose first dimension is fastest.
fn last_dimension_fastest(bytes: &[u8], shape: &[usize], width: usize) -> Vec<u8> {
    let mut turned = Vec::with_capacity(bytes.len());
    let mut position = vec![0; shape.len()];
    for _ in 0..bytes.len() / width {
        let offset = shape
            .iter()
            .zip(&position)
            .rev()
            .fold(0, |offset, (size, place)| offset * size + place);
        turned.extend_from_slice(&bytes[offset * width..(offset + 1) * width]);
        for (place, size) in position.iter_mut().zip(shape).rev() {
            *place += 1;
            if *place < *size {
                break;
            }
            *place = 0;
        }
    }
    turned
}
