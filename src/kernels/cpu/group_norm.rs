//! Group normalisation, image by image.

use super::Cpu;
use super::sums::{LANES, sum};
use super::tensors::{Numbers, tensor};
use crate::kernels::{GroupNormKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use rayon::prelude::*;

impl GroupNormKernel<Flex> for Cpu {
    fn forward(&self, inputs: &[FlexTensor; 3], groups: usize, epsilon: f64) -> Option<FlexTensor> {
        Some(normalise(inputs, groups, epsilon).0)
    }

    fn forward_training(
        &self,
        inputs: &[FlexTensor; 3],
        groups: usize,
        epsilon: f64,
    ) -> Option<(FlexTensor, Pullback<Flex, 3>)> {
        let (output, moments) = normalise(inputs, groups, epsilon);
        let [x, gamma, _] = inputs.clone();
        let pullback = Pullback::new(move |gradient| back(&x, &gamma, &moments, &gradient));
        Some((output, pullback))
    }
}

/// Mean, and one over the root of the variance, of each group of each image.
type Moments = Vec<[f32; 2]>;

fn shape_of(x: &FlexTensor) -> [usize; 4] {
    let shape = x.shape();
    [shape[0], shape[1], shape[2], shape[3]]
}

/// What leaves, and the moments of what enters.
fn normalise(inputs: &[FlexTensor; 3], groups: usize, epsilon: f64) -> (FlexTensor, Moments) {
    let shape @ [images, channels, height, width] = shape_of(&inputs[0]);
    let [x, gamma, beta] = inputs.each_ref().map(Numbers::of);
    let (pixels, groups) = (height * width, groups.max(1));
    let (image, group) = (channels * pixels, channels / groups * pixels);
    let mut output = vec![0.0; x.len()];
    let mut moments = vec![[0.0; 2]; images * groups];
    if image > 0 && group > 0 {
        output
            .par_chunks_exact_mut(image)
            .zip(moments.par_chunks_exact_mut(groups))
            .zip(x.par_chunks_exact(image))
            .for_each(|((output, moments), x)| {
                normalise_image(x, [&gamma, &beta], epsilon, output, moments);
            });
    }
    (tensor(output, shape), moments)
}

/// What leaves for an image, and its moments. There are as many of them as groups.
pub fn normalise_image(
    x: &[f32],
    [gamma, beta]: [&[f32]; 2],
    epsilon: f64,
    output: &mut [f32],
    moments: &mut [[f32; 2]],
) {
    let (pixels, group) = (x.len() / gamma.len(), x.len() / moments.len());
    let channels = gamma.len() / moments.len();
    let parts = x.chunks_exact(group).zip(output.chunks_exact_mut(group));
    for (place, ((x, output), moments)) in parts.zip(moments).enumerate() {
        *moments = moments_of(x, epsilon);
        let [mean, inverse] = *moments;
        let rows = x.chunks_exact(pixels).zip(output.chunks_exact_mut(pixels));
        for (row, (x, output)) in rows.enumerate() {
            let channel = place * channels + row;
            let scale = inverse * gamma[channel];
            let shift = beta[channel] - mean * scale;
            for pixel in 0..pixels {
                output[pixel] = x[pixel] * scale + shift;
            }
        }
    }
}

fn moments_of(x: &[f32], epsilon: f64) -> [f32; 2] {
    let count = x.len() as f32;
    let mean = sum(x, |value| value) / count;
    let variance = sum(x, |value| (value - mean) * (value - mean)) / count;
    [mean, 1.0 / (variance + epsilon as f32).sqrt()]
}

/// The gradients of what enters, of the scale and of the shift.
fn back(
    x: &FlexTensor,
    gamma: &FlexTensor,
    moments: &Moments,
    gradient: &FlexTensor,
) -> [FlexTensor; 3] {
    let shape @ [images, channels, height, width] = shape_of(x);
    let [x, gamma, gradient] = [x, gamma, gradient].map(Numbers::of);
    let pixels = height * width;
    let image = channels * pixels;
    let groups = moments.len() / images.max(1);
    let in_group = channels / groups.max(1);
    let mut of_x = vec![0.0; x.len()];
    // Of each image and channel the sum of the gradients, and that of their products with the normalised values.
    let mut sums = vec![[0.0; 2]; images * channels];
    if image > 0 && groups > 0 {
        of_x.par_chunks_exact_mut(image)
            .zip(sums.par_chunks_exact_mut(channels))
            .enumerate()
            .for_each(|(place, (of_x, sums))| {
                let x = &x[place * image..][..image];
                let gradient = &gradient[place * image..][..image];
                for group in 0..groups {
                    let [mean, inverse] = moments[place * groups + group];
                    let (mut of_mean, mut of_deviation) = (0.0, 0.0);
                    for channel in group * in_group..(group + 1) * in_group {
                        let range = channel * pixels..(channel + 1) * pixels;
                        let (x, gradient) = (&x[range.clone()], &gradient[range]);
                        let total = sum(gradient, |value| value);
                        let products = product(x, gradient, mean) * inverse;
                        sums[channel] = [total, products];
                        of_mean += gamma[channel] * total;
                        of_deviation += gamma[channel] * products;
                    }
                    let count = (in_group * pixels) as f32;
                    let (of_mean, of_deviation) = (of_mean / count, of_deviation / count);
                    for channel in group * in_group..(group + 1) * in_group {
                        let range = channel * pixels..(channel + 1) * pixels;
                        let (x, gradient) = (&x[range.clone()], &gradient[range.clone()]);
                        let of_x = &mut of_x[range];
                        let scale = gamma[channel];
                        for pixel in 0..pixels {
                            let normalised = (x[pixel] - mean) * inverse;
                            of_x[pixel] = inverse
                                * (gradient[pixel] * scale - of_mean - normalised * of_deviation);
                        }
                    }
                }
            });
    }
    let (mut of_gamma, mut of_beta) = (vec![0.0; channels], vec![0.0; channels]);
    // In the order of the images, so that the number of threads changes nothing.
    for sums in sums.chunks_exact(channels.max(1)) {
        for (channel, [total, products]) in sums.iter().enumerate() {
            of_beta[channel] += total;
            of_gamma[channel] += products;
        }
    }
    [
        tensor(of_x, shape),
        tensor(of_gamma, [channels]),
        tensor(of_beta, [channels]),
    ]
}

/// The sum of the products of what `x` has over `mean` and the gradients.
fn product(x: &[f32], gradient: &[f32], mean: f32) -> f32 {
    let (chunks, rest) = x.as_chunks::<LANES>();
    let (gradients, gradients_left) = gradient.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for place in 0..chunks.len() {
        for lane in 0..LANES {
            lanes[lane] += (chunks[place][lane] - mean) * gradients[place][lane];
        }
    }
    for lane in 0..rest.len() {
        lanes[lane] += (rest[lane] - mean) * gradients_left[lane];
    }
    lanes.iter().sum()
}
