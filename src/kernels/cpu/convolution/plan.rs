//! The sums of a convolution for a block of outputs: by its windows, or by Winograd's tiles.

use super::geometry::{BLOCK, Geometry};
use super::weights::Weights;
use super::winograd::Tiles;
use crate::kernels::cpu::scratch::Aligned;
use crate::kernels::cpu::simd::{Level, Simd};

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

    /// Its sizes.
    pub const fn geometry(&self) -> Geometry {
        self.geometry
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
