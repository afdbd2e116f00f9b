//! Mutations below compression and checksums, which those of single bytes seldom get past.

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use libfuzzer_sys::fuzzer_mutate;
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Most bytes that are unpacked to be changed.
const MAX_UNPACKED: u64 = 1 << 20;

/// Changes what is compressed with gzip; one time in four, or where that is broken, the bytes themselves.
pub fn gzip(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    below(data, size, max_size, seed, |bytes| {
        let content = changed(read(GzDecoder::new(bytes))?);
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(&content).ok()?;
        encoder.finish().ok()
    })
}

/// Changes one entry of a zip archive; one time in four, or where that is broken, the bytes themselves.
pub fn zip(data: &mut [u8], size: usize, max_size: usize, seed: u32) -> usize {
    below(data, size, max_size, seed, |bytes| {
        let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
        let mut target = ZipWriter::new(Cursor::new(Vec::new()));
        let method = if seed % 8 < 6 {
            CompressionMethod::Stored
        } else {
            CompressionMethod::Deflated
        };
        let options = SimpleFileOptions::default().compression_method(method);
        let chosen = seed as usize / 8 % archive.len().max(1);
        for index in 0..archive.len() {
            let entry = archive.by_index(index).ok()?;
            let name = entry.name().ok()?.into_owned();
            let content = read(entry)?;
            target.start_file(name, options).ok()?;
            let content = if index == chosen {
                changed(content)
            } else {
                content
            };
            target.write_all(&content).ok()?;
        }
        target
            .set_comment(String::from_utf8_lossy(archive.comment()).into_owned())
            .ok()?;
        Some(target.finish().ok()?.into_inner())
    })
}

fn below(
    data: &mut [u8],
    size: usize,
    max_size: usize,
    seed: u32,
    change: impl FnOnce(&[u8]) -> Option<Vec<u8>>,
) -> usize {
    let whole = if seed.is_multiple_of(4) {
        None
    } else {
        change(&data[..size]).filter(|bytes| bytes.len() <= max_size)
    };
    match whole {
        Some(bytes) => {
            data[..bytes.len()].copy_from_slice(&bytes);
            bytes.len()
        }
        None => fuzzer_mutate(data, size, max_size),
    }
}

fn read(reader: impl Read) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    reader.take(MAX_UNPACKED).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

fn changed(mut content: Vec<u8>) -> Vec<u8> {
    let size = content.len();
    let room = size + 64;
    content.resize(room, 0);
    let size = fuzzer_mutate(&mut content, size, room);
    content.truncate(size);
    content
}
