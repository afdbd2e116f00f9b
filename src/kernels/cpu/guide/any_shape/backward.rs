//! Backward: the gradients of the features to those of the parameters.

use super::super::geometry::{FEATURES, SIDE};
use super::forward::first;
use super::plan::{Bits, Memory, Plan};
use super::weights::{Gradients, Weights};
use crate::kernels::cpu::simd::{Kernel, Simd};
use crate::kernels::cpu::slices::window;

/// Adds the gradients that the image in `memory` leaves, from those of its features and the bits of its forward pass.
pub struct Backward<'a> {
    pub plan: &'a Plan,
    pub weights: &'a Weights,
    /// The scale of dropout.
    pub scale: f32,
    pub memory: Memory<'a>,
    pub bits: &'a Bits,
    pub features: &'a [f32; FEATURES],
    pub gradients: &'a mut Gradients,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            plan,
            weights,
            scale,
            mut memory,
            bits,
            features,
            gradients,
        } = self;
        first(simd, plan, weights, &bits.conv1, &mut memory);
        pooling(simd, plan, scale, bits, features, &mut memory);
        match S::SUMS {
            24 => second_weights::<S, 24>(simd, plan, &memory, gradients),
            6 => second_weights::<S, 6>(simd, plan, &memory, gradients),
            _ => second_weights::<S, 2>(simd, plan, &memory, gradients),
        }
        second_inputs(simd, plan, weights, bits, &mut memory);
        first_weights(simd, plan, &bits.conv1, &mut memory, gradients);
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
    memory: &mut Memory<'_>,
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

/// The gradient of the second convolution's parameters: for `N` numbers of a row of a window at a time, over all pixels.
#[inline(always)]
fn second_weights<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    memory: &Memory<'_>,
    gradients: &mut Gradients,
) {
    let mut bias = simd.load(&gradients.bias2);
    for pixel in 0..plan.pixels2() {
        bias = simd.add(bias, simd.load(&memory.activations2[pixel]));
    }
    simd.store(bias, &mut gradients.bias2);
    for tap_row in 0..3 {
        for first in (0..24).step_by(N) {
            let to = &mut gradients.conv2[24 * tap_row + first..][..N];
            let mut sums = [simd.splat(0.0); N];
            for tap in 0..N {
                sums[tap] = simd.load(&to[tap]);
            }
            for row in 0..plan.height2 {
                let inputs = &memory.activations1[(row + tap_row) * plan.width1..][..plan.width1];
                let inputs = inputs.as_flattened();
                let outputs = &memory.activations2[row * plan.width2..][..plan.width2];
                for column in 0..plan.width2 {
                    let gradient = simd.load(&outputs[column]);
                    let inputs: &[f32; N] = window(inputs, 8 * column + first);
                    for tap in 0..N {
                        sums[tap] = simd.mul_add(simd.splat(inputs[tap]), gradient, sums[tap]);
                    }
                }
            }
            for tap in 0..N {
                simd.store(sums[tap], &mut to[tap]);
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
    memory: &mut Memory<'_>,
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

/// The gradient of the first convolution's parameters.
#[inline(always)]
fn first_weights<S: Simd>(
    simd: S,
    plan: &Plan,
    kept: &[u8],
    memory: &mut Memory<'_>,
    gradients: &mut Gradients,
) {
    let mut bias = simd.load_half(&gradients.bias1);
    for pixel in 0..plan.pixels1() {
        let gradient = &mut memory.back[pixel];
        let value = simd.keep_half(simd.load_half(gradient), kept[pixel]);
        simd.store_half(value, gradient);
        bias = simd.add_half(bias, value);
    }
    simd.store_half(bias, &mut gradients.bias1);
    let run = 3 * plan.shape.channels;
    let mut tap = 0;
    if S::SUMS == 24 {
        while run - tap >= 9 {
            first_taps::<S, 9>(simd, plan, memory, gradients, tap);
            tap += 9;
        }
    }
    if S::SUMS >= 6 {
        while run - tap >= 3 {
            first_taps::<S, 3>(simd, plan, memory, gradients, tap);
            tap += 3;
        }
    }
    while tap < run {
        first_taps::<S, 1>(simd, plan, memory, gradients, tap);
        tap += 1;
    }
}

/// The sums of `N` numbers of each row of a window, from `first` on, over all pixels.
#[inline(always)]
fn first_taps<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    memory: &Memory<'_>,
    gradients: &mut Gradients,
    first: usize,
) {
    let channels = plan.shape.channels;
    let (run, line) = (3 * channels, plan.shape.width * channels);
    let mut sums = [[simd.splat_half(0.0); N]; 3];
    for tap_row in 0..3 {
        for tap in 0..N {
            sums[tap_row][tap] = simd.load_half(&gradients.conv1[tap_row * run + first + tap]);
        }
    }
    for row in 0..plan.shape.height - 2 {
        let back = &memory.back[row * plan.width1..][..plan.width1];
        let lines = &memory.image[row * line..][..3 * line];
        for column in 0..plan.width1 {
            let gradient = simd.load_half(&back[column]);
            for tap_row in 0..3 {
                let place = tap_row * line + column * channels + first;
                let pixels: &[f32; N] = window(lines, place);
                for tap in 0..N {
                    let pixel = simd.splat_half(pixels[tap]);
                    sums[tap_row][tap] = simd.mul_add_half(pixel, gradient, sums[tap_row][tap]);
                }
            }
        }
    }
    for tap_row in 0..3 {
        for tap in 0..N {
            let to = &mut gradients.conv1[tap_row * run + first + tap];
            simd.store_half(sums[tap_row][tap], to);
        }
    }
}
