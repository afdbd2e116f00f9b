//! The guide network: its two convolutions with dropout, ReLU and pooling, and all of it without dropout.

#![allow(
    clippy::large_stack_arrays,
    clippy::similar_names,
    reason = "some 25 KB of the stack are in the cache; the two convolutions are told apart by their number"
)]

mod any_shape;
pub mod convolutions;
mod folding;
pub mod geometry;
pub mod images;
pub mod inference;
mod layers;
mod mnist;
pub mod parameters;
mod winograd;

use super::Cpu;
use super::linear::{Panels, Sizes};
use super::tensors::Numbers;
use crate::kernels::kernel::{GuideKernel, Predict};
use crate::kernels::{Dropout, ImageShape, Images, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use images::contiguous_images;
use inference::Prepared;
use parameters::with_parameters;

impl GuideKernel<Flex> for Cpu {
    fn forward(
        &self,
        images: &Images<Flex>,
        parameters: &[FlexTensor; 4],
        dropout: Option<&Dropout>,
    ) -> Option<FlexTensor> {
        if dropout.is_some() {
            let (features, _) = self.forward_training(images, parameters, dropout)?;
            return Some(features);
        }
        if images.shape() != ImageShape::MNIST {
            return layers::features(*self, images, parameters);
        }
        let images = contiguous_images(images);
        Some(mnist::inference(self.level, &images, parameters))
    }

    fn forward_training(
        &self,
        images: &Images<Flex>,
        parameters: &[FlexTensor; 4],
        dropout: Option<&Dropout>,
    ) -> Option<(FlexTensor, Pullback<Flex, 4>)> {
        // The convolutions leave a pixel at least.
        let ImageShape { height, width, .. } = images.shape();
        if height.min(width) <= 4 {
            return None;
        }
        let (level, images) = (self.level, contiguous_images(images));
        if images.shape() == ImageShape::MNIST {
            let (features, saved) = mnist::forward(level, images, parameters, dropout);
            let back = move |gradient| mnist::backward(level, &saved, &gradient);
            return Some((features, Pullback::new(back)));
        }
        let (features, saved) = any_shape::forward(level, images, parameters, dropout);
        let back = move |gradient| any_shape::backward(level, &saved, &gradient);
        Some((features, Pullback::new(back)))
    }

    fn predictor(
        &self,
        image: ImageShape,
        trunk: &[FlexTensor; 4],
        hidden: &[FlexTensor; 2],
        output: &[FlexTensor; 2],
    ) -> Option<Box<dyn Predict>> {
        if image != ImageShape::MNIST {
            return layers::predictor(*self, image, trunk, hidden, output);
        }
        let panels = |[weight, bias]: &[FlexTensor; 2]| {
            Panels::new(Sizes::of(weight), &Numbers::of(weight), &Numbers::of(bias))
        };
        let (hidden, output) = (panels(hidden), panels(output));
        let prepared = with_parameters(trunk, |trunk| {
            Prepared::new(self.level, trunk, hidden, output)
        });
        Some(Box::new(prepared))
    }
}
