//! Batch normalisation, channel by channel, and ReLU behind it.
//!
//! A channel of all images is one task, which goes through them in their order: what it sums up has the same bits on any number
//! of threads, and is in the cache of its core when it is read once more.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::rows::{LANES, Line, Row, Sums, load, total};
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::scratch::{Column, collect_columns};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::tensors::{Numbers, shape_of, tensor};
use crate::kernels::{Activation, BatchNormKernel, Normalised, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use std::mem::MaybeUninit;

impl BatchNormKernel<Flex> for Cpu {
    fn forward(
        &self,
        [x, parameters @ ..]: &[FlexTensor; 5],
        epsilon: f64,
        activation: Activation,
    ) -> Option<FlexTensor> {
        let shape @ [images, channels, height, width] = shape_of(x);
        let x = Numbers::of(x);
        let lines = lines_of(parameters, epsilon);
        let relu = activation == Activation::Relu;
        let grid = [images, channels, height * width];
        // SAFETY: `Line::write` writes all pixels of a channel.
        let output = unsafe {
            collect_columns(grid, lines, |channel, line, output| {
                self.level.run(Forward {
                    channel: Channel::new(&x, grid, channel),
                    line,
                    relu,
                    output,
                });
            })
        };
        Some(tensor(output, shape))
    }

    fn forward_batch(
        &self,
        inputs: &[FlexTensor; 3],
        epsilon: f64,
        activation: Activation,
    ) -> Option<(FlexTensor, [FlexTensor; 2])> {
        let (output, statistics, _) = self.forward_training(inputs, epsilon, activation)?;
        Some((output, statistics))
    }

    fn forward_training(
        &self,
        inputs: &[FlexTensor; 3],
        epsilon: f64,
        activation: Activation,
    ) -> Option<Normalised<Flex>> {
        let shape @ [images, channels, height, width] = shape_of(&inputs[0]);
        let grid = [images, channels, height * width];
        let relu = activation == Activation::Relu;
        let mut moments = vec![[0.0; 2]; channels];
        let output = {
            let [x, gamma, beta] = inputs.each_ref().map(Numbers::of);
            // SAFETY: `Line::write` writes all pixels of a channel.
            unsafe {
                collect_columns(
                    grid,
                    moments.iter_mut().collect(),
                    |number, moments, output| {
                        let channel = Channel::new(&x, grid, number);
                        *moments = self.level.run(Moments { channel });
                        let line = line_of(*moments, epsilon, gamma[number], beta[number]);
                        self.level.run(Forward {
                            channel,
                            line,
                            relu,
                            output,
                        });
                    },
                )
            }
        };
        let of_channels =
            |part: usize| tensor(moments.iter().map(|both| both[part]).collect(), [channels]);
        let statistics = [of_channels(0), of_channels(1)];
        let (cpu, inputs) = (*self, inputs.clone());
        let pullback = Pullback::new(move |gradient| {
            cpu.batch_norm_gradients(&inputs, &moments, epsilon, relu, &Numbers::of(&gradient))
        });
        Some((tensor(output, shape), statistics, pullback))
    }
}

impl Cpu {
    /// The gradients of what entered, of the scale and of the shift.
    fn batch_norm_gradients(
        self,
        inputs: &[FlexTensor; 3],
        moments: &[[f32; 2]],
        epsilon: f64,
        relu: bool,
        gradient: &[f32],
    ) -> [FlexTensor; 3] {
        let shape @ [images, channels, height, width] = shape_of(&inputs[0]);
        let grid = [images, channels, height * width];
        let [x, gamma, beta] = inputs.each_ref().map(Numbers::of);
        let (mut of_gamma, mut of_beta) = (vec![0.0; channels], vec![0.0; channels]);
        let items = of_gamma.iter_mut().zip(&mut of_beta).collect();
        // SAFETY: `Row::write` writes all pixels of a channel.
        let of_x = unsafe {
            collect_columns(grid, items, |channel, (of_gamma, of_beta), of_x| {
                let [mean, variance] = moments[channel];
                [*of_beta, *of_gamma] = self.level.run(Backward {
                    x: Channel::new(&x, grid, channel),
                    gradient: Channel::new(gradient, grid, channel),
                    mean,
                    inverse: inverse_root(variance, epsilon),
                    gamma: gamma[channel],
                    line: line_of(moments[channel], epsilon, gamma[channel], beta[channel]),
                    relu,
                    of_x,
                });
            })
        };
        [
            tensor(of_x, shape),
            tensor(of_gamma, [channels]),
            tensor(of_beta, [channels]),
        ]
    }
}

/// One over the root of a variance.
fn inverse_root(variance: f32, epsilon: f64) -> f32 {
    1.0 / (variance + epsilon as f32).sqrt()
}

fn line_of([mean, variance]: [f32; 2], epsilon: f64, gamma: f32, beta: f32) -> Line {
    Line::new([mean, inverse_root(variance, epsilon)], gamma, beta)
}

/// What each channel is scaled and shifted by, from gamma, beta, mean and variance.
pub fn lines_of(parameters: &[FlexTensor; 4], epsilon: f64) -> Vec<Line> {
    let [gamma, beta, mean, variance] = parameters.each_ref().map(Numbers::of);
    (0..gamma.len())
        .map(|channel| {
            let moments = [mean[channel], variance[channel]];
            line_of(moments, epsilon, gamma[channel], beta[channel])
        })
        .collect()
}

/// Writes an image, whose channels have these lines.
pub fn write_lines(
    level: Level,
    lines: &[Line],
    relu: bool,
    x: &[f32],
    output: &mut [MaybeUninit<f32>],
) {
    level.run(Image {
        lines,
        relu,
        x,
        output,
    });
}

struct Image<'a> {
    lines: &'a [Line],
    relu: bool,
    x: &'a [f32],
    output: &'a mut [MaybeUninit<f32>],
}

impl Kernel for Image<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let pixels = self.x.len() / self.lines.len();
        for (channel, line) in self.lines.iter().enumerate() {
            let place = channel * pixels..(channel + 1) * pixels;
            line.write(
                simd,
                &self.x[place.clone()],
                self.relu,
                &mut self.output[place],
            );
        }
    }
}

/// A channel of all images.
#[derive(Clone, Copy)]
struct Channel<'a> {
    /// From the channel of the first image on.
    numbers: &'a [f32],
    images: usize,
    /// Numbers of an image.
    image: usize,
    pixels: usize,
}

impl<'a> Channel<'a> {
    fn new(numbers: &'a [f32], [images, channels, pixels]: [usize; 3], channel: usize) -> Self {
        Self {
            // Of no image there is nothing.
            numbers: numbers.get(channel * pixels..).unwrap_or_default(),
            images,
            image: channels * pixels,
            pixels,
        }
    }

    #[inline(always)]
    fn of(self, image: usize) -> &'a [f32] {
        &self.numbers[image * self.image..][..self.pixels]
    }
}

/// A channel forward.
struct Forward<'a, 'b> {
    channel: Channel<'a>,
    line: Line,
    relu: bool,
    output: Column<'b>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        for image in 0..self.channel.images {
            let output = self.output.of(image);
            self.line
                .write(simd, self.channel.of(image), self.relu, output);
        }
    }
}

/// Mean and variance of a channel.
struct Moments<'a> {
    channel: Channel<'a>,
}

impl Kernel for Moments<'_> {
    type Output = [f32; 2];

    /// The sums are of what the pixels have over the mean of the first image, so that the square of a mean is not taken from one
    /// of like size.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f32; 2] {
        let Channel { images, pixels, .. } = self.channel;
        if images * pixels == 0 {
            return [0.0; 2];
        }
        let mut near = simd.splat(0.0);
        let first = self.channel.of(0);
        for values in first.chunks(LANES) {
            near = simd.add(near, load(simd, values));
        }
        let near = total(simd, near) / pixels as f32;
        let pivot = simd.splat(near);
        let mut sums = [simd.splat(0.0); 2];
        let mut squares = [simd.splat(0.0); 2];
        let (whole, rest) = (pixels / LANES * LANES, pixels % LANES);
        // Behind the last pixel there is nothing, not zeros less the pivot.
        let left = ((1_u32 << rest) - 1) as u16;
        for image in 0..images {
            let pixels = self.channel.of(image);
            let mut turn = 0;
            for values in pixels[..whole].chunks_exact(LANES) {
                let value = simd.sub(load(simd, values), pivot);
                sums[turn] = simd.add(sums[turn], value);
                squares[turn] = simd.mul_add(value, value, squares[turn]);
                turn = 1 - turn;
            }
            if rest > 0 {
                let value = simd.sub(load(simd, &pixels[whole..]), pivot);
                let value = simd.keep(value, left);
                sums[turn] = simd.add(sums[turn], value);
                squares[turn] = simd.mul_add(value, value, squares[turn]);
            }
        }
        let [sum, squares] = [sums, squares].map(|[first, second]| {
            let mut lanes = [0.0; LANES];
            simd.store(simd.add(first, second), &mut lanes);
            lanes.map(f64::from).iter().sum::<f64>()
        });
        let count = (images * pixels) as f64;
        let above = sum / count;
        let variance = (squares / count - above * above).max(0.0);
        [(f64::from(near) + above) as f32, variance as f32]
    }
}

/// A channel backward.
struct Backward<'a, 'b> {
    x: Channel<'a>,
    gradient: Channel<'a>,
    mean: f32,
    /// One over the root of the variance.
    inverse: f32,
    gamma: f32,
    line: Line,
    relu: bool,
    of_x: Column<'b>,
}

impl Kernel for Backward<'_, '_> {
    /// The sum of the gradients, and that of their products with the normalised values.
    type Output = [f32; 2];

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) -> [f32; 2] {
        let Channel { images, pixels, .. } = self.x;
        let mut sums = Sums::new(simd);
        for image in 0..images {
            sums.add(simd, &self.row(image));
        }
        let [total, products] = sums.total(simd);
        let products = products * self.inverse;
        let count = (images * pixels) as f32;
        let scale = self.inverse * self.gamma;
        let constant = -scale * total / count;
        let slope = -scale * self.inverse * products / count;
        for image in 0..images {
            let row = self.row(image);
            row.write(simd, [scale, slope, constant], self.of_x.of(image));
        }
        [total, products]
    }
}

impl<'a> Backward<'a, '_> {
    #[inline(always)]
    fn row(&self, image: usize) -> Row<'a> {
        Row {
            x: self.x.of(image),
            gradient: self.gradient.of(image),
            mean: self.mean,
            line: self.line,
            relu: self.relu,
        }
    }
}
