//! The convolutional part of the network, image by image: two convolutions, each with dropout, then ReLU and mean pooling.
//!
//! Between the raw image and its 1,024 features everything stays in the first-level cache. A pixel's channels lie beside
//! each other, sixteen of them in one vector. Only bits are kept for the backward pass, which computes the first
//! convolution again and skips what dropout and ReLU have set to zero.
//!
//! The scales of dropout and of the mean are part of the weights that are prepared for each pass: both are positive, and so
//! change nothing of what ReLU passes.

use super::geometry::{Activations1, Bits, CELLS, FEATURES, PIXELS, PIXELS_1, PIXELS_2};
use super::parameters::Parameters;
use super::winograd::{self, Transformed};
use crate::kernels::cpu::scratch::Aligned;
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::{window, window_mut};

/// Numbers of the eight channels of the first convolution at three pixels beside each other.
type Three = [[f32; 8]; 3];

/// The parameters as the passes read them.
#[derive(Clone, Debug)]
pub struct Weights {
    /// By tap; times the scale of dropout.
    conv1: Aligned<[[f32; 8]; 9]>,
    bias1: [f32; 8],
    /// Times the scale of dropout and of the mean.
    conv2: Transformed,
    bias2: [f32; 16],
    /// Those of the second for the way back, without the scales: by output channel and row.
    back: Aligned<[[Three; 3]; 16]>,
    /// The scale of dropout.
    scale: f32,
}

impl Weights {
    /// Prepares parameters for passes whose dropout multiplies what it keeps by `scale`.
    pub fn new(parameters: Parameters<'_>, scale: f32) -> Self {
        let Parameters {
            weight1,
            bias1,
            weight2,
            bias2,
        } = parameters;
        let pooled = scale / 9.0;
        let mut back = [[[[0.0; 8]; 3]; 3]; 16];
        for (output, weight) in weight2.chunks_exact(72).enumerate() {
            for (input, weight) in weight.chunks_exact(9).enumerate() {
                for (tap, weight) in weight.iter().enumerate() {
                    back[output][tap / 3][tap % 3][input] = *weight;
                }
            }
        }
        Self {
            conv1: Aligned(std::array::from_fn(|tap| {
                std::array::from_fn(|channel| scale * weight1[9 * channel + tap])
            })),
            bias1: std::array::from_fn(|channel| scale * bias1[channel]),
            conv2: Transformed::new(weight2, pooled),
            bias2: std::array::from_fn(|channel| pooled * bias2[channel]),
            back: Aligned(back),
            scale,
        }
    }
}

/// The features of an image, `[16, 8, 8]`; of `bits`, those that ReLU stops are cleared.
pub fn forward(
    level: Level,
    weights: &Weights,
    image: &[f32; PIXELS],
    bits: &mut Bits,
    features: &mut [f32; FEATURES],
) {
    level.run(Forward {
        weights,
        image,
        bits,
        features,
    });
}

struct Forward<'a> {
    weights: &'a Weights,
    image: &'a [f32; PIXELS],
    bits: &'a mut Bits,
    features: &'a mut [f32; FEATURES],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut activations = Aligned([[0.0; 8]; PIXELS_1]);
        first(
            simd,
            self.weights,
            self.image,
            &self.bits.conv1,
            &mut activations.0,
        );
        winograd::second(
            simd,
            &self.weights.conv2,
            &self.weights.bias2,
            &activations.0,
            &mut self.bits.conv2,
            self.features,
        );
    }
}

#[inline(always)]
fn first<S: Simd>(
    simd: S,
    weights: &Weights,
    image: &[f32; PIXELS],
    kept: &[u8; PIXELS_1],
    activations: &mut Activations1,
) {
    let taps = load_halves(simd, &weights.conv1.0);
    let bias = simd.load_half(&weights.bias1);
    for row in 0..26 {
        let pixels: &[f32; 84] = window(image, 28 * row);
        let kept: &[u8; 26] = window(kept, 26 * row);
        let activations: &mut [[f32; 8]; 26] = window_mut(activations, 26 * row);
        for column in 0..26 {
            let mut sum = bias;
            for tap in 0..9 {
                let pixel = simd.splat_half(pixels[28 * (tap / 3) + column + tap % 3]);
                sum = simd.mul_add_half(pixel, taps[tap], sum);
            }
            simd.store_half(simd.keep_half(sum, kept[column]), &mut activations[column]);
        }
    }
}

/// Sums of gradients over images.
#[derive(Clone, Copy, Debug)]
pub struct Gradients {
    /// By tap; without the scale of dropout.
    conv1: [[f32; 8]; 9],
    bias1: [f32; 8],
    /// By output channel and row.
    conv2: [[Three; 3]; 16],
    bias2: [f32; 16],
}

impl Gradients {
    /// No image yet.
    pub const ZERO: Self = Self {
        conv1: [[0.0; 8]; 9],
        bias1: [0.0; 8],
        conv2: [[[[0.0; 8]; 3]; 3]; 16],
        bias2: [0.0; 16],
    };

    /// Adds the sums of other images.
    pub fn add(&mut self, other: &Self) {
        add(self.conv1.as_flattened_mut(), other.conv1.as_flattened());
        add(&mut self.bias1, &other.bias1);
        add(
            self.conv2
                .as_flattened_mut()
                .as_flattened_mut()
                .as_flattened_mut(),
            other.conv2.as_flattened().as_flattened().as_flattened(),
        );
        add(&mut self.bias2, &other.bias2);
    }

    /// The gradients in Burn's layout: of weight and bias of the first convolution, then of the second.
    pub fn finish(&self, scale: f32) -> [Vec<f32>; 4] {
        let mut weight1 = Vec::with_capacity(72);
        for channel in 0..8 {
            weight1.extend(self.conv1.iter().map(|tap| scale * tap[channel]));
        }
        let mut weight2 = Vec::with_capacity(16 * 72);
        for rows in &self.conv2 {
            for channel in 0..8 {
                weight2.extend(rows.as_flattened().iter().map(|tap| tap[channel]));
            }
        }
        [
            weight1,
            self.bias1.iter().map(|bias| scale * bias).collect(),
            weight2,
            self.bias2.to_vec(),
        ]
    }
}

fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

/// Adds the gradients that an image leaves, from those of its features, `[16, 8, 8]`, and the bits of its forward pass.
pub fn backward(
    level: Level,
    weights: &Weights,
    image: &[f32; PIXELS],
    bits: &Bits,
    features: &[f32; FEATURES],
    gradients: &mut Gradients,
) {
    level.run(Backward {
        weights,
        image,
        bits,
        features,
        gradients,
    });
}

struct Backward<'a> {
    weights: &'a Weights,
    image: &'a [f32; PIXELS],
    bits: &'a Bits,
    features: &'a [f32; FEATURES],
    gradients: &'a mut Gradients,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            weights,
            image,
            bits,
            features,
            gradients,
        } = self;
        let mut activations = Aligned([[0.0; 8]; PIXELS_1]);
        first(simd, weights, image, &bits.conv1, &mut activations.0);

        // The gradient of each pixel of a cell that passed: by channel and cell, and the other way round.
        let scale = weights.scale / 9.0;
        let mut by_channel = *features;
        for gradient in &mut by_channel {
            *gradient *= scale;
        }
        let by_cell = cells_by_channel(simd, &by_channel);

        second_weights(simd, &activations.0, &bits.conv2, &by_channel, gradients);
        // The activations are no longer needed: their gradients take their place.
        let mut back = Aligned([[0.0; 8]; PIXELS_1]);
        second_inputs(simd, weights, &bits.conv2, &by_cell, &mut back.0);
        first_weights(simd, image, &bits.conv1, &back.0, gradients);
    }
}

/// Rows for columns of `[16, 64]`.
#[inline(always)]
fn cells_by_channel<S: Simd>(simd: S, by_channel: &[f32; FEATURES]) -> [[f32; 16]; CELLS] {
    let mut by_cell = [[0.0; 16]; CELLS];
    for cells in (0..CELLS).step_by(8) {
        for channels in [0, 8] {
            let mut rows = [simd.splat_half(0.0); 8];
            for channel in 0..8 {
                let first = CELLS * (channels + channel) + cells;
                rows[channel] = simd.load_half(window(by_channel, first));
            }
            let columns = simd.transpose(rows);
            for cell in 0..8 {
                simd.store_half(
                    columns[cell],
                    window_mut(&mut by_cell[cells + cell], channels),
                );
            }
        }
    }
    by_cell
}

/// For each pixel of the second convolution, where its window begins in the first.
const ORIGIN: [u16; PIXELS_2] = {
    let mut origin = [0; PIXELS_2];
    let mut pixel = 0;
    while pixel < PIXELS_2 {
        origin[pixel] = (26 * (pixel / 24) + pixel % 24) as u16;
        pixel += 1;
    }
    origin
};

/// For each pixel of the second convolution, its cell.
const CELL: [u8; PIXELS_2] = {
    let mut cell = [0; PIXELS_2];
    let mut pixel = 0;
    while pixel < PIXELS_2 {
        cell[pixel] = (8 * (pixel / 72) + pixel % 24 / 3) as u8;
        pixel += 1;
    }
    cell
};

/// The gradient of the second convolution's parameters: for each channel, the windows of the pixels that passed.
#[inline(always)]
fn second_weights<S: Simd>(
    simd: S,
    activations: &Activations1,
    bits: &[[u8; PIXELS_2]; 2],
    by_channel: &[f32; FEATURES],
    gradients: &mut Gradients,
) {
    let channels = pixels_by_channel(bits);
    for (channel, words) in channels.iter().enumerate() {
        let cells: &[f32; CELLS] = window(by_channel, CELLS * channel);
        let mut sums = [[simd.splat_half(0.0); 3]; 3];
        for row in 0..3 {
            sums[row] = load_halves(simd, &gradients.conv2[channel][row]);
        }
        let mut bias = gradients.bias2[channel];
        for (word, bits) in words.iter().enumerate() {
            let mut bits = *bits;
            while bits != 0 {
                let pixel = 64 * word + bits.trailing_zeros() as usize;
                bits &= bits - 1;
                let gradient = cells[usize::from(CELL[pixel]) % CELLS];
                bias += gradient;
                let gradient = simd.splat_half(gradient);
                let inputs: &[[f32; 8]; 55] = window(activations, usize::from(ORIGIN[pixel]));
                for row in 0..3 {
                    for tap in 0..3 {
                        let input = simd.load_half(&inputs[26 * row + tap]);
                        sums[row][tap] = simd.mul_add_half(input, gradient, sums[row][tap]);
                    }
                }
            }
        }
        for row in 0..3 {
            for tap in 0..3 {
                simd.store_half(sums[row][tap], &mut gradients.conv2[channel][row][tap]);
            }
        }
        gradients.bias2[channel] = bias;
    }
}

/// A bit for each pixel of a channel, from a bit for each channel of a pixel.
fn pixels_by_channel(bits: &[[u8; PIXELS_2]; 2]) -> [[u64; 9]; 16] {
    let mut channels = [[0; 9]; 16];
    for (plane, bits) in bits.iter().enumerate() {
        let (words, _) = bits.as_chunks::<64>();
        for (place, word) in words.iter().enumerate() {
            let (eights, _) = word.as_chunks();
            for (byte, eight) in eights.iter().enumerate() {
                let columns = transpose_bits(u64::from_le_bytes(*eight)).to_le_bytes();
                for (channel, column) in columns.into_iter().enumerate() {
                    channels[8 * plane + channel][place] |= u64::from(column) << (8 * byte);
                }
            }
        }
    }
    channels
}

/// Rows for columns of 8 x 8 bits (Warren, "Hacker's Delight", 2nd edition, section 7-3).
fn transpose_bits(mut rows: u64) -> u64 {
    for (shift, mask) in [
        (7, 0x00aa_00aa_00aa_00aa),
        (14, 0x0000_cccc_0000_cccc),
        (28, 0x0000_0000_f0f0_f0f0),
    ] {
        let other = (rows ^ (rows >> shift)) & mask;
        rows ^= other ^ (other << shift);
    }
    rows
}

/// The gradient of the second convolution's inputs: for each pixel, the weights of its channels that passed, summed in a
/// window that moves along a row.
#[inline(always)]
fn second_inputs<S: Simd>(
    simd: S,
    weights: &Weights,
    bits: &[[u8; PIXELS_2]; 2],
    by_cell: &[[f32; 16]; CELLS],
    back: &mut Activations1,
) {
    let zero = simd.splat_half(0.0);
    for row in 0..24 {
        let low: &[u8; 24] = window(&bits[0], 24 * row);
        let high: &[u8; 24] = window(&bits[1], 24 * row);
        let cells: &[[f32; 16]; 8] = window(by_cell, 8 * (row / 3));
        let back: &mut [[f32; 8]; 78] = window_mut(back, 26 * row);
        let mut sums = [[zero; 3]; 3];
        for column in 0..24 {
            let mut passed = u32::from(low[column]) | u32::from(high[column]) << 8;
            let cell = &cells[column / 3];
            while passed != 0 {
                let channel = passed.trailing_zeros() as usize % 16;
                passed &= passed - 1;
                let gradient = simd.splat_half(cell[channel]);
                let weights = &weights.back.0[channel];
                for row in 0..3 {
                    for tap in 0..3 {
                        let weight = simd.load_half(&weights[row][tap]);
                        sums[row][tap] = simd.mul_add_half(weight, gradient, sums[row][tap]);
                    }
                }
            }
            for row in 0..3 {
                let to = &mut back[26 * row + column];
                simd.store_half(simd.add_half(simd.load_half(to), sums[row][0]), to);
                sums[row] = [sums[row][1], sums[row][2], zero];
            }
        }
        for row in 0..3 {
            for tap in 0..2 {
                let to = &mut back[26 * row + 24 + tap];
                simd.store_half(simd.add_half(simd.load_half(to), sums[row][tap]), to);
            }
        }
    }
}

/// The gradient of the first convolution's parameters.
#[inline(always)]
fn first_weights<S: Simd>(
    simd: S,
    image: &[f32; PIXELS],
    kept: &[u8; PIXELS_1],
    back: &Activations1,
    gradients: &mut Gradients,
) {
    let mut taps = load_halves(simd, &gradients.conv1);
    let mut bias = simd.load_half(&gradients.bias1);
    for row in 0..26 {
        let pixels: &[f32; 84] = window(image, 28 * row);
        let kept: &[u8; 26] = window(kept, 26 * row);
        let back: &[[f32; 8]; 26] = window(back, 26 * row);
        for column in 0..26 {
            let gradient = simd.keep_half(simd.load_half(&back[column]), kept[column]);
            bias = simd.add_half(bias, gradient);
            for tap in 0..9 {
                let pixel = simd.splat_half(pixels[28 * (tap / 3) + column + tap % 3]);
                taps[tap] = simd.mul_add_half(pixel, gradient, taps[tap]);
            }
        }
    }
    for tap in 0..9 {
        simd.store_half(taps[tap], &mut gradients.conv1[tap]);
    }
    simd.store_half(bias, &mut gradients.bias1);
}

#[inline(always)]
fn load_halves<S: Simd, const N: usize>(simd: S, from: &[[f32; 8]; N]) -> [S::Half; N] {
    let mut halves = [simd.splat_half(0.0); N];
    for place in 0..N {
        halves[place] = simd.load_half(&from[place]);
    }
    halves
}
