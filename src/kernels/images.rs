//! Images that enter the network.

use super::Operations;
use super::normalisation::normalised;
use super::rescaling::Rescaling;
use crate::config::ImageShape;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use std::sync::Arc;

/// Rows and columns of MNIST's images, for which there are kernels.
pub const IMAGE_SIZE: usize = ImageShape::MNIST.height;
/// Pixels of such an image.
pub const IMAGE_PIXELS: usize = ImageShape::MNIST.len();

/// Images that enter the network.
#[derive(Clone, Debug)]
pub enum Images<B: BurnBackend> {
    /// Normalised pixels, `[batch_size, channels, height, width]`.
    Normalised(Tensor<B, 4>),
    /// Raw pixels where they lie, to be gathered and normalised where they are used.
    Raw {
        /// Images of a data set, one after the other.
        pixels: Arc<[u8]>,
        /// The shape of each.
        shape: ImageShape,
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

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        match self {
            Self::Normalised(images) => {
                let [_, channels, height, width] = images.dims();
                ImageShape {
                    height,
                    width,
                    channels,
                }
            }
            Self::Raw { shape, .. } => *shape,
        }
    }

    /// Where the batch is computed.
    pub fn device(&self) -> B::Device {
        match self {
            Self::Normalised(images) => images.device(),
            Self::Raw { device, .. } => device.clone(),
        }
    }

    /// Pixels normalised by the statistics of a network's own images, `[batch_size, channels, height, width]`.
    pub fn rescaled(self, rescaling: &Rescaling) -> Tensor<B, 4> {
        match self {
            Self::Raw {
                pixels,
                shape,
                indices,
                device,
            } if B::ON_HOST => {
                let values = rescaling.look_up(&pixels, shape, &indices);
                let ImageShape {
                    height,
                    width,
                    channels,
                } = shape;
                let data = TensorData::new(values, [indices.len(), channels, height, width]);
                Tensor::from_data(data, &device)
            }
            images => rescaling.apply(images.normalised()),
        }
    }

    /// Pixels normalised by the statistics of MNIST, `[batch_size, channels, height, width]`.
    pub fn normalised(self) -> Tensor<B, 4> {
        match self {
            Self::Normalised(images) => images,
            Self::Raw {
                pixels,
                shape,
                indices,
                device,
            } => normalised(&gather(&pixels, shape, &indices), shape, &device),
        }
    }
}

impl<B: BurnBackend> From<Tensor<B, 4>> for Images<B> {
    fn from(images: Tensor<B, 4>) -> Self {
        Self::Normalised(images)
    }
}

/// Grey images, `[batch_size, height, width]`, as the Burn book has them.
impl<B: BurnBackend> From<Tensor<B, 3>> for Images<B> {
    fn from(images: Tensor<B, 3>) -> Self {
        Self::Normalised(images.unsqueeze_dim(1))
    }
}

/// The pixels of some images, one behind the other.
fn gather(pixels: &[u8], shape: ImageShape, indices: &[u64]) -> Vec<u8> {
    let length = shape.len();
    let mut gathered = Vec::with_capacity(indices.len() * length);
    for index in indices {
        gathered.extend_from_slice(&pixels[*index as usize * length..][..length]);
    }
    gathered
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::super::normalisation::tests::{SHAPES, pixels, values};
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn raw_images_are_gathered_in_the_order_of_their_indices() {
        for shape in SHAPES {
            let pixels = pixels(shape);
            let raw = Images::<Flex>::Raw {
                pixels: pixels.as_slice().into(),
                shape,
                indices: [2, 0].into(),
                device: FlexDevice,
            };
            assert_eq!((raw.len(), raw.shape()), (2, shape));
            let reordered = [&pixels[2 * shape.len()..], &pixels[..shape.len()]].concat();
            let expected = normalised::<Flex>(&reordered, shape, &FlexDevice);
            assert_eq!(Images::from(expected.clone()).shape(), shape);
            raw.normalised()
                .into_data()
                .assert_eq(&expected.into_data(), true);
        }
    }

    #[test]
    fn raw_pixels_are_rescaled_to_the_same_bits_as_normalised_ones() {
        for shape in SHAPES {
            let numbers = || (1..=shape.channels).map(|channel| 0.1 * channel as f64);
            let (mean, std): (Vec<_>, Vec<_>) = (numbers().collect(), numbers().rev().collect());
            let rescaling = Rescaling::new(&mean, &std);
            let pixels = pixels(shape);
            let raw = Images::<Flex>::Raw {
                pixels: pixels.as_slice().into(),
                shape,
                indices: [2, 0, 1].into(),
                device: FlexDevice,
            };
            let found = values(raw.clone().rescaled(&rescaling));
            let normalised = Images::from(raw.normalised());
            assert_eq!(found, values(normalised.rescaled(&rescaling)));
            let first = f64::from(pixels[2 * shape.len()]) / 255.0;
            assert!((f64::from(found[0]) - (first - mean[0]) / std[0]).abs() < 1e-5);
        }
    }
}
