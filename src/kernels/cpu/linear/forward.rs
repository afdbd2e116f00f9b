//! Forward: the weights of sixteen outputs are copied together and multiplied with a few rows at a time.

#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined into its level's function has no vector instructions; the adapters of iterators need not be"
)]

use super::{Activation, Sizes, columns};
use crate::kernels::cpu::scratch::{Aligned, with_panels};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::{padded, window};
use rayon::prelude::*;
use std::ops::Range;

/// Outputs in a panel: a vector.
const PANEL: usize = 16;
/// Panels of a task.
const PANELS: usize = 4;
/// Inputs whose part of a panel stays in the first-level cache.
const DEPTH: usize = 256;
/// Inputs that are looked at together: one check that they are there for all of them.
const STRETCH: usize = 32;
/// Rows that are done for one part of a panel before the next one.
const ROWS: usize = 64;
/// Rows of weights that are brought nearer before they are copied.
const AHEAD: usize = 16;
/// Fewer rows than this go through the weights one at a time.
const FEW_ROWS: usize = 4;

/// The weights of sixteen outputs for an input.
type Weights = Aligned<[f32; PANEL]>;

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
        bias,
        activation,
    };
    tasks.into_par_iter().enumerate().for_each(|(task, mut y)| {
        with_panels(PANELS * sizes.inputs, |panels| {
            level.run(ForwardColumns {
                layer,
                x,
                weight,
                first: width * task,
                y: &mut y,
                panels,
            });
        });
    });
    y
}

/// A layer whose weights are copied together for good.
#[derive(Clone, Debug)]
pub struct Panels {
    sizes: Sizes,
    /// For each sixteen outputs, their weights for every input.
    weights: Vec<Weights>,
    bias: Vec<f32>,
}

impl Panels {
    /// Copies the weights of a layer together; `weight` is `[inputs, outputs]`.
    pub fn new(sizes: Sizes, weight: &[f32], bias: &[f32]) -> Self {
        let count = sizes.outputs.div_ceil(PANEL);
        let mut panels = vec![Aligned([0.0; PANEL]); count * sizes.inputs];
        copy_together(sizes, weight, 0..count, &mut panels, |_| ());
        Self {
            sizes,
            weights: panels,
            bias: bias.to_vec(),
        }
    }

    /// Numbers in a row that leaves.
    pub fn outputs(&self) -> usize {
        self.sizes.outputs
    }
}

/// The rows that leave a prepared layer, on this thread alone, with the bits of [`forward`].
pub fn forward_rows(
    level: Level,
    panels: &Panels,
    x: &[f32],
    activation: Activation<'_>,
    y: &mut [f32],
) {
    let Panels {
        sizes,
        weights: panels,
        bias,
    } = panels;
    let layer = Layer {
        sizes: *sizes,
        bias,
        activation,
    };
    if x.len() < FEW_ROWS * sizes.inputs {
        let rows = x.chunks_exact(sizes.inputs);
        for (row, (x, y)) in rows.zip(y.chunks_exact_mut(sizes.outputs)).enumerate() {
            level.run(ForwardRow {
                layer,
                row,
                x,
                panels,
                y,
            });
        }
        return;
    }
    let parts = columns(y, sizes.outputs, PANEL);
    for (panel, mut y) in parts.into_iter().enumerate() {
        level.run(ForwardPanel {
            layer,
            x,
            first: PANEL * panel,
            skip: 0,
            panel: &panels[panel * sizes.inputs..][..sizes.inputs],
            y: &mut y,
        });
    }
}

#[derive(Clone, Copy)]
struct Layer<'a> {
    sizes: Sizes,
    bias: &'a [f32],
    activation: Activation<'a>,
}

/// The outputs from `first` on, for every row.
struct ForwardColumns<'a, 'b> {
    layer: Layer<'a>,
    x: &'a [f32],
    weight: &'a [f32],
    first: usize,
    y: &'a mut [&'b mut [f32]],
    /// Room for a panel of all inputs, for each panel of outputs.
    panels: &'a mut [Weights],
}

impl Kernel for ForwardColumns<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Sizes { inputs, outputs } = self.layer.sizes;
        let count = PANELS.min((outputs - self.first).div_ceil(PANEL));
        let first = self.first / PANEL;
        copy_together(
            self.layer.sizes,
            self.weight,
            first..first + count,
            self.panels,
            |place| simd.prefetch(self.weight, place),
        );
        for panel in 0..count {
            let task = ForwardPanel {
                layer: self.layer,
                x: self.x,
                first: self.first + PANEL * panel,
                skip: PANEL * panel,
                panel: &self.panels[panel * inputs..][..inputs],
                y: &mut *self.y,
            };
            task.run(simd);
        }
    }
}

/// Copies the weights of some panels together, row by row of all of them.
#[inline(always)]
fn copy_together(
    sizes: Sizes,
    weight: &[f32],
    panels: Range<usize>,
    to: &mut [Weights],
    prefetch: impl Fn(usize),
) {
    let Sizes { inputs, outputs } = sizes;
    for input in 0..inputs {
        for panel in panels.clone() {
            prefetch((input + AHEAD) * outputs + PANEL * panel);
        }
        let row = &weight[input * outputs..][..outputs];
        for panel in panels.clone() {
            let last = outputs.min(PANEL * panel + PANEL);
            let place = (panel - panels.start) * inputs + input;
            to[place].0 = padded(&row[PANEL * panel..last]);
        }
    }
}

/// The outputs of a panel, from `first` on, for every row; they begin at `skip` of the parts in `y`.
struct ForwardPanel<'a, 'b> {
    layer: Layer<'a>,
    x: &'a [f32],
    first: usize,
    skip: usize,
    panel: &'a [Weights],
    y: &'a mut [&'b mut [f32]],
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
            x: all,
            first,
            skip,
            panel,
            y,
        } = self;
        let Sizes { inputs, outputs } = layer.sizes;
        let width = PANEL.min(outputs - first);
        let bias = simd.load(&padded(&layer.bias[first..first + width]));
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
                    let mut tile_sums = [bias; R];
                    for number in 0..R {
                        let row = (tile + number).min(last - 1);
                        tile_sums[number] = simd.load(&sums[row - block]);
                    }
                    for stretch in (0..panel.len()).step_by(STRETCH) {
                        let mut x = [&[0.0; STRETCH]; R];
                        let mut rest = [[0.0; STRETCH]; R];
                        let count = STRETCH.min(panel.len() - stretch);
                        for number in 0..R {
                            let row = (tile + number).min(last - 1);
                            let first = row * inputs + DEPTH * part + stretch;
                            if count == STRETCH {
                                x[number] = window(all, first);
                            } else {
                                rest[number][..count].copy_from_slice(&all[first..first + count]);
                            }
                        }
                        if count == STRETCH {
                            let panel: &[Weights; STRETCH] = window(panel, stretch);
                            for input in 0..STRETCH {
                                let weight = simd.load(&panel[input].0);
                                for row in 0..R {
                                    let x = simd.splat(x[row][input]);
                                    tile_sums[row] = simd.mul_add(x, weight, tile_sums[row]);
                                }
                            }
                        } else {
                            for input in 0..count {
                                let weight = simd.load(&panel[stretch + input].0);
                                for row in 0..R {
                                    let x = simd.splat(rest[row][input]);
                                    tile_sums[row] = simd.mul_add(x, weight, tile_sums[row]);
                                }
                            }
                        }
                    }
                    for number in 0..R {
                        let row = (tile + number).min(last - 1);
                        simd.store(tile_sums[number], &mut sums[row - block]);
                    }
                }
            }
            for row in block..last {
                let sum = simd.load(&sums[row - block]);
                let sum = activated(simd, layer, row, first, sum);
                let mut values = [0.0; PANEL];
                simd.store(sum, &mut values);
                y[row][skip..skip + width].copy_from_slice(&values[..width]);
            }
        }
    }
}

/// All outputs of a row. What enters as zero is left out.
struct ForwardRow<'a> {
    layer: Layer<'a>,
    row: usize,
    x: &'a [f32],
    panels: &'a [Weights],
    y: &'a mut [f32],
}

impl Kernel for ForwardRow<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::SUMS {
            24 => self.panels::<S, 16>(simd),
            6 => self.panels::<S, 6>(simd),
            _ => self.panels::<S, 2>(simd),
        }
    }
}

impl ForwardRow<'_> {
    /// `P` panels at a time.
    #[inline(always)]
    fn panels<S: Simd, const P: usize>(self, simd: S) {
        let Sizes { inputs, outputs } = self.layer.sizes;
        let count = outputs.div_ceil(PANEL);
        let mut places = vec![0; inputs + 1];
        let mut entered = 0;
        for input in 0..inputs {
            places[entered] = input;
            entered += usize::from(self.x[input] != 0.0);
        }
        for group in (0..count).step_by(P) {
            let mut panels = [self.panels; P];
            let mut sums = [simd.splat(0.0); P];
            for number in 0..P {
                // Where panels run out, the last one is computed again.
                let panel = (group + number).min(count - 1);
                panels[number] = &self.panels[panel * inputs..][..inputs];
                let last = outputs.min(PANEL * panel + PANEL);
                sums[number] = simd.load(&padded(&self.layer.bias[PANEL * panel..last]));
            }
            for place in 0..entered {
                let input = places[place];
                let x = simd.splat(self.x[input]);
                for number in 0..P {
                    let weight = simd.load(&panels[number][input].0);
                    sums[number] = simd.mul_add(x, weight, sums[number]);
                }
            }
            for number in 0..P.min(count - group) {
                let first = PANEL * (group + number);
                let sum = activated(simd, self.layer, self.row, first, sums[number]);
                let mut values = [0.0; PANEL];
                simd.store(sum, &mut values);
                let last = outputs.min(first + PANEL);
                self.y[first..last].copy_from_slice(&values[..last - first]);
            }
        }
    }
}

#[inline(always)]
fn activated<S: Simd>(
    simd: S,
    layer: Layer<'_>,
    row: usize,
    first: usize,
    sum: S::Wide,
) -> S::Wide {
    let zero = simd.splat(0.0);
    match layer.activation {
        Activation::None => sum,
        Activation::Relu => simd.max(sum, zero),
        Activation::DropoutRelu { kept, scale } => {
            let kept = &kept[row * layer.sizes.outputs.div_ceil(8) + first / 8..];
            let bits = u16::from_le_bytes([kept[0], kept.get(1).copied().unwrap_or(0)]);
            simd.max(simd.mul(simd.keep(sum, bits), simd.splat(scale)), zero)
        }
    }
}
