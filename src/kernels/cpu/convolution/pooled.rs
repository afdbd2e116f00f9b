//! Backward behind a max pooling: one of each four gradients is not zero, and ReLU leaves about half of those. Each is taken
//! by itself, with the window that it belongs to.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::forward::{Routes, pixels};
use super::geometry::{BLOCK, Geometry, gather, interleave};
use super::gradients::Gradients;
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
    let weights = wants_input.then(|| pack(geometry, weight));
    let pass = Pass {
        geometry,
        pooled: &pooled,
        weights: weights.as_deref(),
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
    weights: Option<&'a [f32]>,
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
    let (sums, _) = sums.as_chunks_mut::<LANES>();
    let (bias, sums) = match sums.split_last_mut() {
        Some((bias, sums)) => (&mut bias[0], sums),
        None => return,
    };
    for taken in taken {
        *bias += taken.gradient;
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
            weights: weights.as_chunks().0,
            taken,
            plane,
        },
    );
}

/// Work on the windows of an output, which fit the registers in parts.
trait Part {
    /// `R` rows of each window from `row` on, and `V` vectors of them from `vector` on.
    fn compute<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        vector: usize,
    );
}

#[inline(always)]
fn in_parts<S: Simd, P: Part>(simd: S, geometry: Geometry, part: &mut P) {
    match (geometry.kernel, vectors(geometry)) {
        (3, 1) => part.compute::<S, 3, 1>(simd, 0, 0),
        (3, 2) => part.compute::<S, 3, 2>(simd, 0, 0),
        (3, 3) => part.compute::<S, 3, 3>(simd, 0, 0),
        (3, 4) => part.compute::<S, 3, 4>(simd, 0, 0),
        (5, 1) => part.compute::<S, 5, 1>(simd, 0, 0),
        (5, 2) => part.compute::<S, 5, 2>(simd, 0, 0),
        (kernel, vectors) => {
            for row in 0..kernel {
                let mut vector = 0;
                while vector < vectors {
                    vector += match vectors - vector {
                        12.. => {
                            part.compute::<S, 1, 12>(simd, row, vector);
                            12
                        }
                        9.. => {
                            part.compute::<S, 1, 9>(simd, row, vector);
                            9
                        }
                        6.. => {
                            part.compute::<S, 1, 6>(simd, row, vector);
                            6
                        }
                        4.. => {
                            part.compute::<S, 1, 4>(simd, row, vector);
                            4
                        }
                        2.. => {
                            part.compute::<S, 1, 2>(simd, row, vector);
                            2
                        }
                        _ => {
                            part.compute::<S, 1, 1>(simd, row, vector);
                            1
                        }
                    };
                }
            }
        }
    }
}

/// `V` vectors of each of `R` rows, which are `vectors` apart.
#[inline(always)]
fn load<S: Simd, const R: usize, const V: usize>(
    simd: S,
    from: &[[f32; LANES]],
    vectors: usize,
) -> [[S::Half; V]; R] {
    let mut loaded = [[simd.splat_half(0.0); V]; R];
    for row in 0..R {
        for vector in 0..V {
            loaded[row][vector] = simd.load_half(&from[row * vectors + vector]);
        }
    }
    loaded
}

struct ToSums<'a> {
    geometry: Geometry,
    plane: &'a [f32],
    taken: &'a [Taken],
    sums: &'a mut [[f32; LANES]],
}

impl Part for ToSums<'_> {
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        vector: usize,
    ) {
        let (step, vectors) = (self.geometry.step(), vectors(self.geometry));
        let mut sums = load::<S, R, V>(simd, &self.sums[row * vectors + vector..], vectors);
        let plane = &self.plane[row * step + vector * LANES..];
        for taken in self.taken {
            let gradient = simd.splat_half(taken.gradient);
            for part in 0..R {
                let first = taken.window as usize + part * step;
                let (pixels, _) = plane[first..][..V * LANES].as_chunks::<LANES>();
                for lane in 0..V {
                    let pixel = simd.load_half(&pixels[lane]);
                    sums[part][lane] = simd.mul_add_half(gradient, pixel, sums[part][lane]);
                }
            }
        }
        for part in 0..R {
            for lane in 0..V {
                let sum = &mut self.sums[(row + part) * vectors + vector + lane];
                simd.store_half(sums[part][lane], sum);
            }
        }
    }
}

struct ToWindows<'a> {
    geometry: Geometry,
    weights: &'a [[f32; LANES]],
    taken: &'a [Taken],
    plane: &'a mut [f32],
}

impl Part for ToWindows<'_> {
    #[inline(always)]
    fn compute<S: Simd, const R: usize, const V: usize>(
        &mut self,
        simd: S,
        row: usize,
        vector: usize,
    ) {
        let (step, vectors) = (self.geometry.step(), vectors(self.geometry));
        let weights = load::<S, R, V>(simd, &self.weights[row * vectors + vector..], vectors);
        let plane = &mut self.plane[row * step + vector * LANES..];
        for taken in self.taken {
            let gradient = simd.splat_half(taken.gradient);
            for part in 0..R {
                let first = taken.window as usize + part * step;
                let (pixels, _) = plane[first..][..V * LANES].as_chunks_mut::<LANES>();
                for lane in 0..V {
                    let pixel = &mut pixels[lane];
                    let sum =
                        simd.mul_add_half(gradient, weights[part][lane], simd.load_half(pixel));
                    simd.store_half(sum, pixel);
                }
            }
        }
    }
}
