//! Images with their targets.

use super::idx::images_of;
use super::weights::check_weights;
use super::{IdxArray, ImageFile};
use crate::config::{ImageShape, Metadata, Preprocessing};
use crate::error::{Error, Result};
use std::borrow::Cow;
use std::ops::Range;
use std::sync::Arc;

/// Bytes that are read at a time of a data set on disk.
const CHUNK_BYTES: usize = 8 << 20;

/// Images of raw pixels with their targets, in memory or on disk. A clone shares them.
#[derive(Clone)]
pub struct Dataset {
    source: Source,
    shape: ImageShape,
    targets: Arc<[u32]>,
    weights: Option<Arc<[f32]>>,
    class_names: Option<Arc<[String]>>,
    preprocessing: Preprocessing,
}

/// Where the pixels are.
#[derive(Clone)]
enum Source {
    Memory(Arc<[u8]>),
    File {
        file: Arc<ImageFile>,
        /// Which of its images, where these are not all.
        positions: Option<Arc<[usize]>>,
    },
}

/// One image of a [`Dataset`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// Position in the data set; dropout masks follow from it.
    pub index: usize,
    /// Raw pixels, row by row, the channels of a pixel side by side.
    pub pixels: Vec<u8>,
    /// The class.
    pub target: u32,
}

impl Dataset {
    /// A data set of raw pixels, image by image and row by row, and one target for each image.
    pub fn new(pixels: impl Into<Arc<[u8]>>, shape: ImageShape, targets: &[i64]) -> Result<Self> {
        let pixels = pixels.into();
        if shape.is_empty() || pixels.len() != targets.len() * shape.len() {
            return Err(Error::Data(format!(
                "there must be {} values of an image of {shape} for each of the {} targets, got {} in all",
                shape.len(),
                targets.len(),
                pixels.len()
            )));
        }
        Ok(Self {
            source: Source::Memory(pixels),
            shape,
            targets: classes(targets)?,
            weights: None,
            class_names: None,
            preprocessing: Preprocessing::default(),
        })
    }

    /// A data set from the contents of two IDX files.
    pub fn from_idx(images: IdxArray, targets: IdxArray) -> Result<Self> {
        let length = targets.bytes.len();
        match images_of(&images.shape) {
            Some((count, shape)) if count == length && targets.shape == [length] => Ok(Self {
                source: Source::Memory(images.bytes.into()),
                shape,
                targets: targets.bytes.into_iter().map(u32::from).collect(),
                weights: None,
                class_names: None,
                preprocessing: Preprocessing::default(),
            }),
            _ => Err(Error::Data(format!(
                "IDX images must have the shape [n, height, width] or [n, height, width, channels] and their targets [n], \
                 got {:?} and {:?}",
                images.shape, targets.shape
            ))),
        }
    }

    /// A data set whose images stay on disk: those at `positions` of the file, or all, with one target for each.
    pub fn from_file(
        file: Arc<ImageFile>,
        positions: Option<Vec<usize>>,
        targets: &[i64],
    ) -> Result<Self> {
        let count = positions.as_ref().map_or(file.len(), Vec::len);
        if count != targets.len() {
            return Err(Error::Data(format!(
                "there must be one target for each of the {count} images, got {}",
                targets.len()
            )));
        }
        file.check(positions.as_deref().unwrap_or_default())?;
        Ok(Self {
            shape: file.shape(),
            source: Source::File {
                file,
                positions: positions.map(Into::into),
            },
            targets: classes(targets)?,
            weights: None,
            class_names: None,
            preprocessing: Preprocessing::default(),
        })
    }

    /// The same with names of the classes, by their numbers.
    #[must_use]
    pub fn with_class_names(mut self, names: Option<Vec<String>>) -> Self {
        self.class_names = names.map(Into::into);
        self
    }

    /// The same with how much each image counts in the loss of training; `None` for all alike.
    pub fn with_weights(self, weights: Option<Vec<f32>>) -> Result<Self> {
        if let Some(weights) = &weights {
            check_weights(weights, self.len())?;
        }
        Ok(Self {
            weights: weights.map(Into::into),
            ..self
        })
    }

    /// The same with how its pictures became images.
    #[must_use]
    pub fn with_preprocessing(mut self, preprocessing: Preprocessing) -> Self {
        self.preprocessing = preprocessing;
        self
    }

    /// How its pictures became images, and how others should.
    pub fn preprocessing(&self) -> Preprocessing {
        self.preprocessing
    }

    /// The names of the classes, where they are known.
    pub fn class_names(&self) -> Option<&[String]> {
        self.class_names.as_deref()
    }

    /// What a model of so many classes that is trained with it knows of it.
    pub fn metadata(&self, num_classes: usize) -> Metadata {
        // There may be names for classes that the model lacks.
        let names = self.class_names();
        let names = names.map(|names| names[..names.len().min(num_classes)].to_vec());
        Metadata {
            class_names: names,
            preprocessing: self.preprocessing,
            ..Metadata::default()
        }
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.targets.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.targets.is_empty()
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The class of each image.
    pub fn targets(&self) -> &[u32] {
        &self.targets
    }

    /// How much each image counts in the loss of training; `None` for all alike.
    pub fn weights(&self) -> Option<&[f32]> {
        self.weights.as_deref()
    }

    /// The raw pixels of all images; `None` where they are on disk.
    pub fn pixels(&self) -> Option<&Arc<[u8]>> {
        match &self.source {
            Source::Memory(pixels) => Some(pixels),
            Source::File { .. } => None,
        }
    }

    /// The raw pixels of the images at `range`, which must be in the data set.
    pub fn read(&self, range: Range<usize>) -> Result<Cow<'_, [u8]>> {
        let length = self.shape.len();
        let (file, positions) = match &self.source {
            Source::Memory(pixels) => {
                return Ok(Cow::Borrowed(
                    &pixels[range.start * length..range.end * length],
                ));
            }
            Source::File { file, positions } => (file, positions),
        };
        let pixels = if let Some(positions) = positions {
            file.gather(&positions[range])?
        } else {
            let mut pixels = vec![0; range.len() * length];
            file.read(range.start, &mut pixels)?;
            pixels
        };
        Ok(Cow::Owned(pixels))
    }

    /// The positions of the images in parts that are read at a time.
    pub(super) fn parts(&self) -> impl Iterator<Item = Range<usize>> {
        let (length, size) = (self.len(), (CHUNK_BYTES / self.shape.len()).max(1));
        (0..length)
            .step_by(size)
            .map(move |first| first..(first + size).min(length))
    }

    /// The image at `index`, which must be in the data set.
    pub fn sample(&self, index: usize) -> Result<Sample> {
        Ok(Sample {
            index,
            pixels: self.read(index..index + 1)?.into_owned(),
            target: self.targets[index],
        })
    }

    /// The images at `indices`, in that order; indices out of range are left out.
    #[must_use]
    pub fn subset(&self, indices: &[usize]) -> Self {
        let indices: Vec<usize> = indices
            .iter()
            .copied()
            .filter(|index| *index < self.len())
            .collect();
        let source = match &self.source {
            Source::Memory(pixels) => {
                let image = |index: &usize| &pixels[index * self.shape.len()..][..self.shape.len()];
                Source::Memory(indices.iter().flat_map(image).copied().collect())
            }
            Source::File { file, positions } => {
                let position = |index: &usize| match positions {
                    None => *index,
                    Some(positions) => positions[*index],
                };
                Source::File {
                    file: Arc::clone(file),
                    positions: Some(indices.iter().map(position).collect()),
                }
            }
        };
        Self {
            source,
            shape: self.shape,
            targets: indices.iter().map(|index| self.targets[*index]).collect(),
            weights: self
                .weights
                .as_ref()
                .map(|weights| indices.iter().map(|index| weights[*index]).collect()),
            class_names: self.class_names.clone(),
            preprocessing: self.preprocessing,
        }
    }

    /// Checks that a model for images of that shape and that many classes takes these images.
    pub fn check_model(&self, image: ImageShape, num_classes: usize) -> Result<()> {
        if self.shape != image {
            return Err(Error::Data(format!(
                "images must be of the model's {} (height x width x channels), got {}; make a ModelConfig with image_height {}, \
                 image_width {} and image_channels {}, or resize the images",
                image, self.shape, self.shape.height, self.shape.width, self.shape.channels
            )));
        }
        self.check_classes(num_classes)
    }

    /// Checks that every target is a class of a model with `num_classes` classes.
    fn check_classes(&self, num_classes: usize) -> Result<()> {
        match self
            .targets
            .iter()
            .enumerate()
            .find(|(_, target)| **target as usize >= num_classes)
        {
            None => Ok(()),
            Some((index, target)) => Err(Error::Data(format!(
                "targets must be below the model's num_classes of {num_classes}, got {target} at index {index}; \
                 give the model more classes or change the target"
            ))),
        }
    }
}

/// Checks that targets are classes.
fn classes(targets: &[i64]) -> Result<Arc<[u32]>> {
    targets
        .iter()
        .enumerate()
        .map(|(index, target)| {
            u32::try_from(*target)
                .ok()
                .filter(|target| i32::try_from(*target).is_ok())
                .ok_or_else(|| {
                    Error::Data(format!(
                        "targets must be classes from 0 on, got {target} at index {index}"
                    ))
                })
        })
        .collect()
}

impl burn::data::dataset::Dataset<Sample> for Dataset {
    /// The image at `index`; `None` also where its file can't be read, which [`sample`](Dataset::sample) tells apart.
    fn get(&self, index: usize) -> Option<Sample> {
        (index < self.len())
            .then(|| self.sample(index).ok())
            .flatten()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_that_is_no_class_is_named_with_its_index() {
        let pixels = [0; 2 * ImageShape::MNIST.len()];
        let error = Dataset::new(pixels, ImageShape::MNIST, &[3, -1])
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("got -1 at index 1"), "{error}");
        let large = Dataset::new(pixels, ImageShape::MNIST, &[1 << 31, 0])
            .err()
            .unwrap();
        assert!(
            large.to_string().contains("got 2147483648 at index 0"),
            "{large}"
        );
        let dataset = Dataset::new(pixels, ImageShape::MNIST, &[3, 10]).unwrap();
        let error = dataset.check_classes(10).unwrap_err().to_string();
        assert!(
            error.contains("num_classes of 10, got 10 at index 1"),
            "{error}"
        );
    }

    #[test]
    fn a_position_must_be_one_of_the_file() {
        let content = [
            &[0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2][..],
            &[0, 1, 2, 3, 4, 5],
        ];
        let path = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(path.path(), content.concat()).unwrap();
        let file = Arc::new(ImageFile::open(path.path()).unwrap());
        let data = |positions: &[usize], targets: &[i64]| {
            Dataset::from_file(Arc::clone(&file), Some(positions.to_vec()), targets)
        };
        let part = data(&[2, 0], &[7, 8]).unwrap();
        assert_eq!(part.subset(&[1]).sample(0).unwrap().pixels, [0, 1]);
        assert_eq!(part.sample(0).unwrap().pixels, [4, 5]);
        let fingerprint = |data: Dataset| data.fingerprint().unwrap();
        let shape = part.shape();
        let memory = Dataset::new(vec![4, 5, 0, 1], shape, &[7, 8]).unwrap();
        assert_eq!(fingerprint(part), fingerprint(memory.clone()));
        let other = Dataset::new(vec![4, 5, 0, 1], shape, &[7, 9]).unwrap();
        assert_ne!(fingerprint(memory), fingerprint(other));
        let error = data(&[2, 3], &[7, 8]).err().unwrap().to_string();
        assert!(error.contains("3 images, and no image 3"), "{error}");
        let error = data(&[2, 0], &[7]).err().unwrap().to_string();
        assert!(error.contains("each of the 2 images, got 1"), "{error}");
    }
}
