//! Training images that are moved, bent and disturbed at random.

mod colour;
mod cutout;
mod elastic;
mod movement;
mod noise;
mod resampling;
mod scratch;
mod series;
mod whole_pixels;

pub use scratch::Scratch;
pub(crate) use whole_pixels::{flip, shift};

use crate::config::{AugmentationConfig, ImageShape, Settings};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
use cutout::cut_out;
use elastic::Smoothing;
use movement::Movement;
use noise::add_noise;
#[cfg(any(feature = "cpu", feature = "python"))]
use rayon::prelude::*;
use resampling::resample;

/// Images that a thread takes at a time.
#[cfg(any(feature = "cpu", feature = "python"))]
const TASK: usize = 8;

/// Coordinates are f32 numbers, which must have digits behind the point left.
const LARGEST_SIDE: usize = 1 << 16;

/// Changes images as an [`AugmentationConfig`] says: bytes in, bytes out.
///
/// An image is shifted, turned, sized, slanted and bent in one go, then noise is added, then a square is cut out. What becomes of
/// it follows from (seed, epoch, index of the image in its data set) alone, and is the same on every machine: no number comes
/// from the system's mathematical library, and no sum depends on threads or on vector instructions.
///
/// - Flip: an image is mirrored left to right in every other epoch, so that it is seen either way equally often (K. Jordan, "94%
///   on CIFAR-10 in 3.29 seconds on a single GPU", 2024).
/// - Crop: a window of the image's own size out of the image with a border in which it goes on mirrored.
/// - Movement: the value at a place of the new image is taken, bilinearly, from the place in the old one that goes there when
///   the image is slanted, turned (anticlockwise) and sized about its centre and then shifted, plus the displacement of the
///   elastic field. Outside of the image is the background, 0.
/// - Elastic field: uniform random numbers in -1..1 for rows and for columns, drawn beyond the borders as well so that the field is
///   equally strong everywhere, smoothed by a Gaussian of `elastic_sigma` that is cut off at three of its deviations, times
///   `elastic` (P. Simard, D. Steinkraus and J. Platt, "Best practices for convolutional neural networks applied to visual
///   document analysis", 2003).
/// - Colours: brightness, contrast and saturation are multiplied with factors, as torchvision's `ColorJitter` does.
/// - Noise: normal, for each value on its own. A sum of twelve uniform numbers stands for a normal one, which takes integers
///   alone: mean, deviation and skewness are the same, the kurtosis is 2.9 instead of 3.
/// - Cutout: a square about a pixel drawn from all, so that a part of it may lie outside (T. DeVries and G. Taylor, "Improved
///   regularization of convolutional neural networks with cutout", 2017).
///
/// What is drawn for one of these does not depend on the strengths of the others.
#[derive(Clone, Debug)]
pub struct Augmentation {
    config: AugmentationConfig,
    shape: ImageShape,
    seed: u64,
    smoothing: Option<Smoothing>,
}

/// What random numbers are for; the last word of their key.
#[derive(Clone, Copy, Debug)]
enum Part {
    Movement = 1,
    Elastic = 2,
    Noise = 3,
    Cutout = 4,
    Flip = 5,
    Crop = 6,
    Colour = 7,
}

impl Augmentation {
    /// Prepares the changes of images of a shape.
    pub fn new(config: &AugmentationConfig, shape: ImageShape, seed: u64) -> Result<Self> {
        config.validate()?;
        let padded = |side: usize| side.saturating_add(3);
        let values = padded(shape.height)
            .saturating_mul(padded(shape.width))
            .saturating_mul(shape.channels);
        if shape.height.max(shape.width) > LARGEST_SIDE || u32::try_from(values).is_err() {
            return Err(Error::Data(format!(
                "images to be augmented must have at most {LARGEST_SIDE} rows and columns and 2^32 values, got {} x {} x {}",
                shape.height, shape.width, shape.channels
            )));
        }
        let smoothing =
            (config.elastic > 0.0).then(|| Smoothing::new(config.elastic, config.elastic_sigma));
        Ok(Self {
            config: *config,
            shape,
            seed,
            smoothing,
        })
    }

    /// Memory for [`apply`](Self::apply).
    pub fn scratch(&self) -> Scratch {
        let moves = self.config.moves() || self.smoothing.is_some();
        let radius = self.smoothing.as_ref().map(|smoothing| smoothing.radius);
        Scratch::new(self.shape, moves, radius)
    }

    /// Changes an image in its place.
    ///
    /// `index` is that of the image in its data set, `image` has the bytes of one image, and `scratch` is this augmentation's own.
    pub fn apply(&self, epoch: u64, index: u64, image: &mut [u8], scratch: &mut Scratch) {
        debug_assert_eq!(image.len(), self.shape.len());
        if self.shape.is_empty() {
            return;
        }
        let stream = |part: Part| {
            Stream::new(
                Purpose::Augmentation,
                &[self.seed, epoch, index, part as u64],
            )
        };
        if self.config.flip && self.flips(epoch, index) {
            whole_pixels::flip(self.shape, image);
        }
        if self.config.crop > 0 {
            whole_pixels::crop(self.config.crop, self.shape, &mut stream(Part::Crop), image);
        }
        if let Some(smoothing) = &self.smoothing {
            smoothing.draw(self.shape, &mut stream(Part::Elastic), scratch);
        }
        if self.config.moves() || self.smoothing.is_some() {
            let movement = Movement::draw(&self.config, self.shape, &mut stream(Part::Movement));
            let origin = movement.origin(self.shape);
            resample(
                &origin,
                self.shape,
                self.smoothing.is_some(),
                image,
                scratch,
            );
        }
        if self.config.changes_colours() {
            let stream = &mut stream(Part::Colour);
            colour::jitter(&self.config, self.shape, stream, image);
        }
        if self.config.noise > 0.0 {
            add_noise(self.config.noise, &mut stream(Part::Noise), image);
        }
        if self.config.cutout > 0.0 {
            cut_out(
                self.config.cutout,
                self.shape,
                &mut stream(Part::Cutout),
                image,
            );
        }
    }

    /// Whether an image is mirrored in an epoch: in the first one or in the second, as chance has it, and in every other one after.
    fn flips(&self, epoch: u64, index: u64) -> bool {
        let words = [self.seed, 0, index, Part::Flip as u64];
        let first = Stream::new(Purpose::Augmentation, &words).next_u64() >> 63;
        (first + epoch).is_multiple_of(2)
    }

    /// Changes a batch in its place: `images` has the bytes of the images at `indices` of the data set, in that order.
    ///
    /// On a thread of a Rayon pool its threads share the work, which changes nothing but the time. Elsewhere it is done by the
    /// caller alone: Rayon would start a pool for the whole process, which does not survive a fork.
    pub fn apply_batch(&self, epoch: u64, indices: &[usize], images: &mut [u8]) {
        let length = self.shape.len();
        if self.config.is_off() || length == 0 {
            return;
        }
        debug_assert_eq!(images.len(), indices.len() * length);
        let some = |indices: &[usize], images: &mut [u8], scratch: &mut Scratch| {
            for (index, image) in indices.iter().zip(images.chunks_exact_mut(length)) {
                self.apply(epoch, *index as u64, image, scratch);
            }
        };
        #[cfg(any(feature = "cpu", feature = "python"))]
        if rayon::current_num_threads() > 1 && rayon::current_thread_index().is_some() {
            images
                .par_chunks_mut(TASK * length)
                .zip(indices.par_chunks(TASK))
                .for_each_init(
                    || self.scratch(),
                    |scratch, (images, indices)| some(indices, images, scratch),
                );
            return;
        }
        some(indices, images, &mut self.scratch());
    }
}

#[cfg(test)]
mod tests;
