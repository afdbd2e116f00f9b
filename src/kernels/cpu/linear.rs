//! Linear layers, alone or with dropout and ReLU behind them.
//!
//! Forward, a panel of sixteen outputs is copied together and multiplied with a few rows at a time. Backward, what dropout and
//! ReLU have set to zero is left out: three of four gradients of the hidden layer. Both share out the columns or rows of
//! their results among the threads, never a sum, so that results have the same bits for any number of threads.

#![allow(
    clippy::inline_always,
    reason = "a kernel that is not inlined into its level's function has no vector instructions"
)]

use super::scratch::{collect_chunks, with_scratch};
use super::simd::{Kernel, Level, Simd};
use rayon::prelude::*;
use std::ops::Range;

/// Outputs in a panel: a vector.
const PANEL: usize = 16;
/// Panels of a task: two lines of cache beside each other.
const PANELS: usize = 2;
/// Inputs whose part of a panel stays in the first-level cache.
const DEPTH: usize = 256;
/// Rows that are done for one part of a panel before the next one.
const ROWS: usize = 64;
/// Outputs whose weights are turned round and used together.
const GROUP: usize = 64;
/// Inputs in a slab of the backward pass.
const SLAB: usize = 64;
/// Fewer rows than this are multiplied without a copy of the weights.
const FEW_ROWS: usize = 4;

/// What follows a linear layer.
#[derive(Clone, Copy, Debug)]
pub enum Activation<'a> {
    /// Nothing.
    None,
    /// Dropout, then ReLU.
    DropoutRelu {
        /// A bit for each output that is kept, in rows of whole bytes.
        kept: &'a [u8],
        /// What the kept ones are multiplied with.
        scale: f32,
    },
    /// ReLU.
    Relu,
}

/// Sizes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Numbers in a row that enters.
    pub inputs: usize,
    /// Numbers in a row that leaves.
    pub outputs: usize,
}

/// The rows that leave the layer, `[rows, outputs]`, of those that enter, `[rows, inputs]`; `weight` is `[inputs, outputs]`.
pub fn forward(
    level: Level,
    sizes: Sizes,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    activation: Activation<'_>,
) -> Vec<f32> {
    let rows = x.len() / sizes.inputs;
    let mut y = vec![0.0; rows * sizes.outputs];
    let width = PANEL * PANELS;
    let tasks = columns(&mut y, sizes.outputs, width);
    let layer = Layer {
        sizes,
        x,
        weight,
        bias,
        activation,
    };
    tasks.into_par_iter().enumerate().for_each(|(task, mut y)| {
        for panel in 0..PANELS {
            let first = width * task + PANEL * panel;
            if first < sizes.outputs {
                with_scratch(sizes.inputs * PANEL, |scratch| {
                    level.run(ForwardPanel {
                        layer: &layer,
                        first,
                        skip: PANEL * panel,
                        y: &mut y,
                        scratch,
                    });
                });
            }
        }
    });
    y
}

/// The parts of every row that lie in each stretch of `width` columns.
fn columns(rows: &mut [f32], row_length: usize, width: usize) -> Vec<Vec<&mut [f32]>> {
    let count = rows.len() / row_length.max(1);
    let mut parts: Vec<Vec<&mut [f32]>> = (0..row_length.div_ceil(width))
        .map(|_| Vec::with_capacity(count))
        .collect();
    for row in rows.chunks_exact_mut(row_length.max(1)) {
        for (parts, part) in parts.iter_mut().zip(row.chunks_mut(width)) {
            parts.push(part);
        }
    }
    parts
}

struct Layer<'a> {
    sizes: Sizes,
    x: &'a [f32],
    weight: &'a [f32],
    bias: &'a [f32],
    activation: Activation<'a>,
}

impl Layer<'_> {
    fn row(&self, row: usize) -> &[f32] {
        &self.x[row * self.sizes.inputs..][..self.sizes.inputs]
    }
}

/// The outputs from `first` on, for every row; they begin at `skip` of the parts in `y`.
struct ForwardPanel<'a, 'b> {
    layer: &'a Layer<'a>,
    first: usize,
    skip: usize,
    y: &'a mut [&'b mut [f32]],
    /// `[inputs, 16]`
    scratch: &'a mut [f32],
}

impl Kernel for ForwardPanel<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::SUMS {
            24 => self.tiles::<S, 22>(simd),
            6 => self.tiles::<S, 6>(simd),
            _ => self.tiles::<S, 2>(simd),
        }
    }
}

impl ForwardPanel<'_, '_> {
    /// `R` rows at a time.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize>(self, simd: S) {
        let Self {
            layer,
            first,
            skip,
            y,
            scratch,
        } = self;
        let outputs = layer.sizes.outputs;
        let width = PANEL.min(outputs - first);
        let bias = simd.load(&padded(&layer.bias[first..first + width]));
        let (panel, _) = scratch.as_chunks_mut::<PANEL>();
        for (to, from) in panel.iter_mut().zip(layer.weight.chunks_exact(outputs)) {
            *to = padded(&from[first..first + width]);
        }
        let rows = y.len();
        for block in (0..rows).step_by(ROWS) {
            let last = (block + ROWS).min(rows);
            let mut sums = [[0.0; PANEL]; ROWS];
            for sum in &mut sums {
                simd.store(bias, sum);
            }
            for (part, panel) in panel.chunks(DEPTH).enumerate() {
                for tile in (block..last).step_by(R) {
                    // Where rows run out, the last one is computed again.
                    let mut x = [layer.row(tile); R];
                    let mut tile_sums = [bias; R];
                    for number in 0..R {
                        let row = (tile + number).min(last - 1);
                        x[number] = &layer.row(row)[DEPTH * part..][..panel.len()];
                        tile_sums[number] = simd.load(&sums[row - block]);
                    }
                    for (input, weight) in panel.iter().enumerate() {
                        let weight = simd.load(weight);
                        for (sum, x) in tile_sums.iter_mut().zip(&x) {
                            *sum = simd.mul_add(simd.splat(x[input]), weight, *sum);
                        }
                    }
                    for (number, sum) in tile_sums.into_iter().enumerate() {
                        simd.store(sum, &mut sums[(tile + number).min(last - 1) - block]);
                    }
                }
            }
            for (number, sum) in sums[..last - block].iter().enumerate() {
                let sum = simd.load(sum);
                let sum = activated(simd, layer.activation, block + number, outputs, first, sum);
                let mut values = [0.0; PANEL];
                simd.store(sum, &mut values);
                y[block + number][skip..skip + width].copy_from_slice(&values[..width]);
            }
        }
    }
}

#[inline(always)]
fn activated<S: Simd>(
    simd: S,
    activation: Activation<'_>,
    row: usize,
    outputs: usize,
    first: usize,
    sum: S::Wide,
) -> S::Wide {
    let zero = simd.splat(0.0);
    match activation {
        Activation::None => sum,
        Activation::Relu => simd.max(sum, zero),
        Activation::DropoutRelu { kept, scale } => {
            let kept = &kept[row * outputs.div_ceil(8) + first / 8..];
            let bits = u16::from_le_bytes([kept[0], kept.get(1).copied().unwrap_or(0)]);
            simd.max(simd.mul(simd.keep(sum, bits), simd.splat(scale)), zero)
        }
    }
}

/// A vector of fewer than sixteen numbers.
#[inline(always)]
fn padded(values: &[f32]) -> [f32; PANEL] {
    if let Some(values) = values.first_chunk() {
        return *values;
    }
    let mut padded = [0.0; PANEL];
    padded[..values.len()].copy_from_slice(values);
    padded
}

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

/// The gradients of a layer from those of its sums, `[rows, outputs]`, of which those that are zero cost nothing.
pub fn backward(level: Level, sizes: Sizes, x: &[f32], weight: &[f32], sums: &[f32]) -> Gradients {
    let Sizes { inputs, outputs } = sizes;
    let rows = x.len() / inputs;
    let groups: Vec<Vec<Tile>> = (0..outputs.div_ceil(GROUP))
        .into_par_iter()
        .map(|group| {
            let blocks = sums.par_chunks(ROWS * outputs);
            blocks.map(|block| Tile::new(block, outputs, GROUP * group)).collect()
        })
        .collect();
    let bias = (0..outputs)
        .map(|output| {
            let lists = groups[output / GROUP].iter().map(|tile| tile.by_output.of(output % GROUP));
            lists.flatten().map(|entry| entry.gradient).sum()
        })
        .collect();

    let mut x_gradient = vec![0.0; rows * inputs];
    let weight_gradient = collect_chunks(
        inputs * outputs,
        SLAB * outputs,
        columns(&mut x_gradient, inputs, SLAB),
        |slab, mut x_gradient, weight_gradient| {
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
        },
    );
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

impl Tile {
    fn new(block: &[f32], outputs: usize, first: usize) -> Self {
        let rows = block.len() / outputs;
        let count = GROUP.min(outputs - first);
        Self {
            by_row: Lists::new(rows, count, |row, output| block[row * outputs + first + output]),
            by_output: Lists::new(count, rows, |output, row| block[row * outputs + first + output]),
        }
    }
}

/// A gradient that is not zero.
#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Its row, counted from that of its block, or its output.
    place: u32,
    gradient: f32,
}

/// Lists of entries, one behind the other.
#[derive(Clone, Debug)]
struct Lists {
    entries: Vec<Entry>,
    /// Where each list ends.
    ends: Vec<u32>,
}

impl Lists {
    #[inline(always)]
    fn of(&self, list: usize) -> &[Entry] {
        let first = list.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.entries[first as usize..self.ends[list] as usize]
    }

    /// `lists` lists of `length` values each, without their zeros.
    fn new(lists: usize, length: usize, value: impl Fn(usize, usize) -> f32) -> Self {
        let nothing = Entry {
            place: 0,
            gradient: 0.0,
        };
        let mut entries = vec![nothing; lists * length + 1];
        let mut count = 0;
        let ends = (0..lists)
            .map(|list| {
                for place in 0..length {
                    let gradient = value(list, place);
                    // Without a branch: what is zero is written over.
                    entries[count] = Entry {
                        place: place as u32,
                        gradient,
                    };
                    count += usize::from(gradient != 0.0);
                }
                count as u32
            })
            .collect();
        entries.truncate(count);
        Self { entries, ends }
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
    weight_gradient: &'a mut [f32],
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
        for (to, from) in x_lines.iter_mut().zip(x.chunks_exact(inputs)) {
            to.as_flattened_mut()[..width].copy_from_slice(&from[first..first + width]);
        }
        x_sums.fill(ZERO);

        for (group, tiles) in groups.iter().enumerate() {
            let column = GROUP * group;
            let count = GROUP.min(outputs - column);
            let rows = &weight[first * outputs..][..width * outputs];
            transpose_in(simd, rows, outputs, column..column + count, by_output);
            for (tile, sums) in tiles.iter().zip(x_sums.chunks_mut(ROWS)) {
                for (row, sum) in sums.iter_mut().enumerate() {
                    *sum = weighted_sum(simd, sum, tile.by_row.of(row), by_output);
                }
            }

            // The weights of this group have been used: their gradients take their place.
            by_output.fill(ZERO);
            for (tile, rows) in tiles.iter().zip(x_lines.chunks(ROWS)) {
                for (output, sum) in by_output[..count].iter_mut().enumerate() {
                    *sum = weighted_sum(simd, sum, tile.by_output.of(output), rows);
                }
            }
            transpose_out(simd, by_output, weight_gradient, outputs, column..column + count);
        }
        for (to, sum) in x_gradient.iter_mut().zip(x_sums) {
            to.copy_from_slice(&sum.as_flattened()[..width]);
        }
    }
}

const ZERO: Line = [[0.0; 8]; SLAB / 8];

/// `start` and the lines of a list's places, each times its gradient.
#[inline(always)]
fn weighted_sum<S: Simd>(simd: S, start: &Line, entries: &[Entry], lines: &[Line]) -> Line {
    let mut sums = [simd.splat_half(0.0); SLAB / 8];
    for (sum, start) in sums.iter_mut().zip(start) {
        *sum = simd.load_half(start);
    }
    for Entry { place, gradient } in entries {
        let line = &lines[*place as usize];
        let gradient = simd.splat_half(*gradient);
        for (sum, eight) in sums.iter_mut().zip(line) {
            *sum = simd.mul_add_half(simd.load_half(eight), gradient, *sum);
        }
    }
    let mut line = ZERO;
    for (to, sum) in line.iter_mut().zip(sums) {
        simd.store_half(sum, to);
    }
    line
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
    let (lines, _) = lines.as_chunks_mut::<8>();
    for (place, rows) in rows.chunks(8 * row_length).enumerate() {
        for (column, lines) in columns.clone().step_by(8).zip(lines.iter_mut()) {
            let count = 8.min(columns.end - column);
            let mut block = [simd.splat_half(0.0); 8];
            for (eight, row) in block.iter_mut().zip(rows.chunks_exact(row_length)) {
                let from = &row[column..column + count];
                *eight = match from.first_chunk() {
                    Some(from) => simd.load_half(from),
                    None => {
                        let mut values = [0.0; 8];
                        values[..count].copy_from_slice(from);
                        simd.load_half(&values)
                    }
                };
            }
            for (line, eight) in lines.iter_mut().zip(simd.transpose(block)) {
                simd.store_half(eight, &mut line[place]);
            }
        }
    }
}

/// The way back.
#[inline(always)]
fn transpose_out<S: Simd>(
    simd: S,
    lines: &[Line],
    rows: &mut [f32],
    row_length: usize,
    columns: Range<usize>,
) {
    let (lines, _) = lines.as_chunks::<8>();
    for (place, rows) in rows.chunks_mut(8 * row_length).enumerate() {
        for (column, lines) in columns.clone().step_by(8).zip(lines) {
            let count = 8.min(columns.end - column);
            let mut block = [simd.splat_half(0.0); 8];
            for (eight, line) in block.iter_mut().zip(lines) {
                *eight = simd.load_half(&line[place]);
            }
            let block = simd.transpose(block);
            for (eight, row) in block.into_iter().zip(rows.chunks_exact_mut(row_length)) {
                let to = &mut row[column..column + count];
                match to.first_chunk_mut() {
                    Some(to) => simd.store_half(eight, to),
                    None => {
                        let mut values = [0.0; 8];
                        simd.store_half(eight, &mut values);
                        to.copy_from_slice(&values[..count]);
                    }
                }
            }
        }
    }
}
