//! The mean of each channel over the image, or over each of its cells.

use super::Cpu;
use super::sums::sum;
use super::tensors::{Numbers, tensor};
use crate::kernels::{AverageKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use std::ops::Range;

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

/// The rows or columns of a cell, where `count` cells share out `length`: they overlap where `count` does not divide it.
pub fn cell(place: usize, count: usize, length: usize) -> Range<usize> {
    place * length / count..((place + 1) * length).div_ceil(count)
}

/// The means of `size` x `size` cells of channels of `[height, width]`, one behind the other.
pub fn cell_means(x: &[f32], [height, width]: [usize; 2], size: usize, means: &mut [f32]) {
    let mut sums = vec![0.0; width];
    let channels = x.chunks_exact(height * width);
    for (x, means) in channels.zip(means.chunks_exact_mut(size * size)) {
        for (row, means) in means.chunks_exact_mut(size).enumerate() {
            let rows = cell(row, size, height);
            // Rows add up as vectors, and then the columns of each cell.
            sums.fill(0.0);
            for x in x[rows.start * width..rows.end * width].chunks_exact(width) {
                for (sum, x) in sums.iter_mut().zip(x) {
                    *sum += x;
                }
            }
            for (column, mean) in means.iter_mut().enumerate() {
                let columns = cell(column, size, width);
                let pixels = rows.len() * columns.len();
                *mean = sums[columns].iter().sum::<f32>() / pixels as f32;
            }
        }
    }
}
