//! Raw pixels on their way into the network.

use super::Operations;
use super::words::{pack_bytes, unpack, words};
use crate::error::{Error, Result};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// Rows and columns of an image.
pub const IMAGE_SIZE: usize = 28;
/// Pixels of an image.
pub const IMAGE_PIXELS: usize = IMAGE_SIZE * IMAGE_SIZE;

/// Rows, columns and channels of an image; its bytes lie row by row, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey images, 3 for colours.
    pub channels: usize,
}

impl ImageShape {
    /// MNIST's: 28 x 28 grey pixels.
    pub const MNIST: Self = Self {
        height: IMAGE_SIZE,
        width: IMAGE_SIZE,
        channels: 1,
    };

    /// Values of an image.
    pub fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether an image has no value.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Mean of the pixels of MNIST's training images, in 0..1.
pub const PIXEL_MEAN: f32 = 0.1307;
/// Their standard deviation.
pub const PIXEL_STD: f32 = 0.3081;

/// A pixel in 0..1 as the network sees it.
pub fn normalise(pixel: f32) -> f32 {
    (pixel - PIXEL_MEAN) / PIXEL_STD
}

/// Images that enter the network.
#[derive(Clone, Debug)]
pub enum Images<B: BurnBackend> {
    /// Normalised pixels, `[batch_size, height, width]`.
    Normalised(Tensor<B, 3>),
    /// Raw pixels of 28 x 28 images where they lie, to be gathered and normalised where they are used.
    Raw {
        /// A whole data set, image by image and row by row.
        pixels: Arc<[u8]>,
        /// The position there of each image of the batch.
        indices: Arc<[u64]>,
        /// Where the batch is computed.
        device: B::Device,
    },
}

impl<B: Operations> Images<B> {
    /// Images of the batch.
    pub fn len(&self) -> usize {
        match self {
            Self::Normalised(images) => images.dims()[0],
            Self::Raw { indices, .. } => indices.len(),
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Where the batch is computed.
    pub fn device(&self) -> B::Device {
        match self {
            Self::Normalised(images) => images.device(),
            Self::Raw { device, .. } => device.clone(),
        }
    }

    /// Normalised pixels, `[batch_size, height, width]`.
    pub fn normalised(self) -> Tensor<B, 3> {
        match self {
            Self::Normalised(images) => images,
            Self::Raw {
                pixels,
                indices,
                device,
            } => normalised(&gather(&pixels, &indices), &device),
        }
    }
}

/// Images on their way in, one after the other, row by row.
#[derive(Clone, Copy, Debug)]
pub enum Pixels<'a> {
    /// Raw pixels, 0 to 255.
    Raw(&'a [u8]),
    /// Pixels in 0..1.
    Unit(&'a [f32]),
}

impl Pixels<'_> {
    /// Number of images.
    pub fn len(&self) -> usize {
        match self {
            Self::Raw(pixels) => pixels.len() / IMAGE_PIXELS,
            Self::Unit(pixels) => pixels.len() / IMAGE_PIXELS,
        }
    }

    /// Whether the last image is whole.
    pub(crate) fn check(&self) -> Result<()> {
        let pixels = match self {
            Self::Raw(pixels) => pixels.len(),
            Self::Unit(pixels) => pixels.len(),
        };
        if pixels.is_multiple_of(IMAGE_PIXELS) {
            Ok(())
        } else {
            let text = format!("images must have {IMAGE_PIXELS} pixels each, got {pixels} in all");
            Err(Error::Data(text))
        }
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the images.
    #[must_use]
    pub fn range(&self, images: Range<usize>) -> Self {
        let range = images.start * IMAGE_PIXELS..images.end * IMAGE_PIXELS;
        match self {
            Self::Raw(pixels) => Self::Raw(&pixels[range]),
            Self::Unit(pixels) => Self::Unit(&pixels[range]),
        }
    }

    /// The images as the network sees them, `[batch_size, height, width]`.
    pub(crate) fn tensor<B: Operations>(&self, device: &B::Device) -> Tensor<B, 3> {
        match self {
            Self::Raw(pixels) => normalised(pixels, device),
            Self::Unit(pixels) => {
                let values = pixels.iter().map(|pixel| normalise(*pixel)).collect();
                let shape = [self.len(), IMAGE_SIZE, IMAGE_SIZE];
                Tensor::from_data(TensorData::new::<f32, _>(values, shape), device)
            }
        }
    }
}

impl<B: BurnBackend> From<Tensor<B, 3>> for Images<B> {
    fn from(images: Tensor<B, 3>) -> Self {
        Self::Normalised(images)
    }
}

/// The pixels of some images, one behind the other.
pub(crate) fn gather(pixels: &[u8], indices: &[u64]) -> Vec<u8> {
    let mut gathered = Vec::with_capacity(indices.len() * IMAGE_PIXELS);
    for index in indices {
        gathered.extend_from_slice(&pixels[*index as usize * IMAGE_PIXELS..][..IMAGE_PIXELS]);
    }
    gathered
}

/// Raw pixels of whole images, row by row, as the network sees them.
///
/// # Shapes
///
/// - output: `[batch_size, height, width]`
pub(crate) fn normalised<B: Operations>(pixels: &[u8], device: &B::Device) -> Tensor<B, 3> {
    let count = pixels.len() / IMAGE_PIXELS;
    if B::ON_HOST {
        let values: Vec<f32> = pixels
            .iter()
            .map(|pixel| normalise(f32::from(*pixel) / 255.0))
            .collect();
        Tensor::from_data(
            TensorData::new(values, [count, IMAGE_SIZE, IMAGE_SIZE]),
            device,
        )
    } else {
        normalised_words(words(pack_bytes(pixels).collect(), count, device))
    }
}

/// The same from packed pixels, `[batch_size, IMAGE_PIXELS / 4]`, on their device.
pub(crate) fn normalised_words<B: BurnBackend>(words: Tensor<B, 2, Int>) -> Tensor<B, 3> {
    let [count, _] = words.dims();
    let pixels = unpack(words, 8).float() / 255.0;
    ((pixels - PIXEL_MEAN) / PIXEL_STD).reshape([count, IMAGE_SIZE, IMAGE_SIZE])
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn the_way_of_a_gpu_and_that_of_a_processor_give_the_same_images() {
        let pixels: Vec<u8> = (0..3 * IMAGE_PIXELS)
            .map(|number| (number * 7 % 256) as u8)
            .collect();
        let expected = normalised::<Flex>(&pixels, &FlexDevice);
        let packed = words(pack_bytes(&pixels).collect(), 3, &FlexDevice);
        let images = normalised_words::<Flex>(packed);
        assert_eq!(images.dims(), expected.dims());
        let data = |tensor: Tensor<Flex, 3>| tensor.into_data().into_vec::<f32>().unwrap();
        let pairs = data(images).into_iter().zip(data(expected));
        assert!(
            pairs
                .into_iter()
                .all(|(one, other)| (one - other).abs() < 1e-6)
        );
    }

    #[test]
    fn raw_images_are_gathered_in_the_order_of_their_indices() {
        let pixels: Vec<u8> = (0..3 * IMAGE_PIXELS)
            .map(|number| (number % 251) as u8)
            .collect();
        let raw = Images::<Flex>::Raw {
            pixels: pixels.as_slice().into(),
            indices: [2, 0].into(),
            device: FlexDevice,
        };
        assert_eq!(raw.len(), 2);
        let reordered = [&pixels[2 * IMAGE_PIXELS..], &pixels[..IMAGE_PIXELS]].concat();
        let expected = normalised::<Flex>(&reordered, &FlexDevice);
        raw.normalised()
            .into_data()
            .assert_eq(&expected.into_data(), true);
    }
}
