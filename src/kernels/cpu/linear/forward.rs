//! Forward: the weights of sixteen outputs are copied together and multiplied with a few rows at a time.

use super::{Activation, Sizes, columns};
use crate::kernels::cpu::scratch::{Aligned, with_panels};
use crate::kernels::cpu::simd::{Kernel, Level, Simd, prefetch};
use crate::kernels::cpu::slices::{padded, window};
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
        copy_together(sizes, weight, 0..count, &mut panels);
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
    let mut rows: Vec<&mut [f32]> = y.chunks_exact_mut(sizes.outputs).collect();
    level.run(ForwardPanels {
        layer,
        x,
        first: 0,
        panels,
        y: &mut rows,
    });
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
        );
        let task = ForwardPanels {
            layer: self.layer,
            x: self.x,
            first: self.first,
            panels: &self.panels[..count * inputs],
            y: self.y,
        };
        task.run(simd);
    }
}

/// Copies the weights of some panels together, row by row of all of them.
#[inline(always)]
fn copy_together(sizes: Sizes, weight: &[f32], panels: Range<usize>, to: &mut [Weights]) {
    let Sizes { inputs, outputs } = sizes;
    for input in 0..inputs {
        for panel in panels.clone() {
            prefetch(weight, (input + AHEAD) * outputs + PANEL * panel);
        }
        let row = &weight[input * outputs..][..outputs];
        for panel in panels.clone() {
            let last = outputs.min(PANEL * panel + PANEL);
            let place = (panel - panels.start) * inputs + input;
            to[place].0 = padded(&row[PANEL * panel..last]);
        }
    }
}

/// The outputs of some panels, from `first` on, for every row.
struct ForwardPanels<'a, 'b> {
    layer: Layer<'a>,
    x: &'a [f32],
    first: usize,
    panels: &'a [Weights],
    y: &'a mut [&'b mut [f32]],
}

impl Kernel for ForwardPanels<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        match S::SUMS {
            24 => self.tiles::<S, 8, 2>(simd),
            6 => self.tiles::<S, 6, 1>(simd),
            _ => self.tiles::<S, 2, 1>(simd),
        }
    }
}

impl ForwardPanels<'_, '_> {
    /// `R` rows and `P` panels at a time.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const P: usize>(mut self, simd: S) {
        let rows = self.y.len();
        let count = self.panels.len() / self.layer.sizes.inputs;
        for block in (0..rows).step_by(ROWS) {
            for group in (0..count).step_by(P) {
                self.block::<S, R, P>(simd, block..rows.min(block + ROWS), group, count);
            }
        }
    }

    /// A block of rows and the panels from `group` on.
    #[inline(always)]
    fn block<S: Simd, const R: usize, const P: usize>(
        &mut self,
        simd: S,
        rows: Range<usize>,
        group: usize,
        count: usize,
    ) {
        let Sizes { inputs, outputs } = self.layer.sizes;
        // Where panels or rows run out, the last one is computed again.
        let mut panels = [self.panels; P];
        let mut bias = [simd.splat(0.0); P];
        for number in 0..P {
            let panel = (group + number).min(count - 1);
            panels[number] = &self.panels[panel * inputs..][..inputs];
            let first = self.first + PANEL * panel;
            let last = outputs.min(first + PANEL);
            bias[number] = simd.load(&padded(&self.layer.bias[first..last]));
        }
        let mut sums = Aligned([[[0.0; PANEL]; P]; ROWS]);
        for row in 0..rows.len() {
            for number in 0..P {
                simd.store(bias[number], &mut sums.0[row][number]);
            }
        }
        for part in (0..inputs).step_by(DEPTH) {
            for tile in rows.clone().step_by(R) {
                let mut tile_sums = [bias; R];
                for number in 0..R {
                    let row = (tile + number).min(rows.end - 1) - rows.start;
                    for panel in 0..P {
                        tile_sums[number][panel] = simd.load(&sums.0[row][panel]);
                    }
                }
                for stretch in (part..inputs.min(part + DEPTH)).step_by(STRETCH) {
                    let length = STRETCH.min(inputs - stretch);
                    if length == STRETCH {
                        let mut x = [&[0.0; STRETCH]; R];
                        for number in 0..R {
                            let row = (tile + number).min(rows.end - 1);
                            x[number] = window(self.x, row * inputs + stretch);
                        }
                        let mut weights = [&[Aligned([0.0; PANEL]); STRETCH]; P];
                        for number in 0..P {
                            weights[number] = window(panels[number], stretch);
                        }
                        for input in 0..STRETCH {
                            let mut weight = [simd.splat(0.0); P];
                            for panel in 0..P {
                                weight[panel] = simd.load(&weights[panel][input].0);
                            }
                            for row in 0..R {
                                let x = simd.splat(x[row][input]);
                                for panel in 0..P {
                                    tile_sums[row][panel] =
                                        simd.mul_add(x, weight[panel], tile_sums[row][panel]);
                                }
                            }
                        }
                    } else {
                        let mut rest = [[0.0; STRETCH]; R];
                        for number in 0..R {
                            let row = (tile + number).min(rows.end - 1);
                            let first = row * inputs + stretch;
                            rest[number][..length].copy_from_slice(&self.x[first..first + length]);
                        }
                        for input in 0..length {
                            for panel in 0..P {
                                let weight = simd.load(&panels[panel][stretch + input].0);
                                for row in 0..R {
                                    let x = simd.splat(rest[row][input]);
                                    tile_sums[row][panel] =
                                        simd.mul_add(x, weight, tile_sums[row][panel]);
                                }
                            }
                        }
                    }
                }
                for number in 0..R {
                    let row = (tile + number).min(rows.end - 1) - rows.start;
                    for panel in 0..P {
                        simd.store(tile_sums[number][panel], &mut sums.0[row][panel]);
                    }
                }
            }
        }
        for row in rows.clone() {
            for number in 0..P.min(count - group) {
                let skip = PANEL * (group + number);
                let first = self.first + skip;
                let sum = simd.load(&sums.0[row - rows.start][number]);
                let mut values = [0.0; PANEL];
                simd.store(activated(simd, self.layer, row, first, sum), &mut values);
                let width = PANEL.min(outputs - first);
                self.y[row][skip..skip + width].copy_from_slice(&values[..width]);
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
        Activation::Relu => simd.max(zero, sum),
        Activation::DropoutRelu { kept, scale } => {
            let kept = &kept[row * layer.sizes.outputs.div_ceil(8) + first / 8..];
            let bits = u16::from_le_bytes([kept[0], kept.get(1).copied().unwrap_or(0)]);
            simd.max(zero, simd.mul(simd.keep(sum, bits), simd.splat(scale)))
        }
    }
}
