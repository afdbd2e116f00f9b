//! Forward: windows of a plane times weights, sixteen channels by a tile of pixels at a time; then pooling and ReLU.

#![allow(
    unsafe_code,
    reason = "megabytes of results are not filled with zeros before they are written"
)]

use super::geometry::{BLOCK, Geometry, TASK, interleave, separate};
use super::winograd::Tiles;
use crate::kernels::cpu::scratch::{Aligned, collect_chunks, with_scratch};
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

/// Weights as the passes read them, by block of outputs: by row and column of the window and input, for sixteen outputs.
#[derive(Clone, Debug)]
pub struct Weights {
    packed: Vec<Aligned<[f32; BLOCK]>>,
    /// Those of a block.
    block: usize,
}

impl Weights {
    /// Those that are packed so, in blocks of that many.
    pub const fn new(packed: Vec<Aligned<[f32; BLOCK]>>, block: usize) -> Self {
        Self { packed, block }
    }

    /// Those of a convolution, `[outputs, inputs, kernel, kernel]`.
    pub fn pack(geometry: Geometry, weight: &[f32]) -> Self {
        let Geometry { inputs, kernel, .. } = geometry;
        let (taps, area) = (geometry.taps(), kernel * kernel);
        let mut packed = vec![Aligned([0.0; BLOCK]); geometry.blocks() * taps];
        for (block, packed) in packed.chunks_exact_mut(taps).enumerate() {
            let weight = &weight[block * BLOCK * taps..];
            for input in 0..inputs {
                for tap in 0..area {
                    let lanes = weight[input * area + tap..].iter().step_by(taps);
                    for (to, weight) in packed[tap * inputs + input].0.iter_mut().zip(lanes) {
                        *to = *weight;
                    }
                }
            }
        }
        Self::new(packed, taps)
    }

    /// Those of [`Geometry::transposed`]: inputs for outputs, and the windows turned round.
    pub fn pack_transposed(geometry: Geometry, weight: &[f32]) -> Self {
        let Geometry {
            outputs, kernel, ..
        } = geometry;
        let (back, area) = (geometry.transposed(), kernel * kernel);
        let mut packed = vec![Aligned([0.0; BLOCK]); back.blocks() * back.taps()];
        for (output, weight) in weight.chunks_exact(geometry.taps()).enumerate() {
            for (block, weight) in weight.chunks(area * BLOCK).enumerate() {
                for tap in 0..area {
                    let place = block * back.taps() + (area - 1 - tap) * outputs + output;
                    let lanes = weight[tap..].iter().step_by(area);
                    for (to, weight) in packed[place].0.iter_mut().zip(lanes) {
                        *to = *weight;
                    }
                }
            }
        }
        Self::new(packed, back.taps())
    }

    /// A block of outputs.
    #[inline(always)]
    pub fn block(&self, block: usize) -> &[Aligned<[f32; BLOCK]>] {
        &self.packed[block * self.block..][..self.block]
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
    let pass = Pass {
        plan: &Plan::new(level, geometry, after.pool, Weights::pack(geometry, weight)),
        after,
        bias,
        inside: &geometry.pixels(false),
    };
    let output = pixels * geometry.outputs;
    let work = |place, routes: &mut [u16], output: &mut [_]| {
        let length = pass.plan.scratch(pass.plan.images(TASK)) + geometry.plane();
        with_scratch(length, |scratch| {
            level.run(Images {
                pass,
                x: &x[place * task * geometry.image()..],
                routes,
                output,
                scratch,
            });
        });
    };
    // SAFETY: `separate` writes every block of channels of every image.
    let output = unsafe { collect_chunks(images * output, task * output, chunks, work) };
    (output, routes)
}

/// A convolution as it is computed, without what follows it.
#[derive(Clone, Debug)]
pub struct Plan {
    geometry: Geometry,
    weights: Weights,
    /// Where the windows begin, in whole tiles.
    windows: Vec<u32>,
    /// Winograd's tiles, and where their pixels go.
    tiles: Option<(Tiles, Vec<Option<u32>>)>,
}

impl Plan {
    /// Chooses how to compute a convolution, whose pixels are in the order of [`places`](super::geometry::places).
    pub fn new(level: Level, geometry: Geometry, pool: bool, weights: Weights) -> Self {
        let tiles = Tiles::new(level, geometry);
        let weights = match tiles {
            Some(tiles) => tiles.weights(level, &weights),
            None => weights,
        };
        Self {
            geometry,
            weights,
            windows: geometry.windows(level, pool),
            tiles: tiles.map(|tiles| (tiles, tiles.cells(pool))),
        }
    }

    /// Images that are computed together, of at most `most`.
    pub fn images(&self, most: usize) -> usize {
        self.tiles
            .as_ref()
            .map_or(1, |(tiles, _)| tiles.images(most))
    }

    /// Numbers that so many images together take.
    pub fn scratch(&self, images: usize) -> usize {
        let cells = self.windows.len() * BLOCK;
        self.tiles.as_ref().map_or(cells, |(tiles, _)| {
            cells + tiles.inputs(images) + tiles.products(images) * BLOCK
        })
    }
}

/// What is in the scratch memory of a [`Plan`].
pub struct Sums<'a> {
    plan: &'a Plan,
    images: usize,
    cells: &'a mut [[f32; BLOCK]],
    /// Winograd's transformed inputs and products.
    inputs: &'a mut [f32],
    products: &'a mut [[f32; BLOCK]],
}

impl<'a> Sums<'a> {
    /// Those of some images together, with [`Plan::scratch`] of them.
    #[inline(always)]
    pub fn new(plan: &'a Plan, images: usize, scratch: &'a mut [f32]) -> Self {
        let (cells, scratch) = scratch.split_at_mut(plan.windows.len() * BLOCK);
        let (inputs, products) = plan.tiles.as_ref().map_or((0, 0), |(tiles, _)| {
            (tiles.inputs(images), tiles.products(images))
        });
        let (inputs, scratch) = scratch.split_at_mut(inputs);
        Self {
            plan,
            images,
            cells: cells.as_chunks_mut().0,
            inputs,
            products: scratch[..products * BLOCK].as_chunks_mut().0,
        }
    }

    /// Takes the plane of one of the images.
    #[inline(always)]
    pub fn take<S: Simd>(&mut self, simd: S, plane: &[f32], image: usize) {
        if let Some((tiles, _)) = &self.plan.tiles {
            tiles.transform(simd, plane, image, self.images, self.inputs);
        }
    }

    /// Whether the images are computed together, all of them being taken first, or each after it has been taken.
    #[inline(always)]
    pub fn is_tiled(&self) -> bool {
        self.plan.tiles.is_some()
    }

    /// Multiplies a block of outputs, once all images have been taken.
    #[inline(always)]
    pub fn multiply<S: Simd>(&mut self, simd: S, block: usize) {
        if let Some((tiles, _)) = &self.plan.tiles {
            let weights = self.plan.weights.block(block);
            tiles.multiply(simd, weights, self.inputs, self.products);
        }
    }

    /// The sums of the block that was multiplied for one of the images, whose plane is the last taken if it is alone.
    #[inline(always)]
    pub fn cells<S: Simd>(
        &mut self,
        simd: S,
        plane: &[f32],
        image: usize,
        block: usize,
        bias: &[f32; BLOCK],
    ) -> &mut [[f32; BLOCK]] {
        if let Some((tiles, targets)) = &self.plan.tiles {
            tiles.transform_back(simd, self.products, image, bias, targets, self.cells);
        } else {
            let Plan {
                geometry,
                weights,
                windows,
                ..
            } = self.plan;
            let weights = weights.block(block);
            convolve(simd, *geometry, weights, bias, plane, windows, self.cells);
        }
        self.cells
    }
}

#[derive(Clone, Copy)]
struct Pass<'a> {
    plan: &'a Plan,
    after: After,
    bias: &'a [f32],
    /// Where the pixels of an image lie in its plane.
    inside: &'a [u32],
}

/// Some images after each other.
struct Images<'a> {
    pass: Pass<'a>,
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
        let Pass {
            plan,
            after,
            bias,
            inside,
        } = self.pass;
        let geometry = plan.geometry;
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

/// A block of outputs of the windows of a plane: `cells` are whole tiles of `windows`.
#[inline(always)]
fn convolve<S: Simd>(
    simd: S,
    geometry: Geometry,
    weights: &[Aligned<[f32; BLOCK]>],
    bias: &[f32; BLOCK],
    plane: &[f32],
    windows: &[u32],
    cells: &mut [[f32; BLOCK]],
) {
    match S::SUMS {
        24 => tiles::<S, 12>(simd, geometry, weights, bias, plane, windows, cells),
        6 => tiles::<S, 6>(simd, geometry, weights, bias, plane, windows, cells),
        _ => tiles::<S, 2>(simd, geometry, weights, bias, plane, windows, cells),
    }
}

#[inline(always)]
fn tiles<S: Simd, const T: usize>(
    simd: S,
    geometry: Geometry,
    weights: &[Aligned<[f32; BLOCK]>],
    bias: &[f32; BLOCK],
    plane: &[f32],
    windows: &[u32],
    cells: &mut [[f32; BLOCK]],
) {
    let (run, step) = (geometry.run(), geometry.step());
    let (windows, _) = windows.as_chunks::<T>();
    let (cells, _) = cells.as_chunks_mut::<T>();
    for some in 0..windows.len() {
        let (windows, cells) = (&windows[some], &mut cells[some]);
        let mut sums = [simd.load(bias); T];
        for row in 0..geometry.kernel {
            let weights = &weights[row * run..][..run];
            let mut pixels = [&plane[..0]; T];
            for pixel in 0..T {
                pixels[pixel] = &plane[windows[pixel] as usize + row * step..][..run];
            }
            for tap in 0..run {
                let weight = simd.load(&weights[tap].0);
                for pixel in 0..T {
                    let input = simd.splat(pixels[pixel][tap]);
                    sums[pixel] = simd.mul_add(input, weight, sums[pixel]);
                }
            }
        }
        for pixel in 0..T {
            simd.store(sums[pixel], &mut cells[pixel]);
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
