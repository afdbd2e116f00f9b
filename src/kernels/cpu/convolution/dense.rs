//! Backward without a pooling: the gradients of what leaves are laid out as a plane, whose convolution gives those of what enters.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::forward::{Routes, pixels};
use super::geometry::{BLOCK, Geometry, TASK, interleave, separate, staged};
use super::gradients::Gradients;
use super::plan::{Plan, Sums};
use super::tasks::in_tasks;
use super::weights::Weights;
use super::winograd::Tiles;
use crate::kernels::cpu::scratch::{Aligned, with_scratch};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::{window, window_mut};
use rayon::prelude::*;
use std::mem::MaybeUninit;
use std::ops::Range;

/// Pixels whose numbers stay in the first-level cache while all products of two channels are taken.
const PIXELS: usize = 128;

/// The gradients from those of what left.
pub fn backward(
    level: Level,
    geometry: Geometry,
    relu: bool,
    x: &[f32],
    weight: &[f32],
    routes: &Routes,
    gradients: &[f32],
    wants_input: bool,
) -> Gradients {
    let back = geometry.transposed();
    let images = x.len() / geometry.image();
    let pixels = pixels(geometry, false);
    let plan = wants_input.then(|| {
        let weights = Weights::pack_transposed(geometry, weight);
        Plan::new(level, back, false, weights)
    });
    let tiles = Tiles::new(level, geometry);
    let together = [
        plan.as_ref().map_or(1, |plan| plan.images(TASK)),
        tiles.map_or(1, |tiles| tiles.images(TASK)),
    ];
    let pass = Pass {
        geometry,
        relu,
        plan: plan.as_ref(),
        tiles,
        together: together[0].max(together[1]),
        routes,
        inside: &geometry.pixels(false),
        routed: &back.pixels(false),
        staged: &staged(pixels),
    };
    let work = |images: Range<usize>, output: Option<&mut [MaybeUninit<f32>]>| {
        with_scratch(pass.scratch(), |scratch| {
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
    // SAFETY: `separate` writes every channel of every image.
    let (tasks, of_x) = unsafe { in_tasks(geometry, images, wants_input, work) };
    let (weight, bias) = add(geometry, &tasks);
    Gradients {
        x: of_x,
        weight,
        bias,
    }
}

/// Adds up the sums of tasks, and lays them out as Burn has them.
fn add(geometry: Geometry, tasks: &[Vec<Cell>]) -> (Vec<f32>, Vec<f32>) {
    let Geometry {
        inputs,
        outputs,
        kernel,
        ..
    } = geometry;
    let (taps, area) = (geometry.taps(), kernel * kernel);
    let mut weight = vec![0.0; outputs * taps];
    let mut bias = vec![0.0; outputs];
    weight
        .par_chunks_mut(BLOCK * taps)
        .zip(bias.par_chunks_mut(BLOCK))
        .enumerate()
        .for_each(|(block, (weight, bias))| {
            let mut sums = vec![[0.0; BLOCK]; taps + 1];
            for task in tasks {
                let task = &task[block * (taps + 1)..][..=taps];
                for (sums, task) in sums.iter_mut().zip(task) {
                    for lane in 0..BLOCK {
                        sums[lane] += task.0[lane];
                    }
                }
            }
            for (output, weight) in weight.chunks_exact_mut(taps).enumerate() {
                for (input, weight) in weight.chunks_exact_mut(area).enumerate() {
                    for (tap, weight) in weight.iter_mut().enumerate() {
                        *weight = sums[tap * inputs + input][output];
                    }
                }
            }
            bias.copy_from_slice(&sums[taps][..bias.len()]);
        });
    (weight, bias)
}

/// The sums of sixteen outputs.
type Cell = Aligned<[f32; BLOCK]>;

#[derive(Clone, Copy)]
struct Pass<'a> {
    geometry: Geometry,
    relu: bool,
    /// The way back, if the gradient of what entered is wanted.
    plan: Option<&'a Plan>,
    /// Winograd's tiles, if the gradients of the weights are taken from them.
    tiles: Option<Tiles>,
    /// Images that are computed together.
    together: usize,
    routes: &'a Routes,
    /// Where the pixels that entered lie in their plane.
    inside: &'a [u32],
    /// Where the pixels of the convolution lie in the plane of their gradients.
    routed: &'a [u32],
    /// Where the gradients of a block are put first.
    staged: &'a [u32],
}

impl Pass<'_> {
    /// Numbers of scratch memory.
    fn scratch(&self) -> usize {
        let Self { geometry, .. } = *self;
        let tiles = self.tiles.map_or(0, |tiles| {
            let gradients = geometry.blocks() * tiles.products(self.together) * BLOCK;
            tiles.inputs(self.together) + gradients + tiles.weight_products() * BLOCK
        });
        let plan = self.plan.map_or(0, |plan| plan.scratch(self.together));
        let planes = geometry.plane() + geometry.transposed().plane();
        self.staged.len() * BLOCK + planes + tiles + plan
    }
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
    /// For each block of outputs the sums of its weights, as [`Weights`] has them, and of its biases.
    type Output = Vec<Cell>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<Cell> {
        let Pass {
            geometry,
            relu,
            plan,
            tiles,
            together,
            routes,
            inside,
            routed,
            staged,
        } = self.pass;
        let Geometry {
            inputs, outputs, ..
        } = geometry;
        let (back, blocks, pixels) = (geometry.transposed(), geometry.blocks(), staged.len());
        let taps = geometry.taps();
        let (cells, scratch) = self.scratch.split_at_mut(pixels * BLOCK);
        let (plane, scratch) = scratch.split_at_mut(geometry.plane());
        let (gradient_plane, scratch) = scratch.split_at_mut(back.plane());
        let weight_products = tiles.map_or(0, Tiles::weight_products);
        let (weight_products, scratch) = scratch.split_at_mut(weight_products * BLOCK);
        let (weight_products, _) = weight_products.as_chunks_mut();
        // The borders stay zero, and so do pixels that pooling leaves out.
        plane.fill(0.0);
        gradient_plane.fill(0.0);
        let mut sums = vec![Aligned([0.0; BLOCK]); blocks * (taps + 1)];
        let mut output = self.output;
        let images = self.x.len() / geometry.image();
        for first in (0..images).step_by(together) {
            let count = together.min(images - first);
            let (of_inputs, of_block) =
                tiles.map_or((0, 0), |tiles| (tiles.inputs(count), tiles.products(count)));
            let (transformed, scratch) = scratch.split_at_mut(of_inputs);
            let (products, scratch) = scratch.split_at_mut(blocks * of_block * BLOCK);
            let (products, _) = products.as_chunks_mut::<BLOCK>();
            let mut back_sums = plan.map(|plan| Sums::new(plan, count, scratch));
            for place in 0..count {
                let image = first + place;
                let x = &self.x[image * geometry.image()..][..geometry.image()];
                interleave(simd, x, inputs, inside, plane);
                if let Some(tiles) = tiles {
                    tiles.transform(simd, plane, place, count, transformed);
                }
                let gradients = &self.gradients[image * outputs * pixels..][..outputs * pixels];
                let routes = routes.of(self.first + image);
                let own = routes.len() / blocks;
                for (block, gradients) in gradients.chunks(BLOCK * pixels).enumerate() {
                    let channels = gradients.len() / pixels;
                    interleave(simd, gradients, channels, staged, cells);
                    let (cells, _) = cells.as_chunks();
                    let routes = &routes[block * own..][..own];
                    let bias = &mut sums[block * (taps + 1) + taps].0;
                    let to = &mut gradient_plane[BLOCK * block..];
                    route(simd, relu, cells, routes, routed, channels, bias, to);
                }
                for block in 0..blocks {
                    if let Some(tiles) = tiles {
                        let from = &gradient_plane[back.inside() + BLOCK * block..];
                        let to = &mut products[block * of_block..][..of_block];
                        tiles.transform_gradients(simd, from, place, to);
                    } else {
                        let gradients = &gradient_plane[BLOCK * block..];
                        let sums = &mut sums[block * (taps + 1)..][..taps];
                        multiply(simd, geometry, plane, gradients, sums);
                    }
                }
                if let (Some(back_sums), Some(output)) = (&mut back_sums, &mut output) {
                    back_sums.take(simd, gradient_plane, place);
                    if !back_sums.is_tiled() {
                        let output = &mut output[image * geometry.image()..];
                        put_back(simd, back, back_sums, gradient_plane, 1, output);
                    }
                }
            }
            if let Some(tiles) = tiles {
                for block in 0..blocks {
                    let gradients = &products[block * of_block..][..of_block];
                    let sums = &mut sums[block * (taps + 1)..][..taps];
                    tiles.add_weights(simd, count, transformed, gradients, weight_products, sums);
                }
            }
            if let (Some(back_sums), Some(output)) = (&mut back_sums, &mut output)
                && back_sums.is_tiled()
            {
                let output = &mut output[first * geometry.image()..];
                put_back(simd, back, back_sums, gradient_plane, count, output);
            }
        }
        sums
    }
}

/// The gradients of what entered some images, one behind the other in `output`.
#[inline(always)]
fn put_back<S: Simd>(
    simd: S,
    back: Geometry,
    sums: &mut Sums<'_>,
    plane: &[f32],
    images: usize,
    output: &mut [MaybeUninit<f32>],
) {
    let pixels = back.rows() * back.columns();
    for block in 0..back.blocks() {
        sums.multiply(simd, block);
        let channels = BLOCK.min(back.outputs - BLOCK * block);
        for image in 0..images {
            let cells = sums.cells(simd, plane, image, block, &[0.0; BLOCK]);
            let place = (image * back.outputs + BLOCK * block) * pixels;
            let output = &mut output[place..][..channels * pixels];
            separate(simd, &cells[..pixels], channels, output);
        }
    }
}

/// Takes the gradients of a block of channels back through ReLU to their places in a plane, and adds up those of
/// the bias.
#[inline(always)]
fn route<S: Simd>(
    simd: S,
    relu: bool,
    cells: &[[f32; BLOCK]],
    routes: &[u16],
    routed: &[u32],
    channels: usize,
    bias: &mut [f32; BLOCK],
    to: &mut [f32],
) {
    let mut sum = simd.load(bias);
    for pixel in 0..routed.len() {
        let mut gradient = simd.load(&cells[pixel]);
        if relu {
            gradient = simd.keep(gradient, routes[pixel]);
        }
        sum = simd.add(sum, gradient);
        put(simd, gradient, channels, routed[pixel], to);
    }
    simd.store(sum, bias);
}

#[inline(always)]
fn put<S: Simd>(simd: S, value: S::Wide, channels: usize, place: u32, to: &mut [f32]) {
    if channels == BLOCK {
        simd.store(value, window_mut(to, place as usize));
    } else {
        let mut values = [0.0; BLOCK];
        simd.store(value, &mut values);
        to[place as usize..][..channels].copy_from_slice(&values[..channels]);
    }
}

/// Adds to `sums`, those of the weights of a block, the products of each pixel's gradients and its window.
#[inline(always)]
fn multiply<S: Simd>(
    simd: S,
    geometry: Geometry,
    plane: &[f32],
    gradients: &[f32],
    sums: &mut [Cell],
) {
    let run = geometry.run();
    let some = (PIXELS / geometry.columns()).max(1);
    for first in (0..geometry.rows()).step_by(some) {
        let rows = first..geometry.rows().min(first + some);
        for row in 0..geometry.kernel {
            let products = Products {
                geometry,
                plane: &plane[row * geometry.step()..],
                gradients,
                rows: rows.clone(),
            };
            let mut tap = 0;
            let sums = &mut sums[row * run..][..run];
            if S::SUMS == 24 {
                while run - tap >= 12 {
                    products.add::<S, 12>(simd, tap, sums);
                    tap += 12;
                }
            }
            if S::SUMS >= 6 {
                while run - tap >= 6 {
                    products.add::<S, 6>(simd, tap, sums);
                    tap += 6;
                }
                if run - tap >= 3 {
                    products.add::<S, 3>(simd, tap, sums);
                    tap += 3;
                }
            }
            while run - tap >= 2 {
                products.add::<S, 2>(simd, tap, sums);
                tap += 2;
            }
            if run > tap {
                products.add::<S, 1>(simd, tap, sums);
            }
        }
    }
}

struct Products<'a> {
    geometry: Geometry,
    /// From the row of the window on.
    plane: &'a [f32],
    gradients: &'a [f32],
    rows: Range<usize>,
}

impl Products<'_> {
    /// Adds those of `T` numbers of the row of a window, from `tap` on.
    #[inline(always)]
    fn add<S: Simd, const T: usize>(&self, simd: S, tap: usize, sums: &mut [Cell]) {
        let sums: &mut [Cell; T] = window_mut(sums, tap);
        let mut vectors = [simd.splat(0.0); T];
        for place in 0..T {
            vectors[place] = simd.load(&sums[place].0);
        }
        let (geometry, back) = (self.geometry, self.geometry.transposed());
        let inside = back.inside();
        let columns = geometry.columns();
        for row in self.rows.start..self.rows.end {
            let pixels = &self.plane[row * geometry.step() + tap..];
            let gradients = &self.gradients[inside + row * back.step()..];
            for column in 0..columns {
                let pixels: &[f32; T] = window(pixels, column * geometry.inputs);
                let gradient = simd.load(window(gradients, column * geometry.outputs));
                for place in 0..T {
                    let pixel = simd.splat(pixels[place]);
                    vectors[place] = simd.mul_add(pixel, gradient, vectors[place]);
                }
            }
        }
        for place in 0..T {
            simd.store(vectors[place], &mut sums[place].0);
        }
    }
}
