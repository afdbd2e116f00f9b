//! The second convolution, its dropout, ReLU and pooling, with fewer than half the products of the windows themselves.
//!
//! Windows of 3 x 3 are taken for 2 x 2 pixels at once, from 4 x 4 inputs: F(2 x 2, 3 x 3) of Lavin and Gray, "Fast
//! Algorithms for Convolutional Neural Networks", 2016, section 4.1. Inputs and weights are transformed by sums and
//! differences, multiplied place by place (sixteen products in place of thirty-six) and transformed back.

use super::geometry::{Activations1, FEATURES, PIXELS_2, store_cells};
use crate::kernels::cpu::scratch::Aligned;
use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::slices::{window, window_mut};

/// Places of a tile: 4 x 4.
const PLACES: usize = 16;
/// Tiles beside each other, of two columns each.
const TILES: usize = 12;
/// Rows that are whole tiles and whole cells.
const ROWS: usize = 6;

/// Transformed weights: by place of a tile and input channel, for each output channel.
#[derive(Clone, Debug)]
pub struct Transformed(Aligned<[[[f32; 16]; 8]; PLACES]>);

impl Transformed {
    /// Transforms weights `[16, 8, 3, 3]`, each times `scale`.
    pub fn new(weight: &[f32], scale: f32) -> Self {
        let mut transformed = [[[0.0; 16]; 8]; PLACES];
        for output in 0..16 {
            for input in 0..8 {
                let taps: &[f32; 9] = window(weight, 9 * (8 * output + input));
                let mut rows = [[0.0; 3]; 4];
                for column in 0..3 {
                    let column_taps = [taps[column], taps[3 + column], taps[6 + column]];
                    let four = transform_taps(column_taps.map(|tap| scale * tap));
                    for row in 0..4 {
                        rows[row][column] = four[row];
                    }
                }
                for row in 0..4 {
                    let four = transform_taps(rows[row]);
                    for column in 0..4 {
                        transformed[4 * row + column][input][output] = four[column];
                    }
                }
            }
        }
        Self(Aligned(transformed))
    }
}

fn transform_taps([first, second, third]: [f32; 3]) -> [f32; 4] {
    let ends = first + third;
    [first, 0.5 * (ends + second), 0.5 * (ends - second), third]
}

/// The features, `[16, 8, 8]`, of what the first convolution left; of `bits`, those that ReLU stops are cleared.
#[inline(always)]
pub fn second<S: Simd>(
    simd: S,
    weights: &Transformed,
    bias: &[f32; 16],
    activations: &Activations1,
    bits: &mut [[u8; PIXELS_2]; 2],
    features: &mut [f32; FEATURES],
) {
    let mut columns = Aligned([[[0.0; 8]; 26]; 4]);
    let mut inputs = Aligned([[[0.0; 8]; TILES]; PLACES]);
    let mut products = Aligned([[[0.0; 16]; TILES]; PLACES]);
    for group in 0..24 / ROWS {
        let mut cells = Aligned([[[0.0; 16]; 8]; 2]);
        for tile_row in 0..ROWS / 2 {
            let row = ROWS * group + 2 * tile_row;
            let rows = window(activations, 26 * row);
            transform_inputs(simd, rows, &mut columns.0, &mut inputs.0);
            match S::SUMS {
                24 => multiply::<S, 12>(simd, weights, &inputs.0, &mut products.0),
                6 => multiply::<S, 6>(simd, weights, &inputs.0, &mut products.0),
                _ => multiply::<S, 2>(simd, weights, &inputs.0, &mut products.0),
            }
            for tile in 0..TILES {
                let sums = transform_back(simd, &products.0, tile);
                for pixel in 0..4 {
                    let (row, column) = (row + pixel / 2, 2 * tile + pixel % 2);
                    let sum = simd.add(sums[pixel], simd.load(bias));
                    let cell = &mut cells.0[row % ROWS / 3][column / 3];
                    pool(simd, sum, 24 * row + column, bits, cell);
                }
            }
        }
        for row in 0..2 {
            store_cells(simd, &cells.0[row], 2 * group + row, features);
        }
    }
}

/// Dropout, ReLU and the sum of a cell.
#[inline(always)]
fn pool<S: Simd>(
    simd: S,
    sum: S::Wide,
    place: usize,
    bits: &mut [[u8; PIXELS_2]; 2],
    cell: &mut [f32; 16],
) {
    let kept = u16::from_le_bytes([bits[0][place], bits[1][place]]);
    let sum = simd.keep(sum, kept);
    let [low, high] = simd.passing(sum).to_le_bytes();
    bits[0][place] = low;
    bits[1][place] = high;
    let passed = simd.max(simd.splat(0.0), sum);
    simd.store(simd.add(simd.load(cell), passed), cell);
}

/// Four rows of the first convolution's pixels, transformed tile by tile.
#[inline(always)]
fn transform_inputs<S: Simd>(
    simd: S,
    rows: &[[f32; 8]; 4 * 26],
    columns: &mut [[[f32; 8]; 26]; 4],
    inputs: &mut [[[f32; 8]; TILES]; PLACES],
) {
    for column in 0..26 {
        let mut pixels = [simd.splat_half(0.0); 4];
        for row in 0..4 {
            pixels[row] = simd.load_half(&rows[26 * row + column]);
        }
        let four = transform_pixels(simd, pixels);
        for row in 0..4 {
            simd.store_half(four[row], &mut columns[row][column]);
        }
    }
    for row in 0..4 {
        for tile in 0..TILES {
            let pixels: &[[f32; 8]; 4] = window(&columns[row], 2 * tile);
            let mut four = [simd.splat_half(0.0); 4];
            for column in 0..4 {
                four[column] = simd.load_half(&pixels[column]);
            }
            let four = transform_pixels(simd, four);
            for column in 0..4 {
                simd.store_half(four[column], &mut inputs[4 * row + column][tile]);
            }
        }
    }
}

#[inline(always)]
fn transform_pixels<S: Simd>(simd: S, pixels: [S::Half; 4]) -> [S::Half; 4] {
    let [first, second, third, fourth] = pixels;
    [
        simd.sub_half(first, third),
        simd.add_half(second, third),
        simd.sub_half(third, second),
        simd.sub_half(second, fourth),
    ]
}

/// The sums over input channels of each place of each tile, `T` tiles at a time, a divisor of 12.
#[inline(always)]
fn multiply<S: Simd, const T: usize>(
    simd: S,
    weights: &Transformed,
    inputs: &[[[f32; 8]; TILES]; PLACES],
    products: &mut [[[f32; 16]; TILES]; PLACES],
) {
    for place in 0..PLACES {
        for first in (0..TILES).step_by(T) {
            let inputs: &[[f32; 8]; T] = window(&inputs[place], first);
            let products: &mut [[f32; 16]; T] = window_mut(&mut products[place], first);
            let mut sums = [simd.splat(0.0); T];
            for channel in 0..8 {
                let weight = simd.load(&weights.0.0[place][channel]);
                for tile in 0..T {
                    let input = simd.splat(inputs[tile][channel]);
                    sums[tile] = simd.mul_add(input, weight, sums[tile]);
                }
            }
            for tile in 0..T {
                simd.store(sums[tile], &mut products[tile]);
            }
        }
    }
}

/// The sums of a tile's pixels: of its upper row, then of its lower one.
#[inline(always)]
fn transform_back<S: Simd>(
    simd: S,
    products: &[[[f32; 16]; TILES]; PLACES],
    tile: usize,
) -> [S::Wide; 4] {
    let mut upper = [simd.splat(0.0); 4];
    let mut lower = upper;
    for column in 0..4 {
        let mut rows = upper;
        for row in 0..4 {
            rows[row] = simd.load(&products[4 * row + column][tile]);
        }
        [upper[column], lower[column]] = transform_four(simd, rows);
    }
    let [first, second] = transform_four(simd, upper);
    let [third, fourth] = transform_four(simd, lower);
    [first, second, third, fourth]
}

#[inline(always)]
fn transform_four<S: Simd>(simd: S, four: [S::Wide; 4]) -> [S::Wide; 2] {
    let [first, second, third, fourth] = four;
    [
        simd.add(simd.add(first, second), third),
        simd.sub(simd.sub(second, third), fourth),
    ]
}
