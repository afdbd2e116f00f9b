//! The mean of each channel over the image.

use super::Cpu;
use super::sums::sum;
use super::tensors::{Numbers, tensor};
use crate::kernels::{AverageKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;

impl AverageKernel<Flex> for Cpu {
    fn forward(&self, x: &FlexTensor) -> Option<FlexTensor> {
        let shape = x.shape();
        let mut means = vec![0.0; shape[0] * shape[1]];
        average(&Numbers::of(x), &mut means);
        Some(tensor(means, [shape[0], shape[1]]))
    }

    fn forward_training(&self, x: &FlexTensor) -> Option<(FlexTensor, Pullback<Flex, 1>)> {
        let output = AverageKernel::forward(self, x)?;
        let shape = x.shape();
        let shape = [shape[0], shape[1], shape[2], shape[3]];
        let pullback = Pullback::new(move |gradient| {
            let pixels = shape[2] * shape[3];
            let mut of_x = Vec::with_capacity(shape.iter().product());
            for gradient in &*Numbers::of(&gradient) {
                of_x.resize(of_x.len() + pixels, gradient / pixels as f32);
            }
            [tensor(of_x, shape)]
        });
        Some((output, pullback))
    }
}

/// The means of channels, one behind the other.
pub fn average(x: &[f32], means: &mut [f32]) {
    let pixels = (x.len() / means.len().max(1)).max(1);
    for (x, mean) in x.chunks_exact(pixels).zip(means) {
        *mean = sum(x, |value| value) / pixels as f32;
    }
}
