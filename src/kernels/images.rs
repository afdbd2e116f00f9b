//! Raw pixels on their way into the network.

use super::Operations;
use super::words::{pack_bytes, unpack, words};
use crate::config::ImageShape;
use crate::error::{Error, Result};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor, TensorData};
use std::ops::Range;
use std::sync::Arc;

/// Rows and columns of MNIST's images, for which there are kernels.
pub const IMAGE_SIZE: usize = ImageShape::MNIST.height;
/// Pixels of such an image.
pub const IMAGE_PIXELS: usize = ImageShape::MNIST.len();

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

/// What takes each channel of images that are normalised by the statistics of MNIST to a mean of 0 and a deviation of 1.
#[derive(Clone, Debug)]
pub struct Rescaling {
    scale: Vec<f32>,
    shift: Vec<f32>,
}

impl Rescaling {
    /// That of images with these statistics, in 0..1, of each channel.
    pub fn new(mean: &[f64], std: &[f64]) -> Self {
        let (of_mean, of_std) = (f64::from(PIXEL_MEAN), f64::from(PIXEL_STD));
        let channels = || mean.iter().zip(std);
        Self {
            scale: channels().map(|(_, std)| (of_std / std) as f32).collect(),
            shift: channels()
                .map(|(mean, std)| ((of_mean - mean) / std) as f32)
                .collect(),
        }
    }

    /// The images, `[batch_size, channels, height, width]`.
    fn apply<B: BurnBackend>(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
        if let ([scale], [shift]) = (&*self.scale, &*self.shift) {
            return images * *scale + *shift;
        }
        let constant = |values: &[f32]| {
            let data = TensorData::new(values.to_vec(), [1, values.len(), 1, 1]);
            Tensor::<B, 4>::from_data(data, &images.device())
        };
        let (scale, shift) = (constant(&self.scale), constant(&self.shift));
        images * scale + shift
    }

    /// The same numbers for each value of a raw pixel, for each channel.
    pub(crate) fn tables(&self) -> Vec<[f32; 256]> {
        let of_channel = |(scale, shift): (&f32, &f32)| {
            let mut table = [0.0; 256];
            for (byte, value) in table.iter_mut().enumerate() {
                *value = normalise(byte as f32 / 255.0) * scale + shift;
            }
            table
        };
        self.scale.iter().zip(&self.shift).map(of_channel).collect()
    }

    /// The same number for a pixel in 0..1.
    pub(crate) fn of_unit(&self, channel: usize, pixel: f32) -> f32 {
        normalise(pixel) * self.scale[channel] + self.shift[channel]
    }

    /// The same numbers for raw pixels.
    fn look_up(&self, pixels: &[u8], shape: ImageShape, indices: &[u64]) -> Vec<f32> {
        let mut values = Vec::with_capacity(indices.len() * shape.len());
        let tables = self.tables();
        for index in indices {
            let image = &pixels[*index as usize * shape.len()..][..shape.len()];
            for (channel, table) in tables.iter().enumerate() {
                let pixels = image.chunks_exact(shape.channels);
                values.extend(pixels.map(|pixel| table[usize::from(pixel[channel])]));
            }
        }
        values
    }
}

/// Images on their way in, one after the other, each row by row with the channels of a pixel side by side.
#[derive(Clone, Copy, Debug)]
pub struct Pixels<'a> {
    values: PixelValues<'a>,
    shape: ImageShape,
}

/// The values of [`Pixels`].
#[derive(Clone, Copy, Debug)]
pub enum PixelValues<'a> {
    /// Raw pixels, 0 to 255.
    Raw(&'a [u8]),
    /// Pixels in 0..1.
    Unit(&'a [f32]),
}

impl PixelValues<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Raw(values) => values.len(),
            Self::Unit(values) => values.len(),
        }
    }
}

impl<'a> Pixels<'a> {
    /// Whole images of one shape.
    pub fn new(values: PixelValues<'a>, shape: ImageShape) -> Result<Self> {
        if shape.is_empty() || !values.len().is_multiple_of(shape.len()) {
            return Err(Error::Data(format!(
                "images of {shape} must have {} values each, got {} in all",
                shape.len(),
                values.len()
            )));
        }
        Ok(Self { values, shape })
    }

    /// Raw pixels, 0 to 255.
    pub fn raw(pixels: &'a [u8], shape: ImageShape) -> Result<Self> {
        Self::new(PixelValues::Raw(pixels), shape)
    }

    /// Pixels in 0..1.
    pub fn unit(pixels: &'a [f32], shape: ImageShape) -> Result<Self> {
        Self::new(PixelValues::Unit(pixels), shape)
    }

    /// The shape of each image.
    pub fn shape(&self) -> ImageShape {
        self.shape
    }

    /// The values of all images.
    pub fn values(&self) -> PixelValues<'a> {
        self.values
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.values.len() / self.shape.len()
    }

    /// Whether there is no image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Some of the images.
    #[must_use]
    pub fn range(&self, images: Range<usize>) -> Self {
        let length = self.shape.len();
        let range = images.start * length..images.end * length;
        let values = match self.values {
            PixelValues::Raw(values) => PixelValues::Raw(&values[range]),
            PixelValues::Unit(values) => PixelValues::Unit(&values[range]),
        };
        Self { values, ..*self }
    }

    /// The images as a data loader gives them, so that a training step with either has the same bits.
    pub(crate) fn images<B: Operations>(&self, device: &B::Device) -> Images<B> {
        match self.values {
            PixelValues::Raw(pixels) if B::ON_HOST => Images::Raw {
                pixels: pixels.into(),
                shape: self.shape,
                indices: (0..self.len() as u64).collect(),
                device: device.clone(),
            },
            _ => self.tensor(device).into(),
        }
    }

    /// The images as the network sees them, `[batch_size, channels, height, width]`.
    pub(crate) fn tensor<B: Operations>(&self, device: &B::Device) -> Tensor<B, 4> {
        match self.values {
            PixelValues::Raw(pixels) => normalised(pixels, self.shape, device),
            PixelValues::Unit(pixels) => {
                let values = pixels.iter().map(|pixel| normalise(*pixel)).collect();
                channels_first(values, self.shape, device)
            }
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
pub(crate) fn gather(pixels: &[u8], shape: ImageShape, indices: &[u64]) -> Vec<u8> {
    let length = shape.len();
    let mut gathered = Vec::with_capacity(indices.len() * length);
    for index in indices {
        gathered.extend_from_slice(&pixels[*index as usize * length..][..length]);
    }
    gathered
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
fn channels_first<B: BurnBackend>(
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
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    /// 15 and 18 values fill no whole number of words.
    const SHAPES: [ImageShape; 4] = [
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

    fn pixels(shape: ImageShape) -> Vec<u8> {
        let numbers = 0..3 * shape.len();
        numbers.map(|number| (number * 7 % 256) as u8).collect()
    }

    fn values(tensor: Tensor<Flex, 4>) -> Vec<f32> {
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

    #[test]
    fn half_an_image_is_refused() {
        let error = Pixels::raw(&[0; 800], ImageShape::MNIST).unwrap_err();
        assert!(error.to_string().contains("784 values each, got 800"));
    }
}
