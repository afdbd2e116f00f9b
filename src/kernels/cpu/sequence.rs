//! Layers one behind the other, for inference.
//!
//! The weights of a model are prepared once. A thread takes some images through all of its convolutions while they are in its
//! cache, and then more of them together through the linear layers.

#![allow(
    unsafe_code,
    reason = "a layer writes to memory that need not be filled before"
)]

use super::Cpu;
use super::average::{average, cell_means};
use super::convolution::forward::{After, Prepared};
use super::convolution::geometry::TASK;
use super::convolution::geometry_of;
use super::linear::{self, Panels, Sizes, forward_rows};
use super::norm::{Line, Norm, lines_of, write_lines};
use super::scratch::{to_be_written, with_scratch};
use super::simd::Level;
use super::tensors::Numbers;
use crate::config::ImageShape;
use crate::kernels::{
    Activation, PixelValues, Pixels, Predict, Rescaling, SequenceKernel, SequenceLayer,
};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use rayon::prelude::*;

/// Images that a thread takes through the linear layers together.
const ROWS: usize = 32;
/// Numbers of images and of what leaves their layers that a thread holds at a time, unless one image has more.
const NUMBERS: usize = 1 << 22;
/// Products that are worth the waking of another thread.
const WORK: usize = 1 << 20;

impl SequenceKernel<Flex> for Cpu {
    fn predictor(
        &self,
        image: ImageShape,
        rescaling: &Rescaling,
        layers: Vec<SequenceLayer<FlexTensor>>,
    ) -> Option<Box<dyn Predict>> {
        let mut shape = [image.channels, image.height, image.width];
        let mut spatial = Vec::new();
        let mut linear = Vec::new();
        let mut products = 0;
        // The shapes of what enters each layer.
        let mut entering = Vec::new();
        for layer in layers {
            entering.push(shape);
            match layer {
                SequenceLayer::Linear([weight, bias], activation) => {
                    let sizes = Sizes::of(&weight);
                    products += sizes.inputs * sizes.outputs;
                    let panels = Panels::new(sizes, &Numbers::of(&weight), &Numbers::of(&bias));
                    linear.push((panels, activation));
                }
                // A linear layer takes whole rows: nothing of an image comes behind it.
                _ if !linear.is_empty() => return None,
                SequenceLayer::Add(layer) if entering.get(layer) != Some(&shape) => return None,
                layer => {
                    let (layer, left, work) = self.prepare(layer, shape)?;
                    let outputs = left.iter().product();
                    spatial.push(Step { layer, outputs });
                    shape = left;
                    products += work;
                }
            }
        }
        Some(Box::new(Sequence {
            level: self.level,
            image,
            tables: rescaling.tables(),
            rescaling: rescaling.clone(),
            spatial,
            linear,
            products,
        }))
    }
}

impl Cpu {
    /// A layer that takes an image of `[channels, height, width]`, the shape of what leaves it, and its products.
    fn prepare(
        self,
        layer: SequenceLayer<FlexTensor>,
        shape: [usize; 3],
    ) -> Option<(Spatial, [usize; 3], usize)> {
        Some(match layer {
            SequenceLayer::Convolution([weight, bias], around) => {
                let window = weight.shape();
                let window = [0, 1, 2, 3].map(|side| window[side]);
                let geometry = geometry_of(shape, window, around)?;
                let (weight, bias) = (Numbers::of(&weight), Numbers::of(&bias));
                let after = After::from(around);
                let prepared = Prepared::new(self.level, geometry, after, &weight, &bias);
                let side = if after.pool { 2 } else { 1 };
                let (rows, columns) = (geometry.rows(), geometry.columns());
                let left = [geometry.outputs, rows / side, columns / side];
                let work = rows * columns * geometry.taps() * geometry.outputs;
                (Spatial::Convolution(Box::new(prepared)), left, work)
            }
            SequenceLayer::GroupNorm {
                parameters,
                groups,
                epsilon,
                activation,
            } => {
                let [gamma, beta] = parameters
                    .each_ref()
                    .map(|values| Numbers::of(values).to_vec());
                let layer = Spatial::GroupNorm {
                    gamma,
                    beta,
                    groups,
                    epsilon,
                    activation,
                };
                (layer, shape, 0)
            }
            SequenceLayer::BatchNorm {
                parameters,
                epsilon,
                activation,
            } => {
                let lines = lines_of(&parameters, epsilon);
                let relu = activation == Activation::Relu;
                (Spatial::Lines { lines, relu }, shape, 0)
            }
            SequenceLayer::Add(layer) => (Spatial::Add(layer), shape, 0),
            SequenceLayer::Relu => (Spatial::Relu, shape, 0),
            SequenceLayer::Average(1) => (Spatial::Average, [shape[0], 1, 1], 0),
            SequenceLayer::Average(size) => {
                let [channels, height, width] = shape;
                let layer = Spatial::Cells {
                    height,
                    width,
                    size,
                };
                (layer, [channels, size, size], 0)
            }
            SequenceLayer::Linear(..) => return None,
        })
    }
}

/// A layer of images.
enum Spatial {
    Convolution(Box<Prepared>),
    GroupNorm {
        gamma: Vec<f32>,
        beta: Vec<f32>,
        groups: usize,
        epsilon: f64,
        activation: Activation,
    },
    /// A scale and a shift for each channel, and ReLU behind them.
    Lines {
        lines: Vec<Line>,
        relu: bool,
    },
    Add(usize),
    Relu,
    Average,
    /// The means of `size` x `size` cells.
    Cells {
        height: usize,
        width: usize,
        size: usize,
    },
}

struct Step {
    layer: Spatial,
    /// Numbers that leave for an image.
    outputs: usize,
}

/// The layers with their parameters.
struct Sequence {
    level: Level,
    image: ImageShape,
    /// The values of raw pixels for each channel.
    tables: Vec<[f32; 256]>,
    rescaling: Rescaling,
    spatial: Vec<Step>,
    linear: Vec<(Panels, Activation)>,
    /// Products for an image.
    products: usize,
}

impl Predict for Sequence {
    fn logits(&self, pixels: Pixels<'_>) -> Vec<f32> {
        let (images, classes) = (pixels.len(), self.classes());
        let mut logits = vec![0.0; images * classes];
        if images * self.products < WORK || images == 1 {
            for (number, logits) in logits.chunks_mut(ROWS * classes).enumerate() {
                let first = number * ROWS;
                self.task(pixels.range(first..images.min(first + ROWS)), logits);
            }
            return logits;
        }
        let rows = images.div_ceil(rayon::current_num_threads()).clamp(1, ROWS);
        logits
            .par_chunks_mut(rows * classes)
            .enumerate()
            .for_each(|(number, logits)| {
                let first = number * rows;
                self.task(pixels.range(first..images.min(first + rows)), logits);
            });
        logits
    }
}

impl Sequence {
    fn classes(&self) -> usize {
        self.linear
            .last()
            .map_or_else(|| self.features(), |(panels, _)| panels.outputs())
    }

    /// Numbers that enter the linear layers for an image.
    fn features(&self) -> usize {
        self.spatial
            .last()
            .map_or(self.image.len(), |step| step.outputs)
    }

    /// The logits of some images.
    fn task(&self, pixels: Pixels<'_>, logits: &mut [f32]) {
        let (images, features) = (pixels.len(), self.features());
        let values = self.image.len() + self.spatial.iter().map(|step| step.outputs).sum::<usize>();
        let together = (NUMBERS / values.max(1)).clamp(1, TASK);
        let of_layers = self.spatial.iter().map(|step| match &step.layer {
            Spatial::Convolution(prepared) => prepared.scratch(),
            _ => 0,
        });
        let of_layers = of_layers.max().unwrap_or(0);
        let widest = self.linear.iter().map(|(panels, _)| panels.outputs()).max();
        let widest = images * widest.unwrap_or(0);
        let length = images * features + together * values + of_layers.max(2 * widest);
        with_scratch(length, |scratch| {
            let (rows, scratch) = scratch.split_at_mut(images * features);
            let (values, scratch) = scratch.split_at_mut(together * values);
            for first in (0..images).step_by(together) {
                let some = first..images.min(first + together);
                let rows = &mut rows[some.start * features..some.end * features];
                self.images(pixels.range(some), values, scratch, rows);
            }
            self.rows(rows, scratch, logits);
        });
    }

    /// The features of at most [`TASK`] images.
    fn images(
        &self,
        pixels: Pixels<'_>,
        values: &mut [f32],
        scratch: &mut [f32],
        features: &mut [f32],
    ) {
        let images = pixels.len();
        // Where what enters each layer begins.
        let mut places = vec![0];
        let mut enters = self.image.len();
        self.normalise(pixels, &mut values[..images * enters]);
        for step in &self.spatial {
            let place = places[places.len() - 1];
            let (before, after) = values.split_at_mut(place + images * enters);
            let x = &before[place..];
            let y = &mut after[..images * step.outputs];
            match &step.layer {
                Spatial::Convolution(prepared) => {
                    // SAFETY: a convolution writes numbers.
                    let y = unsafe { to_be_written(y) };
                    prepared.run(self.level, x, &mut [], y, scratch);
                }
                Spatial::GroupNorm {
                    gamma,
                    beta,
                    groups,
                    epsilon,
                    activation,
                } => {
                    let norm = Norm {
                        gamma,
                        beta,
                        epsilon: *epsilon,
                        activation: *activation,
                    };
                    let mut moments = vec![[0.0; 2]; *groups];
                    let each = x.chunks_exact(enters).zip(y.chunks_exact_mut(enters));
                    for (x, y) in each {
                        // SAFETY: a normalisation writes numbers.
                        let y = unsafe { to_be_written(y) };
                        norm.write(self.level, x, y, &mut moments);
                    }
                }
                Spatial::Lines { lines, relu } => {
                    let each = x.chunks_exact(enters).zip(y.chunks_exact_mut(enters));
                    for (x, y) in each {
                        // SAFETY: a line writes numbers.
                        let y = unsafe { to_be_written(y) };
                        write_lines(self.level, lines, *relu, x, y);
                    }
                }
                Spatial::Add(layer) => {
                    let other = &before[places[*layer]..];
                    for (y, (x, other)) in y.iter_mut().zip(x.iter().zip(other)) {
                        *y = x + other;
                    }
                }
                Spatial::Relu => {
                    for (y, x) in y.iter_mut().zip(x) {
                        // What is not a number passes.
                        *y = if *x <= 0.0 { 0.0 } else { *x };
                    }
                }
                Spatial::Average => average(x, y),
                Spatial::Cells {
                    height,
                    width,
                    size,
                } => cell_means(x, [*height, *width], *size, y),
            }
            places.push(place + images * enters);
            enters = step.outputs;
        }
        let last = places[places.len() - 1];
        features.copy_from_slice(&values[last..][..images * enters]);
    }

    /// The images as the network sees them, channel by channel.
    fn normalise(&self, pixels: Pixels<'_>, to: &mut [f32]) {
        let (length, channels) = (self.image.len(), self.image.channels);
        let area = (length / channels).max(1);
        for (image, to) in to.chunks_exact_mut(length).enumerate() {
            for (channel, to) in to.chunks_exact_mut(area).enumerate() {
                match pixels.range(image..image + 1).values() {
                    PixelValues::Raw(pixels) => {
                        let table = &self.tables[channel];
                        for (to, pixel) in to.iter_mut().zip(pixels.chunks_exact(channels)) {
                            *to = table[usize::from(pixel[channel])];
                        }
                    }
                    PixelValues::Unit(pixels) => {
                        for (to, pixel) in to.iter_mut().zip(pixels.chunks_exact(channels)) {
                            *to = self.rescaling.of_unit(channel, pixel[channel]);
                        }
                    }
                }
            }
        }
    }

    /// The linear layers.
    fn rows(&self, features: &[f32], scratch: &mut [f32], logits: &mut [f32]) {
        let Some(((last, activation), before)) = self.linear.split_last() else {
            logits.copy_from_slice(features);
            return;
        };
        let rows = logits.len() / last.outputs();
        let widest = before.iter().map(|(panels, _)| panels.outputs()).max();
        let (first, second) = scratch.split_at_mut(rows * widest.unwrap_or(0));
        let (mut to, mut from) = (first, second);
        let mut length = 0;
        for (place, (panels, activation)) in before.iter().enumerate() {
            std::mem::swap(&mut to, &mut from);
            let x = if place == 0 {
                features
            } else {
                &from[..length]
            };
            length = rows * panels.outputs();
            let y = &mut to[..length];
            forward_rows(self.level, panels, x, (*activation).into(), y);
        }
        let x = if before.is_empty() {
            features
        } else {
            &to[..length]
        };
        forward_rows(self.level, last, x, (*activation).into(), logits);
    }
}

impl From<Activation> for linear::Activation<'_> {
    fn from(activation: Activation) -> Self {
        match activation {
            Activation::None => Self::None,
            Activation::Relu => Self::Relu,
        }
    }
}
