//! Backward behind a max pooling: one of each four gradients is not zero, and ReLU leaves about half of those. Each is taken
//! by itself, with the window that it belongs to.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::forward::{Routes, pixels};
use super::geometry::{BLOCK, Geometry, gather, interleave, staged};
use super::gradients::Gradients;
use super::lanes::{Eight, Lanes, Sixteen, fits_sixteens};
use super::regions::{Lists, Regions};
use super::tasks::in_tasks;
use crate::kernels::cpu::scratch::with_scratch;
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Numbers in a vector.
const LANES: usize = 8;
/// Numbers of a plane that stay in the first-level cache while all outputs go over them.
const BAND: usize = 5 * 1024;
/// Outputs whose sums are added up by one thread.
const OUTPUTS: usize = 8;

/// The gradients from those of what left the pooling.
pub fn backward(
    level: Level,
    geometry: Geometry,
    x: &[f32],
    weight: &[f32],
    routes: &Routes,
    gradients: &[f32],
    wants_input: bool,
) -> Gradients {
    let images = x.len() / geometry.image();
    let pooled = Pooled::new(geometry);
    let weights = wants_input.then(|| Weights::new(level, geometry, weight));
    let pass = Pass {
        geometry,
        pooled: &pooled,
        weights: weights.as_ref(),
        routes,
        inside: &geometry.pixels(false),
    };
    let pixels = pixels(geometry, true);
    let work = |images: Range<usize>, output: Option<&mut [MaybeUninit<f32>]>| {
        with_scratch(2 * geometry.plane(), |scratch| {
            level.run(Images {
                pass,
                x: &x[images.start * geometry.image()..images.end * geometry.image()],
                gradients: &gradients[images.start * geometry.outputs * pixels..],
                first: images.start,
                output,
                scratch,
            })
        })
    };
    // SAFETY: `gather` writes every channel of every image.
    let (tasks, of_x) = unsafe { in_tasks(geometry, images, wants_input, work) };
    let (weight, bias) = add(geometry, &tasks);
    Gradients {
        x: of_x,
        weight,
        bias,
    }
}

/// Vectors of a row of a window, the last of which is filled up.
const fn vectors(geometry: Geometry) -> usize {
    geometry.run().div_ceil(LANES)
}

/// Numbers of the sums of an output: its weights by row of the window, and its bias in a vector of its own.
const fn sums_of_an_output(geometry: Geometry) -> usize {
    (geometry.kernel * vectors(geometry) + 1) * LANES
}

/// Packed weights.
enum Weights {
    Regions(Regions),
    /// As [`pack`] has them.
    Windows(Vec<f32>),
}

impl Weights {
    fn new(level: Level, geometry: Geometry, weight: &[f32]) -> Self {
        Regions::pack(level, geometry, weight)
            .map_or_else(|| Self::Windows(pack(geometry, weight)), Self::Regions)
    }
}

/// Weights by output and row of the window, each row filled up with zeros to whole vectors.
fn pack(geometry: Geometry, weight: &[f32]) -> Vec<f32> {
    let Geometry { inputs, kernel, .. } = geometry;
    let row = vectors(geometry) * LANES;
    let mut packed = vec![0.0; geometry.outputs * kernel * row];
    let outputs = packed.chunks_exact_mut(kernel * row);
    for (packed, weight) in outputs.zip(weight.chunks_exact(geometry.taps())) {
        for (input, weight) in weight.chunks_exact(kernel * kernel).enumerate() {
            for (tap, weight) in weight.iter().enumerate() {
                packed[tap / kernel * row + tap % kernel * inputs + input] = *weight;
            }
        }
    }
    packed
}

/// Adds up the sums of tasks in their order, and lays them out as Burn has them.
fn add(geometry: Geometry, tasks: &[Vec<f32>]) -> (Vec<f32>, Vec<f32>) {
    let Geometry {
        inputs,
        outputs,
        kernel,
        ..
    } = geometry;
    let (taps, length) = (geometry.taps(), sums_of_an_output(geometry));
    let row = vectors(geometry) * LANES;
    let mut weight = vec![0.0; outputs * taps];
    let mut bias = vec![0.0; outputs];
    weight
        .par_chunks_mut(OUTPUTS * taps)
        .zip(bias.par_chunks_mut(OUTPUTS))
        .enumerate()
        .for_each(|(some, (weight, bias))| {
            let length_of_some = bias.len() * length;
            let mut sums = vec![0.0; length_of_some];
            for task in tasks {
                let task = &task[some * OUTPUTS * length..][..length_of_some];
                for (sum, added) in sums.iter_mut().zip(task) {
                    *sum += added;
                }
            }
            let weights = weight.chunks_exact_mut(taps).zip(bias);
            for (sums, (weight, bias)) in sums.chunks_exact(length).zip(weights) {
                for (input, weight) in weight.chunks_exact_mut(kernel * kernel).enumerate() {
                    for (tap, weight) in weight.iter_mut().enumerate() {
                        *weight = sums[tap / kernel * row + tap % kernel * inputs + input];
                    }
                }
                *bias = sums[kernel * row];
            }
        });
    (weight, bias)
}

/// Pooled pixels, in bands of rows.
struct Pooled {
    /// Where the window of the first of its four pixels begins.
    windows: Vec<u32>,
    /// From there to the windows of all four.
    places: [u32; 4],
    /// Where the gradients of a block of outputs are put first.
    staged: Vec<u32>,
    /// The pixels of each band.
    bands: Vec<Range<usize>>,
}

impl Pooled {
    fn new(geometry: Geometry) -> Self {
        let (rows, columns) = (geometry.rows() / 2, geometry.columns() / 2);
        let (step, inputs) = (geometry.step(), geometry.inputs);
        let windows = (0..rows * columns)
            .map(|pixel| (2 * (pixel / columns * step + pixel % columns * inputs)) as u32);
        let together = (BAND / step).saturating_sub(geometry.kernel - 1) / 2;
        let pixels = together.max(1) * columns;
        Self {
            windows: windows.collect(),
            staged: staged(rows * columns),
            places: [0, inputs, step, step + inputs].map(|place| place as u32),
            bands: (0..rows * columns)
                .step_by(pixels)
                .map(|first| first..(rows * columns).min(first + pixels))
                .collect(),
        }
    }
}

/// A gradient that is not zero, and where its window begins.
#[derive(Clone, Copy)]
struct Taken {
    gradient: f32,
    window: u32,
}

#[derive(Clone, Copy)]
struct Pass<'a> {
    geometry: Geometry,
    pooled: &'a Pooled,
    /// Packed, if the gradient of what entered is wanted.
    weights: Option<&'a Weights>,
    routes: &'a Routes,
    /// Where the pixels that entered lie in their plane.
    inside: &'a [u32],
}

/// A task.
struct Images<'a> {
    pass: Pass<'a>,
    x: &'a [f32],
    /// Those of these images and of those behind them.
    gradients: &'a [f32],
    /// The first image.
    first: usize,
    output: Option<&'a mut [MaybeUninit<f32>]>,
    scratch: &'a mut [f32],
}

impl Kernel for Images<'_> {
    /// For each output [`sums_of_an_output`].
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<f32> {
        let Pass {
            geometry,
            pooled,
            weights,
            routes,
            inside,
        } = self.pass;
        let Geometry {
            inputs, outputs, ..
        } = geometry;
        let pixels = pooled.windows.len();
        let (plane, scratch) = self.scratch.split_at_mut(geometry.plane());
        let (back, _) = scratch.split_at_mut(geometry.plane());
        // The border stays zero.
        plane.fill(0.0);
        let length = sums_of_an_output(geometry);
        let mut sums = vec![0.0; outputs * length];
        let nothing = Taken {
            gradient: 0.0,
            window: 0,
        };
        let mut taken = vec![nothing; outputs * pixels + 1];
        // Where those of each band of each output end.
        let mut ends = vec![0; outputs * pooled.bands.len()];
        let mut lists = Lists::default();
        let mut output = self.output;
        for image in 0..self.x.len() / geometry.image() {
            let gradients = &self.gradients[image * outputs * pixels..][..outputs * pixels];
            let routes = routes.of(self.first + image);
            take(pooled, gradients, routes, &mut taken, &mut ends);
            let x = &self.x[image * geometry.image()..][..geometry.image()];
            interleave(simd, x, inputs, inside, plane);
            for band in 0..pooled.bands.len() {
                for output in 0..outputs {
                    let place = output * pooled.bands.len() + band;
                    let start = if place == 0 { 0 } else { ends[place - 1] };
                    let sums = &mut sums[output * length..][..length];
                    add_windows(simd, geometry, plane, &taken[start..ends[place]], sums);
                }
            }
            let (Some(weights), Some(to)) = (weights, &mut output) else {
                continue;
            };
            back.fill(0.0);
            match weights {
                Weights::Regions(regions) => {
                    lists.fill(simd, &pooled.staged, gradients, routes);
                    regions.add(simd, geometry, &pooled.windows, &lists, back);
                }
                Weights::Windows(weights) => {
                    let length = weights.len() / outputs;
                    for band in 0..pooled.bands.len() {
                        for output in 0..outputs {
                            let place = output * pooled.bands.len() + band;
                            let start = if place == 0 { 0 } else { ends[place - 1] };
                            let weights = &weights[output * length..][..length];
                            let taken = &taken[start..ends[place]];
                            add_weights(simd, geometry, weights, taken, back);
                        }
                    }
                }
            }
            let to = &mut to[image * geometry.image()..][..geometry.image()];
            gather(simd, back, inputs, inside, to);
        }
        sums
    }
}

/// Finds the gradients that are not zero, output by output and band by band.
#[inline(always)]
fn take(
    pooled: &Pooled,
    gradients: &[f32],
    routes: &[u16],
    taken: &mut [Taken],
    ends: &mut [usize],
) {
    const FIRST_BITS: u64 = 0x0001_0001_0001_0001;
    let pixels = pooled.windows.len();
    let (routes, _) = routes.as_chunks::<4>();
    let mut count = 0;
    for (output, gradients) in gradients.chunks_exact(pixels).enumerate() {
        let routes = &routes[output / BLOCK * pixels..][..pixels];
        for band in 0..pooled.bands.len() {
            for pixel in pooled.bands[band].clone() {
                let [first, second, third, fourth] = routes[pixel];
                let bits = u64::from(first)
                    | u64::from(second) << 16
                    | u64::from(third) << 32
                    | u64::from(fourth) << 48;
                let bits = bits >> (output % BLOCK) & FIRST_BITS;
                let place = pooled.places[(bits.trailing_zeros() / 16 % 4) as usize];
                let gradient = gradients[pixel];
                taken[count] = Taken {
                    gradient,
                    window: pooled.windows[pixel] + place,
                };
                count += usize::from(bits != 0 && gradient != 0.0);
            }
            ends[output * pooled.bands.len() + band] = count;
        }
    }
}

/// Adds the windows times their gradients to the sums of an output.
#[inline(always)]
fn add_windows<S: Simd>(
    simd: S,
    geometry: Geometry,
    plane: &[f32],
    taken: &[Taken],
    sums: &mut [f32],
) {
    let (sums, bias) = sums.split_at_mut(sums.len() - LANES);
    for taken in taken {
        bias[0] += taken.gradient;
    }
    in_parts(
        simd,
        geometry,
        &mut ToSums {
            geometry,
            plane,
            taken,
            sums,
        },
    );
}

/// Adds the weights of an output times its gradients to the windows.
#[inline(always)]
fn add_weights<S: Simd>(
    simd: S,
    geometry: Geometry,
    weights: &[f32],
    taken: &[Taken],
    plane: &mut [f32],
) {
    in_parts(
        simd,
        geometry,
        &mut ToWindows {
            geometry,
            weights,
            taken,
            plane,
        },
    );
}

/// Work on the windows of an output, which fit the registers in parts.
trait Part {
    /// `R` rows of each window from `row` on, and `V` vectors of them from the number `first` on.
    fn compute<S: Simd, L: Lanes<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        first: usize,
    );
}

#[inline(always)]
fn in_parts<S: Simd, P: Part>(simd: S, geometry: Geometry, part: &mut P) {
    if fits_sixteens::<S>(geometry.run()) {
        in_sixteens(simd, geometry, part);
        return;
    }
    match (geometry.kernel, vectors(geometry)) {
        (3, 1) => part.compute::<S, Eight, 3, 1>(simd, 0, 0),
        (3, 2) => part.compute::<S, Eight, 3, 2>(simd, 0, 0),
        (3, 3) => part.compute::<S, Eight, 3, 3>(simd, 0, 0),
        (3, 4) => part.compute::<S, Eight, 3, 4>(simd, 0, 0),
        (5, 1) => part.compute::<S, Eight, 5, 1>(simd, 0, 0),
        (5, 2) => part.compute::<S, Eight, 5, 2>(simd, 0, 0),
        (kernel, vectors) => {
            for row in 0..kernel {
                by_row::<S, Eight, P>(simd, part, row, vectors);
            }
        }
    }
}

/// The same in vectors of sixteen numbers, of which 24 fit the registers.
#[inline(always)]
fn in_sixteens<S: Simd, P: Part>(simd: S, geometry: Geometry, part: &mut P) {
    let vectors = geometry.run() / <Sixteen as Lanes<S>>::COUNT;
    match (geometry.kernel, vectors) {
        (3, 3) => part.compute::<S, Sixteen, 3, 3>(simd, 0, 0),
        (3, 6) => part.compute::<S, Sixteen, 3, 6>(simd, 0, 0),
        (3, 12) => {
            part.compute::<S, Sixteen, 2, 12>(simd, 0, 0);
            part.compute::<S, Sixteen, 1, 12>(simd, 2, 0);
        }
        (kernel, vectors) => {
            for row in 0..kernel {
                by_row::<S, Sixteen, P>(simd, part, row, vectors);
            }
        }
    }
}

/// A row of the windows, in as few parts as fit the registers.
#[inline(always)]
fn by_row<S: Simd, L: Lanes<S>, P: Part>(simd: S, part: &mut P, row: usize, vectors: usize) {
    let mut vector = 0;
    while vector < vectors {
        let first = vector * L::COUNT;
        vector += match vectors - vector {
            12.. => {
                part.compute::<S, L, 1, 12>(simd, row, first);
                12
            }
            9.. => {
                part.compute::<S, L, 1, 9>(simd, row, first);
                9
            }
            6.. => {
                part.compute::<S, L, 1, 6>(simd, row, first);
                6
            }
            4.. => {
                part.compute::<S, L, 1, 4>(simd, row, first);
                4
            }
            2.. => {
                part.compute::<S, L, 1, 2>(simd, row, first);
                2
            }
            _ => {
                part.compute::<S, L, 1, 1>(simd, row, first);
                1
            }
        };
    }
}

/// `V` vectors of each of `R` rows, which are `row` numbers apart.
#[inline(always)]
fn load<S: Simd, L: Lanes<S>, const R: usize, const V: usize>(
    simd: S,
    from: &[f32],
    row: usize,
) -> [[L::Vector; V]; R] {
    let mut loaded = [[L::splat(simd, 0.0); V]; R];
    for part in 0..R {
        let from = &from[part * row..][..V * L::COUNT];
        for vector in 0..V {
            loaded[part][vector] = L::load(simd, &from[vector * L::COUNT..]);
        }
    }
    loaded
}

struct ToSums<'a> {
    geometry: Geometry,
    plane: &'a [f32],
    taken: &'a [Taken],
    sums: &'a mut [f32],
}

impl Part for ToSums<'_> {
    #[inline(always)]
    fn compute<S: Simd, L: Lanes<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        first: usize,
    ) {
        let (step, length) = (self.geometry.step(), vectors(self.geometry) * LANES);
        let own = &mut self.sums[row * length + first..];
        let mut sums = load::<S, L, R, V>(simd, own, length);
        let plane = &self.plane[row * step + first..];
        for taken in self.taken {
            let gradient = L::splat(simd, taken.gradient);
            for part in 0..R {
                let pixels = &plane[taken.window as usize + part * step..][..V * L::COUNT];
                for vector in 0..V {
                    let pixel = L::load(simd, &pixels[vector * L::COUNT..]);
                    sums[part][vector] = L::mul_add(simd, gradient, pixel, sums[part][vector]);
                }
            }
        }
        for part in 0..R {
            let own = &mut own[part * length..][..V * L::COUNT];
            for vector in 0..V {
                L::store(simd, sums[part][vector], &mut own[vector * L::COUNT..]);
            }
        }
    }
}

struct ToWindows<'a> {
    geometry: Geometry,
    weights: &'a [f32],
    taken: &'a [Taken],
    plane: &'a mut [f32],
}

impl Part for ToWindows<'_> {
    #[inline(always)]
    fn compute<S: Simd, L: Lanes<S>, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        first: usize,
    ) {
        let (step, length) = (self.geometry.step(), vectors(self.geometry) * LANES);
        let weights = load::<S, L, R, V>(simd, &self.weights[row * length + first..], length);
        let plane = &mut self.plane[row * step + first..];
        for taken in self.taken {
            let gradient = L::splat(simd, taken.gradient);
            for part in 0..R {
                let pixels = &mut plane[taken.window as usize + part * step..][..V * L::COUNT];
                for vector in 0..V {
                    let pixel = &mut pixels[vector * L::COUNT..];
                    let sum = L::load(simd, pixel);
                    let sum = L::mul_add(simd, gradient, weights[part][vector], sum);
                    L::store(simd, sum, pixel);
                }
            }
        }
    }
}
