//! The IDX format of the MNIST files: a magic number, the sizes as big-endian u32, then the bytes.

use crate::config::ImageShape;
use crate::error::{Error, Result};
use sha2::{Digest, Sha256};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// An array of bytes with its shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdxArray {
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The bytes, last dimension fastest; as many as the product of the shape.
    pub bytes: Vec<u8>,
}

/// An array of more bytes is refused unread.
const MAX_BYTES: usize = 8 << 30;
/// A file of more bytes is none.
const MAX_FILE_BYTES: usize = 1 << 44;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
/// Two zero bytes, then the type code of unsigned bytes; the number of dimensions follows.
const UNSIGNED_BYTES: [u8; 3] = [0, 0, 0x08];

/// Reads an IDX file of unsigned bytes, plain or gzip-compressed.
///
/// The header says how many bytes follow; a file with fewer or more is refused, and no more than that is ever read.
/// `sha256` is the expected hash of the uncompressed file, in hexadecimal.
pub fn read_idx(path: &Path, sha256: Option<&str>) -> Result<IdxArray> {
    // Before it is opened: opening a pipe waits for somebody to write to it.
    let metadata = path.metadata().map_err(Error::io("could not read", path))?;
    if !metadata.is_file() {
        return Err(fault(path, "an IDX file must be a regular file"));
    }
    let mut file = File::open(path).map_err(Error::io("could not read", path))?;
    let mut start = [0; 2];
    let started = file
        .read(&mut start)
        .map_err(Error::io("could not read", path))?;
    let rest = start[..started].chain(file);
    if start == GZIP_MAGIC {
        let decoder = flate2::read::MultiGzDecoder::new(std::io::BufReader::new(rest));
        read_array(decoder, path, sha256)
    } else {
        read_array(std::io::BufReader::new(rest), path, sha256)
    }
}

/// What an IDX file says of itself.
pub(super) struct Header {
    /// The header as it is in the file.
    pub bytes: Vec<u8>,
    /// Length of each dimension.
    pub shape: Vec<usize>,
    /// The product of the shape.
    pub length: usize,
}

impl Header {
    pub fn read(reader: &mut impl Read, path: &Path) -> Result<Self> {
        let mut bytes = vec![0; 4];
        read_exactly(reader, &mut bytes, path)?;
        if bytes[..2] == GZIP_MAGIC {
            return Err(fault(
                path,
                "the file is compressed, and single images can't be read from it; decompress it first",
            ));
        }
        if bytes[..3] != UNSIGNED_BYTES || !(1..=4).contains(&bytes[3]) {
            return Err(fault(
                path,
                &format!(
                    "an IDX file of unsigned bytes must start with 00 00 08 and 1 to 4 dimensions, got {:02x} {:02x} {:02x} {:02x}",
                    bytes[0], bytes[1], bytes[2], bytes[3]
                ),
            ));
        }
        bytes.resize(4 + 4 * usize::from(bytes[3]), 0);
        read_exactly(reader, &mut bytes[4..], path)?;
        let (words, _) = bytes[4..].as_chunks();
        let shape: Vec<usize> = words
            .iter()
            .map(|word| u32::from_be_bytes(*word) as usize)
            .collect();
        let length = shape
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size))
            .filter(|length| *length <= MAX_FILE_BYTES)
            .ok_or_else(|| {
                fault(
                    path,
                    &format!(
                        "an IDX file holds at most {MAX_FILE_BYTES} bytes, its header says {shape:?}"
                    ),
                )
            })?;
        Ok(Self {
            bytes,
            shape,
            length,
        })
    }

    /// Number and shape of the images of a file that holds such.
    pub fn images(&self, path: &Path) -> Result<(usize, ImageShape)> {
        images_of(&self.shape).ok_or_else(|| {
            fault(
                path,
                &format!(
                    "an IDX file of images must have the shape [n, height, width] or [n, height, width, channels], got {:?}",
                    self.shape
                ),
            )
        })
    }
}

/// Number and shape of images whose array has this shape.
pub(super) fn images_of(shape: &[usize]) -> Option<(usize, ImageShape)> {
    let (count, height, width, channels) = match *shape {
        [count, height, width] => (count, height, width, 1),
        [count, height, width, channels] => (count, height, width, channels),
        _ => return None,
    };
    let shape = ImageShape {
        height,
        width,
        channels,
    };
    (!shape.is_empty()).then_some((count, shape))
}

fn read_array(mut reader: impl Read, path: &Path, sha256: Option<&str>) -> Result<IdxArray> {
    let header = Header::read(&mut reader, path)?;
    let mut hash = Sha256::new();
    hash.update(&header.bytes);
    let Header { shape, length, .. } = header;
    if length > MAX_BYTES {
        return Err(fault(
            path,
            &format!(
                "an array in memory holds at most {MAX_BYTES} bytes, the header says {shape:?}"
            ),
        ));
    }
    // Memory grows with what is there, not with what the header promises.
    let mut bytes = Vec::new();
    reader
        .by_ref()
        .take(length as u64)
        .read_to_end(&mut bytes)
        .map_err(|error| unreadable(path, &error))?;
    if bytes.len() != length {
        return Err(fault(
            path,
            &format!(
                "the header {shape:?} promises {length} bytes, but only {} follow: the file is cut off",
                bytes.len()
            ),
        ));
    }
    let mut extra = [0; 1];
    if reader
        .read(&mut extra)
        .map_err(|error| unreadable(path, &error))?
        != 0
    {
        return Err(fault(
            path,
            &format!("more than the {length} bytes of the header {shape:?} follow"),
        ));
    }
    if let Some(expected) = sha256 {
        hash.update(&bytes);
        let found = hexadecimal(&hash.finalize());
        if !found.eq_ignore_ascii_case(expected) {
            return Err(fault(
                path,
                &format!("the SHA-256 of the uncompressed bytes must be {expected}, got {found}"),
            ));
        }
    }
    Ok(IdxArray { shape, bytes })
}

fn read_exactly(reader: &mut impl Read, buffer: &mut [u8], path: &Path) -> Result<()> {
    reader
        .read_exact(buffer)
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::UnexpectedEof => fault(path, "the file ends within its IDX header"),
            _ => unreadable(path, &error),
        })
}

/// A read error below a decoder is about the content (broken gzip) as often as about the disk.
fn unreadable(path: &Path, error: &std::io::Error) -> Error {
    fault(path, &format!("the file can't be decoded: {error}"))
}

pub(super) fn fault(path: &Path, what: &str) -> Error {
    Error::Data(format!("{}: {what}", path.display()))
}

/// Bytes as lower-case hexadecimal digits.
pub(crate) fn hexadecimal(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn file_with(bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(bytes).unwrap();
        file
    }

    fn header(sizes: &[u32]) -> Vec<u8> {
        let mut bytes = vec![0, 0, 8, sizes.len() as u8];
        bytes.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        bytes
    }

    #[test]
    fn plain_and_compressed_files_read_alike() {
        let mut bytes = header(&[2, 3]);
        bytes.extend([1, 2, 3, 4, 5, 6]);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(&bytes).unwrap();
        let expected = IdxArray {
            shape: vec![2, 3],
            bytes: vec![1, 2, 3, 4, 5, 6],
        };
        assert_eq!(read_idx(file_with(&bytes).path(), None).unwrap(), expected);
        assert_eq!(
            read_idx(file_with(&encoder.finish().unwrap()).path(), None).unwrap(),
            expected
        );
    }

    #[test]
    fn broken_files_are_refused_with_the_reason() {
        let mut long = header(&[2]);
        long.extend([1, 2, 3]);
        let mut short = header(&[3]);
        short.extend([1, 2]);
        let cases: [(&[u8], &str); 9] = [
            (b"", "ends within its IDX header"),
            (&[0, 0, 8], "ends within its IDX header"),
            (&[0, 0, 9, 1, 0, 0, 0, 1, 0], "must start with 00 00 08"),
            (&header(&[u32::MAX, u32::MAX, u32::MAX]), "at most"),
            (&header(&[1; 5]), "1 to 4 dimensions"),
            (&header(&[9, 1 << 30]), "in memory holds at most"),
            (&short, "cut off"),
            (&long, "more than the 2 bytes"),
            (
                &[0x1f, 0x8b, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11],
                "can't be decoded",
            ),
        ];
        for (bytes, reason) in cases {
            let error = read_idx(file_with(bytes).path(), None)
                .unwrap_err()
                .to_string();
            assert!(error.contains(reason), "{error:?} lacks {reason:?}");
        }
    }

    #[test]
    fn images_have_a_size() {
        let colours = images_of(&[2, 5, 3, 4]).map(|(count, shape)| (count, shape.to_string()));
        assert_eq!(colours, Some((2, "5 x 3 x 4".into())));
        assert_eq!(images_of(&[0, 5, 3]).map(|(count, _)| count), Some(0));
        for shape in [&[2, 0, 3][..], &[2, 5, 0, 3], &[2, 5], &[2]] {
            assert_eq!(images_of(shape), None);
        }
    }

    #[test]
    fn a_gzip_bomb_is_read_no_further_than_its_header_says() {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&header(&[10])).unwrap();
        for _ in 0..256 {
            encoder.write_all(&vec![0; 1 << 20]).unwrap();
        }
        let error = read_idx(file_with(&encoder.finish().unwrap()).path(), None).unwrap_err();
        assert!(error.to_string().contains("more than the 10 bytes"));
    }

    #[test]
    fn a_wrong_hash_is_named() {
        let mut bytes = header(&[1]);
        bytes.push(7);
        let error = read_idx(file_with(&bytes).path(), Some("00ff"))
            .unwrap_err()
            .to_string();
        assert!(error.contains("must be 00ff, got "), "{error}");
    }
}
