//! Backward: what dropout and ReLU have set to zero is left out, three of four gradients of the hidden layer.

#![allow(
    unsafe_code,
    reason = "megabytes of gradients are not filled with zeros before they are written"
)]

use super::{Sizes, columns};
use crate::kernels::cpu::scratch::{collect_chunks, with_scratch};
use crate::kernels::cpu::simd::{Kernel, Level, Simd, prefetch};
use crate::kernels::cpu::slices::{window, window_mut};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Rows whose parts of a slab stay in the first-level cache.
const ROWS: usize = 64;
/// Outputs whose weights are turned round and used together.
const GROUP: usize = 64;
/// Inputs in a slab.
const SLAB: usize = 64;

/// The gradients of a layer.
#[derive(Clone, Debug)]
pub struct Gradients {
    /// Of what entered, `[rows, inputs]`.
    pub x: Vec<f32>,
    /// `[inputs, outputs]`
    pub weight: Vec<f32>,
    /// `[outputs]`
    pub bias: Vec<f32>,
}

/// The gradients of what leaves a layer, `[rows, outputs]`.
#[derive(Clone, Copy, Debug)]
pub struct OutputGradients<'a> {
    /// The gradients.
    pub gradients: &'a [f32],
    /// What left a layer with ReLU: 0 where ReLU or dropout stopped it, and nowhere else.
    pub outputs: Option<&'a [f32]>,
    /// The scale of dropout.
    pub scale: f32,
}

impl OutputGradients<'_> {
    /// The gradient of the sum behind an output.
    #[inline(always)]
    fn sum(self, place: usize) -> f32 {
        match self.outputs {
            None => self.gradients[place],
            Some(outputs) => {
                let stopped = u32::from(outputs[place] <= 0.0);
                let passed = stopped.wrapping_sub(1);
                f32::from_bits((self.scale * self.gradients[place]).to_bits() & passed)
            }
        }
    }
}

/// The gradients of a layer. Those of its sums that are zero cost nothing.
pub fn backward(
    level: Level,
    sizes: Sizes,
    x: &[f32],
    weight: &[f32],
    sums: OutputGradients<'_>,
) -> Gradients {
    let Sizes { inputs, outputs } = sizes;
    let rows = x.len() / inputs;
    let groups: Vec<Vec<Tile>> = (0..outputs.div_ceil(GROUP))
        .into_par_iter()
        .map(|group| {
            (0..rows.div_ceil(ROWS))
                .into_par_iter()
                .map(|block| {
                    let rows = ROWS * block..rows.min(ROWS * block + ROWS);
                    let columns = GROUP * group..outputs.min(GROUP * group + GROUP);
                    level.run(MakeTile {
                        sums,
                        outputs,
                        rows,
                        columns,
                    })
                })
                .collect()
        })
        .collect();
    let bias = (0..outputs)
        .map(|output| {
            let tiles = groups[output / GROUP].iter();
            let lists = tiles.map(|tile| tile.by_output.of(output % GROUP));
            lists.map(|list| list.gradients.iter().sum::<f32>()).sum()
        })
        .collect();

    let mut x_gradient = vec![0.0; rows * inputs];
    let slabs = columns(&mut x_gradient, inputs, SLAB);
    let work = |slab, mut x_gradient: Vec<&mut [f32]>, weight_gradient: &mut [_]| {
        with_scratch((GROUP + 2 * rows) * SLAB, |scratch| {
            level.run(BackwardSlab {
                sizes,
                x,
                weight,
                groups: &groups,
                first: SLAB * slab,
                x_gradient: &mut x_gradient,
                weight_gradient,
                scratch,
            });
        });
    };
    // SAFETY: `transpose_out` writes every row of the slab's weights, for each group of their columns.
    let weight_gradient = unsafe { collect_chunks(inputs * outputs, SLAB * outputs, slabs, work) };
    Gradients {
        x: x_gradient,
        weight: weight_gradient,
        bias,
    }
}

/// The gradients of a block of rows and a group of outputs.
#[derive(Clone, Debug)]
struct Tile {
    /// A list for each row.
    by_row: Lists,
    /// A list for each output.
    by_output: Lists,
}

struct MakeTile<'a> {
    sums: OutputGradients<'a>,
    outputs: usize,
    rows: Range<usize>,
    columns: Range<usize>,
}

impl Kernel for MakeTile<'_> {
    type Output = Tile;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Tile {
        let Self {
            sums,
            outputs,
            rows,
            columns,
        } = self;
        let mut by_row = [[0.0; GROUP]; ROWS];
        let mut by_output = [[0.0; ROWS]; GROUP];
        for row in 0..rows.len() {
            let first = (rows.start + row) * outputs + columns.start;
            for column in 0..columns.len() {
                let sum = sums.sum(first + column);
                by_row[row][column] = sum;
                by_output[column][row] = sum;
            }
        }
        Tile {
            by_row: lists(simd, &by_row[..rows.len()]),
            by_output: lists(simd, &by_output[..columns.len()]),
        }
    }
}

/// The lists of rows of sixty-four, which end in zeros where they are shorter.
#[inline(always)]
fn lists<S: Simd>(simd: S, rows: &[[f32; 64]]) -> Lists {
    // A vector is written whole, and written over from where its numbers end.
    let mut gradients = vec![0.0; 64 * rows.len() + 8];
    let mut places = vec![0.0; 64 * rows.len() + 8];
    let mut ends = Vec::with_capacity(rows.len());
    let mut count = 0;
    for row in rows {
        for eight in 0..8 {
            let values = simd.load_half(window(row, 8 * eight));
            let bits = simd.different_half(values);
            simd.compress_half(values, bits, window_mut(&mut gradients, count));
            let numbers = simd.load_half(&NUMBERS[eight]);
            simd.compress_half(numbers, bits, window_mut(&mut places, count));
            count += bits.count_ones() as usize;
        }
        ends.push(count as u32);
    }
    Lists {
        gradients,
        places,
        ends,
    }
}

/// 0 to 63, as bits of numbers that are only moved.
const NUMBERS: [[f32; 8]; 8] = {
    let mut numbers = [[0.0; 8]; 8];
    let mut number = 0;
    while number < 64 {
        numbers[number / 8][number % 8] = f32::from_bits(number as u32);
        number += 1;
    }
    numbers
};

/// Lists of gradients that are not zero, one behind the other.
#[derive(Clone, Debug)]
struct Lists {
    gradients: Vec<f32>,
    /// The row of each, counted from that of its block, or its output, from that of its group; as the bits of a number.
    places: Vec<f32>,
    /// Where each list ends.
    ends: Vec<u32>,
}

/// One of [`Lists`].
#[derive(Clone, Copy, Debug)]
struct List<'a> {
    gradients: &'a [f32],
    places: &'a [f32],
}

impl Lists {
    #[inline(always)]
    fn of(&self, list: usize) -> List<'_> {
        let start = if list == 0 { 0 } else { self.ends[list - 1] };
        let entries = start as usize..self.ends[list] as usize;
        List {
            gradients: &self.gradients[entries.clone()],
            places: &self.places[entries],
        }
    }
}

/// The inputs from `first` on: their gradients in every row, and those of their weights.
struct BackwardSlab<'a, 'b> {
    sizes: Sizes,
    x: &'a [f32],
    weight: &'a [f32],
    /// For each group of outputs, a tile for each block of rows.
    groups: &'a [Vec<Tile>],
    first: usize,
    x_gradient: &'a mut [&'b mut [f32]],
    weight_gradient: &'a mut [MaybeUninit<f32>],
    /// A line for each output of a group, and two for each row.
    scratch: &'a mut [f32],
}

/// The numbers of a slab for one row or one output.
type Line = [[f32; 8]; SLAB / 8];

impl Kernel for BackwardSlab<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            sizes: Sizes { inputs, outputs },
            x,
            weight,
            groups,
            first,
            x_gradient,
            weight_gradient,
            scratch,
        } = self;
        let width = SLAB.min(inputs - first);
        let (lines, _) = scratch.as_chunks_mut::<8>();
        let (lines, _) = lines.as_chunks_mut::<{ SLAB / 8 }>();
        let (by_output, by_row) = lines.split_at_mut(GROUP);
        let (x_lines, x_sums) = by_row.split_at_mut(x_gradient.len());
        for row in 0..x_lines.len() {
            let from = &x[row * inputs + first..][..width];
            x_lines[row].as_flattened_mut()[..width].copy_from_slice(from);
        }

        for (group, tiles) in groups.iter().enumerate() {
            let column = GROUP * group;
            let count = GROUP.min(outputs - column);
            let rows = &weight[first * outputs..][..width * outputs];
            transpose_in(simd, rows, outputs, column..column + count, by_output);
            for row in 0..x_sums.len() {
                let list = tiles[row / ROWS].by_row.of(row % ROWS);
                weighted_sum(simd, group == 0, &mut x_sums[row], list, by_output);
            }

            // The weights of this group have been used: their gradients take their place.
            if tiles.is_empty() {
                by_output[..count].fill([[0.0; 8]; SLAB / 8]);
            }
            for block in 0..tiles.len() {
                let rows = &x_lines[ROWS * block..];
                for output in 0..count {
                    let list = tiles[block].by_output.of(output);
                    weighted_sum(simd, block == 0, &mut by_output[output], list, rows);
                }
            }
            transpose_out(
                simd,
                by_output,
                weight_gradient,
                outputs,
                column..column + count,
            );
        }
        for row in 0..x_sums.len() {
            x_gradient[row].copy_from_slice(&x_sums[row].as_flattened()[..width]);
        }
    }
}

/// Adds the lines of a list's places, each times its gradient; to nothing where the line is `fresh`.
#[inline(always)]
fn weighted_sum<S: Simd>(simd: S, fresh: bool, line: &mut Line, list: List<'_>, lines: &[Line]) {
    let mut sums = [simd.splat_half(0.0); SLAB / 8];
    if !fresh {
        for place in 0..SLAB / 8 {
            sums[place] = simd.load_half(&line[place]);
        }
    }
    let count = list.gradients.len();
    let (gradients, places) = (&list.gradients[..count], &list.places[..count]);
    for entry in 0..count {
        let other = &lines[places[entry].to_bits() as usize];
        let gradient = simd.splat_half(gradients[entry]);
        for place in 0..SLAB / 8 {
            let eight = simd.load_half(&other[place]);
            sums[place] = simd.mul_add_half(eight, gradient, sums[place]);
        }
    }
    for place in 0..SLAB / 8 {
        simd.store_half(sums[place], &mut line[place]);
    }
}

/// Some columns of rows, at most a slab of them, as lines; a multiple of eight lines is written.
#[inline(always)]
fn transpose_in<S: Simd>(
    simd: S,
    rows: &[f32],
    row_length: usize,
    columns: Range<usize>,
    lines: &mut [Line],
) {
    let count = rows.len() / row_length;
    for place in 0..count.div_ceil(8) {
        for column in columns.clone().step_by(8) {
            let width = 8.min(columns.end - column);
            let mut block = [simd.splat_half(0.0); 8];
            if width == 8 && 8 * place + 8 <= count {
                for row in 0..8 {
                    let first = (8 * place + row) * row_length + column;
                    block[row] = simd.load_half(window(rows, first));
                    prefetch(rows, first + 8 * row_length);
                }
            } else {
                for row in 8 * place..count.min(8 * place + 8) {
                    let from = &rows[row * row_length + column..][..width];
                    let mut values = [0.0; 8];
                    values[..width].copy_from_slice(from);
                    block[row % 8] = simd.load_half(&values);
                }
            }
            let block = simd.transpose(block);
            for lane in 0..8 {
                let line = &mut lines[column - columns.start + lane];
                simd.store_half(block[lane], &mut line[place]);
            }
        }
    }
}

/// The way back.
#[inline(always)]
fn transpose_out<S: Simd>(
    simd: S,
    lines: &[Line],
    rows: &mut [MaybeUninit<f32>],
    row_length: usize,
    columns: Range<usize>,
) {
    let count = rows.len() / row_length;
    for place in 0..count.div_ceil(8) {
        for column in columns.clone().step_by(8) {
            let width = 8.min(columns.end - column);
            let mut block = [simd.splat_half(0.0); 8];
            for lane in 0..8 {
                block[lane] = simd.load_half(&lines[column - columns.start + lane][place]);
            }
            let block = simd.transpose(block);
            if width == 8 && 8 * place + 8 <= count {
                for row in 0..8 {
                    let first = (8 * place + row) * row_length + column;
                    let mut values = [0.0; 8];
                    simd.store_half(block[row], &mut values);
                    let to: &mut [MaybeUninit<f32>; 8] = window_mut(rows, first);
                    for lane in 0..8 {
                        to[lane] = MaybeUninit::new(values[lane]);
                    }
                }
                continue;
            }
            for row in 8 * place..count.min(8 * place + 8) {
                let mut values = [0.0; 8];
                simd.store_half(block[row % 8], &mut values);
                let to = &mut rows[row * row_length + column..][..width];
                for lane in 0..width {
                    to[lane] = MaybeUninit::new(values[lane]);
                }
            }
        }
    }
}
