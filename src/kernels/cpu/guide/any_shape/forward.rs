//! Forward: an image to its features.

use super::super::geometry::{FEATURES, SIDE, store_cells};
use super::plan::{Bits, Memory, Plan};
use super::weights::Weights;
use crate::kernels::cpu::simd::{Kernel, Simd};
use crate::kernels::cpu::slices::{window, window_mut};

/// The features of the image in `memory`; of `bits`, those that ReLU stops are cleared.
pub struct Forward<'a> {
    pub plan: &'a Plan,
    pub weights: &'a Weights,
    pub memory: Memory<'a>,
    pub bits: &'a mut Bits,
    pub features: &'a mut [f32; FEATURES],
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            plan,
            weights,
            mut memory,
            bits,
            features,
        } = self;
        first(simd, plan, weights, &bits.conv1, &mut memory);
        second(simd, plan, weights, &mut memory, &mut bits.conv2);
        for row in 0..SIDE {
            let mut cells = [[0.0; 16]; SIDE];
            for column in 0..SIDE {
                let columns = &plan.columns[column];
                let mut sum = simd.splat(0.0);
                for pixel_row in plan.rows[row].start..plan.rows[row].end {
                    let pixels = &memory.activations2[pixel_row * plan.width2..][..plan.width2];
                    for pixel in columns.start..columns.end {
                        sum = simd.add(sum, simd.load(&pixels[pixel]));
                    }
                }
                let share = simd.splat(plan.share(row, column));
                simd.store(simd.mul(sum, share), &mut cells[column]);
            }
            store_cells(simd, &cells, row, features);
        }
    }
}

/// The first convolution, dropped and scaled.
#[inline(always)]
pub fn first<S: Simd>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    kept: &[u8],
    memory: &mut Memory<'_>,
) {
    match S::SUMS {
        24 if plan.width1 >= 16 => first_rows::<S, 16>(simd, plan, weights, kept, memory),
        6.. => first_rows::<S, 8>(simd, plan, weights, kept, memory),
        _ => first_rows::<S, 4>(simd, plan, weights, kept, memory),
    }
}

/// Its rows, `N` pixels at a time where there are so many; the last ones of a row are computed twice if need be.
#[inline(always)]
fn first_rows<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    kept: &[u8],
    memory: &mut Memory<'_>,
) {
    for row in 0..plan.shape.height - 2 {
        let kept = &kept[row * plan.width1..][..plan.width1];
        if plan.width1 < N {
            for column in 0..plan.width1 {
                first_pixels::<S, 1>(simd, plan, weights, kept, memory, row, column);
            }
            continue;
        }
        for tile in 0..plan.width1.div_ceil(N) {
            let column = (tile * N).min(plan.width1 - N);
            first_pixels::<S, N>(simd, plan, weights, kept, memory, row, column);
        }
    }
}

#[inline(always)]
fn first_pixels<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    kept: &[u8],
    memory: &mut Memory<'_>,
    row: usize,
    column: usize,
) {
    let channels = plan.shape.channels;
    let line = plan.shape.width * channels;
    let mut sums = [simd.load_half(&weights.bias1); N];
    for tap_row in 0..3 {
        // The three taps of a row, with all their channels, lie one behind the other in image and weights.
        let run = 3 * channels;
        let taps = &weights.conv1[tap_row * run..][..run];
        let first = (row + tap_row) * line + column * channels;
        let pixels = &memory.image[first..][..(N + 2) * channels];
        for tap in 0..run {
            let weight = simd.load_half(&taps[tap]);
            for pixel in 0..N {
                let input = simd.splat_half(pixels[pixel * channels + tap]);
                sums[pixel] = simd.mul_add_half(input, weight, sums[pixel]);
            }
        }
    }
    let kept: &[u8; N] = window(kept, column);
    let place = row * plan.width1 + column;
    let to: &mut [[f32; 8]; N] = window_mut(memory.activations1, place);
    for pixel in 0..N {
        simd.store_half(simd.keep_half(sums[pixel], kept[pixel]), &mut to[pixel]);
    }
}

/// The second convolution, dropped and behind ReLU.
#[inline(always)]
fn second<S: Simd>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    memory: &mut Memory<'_>,
    bits: &mut [u8],
) {
    match S::SUMS {
        24 if plan.width2 >= 16 => second_rows::<S, 16>(simd, plan, weights, memory, bits),
        6.. => second_rows::<S, 6>(simd, plan, weights, memory, bits),
        _ => second_rows::<S, 2>(simd, plan, weights, memory, bits),
    }
}

/// Its rows, in tiles as those of the first. A pixel that is computed twice has the same bits: those that it cleared are not
/// set again.
#[inline(always)]
fn second_rows<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    memory: &mut Memory<'_>,
    bits: &mut [u8],
) {
    for row in 0..plan.height2 {
        if plan.width2 < N {
            for column in 0..plan.width2 {
                second_pixels::<S, 1>(simd, plan, weights, memory, bits, row, column);
            }
            continue;
        }
        for tile in 0..plan.width2.div_ceil(N) {
            let column = (tile * N).min(plan.width2 - N);
            second_pixels::<S, N>(simd, plan, weights, memory, bits, row, column);
        }
    }
}

#[inline(always)]
fn second_pixels<S: Simd, const N: usize>(
    simd: S,
    plan: &Plan,
    weights: &Weights,
    memory: &mut Memory<'_>,
    bits: &mut [u8],
    row: usize,
    column: usize,
) {
    let mut sums = [simd.load(&weights.bias2); N];
    for tap_row in 0..3 {
        let first = (row + tap_row) * plan.width1 + column;
        let inputs = memory.activations1[first..][..N + 2].as_flattened();
        let taps: &[_; 24] = window(&weights.conv2, 24 * tap_row);
        for tap in 0..24 {
            let weight = simd.load(&taps[tap].0);
            for pixel in 0..N {
                let input = simd.splat(inputs[8 * pixel + tap]);
                sums[pixel] = simd.mul_add(input, weight, sums[pixel]);
            }
        }
    }
    let place = row * plan.width2 + column;
    let (low, high) = bits.split_at_mut(plan.pixels2());
    let low: &mut [u8; N] = window_mut(low, place);
    let high: &mut [u8; N] = window_mut(high, place);
    let to: &mut [[f32; 16]; N] = window_mut(memory.activations2, place);
    for pixel in 0..N {
        let kept = u16::from_le_bytes([low[pixel], high[pixel]]);
        let passed = simd.passing(sums[pixel]) & kept;
        [low[pixel], high[pixel]] = passed.to_le_bytes();
        simd.store(simd.keep(sums[pixel], passed), &mut to[pixel]);
    }
}
