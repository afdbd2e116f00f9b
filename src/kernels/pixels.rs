//! Images as a caller has them.

use super::Operations;
use super::images::Images;
use super::normalisation::{channels_first, normalise, normalised};
use crate::config::ImageShape;
use crate::error::{Error, Result};
use burn::tensor::Tensor;
use std::ops::Range;

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_an_image_is_refused() {
        let error = Pixels::raw(&[0; 800], ImageShape::MNIST).unwrap_err();
        assert!(error.to_string().contains("784 values each, got 800"));
    }
}
