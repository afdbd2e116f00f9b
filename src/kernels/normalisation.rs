//! Raw pixels as the network sees them.

use super::Operations;
use super::words::{pack_bytes, unpack, words};
use crate::config::ImageShape;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};

/// Mean of the pixels of MNIST's training images, in 0..1.
pub const PIXEL_MEAN: f32 = 0.1307;
/// Their standard deviation.
pub const PIXEL_STD: f32 = 0.3081;

/// A pixel in 0..1 as the network sees it.
#[inline]
pub fn normalise(pixel: f32) -> f32 {
    (pixel - PIXEL_MEAN) / PIXEL_STD
}

/// Raw pixels of whole images as the network sees them.
///
/// # Shapes
///
/// - output: `[batch_size, channels, height, width]`
pub(crate) fn normalised<B: Operations>(
    pixels: &[u8],
    shape: ImageShape,
    device: &B::Device,
) -> Tensor<B, 4> {
    if B::ON_HOST {
        let values = pixels
            .iter()
            .map(|pixel| normalise(f32::from(*pixel) / 255.0))
            .collect();
        channels_first(values, shape, device)
    } else {
        normalised_words(packed(pixels, shape, device), shape)
    }
}

/// Values of images in their order in memory as a tensor, `[batch_size, channels, height, width]`.
pub(super) fn channels_first<B: BurnBackend>(
    values: Vec<f32>,
    ImageShape {
        height,
        width,
        channels,
    }: ImageShape,
    device: &B::Device,
) -> Tensor<B, 4> {
    let count = values.len() / (height * width * channels);
    let data = TensorData::new(values, [count, height, width, channels]);
    let images = Tensor::from_data(data, device);
    if channels == 1 {
        images.reshape([count, 1, height, width])
    } else {
        images.permute([0, 3, 1, 2])
    }
}

/// Images as words, four bytes to each and as many words to every image, `[batch_size, words]`.
pub(crate) fn packed<B: BurnBackend>(
    pixels: &[u8],
    shape: ImageShape,
    device: &B::Device,
) -> Tensor<B, 2, Int> {
    let count = pixels.len() / shape.len();
    let packed = if shape.len().is_multiple_of(4) {
        pack_bytes(pixels).collect()
    } else {
        // The last word of an image is filled up.
        let mut padded = vec![0; shape.len().next_multiple_of(4)];
        let mut packed = Vec::with_capacity(count * padded.len() / 4);
        for image in pixels.chunks_exact(shape.len()) {
            padded[..image.len()].copy_from_slice(image);
            packed.extend(pack_bytes(&padded));
        }
        packed
    };
    words(packed, count, device)
}

/// What [`packed`] gives, as the network sees it, `[batch_size, channels, height, width]`.
pub(crate) fn normalised_words<B: BurnBackend>(
    words: Tensor<B, 2, Int>,
    shape: ImageShape,
) -> Tensor<B, 4> {
    let [count, _] = words.dims();
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    let bytes = unpack(words, 8);
    let bytes = if shape.len().is_multiple_of(4) {
        bytes
    } else {
        bytes.slice([0..count, 0..shape.len()])
    };
    let pixels = bytes.float() / 255.0;
    let pixels = (pixels - PIXEL_MEAN) / PIXEL_STD;
    if channels == 1 {
        pixels.reshape([count, 1, height, width])
    } else {
        pixels
            .reshape([count, height, width, channels])
            .permute([0, 3, 1, 2])
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
pub(super) mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    /// 15 and 18 values fill no whole number of words.
    pub const SHAPES: [ImageShape; 4] = [
        ImageShape::MNIST,
        ImageShape {
            height: 5,
            width: 3,
            channels: 1,
        },
        ImageShape {
            height: 2,
            width: 3,
            channels: 3,
        },
        ImageShape {
            height: 4,
            width: 4,
            channels: 2,
        },
    ];

    pub fn pixels(shape: ImageShape) -> Vec<u8> {
        let numbers = 0..3 * shape.len();
        numbers.map(|number| (number * 7 % 256) as u8).collect()
    }

    pub fn values(tensor: Tensor<Flex, 4>) -> Vec<f32> {
        tensor.into_data().into_vec().unwrap()
    }

    #[test]
    fn the_way_of_a_gpu_and_that_of_a_processor_give_the_same_images() {
        for shape in SHAPES {
            let pixels = pixels(shape);
            let expected = normalised::<Flex>(&pixels, shape, &FlexDevice);
            let packed = packed::<Flex>(&pixels, shape, &FlexDevice);
            let images = normalised_words(packed, shape);
            assert_eq!(images.dims(), expected.dims());
            let pairs = values(images).into_iter().zip(values(expected));
            assert!(
                pairs
                    .into_iter()
                    .all(|(one, other)| (one - other).abs() < 1e-6),
                "{shape}"
            );
        }
    }

    #[test]
    fn a_channel_of_a_pixel_goes_to_the_plane_of_that_channel() {
        let shape = SHAPES[2];
        let pixels = pixels(shape);
        let images = values(normalised::<Flex>(&pixels, shape, &FlexDevice));
        for image in 0..3 {
            for channel in 0..3 {
                for place in 0..6 {
                    let byte = pixels[image * 18 + place * 3 + channel];
                    let expected = normalise(f32::from(byte) / 255.0);
                    let found = images[image * 18 + channel * 6 + place];
                    assert!((found - expected).abs() < 1e-6);
                }
            }
        }
    }
}
