//! Reading the pictures of a folder, on all threads.

use super::Folder;
use crate::config::{ImageShape, Preprocessing};
use crate::data::picture::{self, Picture};
use crate::data::survey::Survey;
use crate::error::{Error, Result};
use rayon::prelude::*;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Bytes above this are refused.
const MAX_BYTES: usize = 8 << 30;

/// The pictures of a folder.
pub struct Pictures {
    /// What they were made to.
    pub shape: ImageShape,
    /// Why to that shape, as a sentence; `None` where it was asked for.
    pub shape_rule: Option<String>,
    /// Raw pixels of the whole ones, image by image.
    pub pixels: Vec<u8>,
    /// The class of each.
    pub targets: Vec<i64>,
    /// Pictures that could not be read, and why.
    pub broken: Vec<(PathBuf, String)>,
    /// Pictures of several frames or pages, of which the first was read, and how many.
    pub animated: Vec<(PathBuf, usize)>,
}

/// What pictures are made to, where that is not left to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Height and width.
    pub size: Option<(usize, usize)>,
    /// 1 for grey, 3 for colours.
    pub channels: Option<usize>,
    /// How they become images.
    pub preprocessing: Preprocessing,
}

impl Folder {
    /// Reads the pictures on all threads, each made to one shape as [`Picture::image`] does it.
    ///
    /// The shape follows the whole pictures where `wanted` leaves it open, see `Survey::shape`. `done` counts the pictures
    /// read so far; [`Error::Interrupted`] soon after `stop` is set.
    pub fn read(&self, wanted: Wanted, done: &AtomicUsize, stop: &AtomicBool) -> Result<Pictures> {
        if let (Some((height, width)), Some(channels)) = (wanted.size, wanted.channels) {
            let shape = ImageShape::from((height, width, channels));
            return self.read_as(shape, wanted.preprocessing, done, stop);
        }
        let mut survey = Survey::of(&self.files, wanted, stop)?;
        let (mut shape, _) = survey.shape(wanted);
        loop {
            done.store(0, Ordering::Relaxed);
            let mut pictures = self.read_as(shape, wanted.preprocessing, done, stop)?;
            // A header may promise what the rest of the file doesn't hold.
            let broken: HashSet<&PathBuf> = pictures.broken.iter().map(|(path, _)| path).collect();
            survey.leave_out(|place| broken.contains(&self.files[place].0));
            let (settled, rule) = survey.shape(wanted);
            // Which pictures are broken doesn't depend on the shape: the second reading is the last.
            if settled == shape {
                pictures.shape_rule = Some(rule);
                return Ok(pictures);
            }
            shape = settled;
        }
    }

    fn read_as(
        &self,
        shape: ImageShape,
        preprocessing: Preprocessing,
        done: &AtomicUsize,
        stop: &AtomicBool,
    ) -> Result<Pictures> {
        picture::check_channels(shape)?;
        let bytes = self.files.len().saturating_mul(shape.len());
        if bytes > MAX_BYTES {
            return Err(Error::Data(format!(
                "{} pictures of {shape} would take {bytes} bytes, more than the {MAX_BYTES} allowed; take fewer or smaller ones",
                self.files.len()
            )));
        }
        let mut pixels = vec![0; bytes];
        let read: Vec<std::result::Result<usize, String>> = pixels
            .par_chunks_exact_mut(shape.len())
            .zip(&self.files)
            .map(|(image, (path, _))| {
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let picture = picture::file_bytes(path).and_then(|bytes| Picture::decode(&bytes));
                let frames = match picture {
                    Ok(picture) => {
                        image.copy_from_slice(&picture.image(shape, preprocessing)?);
                        Ok(picture.frames)
                    }
                    Err(reason) => Err(reason),
                };
                done.fetch_add(1, Ordering::Relaxed);
                Ok(frames)
            })
            .collect::<Result<_>>()?;
        let mut targets = Vec::with_capacity(self.files.len());
        let (mut broken, mut animated) = (Vec::new(), Vec::new());
        for (place, (frames, (path, class))) in read.into_iter().zip(&self.files).enumerate() {
            match frames {
                Err(reason) => {
                    broken.push((path.clone(), reason));
                    continue;
                }
                Ok(frames) if frames > 1 => animated.push((path.clone(), frames)),
                Ok(_) => {}
            }
            let (from, to) = (place * shape.len(), targets.len() * shape.len());
            pixels.copy_within(from..from + shape.len(), to);
            targets.push(*class as i64);
        }
        pixels.truncate(targets.len() * shape.len());
        Ok(Pictures {
            shape,
            shape_rule: None,
            pixels,
            targets,
            broken,
            animated,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_reading_counts_its_pictures_and_stops_when_it_is_told_to() {
        let root = tempfile::tempdir().unwrap();
        for class in ["a", "b"] {
            fs::create_dir(root.path().join(class)).unwrap();
            fs::write(root.path().join(class).join("x.png"), b"").unwrap();
        }
        let folder = Folder::open(root.path(), None).unwrap();
        let (done, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let found = folder.read(Wanted::default(), &done, &stop).unwrap();
        assert_eq!((found.targets.len(), found.broken.len()), (0, 2));
        assert_eq!(done.load(Ordering::Relaxed), 2);
        stop.store(true, Ordering::Relaxed);
        let stopped = folder.read(Wanted::default(), &done, &stop);
        assert!(matches!(stopped, Err(Error::Interrupted)));
    }
}
