//! From the statistics of MNIST to those of a network's own images.

use super::normalisation::{PIXEL_MEAN, PIXEL_STD, normalise};
use crate::config::ImageShape;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};

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
    pub(super) fn apply<B: BurnBackend>(&self, images: Tensor<B, 4>) -> Tensor<B, 4> {
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
    pub(super) fn look_up(&self, pixels: &[u8], shape: ImageShape, indices: &[u64]) -> Vec<f32> {
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
