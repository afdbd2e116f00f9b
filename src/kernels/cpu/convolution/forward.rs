//! Forward: windows of a plane times weights, sixteen channels by a tile of pixels at a time; then pooling and ReLU.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::geometry::{BLOCK, Geometry, TASK, interleave, separate};
use super::plan::{Plan, Sums};
use super::weights::Weights;
use crate::kernels::cpu::scratch::{collect_chunks, with_scratch};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::padded;
use std::mem::MaybeUninit;

/// What follows a convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct After {
    /// Whether the largest of each 2 x 2 values is taken.
    pub pool: bool,
    /// Whether ReLU comes last.
    pub relu: bool,
}

impl After {
    /// Bits that a pixel leaves for the way back, for each channel: which of its four pixels it is, or whether ReLU passed it.
    const fn bits(self) -> usize {
        match self {
            Self { pool: true, .. } => 4,
            Self { relu: true, .. } => 1,
            _ => 0,
        }
    }
}

/// For each image, each block of channels and each pixel that leaves, the bits of [`After::bits`].
#[derive(Clone, Debug)]
pub struct Routes {
    bits: Vec<u16>,
    /// Those of an image.
    image: usize,
}

impl Routes {
    /// Those of an image.
    pub fn of(&self, image: usize) -> &[u16] {
        &self.bits[image * self.image..][..self.image]
    }
}

/// Numbers that leave a convolution for each channel of an image.
pub const fn pixels(geometry: Geometry, pool: bool) -> usize {
    let side = if pool { 2 } else { 1 };
    (geometry.rows() / side) * (geometry.columns() / side)
}

/// What leaves, and with `training` what the way back needs.
pub fn forward(
    level: Level,
    geometry: Geometry,
    after: After,
    x: &[f32],
    weight: &[f32],
    bias: &[f32],
    training: bool,
) -> (Vec<f32>, Routes) {
    let images = x.len() / geometry.image();
    let pixels = pixels(geometry, after.pool);
    let bits = if training { after.bits() } else { 0 };
    let mut routes = Routes {
        bits: vec![0; images * geometry.blocks() * pixels * bits],
        image: geometry.blocks() * pixels * bits,
    };
    let task = images.div_ceil(rayon::current_num_threads()).clamp(1, TASK);
    let mut chunks = routes.bits.chunks_mut((task * routes.image).max(1));
    let chunks = (0..images.div_ceil(task))
        .map(|_| chunks.next().unwrap_or_default())
        .collect();
    let prepared = Prepared::new(level, geometry, after, weight, bias);
    let output = prepared.output();
    let work = |place, routes: &mut [u16], output: &mut [_]| {
        with_scratch(prepared.scratch(), |scratch| {
            let x = &x[place * task * geometry.image()..];
            prepared.run(level, x, routes, output, scratch);
        });
    };
    // SAFETY: `Prepared::run` writes every image.
    let output = unsafe { collect_chunks(images * output, task * output, chunks, work) };
    (output, routes)
}

/// A convolution and what follows it, with its weights as the passes read them.
#[derive(Clone, Debug)]
pub struct Prepared {
    plan: Plan,
    after: After,
    bias: Vec<f32>,
    /// Where the pixels of an image lie in its plane.
    inside: Vec<u32>,
}

impl Prepared {
    /// Prepares the weights; see [`Weights::pack`].
    pub fn new(
        level: Level,
        geometry: Geometry,
        after: After,
        weight: &[f32],
        bias: &[f32],
    ) -> Self {
        Self {
            plan: Plan::new(level, geometry, after.pool, Weights::pack(geometry, weight)),
            after,
            bias: bias.to_vec(),
            inside: geometry.pixels(false),
        }
    }

    /// Numbers that leave for an image.
    pub fn output(&self) -> usize {
        let geometry = self.plan.geometry();
        pixels(geometry, self.after.pool) * geometry.outputs
    }

    /// Numbers of scratch memory.
    pub fn scratch(&self) -> usize {
        self.plan.scratch(self.plan.images(TASK)) + self.plan.geometry().plane()
    }

    /// Writes all of `output`, that of some images; `x` begins with them. What the way back needs goes to `routes`, if there
    /// is room for it.
    pub fn run(
        &self,
        level: Level,
        x: &[f32],
        routes: &mut [u16],
        output: &mut [MaybeUninit<f32>],
        scratch: &mut [f32],
    ) {
        level.run(Images {
            prepared: self,
            x,
            routes,
            output,
            scratch,
        });
    }
}

/// Some images after each other.
struct Images<'a> {
    prepared: &'a Prepared,
    /// Those images, and those behind them.
    x: &'a [f32],
    routes: &'a mut [u16],
    output: &'a mut [MaybeUninit<f32>],
    /// A plane, and what the plan takes.
    scratch: &'a mut [f32],
}

impl Kernel for Images<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Prepared {
            plan,
            after,
            bias,
            inside,
        } = self.prepared;
        let geometry = plan.geometry();
        let Geometry {
            inputs, outputs, ..
        } = geometry;
        let pixels = pixels(geometry, after.pool);
        let (plane, scratch) = self.scratch.split_at_mut(geometry.plane());
        plane.fill(0.0);
        let together = plan.images(TASK);
        let images = self.output.len() / (outputs * pixels);
        let own = self.routes.len() / (images * geometry.blocks());
        for first in (0..images).step_by(together) {
            let count = together.min(images - first);
            let mut sums = Sums::new(plan, count, scratch);
            for image in 0..count {
                let x = &self.x[(first + image) * geometry.image()..][..geometry.image()];
                interleave(simd, x, inputs, inside, plane);
                sums.take(simd, plane, image);
            }
            for block in 0..geometry.blocks() {
                sums.multiply(simd, block);
                let bias = padded(&bias[BLOCK * block..]);
                let channels = BLOCK.min(outputs - BLOCK * block);
                for image in 0..count {
                    let cells = sums.cells(simd, plane, image, block, &bias);
                    let place = (first + image) * geometry.blocks() + block;
                    let routes = &mut self.routes[place * own..][..own];
                    if after.pool {
                        pool(simd, after.relu, pixels, cells, routes);
                    } else if after.relu {
                        relu(simd, pixels, cells, routes);
                    }
                    let place = ((first + image) * outputs + BLOCK * block) * pixels;
                    let output = &mut self.output[place..][..channels * pixels];
                    separate(simd, &cells[..pixels], channels, output);
                }
            }
        }
    }
}

/// The largest of each four; which it is goes to `routes`, if there are any. The first of equal ones wins, and what is not a
/// number wins over all before it.
#[inline(always)]
fn pool<S: Simd>(
    simd: S,
    relu: bool,
    pixels: usize,
    cells: &mut [[f32; BLOCK]],
    routes: &mut [u16],
) {
    let (routes, _) = routes.as_chunks_mut::<4>();
    for pixel in 0..pixels {
        let mut largest = simd.load(&cells[4 * pixel]);
        let mut wins = [u16::MAX, 0, 0, 0];
        for place in 1..4 {
            let value = simd.load(&cells[4 * pixel + place]);
            wins[place] = simd.exceeding(value, largest);
            largest = simd.select(wins[place], value, largest);
        }
        let mut passed = u16::MAX;
        if relu {
            passed = simd.passing(largest);
            largest = simd.max(simd.splat(0.0), largest);
        }
        simd.store(largest, &mut cells[pixel]);
        if let Some(routes) = routes.get_mut(pixel) {
            for place in (0..4).rev() {
                routes[place] = passed & wins[place];
                passed &= !wins[place];
            }
        }
    }
}

/// ReLU; what passes it goes to `routes`, if there are any.
#[inline(always)]
fn relu<S: Simd>(simd: S, pixels: usize, cells: &mut [[f32; BLOCK]], routes: &mut [u16]) {
    for pixel in 0..pixels {
        let value = simd.load(&cells[pixel]);
        if let Some(passed) = routes.get_mut(pixel) {
            *passed = simd.passing(value);
        }
        simd.store(simd.max(simd.splat(0.0), value), &mut cells[pixel]);
    }
}
