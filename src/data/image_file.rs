//! Images that stay on disk.

use super::idx::{Header, fault};
use crate::config::ImageShape;
use crate::error::{Error, Result};
use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

/// An uncompressed IDX file of images, `[n, height, width]` or `[n, height, width, channels]`, of which single ones are read.
///
/// The file is read, not mapped: one that is cut off under way is an error, not the end of the process.
#[derive(Debug)]
pub struct ImageFile {
    file: File,
    path: PathBuf,
    shape: ImageShape,
    count: usize,
    /// Where the first image begins.
    offset: u64,
}

impl ImageFile {
    /// Opens a file, whose size must be what its header says.
    pub fn open(path: &Path) -> Result<Self> {
        let unreadable = Error::io("could not read", path);
        // Before it is opened: opening a pipe waits for somebody to write to it.
        if !path.metadata().map_err(unreadable)?.is_file() {
            return Err(fault(path, "an IDX file must be a regular file"));
        }
        let mut file = File::open(path).map_err(Error::io("could not read", path))?;
        let header = Header::read(&mut file, path)?;
        let (count, shape) = header.images(path)?;
        let offset = header.bytes.len() as u64;
        let expected = offset + (count * shape.len()) as u64;
        let found = file
            .metadata()
            .map_err(Error::io("could not read", path))?
            .len();
        if found != expected {
            return Err(fault(
                path,
                &format!("a file of {count} images of {shape} has {expected} bytes, got {found}"),
            ));
        }
        Ok(Self {
            file,
            path: path.to_owned(),
            shape,
            count,
            offset,
        })
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Where the first image begins, in bytes.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The raw pixels of the images at `positions`, one behind the other.
    pub fn gather(&self, positions: &[usize]) -> Result<Vec<u8>> {
        self.check(positions)?;
        let mut pixels = vec![0; positions.len() * self.shape.len()];
        let images = pixels.chunks_exact_mut(self.shape.len());
        for (position, image) in positions.iter().zip(images) {
            self.read(*position, image)?;
        }
        Ok(pixels)
    }

    /// Checks that the file has images at these positions.
    pub(super) fn check(&self, positions: &[usize]) -> Result<()> {
        match positions.iter().find(|position| **position >= self.count) {
            None => Ok(()),
            Some(outside) => Err(Error::Data(format!(
                "the file has {} images, and no image {outside}",
                self.count
            ))),
        }
    }

    /// Reads images from `first` on until `pixels` is full.
    pub fn read(&self, first: usize, pixels: &mut [u8]) -> Result<()> {
        let offset = self.offset + (first * self.shape.len()) as u64;
        read_exact_at(&self.file, pixels, offset).map_err(|error| {
            fault(
                &self.path,
                &format!("the images from {first} on can't be read, the file has changed: {error}"),
            )
        })
    }
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let read = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[read..];
        offset += read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file_of(sizes: &[u32], bytes: &[u8]) -> tempfile::NamedTempFile {
        let mut content = vec![0, 0, 8, sizes.len() as u8];
        content.extend(sizes.iter().flat_map(|size| size.to_be_bytes()));
        content.extend(bytes);
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), content).unwrap();
        file
    }

    #[test]
    fn single_images_are_read() {
        let bytes: Vec<u8> = (0..5 * 12).collect();
        let file = file_of(&[5, 2, 2, 3], &bytes);
        let images = ImageFile::open(file.path()).unwrap();
        assert_eq!(
            (images.len(), images.shape().to_string()),
            (5, "2 x 2 x 3".into())
        );
        let mut two = [0; 24];
        images.read(2, &mut two).unwrap();
        assert_eq!(two, bytes[24..48]);
    }

    #[test]
    fn a_file_of_another_size_is_refused_and_one_cut_off_later_is_an_error() {
        let error = ImageFile::open(file_of(&[5, 2, 2], &[0; 19]).path()).unwrap_err();
        assert!(error.to_string().contains("36 bytes, got 35"), "{error}");
        let error = ImageFile::open(file_of(&[5, 2, 2], &[0; 21]).path()).unwrap_err();
        assert!(error.to_string().contains("36 bytes, got 37"), "{error}");
        let file = file_of(&[5, 2, 2], &[7; 20]);
        let images = ImageFile::open(file.path()).unwrap();
        file.as_file().set_len(30).unwrap();
        let error = images.read(4, &mut [0; 4]).unwrap_err();
        assert!(
            error.to_string().contains("the images from 4 on"),
            "{error}"
        );
    }

    #[test]
    fn the_sum_of_the_sizes_must_fit() {
        let error = ImageFile::open(file_of(&[u32::MAX; 4], &[]).path()).unwrap_err();
        assert!(error.to_string().contains("header says"), "{error}");
    }
}
