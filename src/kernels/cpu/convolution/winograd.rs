//! Windows of 3 x 3 with a quarter of the products of the windows themselves.
//!
//! They are taken for 4 x 4 pixels at once, from tiles of 6 x 6 inputs: F(4 x 4, 3 x 3) of Lavin and Gray, "Fast Algorithms
//! for Convolutional Neural Networks", 2016. Inputs and weights are transformed, multiplied place by place (36 products in
//! place of 144) and transformed back. The gradients of the weights are the same products the other way round.

use super::geometry::{BLOCK, Geometry, STEP, places, tile};
use super::lanes::{Eight, Lanes, Sixteen, fits_sixteens};
use super::transforms::{
    SIDE, transform_four, transform_pixels, transform_products, transform_taps, transform_to_taps,
};
use super::weights::Weights;
use crate::kernels::cpu::scratch::Aligned;
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::{window, window_mut};

/// Places of a tile.
const PLACES: usize = SIDE * SIDE;
/// Tiles that are computed together, if the images are no larger.
const TOGETHER: usize = 64;
/// Transformed numbers that stay in the second-level cache.
const NUMBERS: usize = 160 * 1024;

/// The tiles of some images.
#[derive(Clone, Copy, Debug)]
pub struct Tiles {
    geometry: Geometry,
    down: usize,
    across: usize,
    /// What the number of tiles is a multiple of.
    multiple: usize,
}

impl Tiles {
    /// Those of a convolution, if they are less work than its windows.
    pub fn new(level: Level, geometry: Geometry) -> Option<Self> {
        let tiles = Self {
            geometry,
            down: geometry.rows().div_ceil(STEP),
            across: geometry.columns().div_ceil(STEP),
            multiple: tile(level),
        };
        let products = tiles.of_an_image() * PLACES;
        let plain = geometry.rows() * geometry.columns() * geometry.kernel * geometry.kernel;
        let pays = geometry.kernel == 3
            && geometry.inputs >= 16
            && geometry.inputs.is_multiple_of(8)
            && geometry.outputs >= 8
            && 3 * products < 2 * plain
            && products * geometry.inputs <= NUMBERS;
        pays.then_some(tiles)
    }

    #[inline(always)]
    const fn of_an_image(self) -> usize {
        self.down * self.across
    }

    /// Images that are computed together, of at most `most`.
    pub fn images(self, most: usize) -> usize {
        TOGETHER.div_ceil(self.of_an_image()).min(most)
    }

    /// Whole tiles of tiles.
    #[inline(always)]
    fn count(self, images: usize) -> usize {
        (images * self.of_an_image()).next_multiple_of(self.multiple)
    }

    /// Numbers of the transformed inputs of some images.
    pub fn inputs(self, images: usize) -> usize {
        PLACES * self.count(images) * self.geometry.inputs
    }

    /// Cells of a block of what is transformed back, or of the gradients of what leaves.
    pub fn products(self, images: usize) -> usize {
        PLACES * self.count(images)
    }

    /// For each pixel of each tile of an image the cell that it goes to, if any, as [`places`] has them.
    pub fn cells(self, pool: bool) -> Vec<Option<u32>> {
        let mut cells = vec![None; self.of_an_image() * STEP * STEP];
        let pixels = places(self.geometry.rows(), self.geometry.columns(), pool);
        for (cell, (row, column)) in pixels.enumerate() {
            let tile = row / STEP * self.across + column / STEP;
            let pixel = row % STEP * STEP + column % STEP;
            cells[tile * STEP * STEP + pixel] = Some(cell as u32);
        }
        cells
    }

    /// Transforms weights, to those of each place of a tile and input.
    pub fn weights(self, level: Level, weights: &Weights) -> Weights {
        level.run(TransformWeights {
            geometry: self.geometry,
            weights,
        })
    }

    /// Transforms the plane of an image, the `image`th of `images`.
    #[inline(always)]
    pub fn transform<S: Simd>(
        self,
        simd: S,
        plane: &[f32],
        image: usize,
        images: usize,
        to: &mut [f32],
    ) {
        if fits_sixteens::<S>(self.geometry.inputs) {
            self.transform_by::<S, Sixteen>(simd, plane, image, images, to);
        } else {
            self.transform_by::<S, Eight>(simd, plane, image, images, to);
        }
    }

    #[inline(always)]
    fn transform_by<S: Simd, L: Lanes<S>>(
        self,
        simd: S,
        plane: &[f32],
        image: usize,
        images: usize,
        to: &mut [f32],
    ) {
        let (inputs, step) = (self.geometry.inputs, self.geometry.step());
        let between = self.count(images) * inputs;
        let mut columns = Aligned([[[0.0; BLOCK]; SIDE]; SIDE]);
        for tile in 0..self.of_an_image() {
            let first = STEP * (tile / self.across * step + tile % self.across * inputs);
            let place = (image * self.of_an_image() + tile) * inputs;
            for vector in 0..inputs / L::COUNT {
                let input = L::COUNT * vector;
                for column in 0..SIDE {
                    let mut six = [L::splat(simd, 0.0); SIDE];
                    for row in 0..SIDE {
                        let from = first + row * step + column * inputs + input;
                        six[row] = L::load(simd, &plane[from..]);
                    }
                    let six = transform_pixels::<S, L>(simd, six);
                    for row in 0..SIDE {
                        L::store(simd, six[row], &mut columns.0[row][column]);
                    }
                }
                for row in 0..SIDE {
                    let mut six = [L::splat(simd, 0.0); SIDE];
                    for column in 0..SIDE {
                        six[column] = L::load(simd, &columns.0[row][column]);
                    }
                    let six = transform_pixels::<S, L>(simd, six);
                    for column in 0..SIDE {
                        let place = (SIDE * row + column) * between + place + input;
                        L::store(simd, six[column], &mut to[place..]);
                    }
                }
            }
        }
    }

    /// The products of a block of outputs, place by place.
    #[inline(always)]
    pub fn multiply<S: Simd>(
        self,
        simd: S,
        weights: &[Aligned<[f32; BLOCK]>],
        inputs: &[f32],
        products: &mut [[f32; BLOCK]],
    ) {
        match S::SUMS {
            24 => self.multiply_by::<S, 12>(simd, weights, inputs, products),
            6 => self.multiply_by::<S, 6>(simd, weights, inputs, products),
            _ => self.multiply_by::<S, 2>(simd, weights, inputs, products),
        }
    }

    #[inline(always)]
    fn multiply_by<S: Simd, const T: usize>(
        self,
        simd: S,
        weights: &[Aligned<[f32; BLOCK]>],
        inputs: &[f32],
        products: &mut [[f32; BLOCK]],
    ) {
        let channels = self.geometry.inputs;
        let between = products.len() / PLACES;
        for place in 0..PLACES {
            let weights = &weights[place * channels..][..channels];
            let products = &mut products[place * between..][..between];
            let inputs = &inputs[place * between * channels..][..between * channels];
            let (products, _) = products.as_chunks_mut::<T>();
            for some in 0..products.len() {
                let mut rows = [&inputs[..0]; T];
                for tile in 0..T {
                    rows[tile] = &inputs[(some * T + tile) * channels..][..channels];
                }
                let products = &mut products[some];
                let mut sums = [simd.splat(0.0); T];
                for channel in 0..channels {
                    let weight = simd.load(&weights[channel].0);
                    for tile in 0..T {
                        let input = simd.splat(rows[tile][channel]);
                        sums[tile] = simd.mul_add(input, weight, sums[tile]);
                    }
                }
                for tile in 0..T {
                    simd.store(sums[tile], &mut products[tile]);
                }
            }
        }
    }

    /// Transforms the products of an image back to its cells.
    #[inline(always)]
    pub fn transform_back<S: Simd>(
        self,
        simd: S,
        products: &[[f32; BLOCK]],
        image: usize,
        bias: &[f32; BLOCK],
        targets: &[Option<u32>],
        cells: &mut [[f32; BLOCK]],
    ) {
        let between = products.len() / PLACES;
        let bias = simd.load(bias);
        let mut columns = Aligned([[[0.0; BLOCK]; SIDE]; STEP]);
        let (targets, _) = targets.as_chunks::<{ STEP * STEP }>();
        for tile in 0..targets.len() {
            let targets = &targets[tile];
            let products = &products[image * self.of_an_image() + tile..];
            for column in 0..SIDE {
                let mut six = [simd.splat(0.0); SIDE];
                for row in 0..SIDE {
                    six[row] = simd.load(&products[(SIDE * row + column) * between]);
                }
                let four = transform_products(simd, six);
                for row in 0..STEP {
                    simd.store(four[row], &mut columns.0[row][column]);
                }
            }
            for row in 0..STEP {
                let mut six = [simd.splat(0.0); SIDE];
                for column in 0..SIDE {
                    six[column] = simd.load(&columns.0[row][column]);
                }
                let four = transform_products(simd, six);
                for column in 0..STEP {
                    if let Some(cell) = targets[STEP * row + column] {
                        simd.store(simd.add(four[column], bias), &mut cells[cell as usize]);
                    }
                }
            }
        }
    }

    /// Transforms a block of the gradients of what leaves an image, which begin at the first of `plane`.
    #[inline(always)]
    pub fn transform_gradients<S: Simd>(
        self,
        simd: S,
        plane: &[f32],
        image: usize,
        to: &mut [[f32; BLOCK]],
    ) {
        let between = to.len() / PLACES;
        let back = self.geometry.transposed();
        let (inputs, step) = (back.inputs, back.step());
        let mut columns = Aligned([[[0.0; BLOCK]; STEP]; SIDE]);
        for tile in 0..self.of_an_image() {
            let first = STEP * (tile / self.across * step + tile % self.across * inputs);
            let to = &mut to[image * self.of_an_image() + tile..];
            for column in 0..STEP {
                let mut four = [simd.splat(0.0); STEP];
                for row in 0..STEP {
                    let from = first + row * step + column * inputs;
                    four[row] = simd.load(window(plane, from));
                }
                let six = transform_four(simd, four);
                for row in 0..SIDE {
                    simd.store(six[row], &mut columns.0[row][column]);
                }
            }
            for row in 0..SIDE {
                let mut four = [simd.splat(0.0); STEP];
                for column in 0..STEP {
                    four[column] = simd.load(&columns.0[row][column]);
                }
                let six = transform_four(simd, four);
                for column in 0..SIDE {
                    simd.store(six[column], &mut to[(SIDE * row + column) * between]);
                }
            }
        }
    }

    /// Cells of [`Tiles::add_weights`].
    pub const fn weight_products(self) -> usize {
        PLACES * self.geometry.inputs
    }

    /// Adds the gradients of a block's weights for some images to `sums`, by row and column of the window and input.
    /// `products` holds anything.
    #[inline(always)]
    pub fn add_weights<S: Simd>(
        self,
        simd: S,
        images: usize,
        inputs: &[f32],
        gradients: &[[f32; BLOCK]],
        products: &mut [[f32; BLOCK]],
        sums: &mut [Aligned<[f32; BLOCK]>],
    ) {
        let channels = self.geometry.inputs;
        let sixteens = if S::SUMS == 24 { channels / 16 } else { 0 };
        let rest = channels - 16 * sixteens;
        // Fours where sixes leave two: fewer vectors would wait for each other.
        let sixes = match (S::SUMS, rest % 6) {
            (2, _) => 0,
            (_, 2) => (rest - 8) / 6,
            _ => rest / 6,
        };
        let fours = (rest - 6 * sixes) / 4;
        let (tiles, between) = (images * self.of_an_image(), gradients.len() / PLACES);
        for place in 0..PLACES {
            let gradients = &gradients[place * between..][..tiles];
            let inputs = &inputs[place * between * channels..][..tiles * channels];
            let products = &mut products[place * channels..][..channels];
            for sixteen in 0..sixteens {
                sum_tiles::<S, 16>(simd, 16 * sixteen, inputs, gradients, products);
            }
            let first = 16 * sixteens;
            for six in 0..sixes {
                sum_tiles::<S, 6>(simd, first + 6 * six, inputs, gradients, products);
            }
            let first = first + 6 * sixes;
            for four in 0..fours {
                sum_tiles::<S, 4>(simd, first + 4 * four, inputs, gradients, products);
            }
        }
        let mut columns = Aligned([[[0.0; BLOCK]; SIDE]; 3]);
        for channel in 0..channels {
            for column in 0..SIDE {
                let mut six = [simd.splat(0.0); SIDE];
                for row in 0..SIDE {
                    let place = SIDE * row + column;
                    six[row] = simd.load(&products[place * channels + channel]);
                }
                let three = transform_to_taps(simd, six);
                for row in 0..3 {
                    simd.store(three[row], &mut columns.0[row][column]);
                }
            }
            for row in 0..3 {
                let mut six = [simd.splat(0.0); SIDE];
                for column in 0..SIDE {
                    six[column] = simd.load(&columns.0[row][column]);
                }
                let three = transform_to_taps(simd, six);
                for column in 0..3 {
                    let sum = &mut sums[(3 * row + column) * channels + channel].0;
                    let added = simd.add(simd.load(sum), three[column]);
                    simd.store(added, sum);
                }
            }
        }
    }
}

/// The sums over tiles of the products of `T` channels from `first` on and the gradients.
#[inline(always)]
fn sum_tiles<S: Simd, const T: usize>(
    simd: S,
    first: usize,
    inputs: &[f32],
    gradients: &[[f32; BLOCK]],
    products: &mut [[f32; BLOCK]],
) {
    let channels = products.len();
    let products: &mut [[f32; BLOCK]; T] = window_mut(products, first);
    let mut vectors = [simd.splat(0.0); T];
    for tile in 0..gradients.len() {
        let inputs: &[f32; T] = window(inputs, tile * channels + first);
        let gradient = simd.load(&gradients[tile]);
        for channel in 0..T {
            let input = simd.splat(inputs[channel]);
            vectors[channel] = simd.mul_add(input, gradient, vectors[channel]);
        }
    }
    for channel in 0..T {
        simd.store(vectors[channel], &mut products[channel]);
    }
}

struct TransformWeights<'a> {
    geometry: Geometry,
    weights: &'a Weights,
}

impl Kernel for TransformWeights<'_> {
    type Output = Weights;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Weights {
        let Geometry { inputs, .. } = self.geometry;
        let blocks = self.geometry.blocks();
        let mut transformed = vec![Aligned([0.0; BLOCK]); blocks * PLACES * inputs];
        for block in 0..blocks {
            let to = &mut transformed[block * PLACES * inputs..][..PLACES * inputs];
            let weights = self.weights.block(block);
            for input in 0..inputs {
                let mut columns = Aligned([[[0.0; BLOCK]; 3]; SIDE]);
                for column in 0..3 {
                    let mut three = [simd.splat(0.0); 3];
                    for row in 0..3 {
                        three[row] = simd.load(&weights[(3 * row + column) * inputs + input].0);
                    }
                    let six = transform_taps(simd, three);
                    for row in 0..SIDE {
                        simd.store(six[row], &mut columns.0[row][column]);
                    }
                }
                for row in 0..SIDE {
                    let mut three = [simd.splat(0.0); 3];
                    for column in 0..3 {
                        three[column] = simd.load(&columns.0[row][column]);
                    }
                    let six = transform_taps(simd, three);
                    for column in 0..SIDE {
                        let place = SIDE * row + column;
                        simd.store(six[column], &mut to[place * inputs + input].0);
                    }
                }
            }
        }
        Weights::new(transformed, PLACES * inputs)
    }
}
