//! The convolutional part of the network for images of any height, width and number of channels, image by image.
//!
//! It does what [`convolutions`](super::convolutions) does for MNIST's, with loops whose lengths are known when they run. A
//! pixel's channels lie beside each other, those of the second convolution in one vector of sixteen. A whole image is
//! computed after the other, so that what is between the convolutions stays in cache as long as it is small enough.

use super::geometry::{FEATURES, TASK};
use super::images::NORMALISED;
use super::parameters::{Parameters, with_parameters};
use crate::config::ImageShape;
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::window;
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::guide::{CONV1, CONV2};
use crate::kernels::{Dropout, Images};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;
use std::ops::Range;
use std::sync::Arc;

/// Cells of the pooling in each direction.
const SIDE: usize = 8;

/// The sizes of an image and of what the convolutions leave of it.
#[derive(Clone, Debug)]
struct Plan {
    shape: ImageShape,
    /// Columns that the first convolution leaves.
    width1: usize,
    /// Rows and columns that the second convolution leaves.
    height2: usize,
    width2: usize,
    /// The rows of each cell, and its columns: they overlap where eight does not divide them.
    rows: [Range<usize>; SIDE],
    columns: [Range<usize>; SIDE],
}

impl Plan {
    fn new(shape: ImageShape) -> Self {
        let (height2, width2) = (shape.height - 4, shape.width - 4);
        let cells = |length: usize| {
            std::array::from_fn(|cell| cell * length / SIDE..((cell + 1) * length).div_ceil(SIDE))
        };
        Self {
            shape,
            width1: shape.width - 2,
            height2,
            width2,
            rows: cells(height2),
            columns: cells(width2),
        }
    }

    /// Pixels that the first convolution leaves.
    fn pixels1(&self) -> usize {
        (self.shape.height - 2) * self.width1
    }

    /// Pixels that the second convolution leaves.
    fn pixels2(&self) -> usize {
        self.height2 * self.width2
    }

    /// The share of a pixel in the mean of a cell.
    fn share(&self, row: usize, column: usize) -> f32 {
        1.0 / (self.rows[row].len() * self.columns[column].len()) as f32
    }
}

/// The parameters as the passes read them.
#[derive(Clone, Debug)]
struct Weights {
    /// By tap and input channel; times the scale of dropout, as all but the last.
    conv1: Vec<[f32; 8]>,
    bias1: [f32; 8],
    /// By tap and input channel.
    conv2: Vec<[f32; 16]>,
    bias2: [f32; 16],
    /// Those of the second for the way back, without the scale: by output channel and tap.
    back: Vec<[[f32; 8]; 9]>,
}

impl Weights {
    fn new(parameters: Parameters<'_>, channels: usize, scale: f32) -> Self {
        let Parameters {
            weight1,
            bias1,
            weight2,
            bias2,
        } = parameters;
        let conv1 = (0..9 * channels).map(|place| {
            let (tap, input) = (place / channels, place % channels);
            std::array::from_fn(|output| scale * weight1[9 * (channels * output + input) + tap])
        });
        let conv2 = (0..72).map(|place| {
            let (tap, input) = (place / 8, place % 8);
            std::array::from_fn(|output| scale * weight2[9 * (8 * output + input) + tap])
        });
        let back = (0..16).map(|output| {
            std::array::from_fn(|tap| {
                std::array::from_fn(|input| weight2[9 * (8 * output + input) + tap])
            })
        });
        Self {
            conv1: conv1.collect(),
            bias1: std::array::from_fn(|channel| scale * bias1[channel]),
            conv2: conv2.collect(),
            bias2: std::array::from_fn(|channel| scale * bias2[channel]),
            back: back.collect(),
        }
    }
}

/// The channels of each pixel that dropout kept, and for those of the second convolution that ReLU passed as well: a byte for
/// each pixel and eight channels, of the second convolution the channels from 8 on behind all others.
#[derive(Clone, Debug)]
struct Bits {
    conv1: Vec<u8>,
    conv2: Vec<u8>,
}

impl Bits {
    fn all(plan: &Plan) -> Self {
        Self {
            conv1: vec![u8::MAX; plan.pixels1()],
            conv2: vec![u8::MAX; 2 * plan.pixels2()],
        }
    }
}

/// What is between the convolutions, for one image after the other.
struct Memory {
    image: Vec<f32>,
    activations1: Vec<[f32; 8]>,
    activations2: Vec<[f32; 16]>,
    /// The gradient of `activations1`.
    back: Vec<[f32; 8]>,
}

impl Memory {
    fn new(plan: &Plan) -> Self {
        Self {
            image: vec![0.0; plan.shape.len()],
            activations1: vec![[0.0; 8]; plan.pixels1()],
            activations2: vec![[0.0; 16]; plan.pixels2()],
            back: vec![[0.0; 8]; plan.pixels1()],
        }
    }

    /// Takes an image, the channels of a pixel beside each other.
    fn load(&mut self, images: &Images<Flex>, shape: ImageShape, place: usize) {
        match images {
            Images::Raw {
                pixels, indices, ..
            } => {
                let first = indices[place] as usize * shape.len();
                let pixels = &pixels[first..first + shape.len()];
                for (value, pixel) in self.image.iter_mut().zip(pixels) {
                    *value = NORMALISED[usize::from(*pixel)];
                }
            }
            Images::Normalised(images) => {
                let tensor = images.clone().into_primitive().tensor();
                let all = tensor.storage::<f32>();
                let image = &all[place * shape.len()..][..shape.len()];
                let pixels = shape.height * shape.width;
                for (channel, plane) in image.chunks_exact(pixels).enumerate() {
                    for (pixel, value) in plane.iter().enumerate() {
                        self.image[pixel * shape.channels + channel] = *value;
                    }
                }
            }
        }
    }
}

/// What the convolutions leave for their way back.
#[derive(Clone, Debug)]
pub struct Saved {
    images: Images<Flex>,
    bits: Arc<Vec<Bits>>,
    weights: Arc<Weights>,
    plan: Arc<Plan>,
    scale: f32,
}

/// The features of images, whose pixels lie one behind the other.
pub fn forward(
    level: Level,
    images: Images<Flex>,
    parameters: &[FlexTensor; 4],
    dropout: Option<&Dropout>,
) -> (FlexTensor, Saved) {
    let plan = Plan::new(images.shape());
    let scale = dropout.map_or(1.0, Dropout::scale);
    let dropout = dropout.filter(|dropout| !dropout.is_none());
    let weights = with_parameters(parameters, |parameters| {
        Weights::new(parameters, plan.shape.channels, scale)
    });
    let mut features = vec![0.0; images.len() * FEATURES];
    let mut bits: Vec<Option<Bits>> = vec![None; images.len()];
    let (rows, _) = features.as_chunks_mut();
    rows.par_chunks_mut(TASK)
        .zip(bits.par_chunks_mut(TASK))
        .enumerate()
        .for_each(|(task, (rows, all))| {
            let mut memory = Memory::new(&plan);
            for (place, (features, kept)) in rows.iter_mut().zip(all).enumerate() {
                let place = TASK * task + place;
                let bits = kept.insert(Bits::all(&plan));
                if let Some(dropout) = dropout {
                    dropout.layer(CONV1).draw(place, &mut bits.conv1);
                    dropout.layer(CONV2).draw(place, &mut bits.conv2);
                }
                memory.load(&images, plan.shape, place);
                level.run(Forward {
                    plan: &plan,
                    weights: &weights,
                    memory: &mut memory,
                    bits,
                    features,
                });
            }
        });
    let features = tensor(features, [images.len(), FEATURES]);
    let saved = Saved {
        images,
        bits: Arc::new(bits.into_iter().flatten().collect()),
        weights: Arc::new(weights),
        plan: Arc::new(plan),
        scale,
    };
    (features, saved)
}

/// The gradients of the parameters from those of the features.
pub fn backward(level: Level, saved: &Saved, features: &FlexTensor) -> [FlexTensor; 4] {
    let features = Numbers::of(features);
    let (rows, _) = features.as_chunks();
    let channels = saved.plan.shape.channels;
    let tasks: Vec<Gradients> = rows
        .par_chunks(TASK)
        .enumerate()
        .map(|(task, rows)| {
            let mut memory = Memory::new(&saved.plan);
            let mut gradients = Gradients::zero(channels);
            for (place, features) in rows.iter().enumerate() {
                let place = TASK * task + place;
                memory.load(&saved.images, saved.plan.shape, place);
                level.run(Backward {
                    saved,
                    memory: &mut memory,
                    bits: &saved.bits[place],
                    features,
                    gradients: &mut gradients,
                });
            }
            gradients
        })
        .collect();
    let mut sum = Gradients::zero(channels);
    for gradients in &tasks {
        sum.add(gradients);
    }
    sum.finish(channels, saved.scale)
}

/// Sums of gradients over images.
struct Gradients {
    /// By tap and input channel; without the scale of dropout, as the bias.
    conv1: Vec<[f32; 8]>,
    bias1: [f32; 8],
    /// By tap and input channel.
    conv2: Vec<[f32; 16]>,
    bias2: [f32; 16],
}

impl Gradients {
    fn zero(channels: usize) -> Self {
        Self {
            conv1: vec![[0.0; 8]; 9 * channels],
            bias1: [0.0; 8],
            conv2: vec![[0.0; 16]; 72],
            bias2: [0.0; 16],
        }
    }

    fn add(&mut self, other: &Self) {
        fn add(to: &mut [f32], from: &[f32]) {
            for (to, from) in to.iter_mut().zip(from) {
                *to += from;
            }
        }

        add(self.conv1.as_flattened_mut(), other.conv1.as_flattened());
        add(&mut self.bias1, &other.bias1);
        add(self.conv2.as_flattened_mut(), other.conv2.as_flattened());
        add(&mut self.bias2, &other.bias2);
    }

    /// In Burn's layout: of weight and bias of the first convolution, then of the second.
    fn finish(&self, channels: usize, scale: f32) -> [FlexTensor; 4] {
        let mut weight1 = Vec::with_capacity(72 * channels);
        for output in 0..8 {
            for input in 0..channels {
                let taps = (0..9).map(|tap| scale * self.conv1[channels * tap + input][output]);
                weight1.extend(taps);
            }
        }
        let mut weight2 = Vec::with_capacity(16 * 72);
        for output in 0..16 {
            for input in 0..8 {
                weight2.extend((0..9).map(|tap| self.conv2[8 * tap + input][output]));
            }
        }
        let bias1 = self.bias1.iter().map(|bias| scale * bias).collect();
        [
            tensor(weight1, [8, channels, 3, 3]),
            tensor(bias1, [8]),
            tensor(weight2, [16, 8, 3, 3]),
            tensor(self.bias2.to_vec(), [16]),
        ]
    }
}

struct Forward<'a> {
    plan: &'a Plan,
    weights: &'a Weights,
    memory: &'a mut Memory,
    bits: &'a mut Bits,
    features: &'a mut [f32; FEATURES],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            plan,
            weights,
            memory,
            bits,
            features,
        } = self;
        first(simd, plan, weights, &bits.conv1, memory);
        for row in 0..plan.height2 {
            // As many pixels together as there are sums that the registers hold.
            match S::SUMS {
                24.. => second_row::<S, 8>(simd, plan, weights, memory, row),
                6.. => second_row::<S, 6>(simd, plan, weights, memory, row),
                _ => second_row::<S, 2>(simd, plan, weights, memory, row),
            }
        }
        let (low, high) = bits.conv2.split_at_mut(plan.pixels2());
        for (pixel, activation) in memory.activations2.iter_mut().enumerate() {
            let value = simd.load(activation);
            let kept = u16::from(low[pixel]) | u16::from(high[pixel]) << 8;
            let passed = simd.passing(value) & kept;
            [low[pixel], high[pixel]] = passed.to_le_bytes();
            simd.store(simd.keep(value, passed), activation);
        }
        for row in 0..SIDE {
            for column in 0..SIDE {
                let mut sum = simd.splat(0.0);
                for pixel_row in plan.rows[row].clone() {
                    let columns = plan.columns[column].clone();
                    let first = pixel_row * plan.width2;
                    for activation in
                        &memory.activations2[first + columns.start..first + columns.end]
                    {
                        sum = simd.add(sum, simd.load(activation));
                    }
                }
                let mut cell = [0.0; 16];
                let share = simd.splat(plan.share(row, column));
                simd.store(simd.mul(sum, share), &mut cell);
                for channel in 0..16 {
                    features[SIDE * SIDE * channel + SIDE * row + column] = cell[channel];
                }
            }
        }
    }
}

/// The first convolution, dropped and scaled.
#[inline(always)]
fn first<S: Simd>(simd: S, plan: &Plan, weights: &Weights, kept: &[u8], memory: &mut Memory) {
    let channels = plan.shape.channels;
    let line = plan.shape.width * channels;
    let bias = simd.load_half(&weights.bias1);
    let rows = memory.activations1.chunks_exact_mut(plan.width1);
    for (row, activations) in rows.enumerate() {
        let kept = &kept[row * plan.width1..][..plan.width1];
        for (column, activation) in activations.iter_mut().enumerate() {
            let mut sum = bias;
            for tap_row in 0..3 {
                // The three taps of a row, with all their channels, lie one behind the other in image and weights.
                let pixels = &memory.image[(row + tap_row) * line + column * channels..];
                let taps = &weights.conv1[tap_row * 3 * channels..][..3 * channels];
                for (tap, pixel) in taps.iter().zip(pixels) {
                    sum = simd.mul_add_half(simd.splat_half(*pixel), simd.load_half(tap), sum);
                }
            }
            simd.store_half(simd.keep_half(sum, kept[column]), activation);
        }
    }
}

/// A row of the second convolution, `N` pixels at a time.
#[inline(always)]
fn second_row<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    memory: &mut Memory,
    row: usize,
) {
    let mut column = 0;
    while column + N <= plan.width2 {
        second::<S, N>(simd, plan, weights, memory, row, column);
        column += N;
    }
    while column < plan.width2 {
        second::<S, 1>(simd, plan, weights, memory, row, column);
        column += 1;
    }
}

#[inline(always)]
fn second<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    memory: &mut Memory,
    row: usize,
    column: usize,
) {
    let mut sums = [simd.load(&weights.bias2); N];
    for tap_row in 0..3 {
        let first = (row + tap_row) * plan.width1 + column;
        let inputs = memory.activations1[first..first + N + 2].as_flattened();
        let taps: &[[f32; 16]; 24] = window(&weights.conv2, 24 * tap_row);
        for tap in 0..24 {
            let weight = simd.load(&taps[tap]);
            for pixel in 0..N {
                let input = simd.splat(inputs[8 * pixel + tap]);
                sums[pixel] = simd.mul_add(input, weight, sums[pixel]);
            }
        }
    }
    let to = &mut memory.activations2[row * plan.width2 + column..][..N];
    for pixel in 0..N {
        simd.store(sums[pixel], &mut to[pixel]);
    }
}

struct Backward<'a> {
    saved: &'a Saved,
    memory: &'a mut Memory,
    bits: &'a Bits,
    features: &'a [f32; FEATURES],
    gradients: &'a mut Gradients,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            saved:
                Saved {
                    weights,
                    plan,
                    scale,
                    ..
                },
            memory,
            bits,
            features,
            gradients,
        } = self;
        first(simd, plan, weights, &bits.conv1, memory);
        pooling(simd, plan, *scale, bits, features, memory);
        match S::SUMS {
            24.. => second_weights::<S, 8>(simd, plan, memory, gradients),
            6.. => second_weights::<S, 4>(simd, plan, memory, gradients),
            _ => second_weights::<S, 2>(simd, plan, memory, gradients),
        }
        second_inputs(simd, plan, weights, bits, memory);
        first_weights(simd, plan, &bits.conv1, memory, gradients);
    }
}

/// The gradient of what leaves the second convolution, in the place of its activations.
#[inline(always)]
fn pooling<S: Simd>(
    simd: S,
    plan: &Plan,
    scale: f32,
    bits: &Bits,
    features: &[f32; FEATURES],
    memory: &mut Memory,
) {
    memory.activations2.fill([0.0; 16]);
    for row in 0..SIDE {
        for column in 0..SIDE {
            let share = scale * plan.share(row, column);
            let mut cell = [0.0; 16];
            for channel in 0..16 {
                cell[channel] = share * features[SIDE * SIDE * channel + SIDE * row + column];
            }
            let cell = simd.load(&cell);
            for pixel_row in plan.rows[row].clone() {
                let columns = plan.columns[column].clone();
                let first = pixel_row * plan.width2;
                for gradient in &mut memory.activations2[first + columns.start..first + columns.end]
                {
                    simd.store(simd.add(simd.load(gradient), cell), gradient);
                }
            }
        }
    }
    let (low, high) = bits.conv2.split_at(plan.pixels2());
    for (pixel, gradient) in memory.activations2.iter_mut().enumerate() {
        let passed = u16::from(low[pixel]) | u16::from(high[pixel]) << 8;
        simd.store(simd.keep(simd.load(gradient), passed), gradient);
    }
}

/// The gradient of the second convolution's parameters: for `N` input channels of a tap at a time, over all pixels.
#[inline(always)]
fn second_weights<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    memory: &Memory,
    gradients: &mut Gradients,
) {
    let mut bias = simd.load(&gradients.bias2);
    for gradient in &memory.activations2 {
        bias = simd.add(bias, simd.load(gradient));
    }
    simd.store(bias, &mut gradients.bias2);
    for tap in 0..9 {
        for inputs in (0..8).step_by(N) {
            let to = &mut gradients.conv2[8 * tap + inputs..][..N];
            let mut sums = [simd.splat(0.0); N];
            for input in 0..N {
                sums[input] = simd.load(&to[input]);
            }
            for row in 0..plan.height2 {
                let first = (row + tap / 3) * plan.width1 + tap % 3;
                let activations = &memory.activations1[first..first + plan.width2];
                let rows = &memory.activations2[row * plan.width2..][..plan.width2];
                for (activation, gradient) in activations.iter().zip(rows) {
                    let gradient = simd.load(gradient);
                    for input in 0..N {
                        let value = simd.splat(activation[inputs + input]);
                        sums[input] = simd.mul_add(value, gradient, sums[input]);
                    }
                }
            }
            for input in 0..N {
                simd.store(sums[input], &mut to[input]);
            }
        }
    }
}

/// The gradient of the second convolution's inputs: for each pixel, the weights of its channels that passed, summed in a
/// window that moves along a row.
#[inline(always)]
fn second_inputs<S: Simd>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    bits: &Bits,
    memory: &mut Memory,
) {
    memory.back.fill([0.0; 8]);
    let zero = simd.splat_half(0.0);
    let (low, high) = bits.conv2.split_at(plan.pixels2());
    for row in 0..plan.height2 {
        let mut sums = [[zero; 3]; 3];
        for column in 0..plan.width2 {
            let pixel = row * plan.width2 + column;
            let mut passed = u32::from(low[pixel]) | u32::from(high[pixel]) << 8;
            let gradient = &memory.activations2[pixel];
            while passed != 0 {
                let channel = passed.trailing_zeros() as usize % 16;
                passed &= passed - 1;
                let gradient = simd.splat_half(gradient[channel]);
                let taps = &weights.back[channel];
                for tap in 0..9 {
                    let weight = simd.load_half(&taps[tap]);
                    let sum = &mut sums[tap / 3][tap % 3];
                    *sum = simd.mul_add_half(weight, gradient, *sum);
                }
            }
            for tap_row in 0..3 {
                let to = &mut memory.back[(row + tap_row) * plan.width1 + column];
                simd.store_half(simd.add_half(simd.load_half(to), sums[tap_row][0]), to);
                sums[tap_row] = [sums[tap_row][1], sums[tap_row][2], zero];
            }
        }
        for tap_row in 0..3 {
            for tap in 0..2 {
                let place = (row + tap_row) * plan.width1 + plan.width2 + tap;
                let to = &mut memory.back[place];
                simd.store_half(simd.add_half(simd.load_half(to), sums[tap_row][tap]), to);
            }
        }
    }
}

/// The gradient of the first convolution's parameters: for some values of a row of taps at a time, over all pixels.
#[inline(always)]
fn first_weights<S: Simd>(
    simd: S,
    plan: &Plan,
    kept: &[u8],
    memory: &mut Memory,
    gradients: &mut Gradients,
) {
    let mut bias = simd.load_half(&gradients.bias1);
    for (gradient, kept) in memory.back.iter_mut().zip(kept) {
        let value = simd.keep_half(simd.load_half(gradient), *kept);
        simd.store_half(value, gradient);
        bias = simd.add_half(bias, value);
    }
    simd.store_half(bias, &mut gradients.bias1);
    let values = 3 * plan.shape.channels;
    for tap_row in 0..3 {
        let mut first = 0;
        while first + 3 <= values {
            first_taps::<S, 3>(simd, plan, memory, gradients, tap_row, first);
            first += 3;
        }
    }
}

#[inline(always)]
fn first_taps<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    memory: &Memory,
    gradients: &mut Gradients,
    tap_row: usize,
    first: usize,
) {
    let channels = plan.shape.channels;
    let to = &mut gradients.conv1[tap_row * 3 * channels + first..][..N];
    let mut sums = [simd.splat_half(0.0); N];
    for value in 0..N {
        sums[value] = simd.load_half(&to[value]);
    }
    for (row, back) in memory.back.chunks_exact(plan.width1).enumerate() {
        let line = (row + tap_row) * plan.shape.width * channels + first;
        let pixels = &memory.image[line..];
        for (column, gradient) in back.iter().enumerate() {
            let gradient = simd.load_half(gradient);
            let pixels: &[f32; N] = window(pixels, column * channels);
            for value in 0..N {
                let pixel = simd.splat_half(pixels[value]);
                sums[value] = simd.mul_add_half(pixel, gradient, sums[value]);
            }
        }
    }
    for value in 0..N {
        simd.store_half(sums[value], &mut to[value]);
    }
}
