//! Linear layers, alone or with dropout and ReLU behind them.
//!
//! Forward, a panel of sixteen outputs is copied together and multiplied with a few rows at a time. Backward, what dropout and
//! ReLU have set to zero is left out: three of four gradients of the hidden layer. Both share out the columns or rows of
//! their results among the threads, never a sum, so that results have the same bits for any number of threads.

#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined into its level's function has no vector instructions; the adapters of iterators need not be"
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
        for input in 0..panel.len() {
            panel[input] = padded(&layer.weight[input * outputs + first..][..width]);
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
                        for row in 0..R {
                            let x = simd.splat(x[row][input]);
                            tile_sums[row] = simd.mul_add(x, weight, tile_sums[row]);
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
        let mut ends = Vec::with_capacity(lists);
        for list in 0..lists {
            for place in 0..length {
                let gradient = value(list, place);
                // Without a branch: what is zero is written over.
                entries[count] = Entry {
                    place: place as u32,
                    gradient,
                };
                count += usize::from(gradient != 0.0);
            }
            ends.push(count as u32);
        }
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
        for row in 0..x_lines.len() {
            let from = &x[row * inputs + first..][..width];
            x_lines[row].as_flattened_mut()[..width].copy_from_slice(from);
        }
        x_sums.fill(ZERO);

        for (group, tiles) in groups.iter().enumerate() {
            let column = GROUP * group;
            let count = GROUP.min(outputs - column);
            let rows = &weight[first * outputs..][..width * outputs];
            transpose_in(simd, rows, outputs, column..column + count, by_output);
            for row in 0..x_sums.len() {
                let list = tiles[row / ROWS].by_row.of(row % ROWS);
                x_sums[row] = weighted_sum(simd, &x_sums[row], list, by_output);
            }

            // The weights of this group have been used: their gradients take their place.
            by_output.fill(ZERO);
            for block in 0..tiles.len() {
                let rows = &x_lines[ROWS * block..];
                for output in 0..count {
                    let list = tiles[block].by_output.of(output);
                    by_output[output] = weighted_sum(simd, &by_output[output], list, rows);
                }
            }
            transpose_out(simd, by_output, weight_gradient, outputs, column..column + count);
        }
        for row in 0..x_sums.len() {
            x_gradient[row].copy_from_slice(&x_sums[row].as_flattened()[..width]);
        }
    }
}

const ZERO: Line = [[0.0; 8]; SLAB / 8];

/// `start` and the lines of a list's places, each times its gradient.
#[inline(always)]
fn weighted_sum<S: Simd>(simd: S, start: &Line, entries: &[Entry], lines: &[Line]) -> Line {
    let mut sums = [simd.splat_half(0.0); SLAB / 8];
    for place in 0..SLAB / 8 {
        sums[place] = simd.load_half(&start[place]);
    }
    for Entry { place, gradient } in entries {
        let line = &lines[*place as usize];
        let gradient = simd.splat_half(*gradient);
        for place in 0..SLAB / 8 {
            let eight = simd.load_half(&line[place]);
            sums[place] = simd.mul_add_half(eight, gradient, sums[place]);
        }
    }
    let mut line = ZERO;
    for place in 0..SLAB / 8 {
        simd.store_half(sums[place], &mut line[place]);
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
    let count = rows.len() / row_length;
    for place in 0..count.div_ceil(8) {
        for column in columns.clone().step_by(8) {
            let width = 8.min(columns.end - column);
            let mut block = [simd.splat_half(0.0); 8];
            for row in 8 * place..count.min(8 * place + 8) {
                let from = &rows[row * row_length + column..][..width];
                block[row % 8] = match from.first_chunk() {
                    Some(from) => simd.load_half(from),
                    None => {
                        let mut values = [0.0; 8];
                        values[..width].copy_from_slice(from);
                        simd.load_half(&values)
                    }
                };
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
    rows: &mut [f32],
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
            for row in 8 * place..count.min(8 * place + 8) {
                let to = &mut rows[row * row_length + column..][..width];
                match to.first_chunk_mut() {
                    Some(to) => simd.store_half(block[row % 8], to),
                    None => {
                        let mut values = [0.0; 8];
                        simd.store_half(block[row % 8], &mut values);
                        to.copy_from_slice(&values[..width]);
                    }
                }
            }
        }
    }
}
