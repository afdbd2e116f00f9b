//! Group normalisation, image by image, and ReLU behind it.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::rows::{LANES, Line, Row, load, total};
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::scratch::collect_chunks;
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::tensors::{Numbers, shape_of, tensor};
use crate::kernels::{Activation, GroupNormKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use std::mem::MaybeUninit;

/// Sums that go on beside each other, so that none waits for the one before it.
const SUMS: usize = 4;

impl GroupNormKernel<Flex> for Cpu {
    fn forward(
        &self,
        inputs: &[FlexTensor; 3],
        groups: usize,
        epsilon: f64,
        activation: Activation,
    ) -> Option<FlexTensor> {
        Some(self.normalise(inputs, groups, epsilon, activation).0)
    }

    fn forward_training(
        &self,
        inputs: &[FlexTensor; 3],
        groups: usize,
        epsilon: f64,
        activation: Activation,
    ) -> Option<(FlexTensor, Pullback<Flex, 3>)> {
        let (output, moments) = self.normalise(inputs, groups, epsilon, activation);
        let (cpu, inputs) = (*self, inputs.clone());
        let pullback = Pullback::new(move |gradient| {
            cpu.normalised_gradients(&inputs, &moments, activation, &Numbers::of(&gradient))
        });
        Some((output, pullback))
    }
}

/// Mean, and one over the root of the variance, of each group of each image.
type Moments = Vec<[f32; 2]>;

impl Cpu {
    /// What leaves, and the moments of what enters.
    fn normalise(
        self,
        inputs: &[FlexTensor; 3],
        groups: usize,
        epsilon: f64,
        activation: Activation,
    ) -> (FlexTensor, Moments) {
        let shape @ [images, channels, height, width] = shape_of(&inputs[0]);
        let [x, gamma, beta] = inputs.each_ref().map(Numbers::of);
        let groups = groups.max(1);
        let image = channels * height * width;
        let mut moments = vec![[0.0; 2]; images * groups];
        if images * image == 0 {
            return (tensor(Vec::new(), shape), moments);
        }
        let norm = Norm {
            gamma: &gamma,
            beta: &beta,
            epsilon,
            activation,
        };
        let work = |place: usize, moments: &mut [_], output: &mut [_]| {
            let x = &x[place * image..][..image];
            norm.write(self.level, x, output, moments);
        };
        let each = moments.chunks_exact_mut(groups).collect();
        // SAFETY: `Norm::write` writes every number.
        let output = unsafe { collect_chunks(images * image, image, each, work) };
        (tensor(output, shape), moments)
    }

    /// The gradients of what entered, of the scale and of the shift.
    fn normalised_gradients(
        self,
        inputs: &[FlexTensor; 3],
        moments: &Moments,
        activation: Activation,
        gradient: &[f32],
    ) -> [FlexTensor; 3] {
        let shape @ [images, channels, height, width] = shape_of(&inputs[0]);
        let [x, gamma, beta] = inputs.each_ref().map(Numbers::of);
        let image = channels * height * width;
        // Of each image and channel the sum of the gradients, and that of their products with the normalised values.
        let mut sums = vec![[0.0; 2]; images * channels];
        let mut of_x = Vec::new();
        if images * image > 0 {
            let groups = moments.len() / images;
            let work = |place: usize, sums: &mut [_], of_x: &mut [_]| {
                self.level.run(Backward {
                    x: &x[place * image..][..image],
                    gradient: &gradient[place * image..][..image],
                    gamma: &gamma,
                    beta: &beta,
                    relu: activation == Activation::Relu,
                    moments: &moments[place * groups..][..groups],
                    of_x,
                    sums,
                });
            };
            let each = sums.chunks_exact_mut(channels).collect();
            // SAFETY: `Backward` writes every number.
            of_x = unsafe { collect_chunks(images * image, image, each, work) };
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
}

/// A normalisation, and what comes behind it.
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// The scale of each channel.
    pub gamma: &'a [f32],
    /// The shift of each channel.
    pub beta: &'a [f32],
    /// What is added to the variance.
    pub epsilon: f64,
    /// What comes last.
    pub activation: Activation,
}

impl Norm<'_> {
    /// Writes all of what leaves for an image, and its moments, of which there are as many as groups.
    pub fn write(
        self,
        level: Level,
        x: &[f32],
        output: &mut [MaybeUninit<f32>],
        moments: &mut [[f32; 2]],
    ) {
        level.run(Forward {
            norm: self,
            x,
            output,
            moments,
        });
    }
}

/// An image forward.
struct Forward<'a> {
    norm: Norm<'a>,
    x: &'a [f32],
    output: &'a mut [MaybeUninit<f32>],
    moments: &'a mut [[f32; 2]],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            norm,
            x,
            output,
            moments,
        } = self;
        let channels = norm.gamma.len();
        let (pixels, group) = (x.len() / channels, x.len() / moments.len());
        let relu = norm.activation == Activation::Relu;
        for place in 0..moments.len() {
            moments[place] = moments_of(simd, &x[place * group..][..group], norm.epsilon);
        }
        let in_group = channels / moments.len();
        for channel in 0..channels {
            let moments = moments[channel / in_group];
            let line = Line::new(moments, norm.gamma[channel], norm.beta[channel]);
            let x = &x[channel * pixels..][..pixels];
            line.write(simd, x, relu, &mut output[channel * pixels..][..pixels]);
        }
    }
}

/// An image backward.
struct Backward<'a> {
    x: &'a [f32],
    gradient: &'a [f32],
    gamma: &'a [f32],
    beta: &'a [f32],
    relu: bool,
    moments: &'a [[f32; 2]],
    of_x: &'a mut [MaybeUninit<f32>],
    /// For each channel the sum of the gradients, and that of their products with the normalised values.
    sums: &'a mut [[f32; 2]],
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let channels = self.gamma.len();
        let (pixels, in_group) = (self.x.len() / channels, channels / self.moments.len());
        for place in 0..self.moments.len() {
            let inverse = self.moments[place][1];
            let (mut of_mean, mut of_deviation) = (0.0, 0.0);
            for channel in place * in_group..(place + 1) * in_group {
                let [total, products] = self.row(channel, pixels, place).sums(simd);
                let products = products * inverse;
                self.sums[channel] = [total, products];
                of_mean += self.gamma[channel] * total;
                of_deviation += self.gamma[channel] * products;
            }
            let count = (in_group * pixels) as f32;
            let constant = -inverse * of_mean / count;
            let slope = -inverse * inverse * of_deviation / count;
            for channel in place * in_group..(place + 1) * in_group {
                let row = self.row(channel, pixels, place);
                let of_x = &mut self.of_x[channel * pixels..][..pixels];
                let scale = inverse * self.gamma[channel];
                row.write(simd, [scale, slope, constant], of_x);
            }
        }
    }
}

impl<'a> Backward<'a> {
    /// A channel of a group.
    #[inline(always)]
    fn row(&self, channel: usize, pixels: usize, group: usize) -> Row<'a> {
        let moments = self.moments[group];
        Row {
            x: &self.x[channel * pixels..][..pixels],
            gradient: &self.gradient[channel * pixels..][..pixels],
            mean: moments[0],
            line: Line::new(moments, self.gamma[channel], self.beta[channel]),
            relu: self.relu,
        }
    }
}

#[inline(always)]
fn moments_of<S: Simd>(simd: S, x: &[f32], epsilon: f64) -> [f32; 2] {
    let count = x.len() as f32;
    let mean = sum(simd, x) / count;
    let variance = sum_of_squares(simd, x, mean) / count;
    [mean, 1.0 / (variance + epsilon as f32).sqrt()]
}

#[inline(always)]
fn sum<S: Simd>(simd: S, values: &[f32]) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (fours, others) = chunks.as_chunks::<SUMS>();
    let mut sums = [simd.splat(0.0); SUMS];
    for four in fours {
        for lane in 0..SUMS {
            sums[lane] = simd.add(sums[lane], simd.load(&four[lane]));
        }
    }
    for chunk in others {
        sums[0] = simd.add(sums[0], simd.load(chunk));
    }
    sums[1] = simd.add(sums[1], load(simd, rest));
    let [first, second, third, fourth] = sums;
    let sums = simd.add(simd.add(first, second), simd.add(third, fourth));
    total(simd, sums)
}

/// The sum of the squares of what the values have over their mean.
#[inline(always)]
fn sum_of_squares<S: Simd>(simd: S, values: &[f32], mean: f32) -> f32 {
    let (chunks, rest) = values.as_chunks::<LANES>();
    let (fours, others) = chunks.as_chunks::<SUMS>();
    let means = simd.splat(mean);
    let mut sums = [simd.splat(0.0); SUMS];
    for four in fours {
        for lane in 0..SUMS {
            let value = simd.sub(simd.load(&four[lane]), means);
            sums[lane] = simd.mul_add(value, value, sums[lane]);
        }
    }
    for chunk in others {
        let value = simd.sub(simd.load(chunk), means);
        sums[0] = simd.mul_add(value, value, sums[0]);
    }
    // Behind the last value there is nothing, not zeros less the mean.
    let left = simd.sub(load(simd, rest), means);
    let left = simd.keep(left, ((1_u32 << rest.len()) - 1) as u16);
    sums[1] = simd.mul_add(left, left, sums[1]);
    let [first, second, third, fourth] = sums;
    let sums = simd.add(simd.add(first, second), simd.add(third, fourth));
    total(simd, sums)
}
