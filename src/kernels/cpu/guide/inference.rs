//! The network without dropout, for MNIST's images.
//!
//! The two convolutions are folded into one, a third of the work. The weights of a model are prepared once, and each thread
//! takes some images through the whole network.

use super::folding::fold;
use super::geometry::{FEATURES, store_cells};
use super::images::normalise_image;
use super::parameters::Parameters;
use crate::kernels::cpu::linear::{Activation, Panels, forward_rows};
use crate::kernels::cpu::scratch::{Aligned, with_scratch};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::window;
use crate::kernels::kernel::Predict;
use crate::kernels::{IMAGE_PIXELS, IMAGE_SIZE, Pixels};
use rayon::prelude::*;

/// Images that a thread takes through the network together.
const TASK: usize = 60;
/// Fewer images than this are not worth the waking of another thread.
const FEW: usize = 4;

/// Two convolutions as one.
#[derive(Clone, Debug)]
pub struct Folded {
    /// By tap, of 5 x 5; times that of the mean.
    weight: Aligned<[[f32; 16]; 25]>,
    bias: [f32; 16],
}

impl Folded {
    /// Folds the parameters of two convolutions.
    pub fn new(parameters: Parameters<'_>) -> Self {
        let (weight, bias) = fold(parameters, 1);
        Self {
            weight: Aligned(std::array::from_fn(|tap| {
                std::array::from_fn(|output| (weight[25 * output + tap] / 9.0) as f32)
            })),
            bias: bias.map(|bias| (bias / 9.0) as f32),
        }
    }

    /// The features of an image, `[16, 8, 8]`.
    pub fn features(
        &self,
        level: Level,
        image: &[f32; IMAGE_PIXELS],
        features: &mut [f32; FEATURES],
    ) {
        level.run(Features {
            folded: self,
            image,
            to: features,
        });
    }
}

struct Features<'a> {
    folded: &'a Folded,
    image: &'a [f32; IMAGE_PIXELS],
    to: &'a mut [f32; FEATURES],
}

impl Kernel for Features<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::SUMS {
            24 => self.rows::<S, 24, 28>(simd),
            6 => self.rows::<S, 6, 10>(simd),
            _ => self.rows::<S, 2, 6>(simd),
        }
    }
}

impl Features<'_> {
    /// `P` pixels at a time, a divisor of 24, whose windows together are `W` pixels wide.
    #[inline(always)]
    fn rows<S: Simd, const P: usize, const W: usize>(self, simd: S) {
        let bias = simd.load(&self.folded.bias);
        let zero = simd.splat(0.0);
        for cell_row in 0..8 {
            let mut cells = Aligned([[0.0; 16]; 8]);
            for row in 3 * cell_row..3 * cell_row + 3 {
                for column in (0..24).step_by(P) {
                    let mut sums = [bias; P];
                    for tap_row in 0..5 {
                        let first = IMAGE_SIZE * (row + tap_row) + column;
                        let pixels: &[f32; W] = window(self.image, first);
                        for tap in 0..5 {
                            let weight = simd.load(&self.folded.weight.0[5 * tap_row + tap]);
                            for pixel in 0..P {
                                let input = simd.splat(pixels[pixel + tap]);
                                sums[pixel] = simd.mul_add(input, weight, sums[pixel]);
                            }
                        }
                    }
                    for pixel in 0..P {
                        let cell = &mut cells.0[(column + pixel) / 3];
                        let pooled = simd.add(simd.load(cell), simd.max(zero, sums[pixel]));
                        simd.store(pooled, cell);
                    }
                }
            }
            store_cells(simd, &cells.0, cell_row, self.to);
        }
    }
}

/// A model as inference reads it.
#[derive(Clone, Debug)]
pub struct Prepared {
    level: Level,
    folded: Folded,
    hidden: Panels,
    output: Panels,
}

impl Prepared {
    /// Prepares the parameters of a model.
    pub fn new(level: Level, convolutions: Parameters<'_>, hidden: Panels, output: Panels) -> Self {
        Self {
            level,
            folded: Folded::new(convolutions),
            hidden,
            output,
        }
    }

    /// The logits of some images.
    fn task(&self, pixels: Pixels<'_>, logits: &mut [f32]) {
        let (rows, hidden) = (pixels.len(), self.hidden.outputs());
        with_scratch(rows * (FEATURES + hidden), |scratch| {
            let (features, hidden) = scratch.split_at_mut(rows * FEATURES);
            let (images, _) = features.as_chunks_mut();
            for (place, features) in images.iter_mut().enumerate() {
                let mut image = Aligned([0.0; IMAGE_PIXELS]);
                normalise_image(pixels.range(place..place + 1).values(), &mut image.0);
                self.folded.features(self.level, &image.0, features);
            }
            forward_rows(self.level, &self.hidden, features, Activation::Relu, hidden);
            forward_rows(self.level, &self.output, hidden, Activation::None, logits);
        });
    }
}

impl Predict for Prepared {
    fn logits(&self, pixels: Pixels<'_>) -> Vec<f32> {
        let (images, classes) = (pixels.len(), self.output.outputs());
        let mut logits = vec![0.0; images * classes];
        if images < FEW {
            self.task(pixels, &mut logits);
            return logits;
        }
        let task = images.div_ceil(rayon::current_num_threads()).clamp(1, TASK);
        logits
            .par_chunks_mut(task * classes)
            .enumerate()
            .for_each(|(number, logits)| {
                let first = number * task;
                self.task(pixels.range(first..images.min(first + task)), logits);
            });
        logits
    }
}
