//! The gradients of what entered a convolution of 3 x 3 behind a max pooling, where 24 vectors of sixteen fit the registers.
//!
//! The windows of the four pixels that are pooled together lie in one region of 4 x 4. It is added up in registers, over all
//! outputs, before it goes to memory.

use super::geometry::{BLOCK, Geometry, interleave};
use crate::kernels::cpu::scratch::Aligned;
use crate::kernels::cpu::simd::{Level, Simd};
use crate::kernels::cpu::slices::{window, window_mut};

/// Rows and columns of a window.
const KERNEL: usize = 3;
/// Its pixels.
const TAPS: usize = KERNEL * KERNEL;
/// Rows and columns of a region.
const SIDE: usize = KERNEL + 1;
/// Outputs that are looked through together.
const HALF: usize = BLOCK / 2;

/// How many bits are set.
const ONES: [u8; 256] = {
    let mut ones = [0; 256];
    let mut bits = 0;
    while bits < 256 {
        ones[bits] = bits.count_ones() as u8;
        bits += 1;
    }
    ones
};

/// Weights by sixteen inputs, output and pixel of the window.
#[derive(Clone, Debug)]
pub struct Regions {
    weights: Vec<Aligned<[f32; BLOCK]>>,
}

/// The gradients of an image that are not zero: by pooled pixel, and by which of its four pixels they belong to.
#[derive(Default)]
pub struct Lists {
    /// The gradients of each pooled pixel beside each other, sixteen outputs at a time.
    cells: Vec<f32>,
    gradients: Vec<f32>,
    /// For each where the weights of its output begin: the bits of a whole number, as vectors of numbers move them.
    weights: Vec<f32>,
    /// Where those of each of the four pixels of each pooled one end.
    ends: Vec<[u32; 4]>,
}

/// Gradients, and where the weights of each begin.
#[derive(Clone, Copy)]
struct Taken<'a> {
    gradients: &'a [f32],
    weights: &'a [f32],
}

impl Regions {
    /// Packs the weights of a convolution, `[outputs, inputs, 3, 3]`, if it is of this kind.
    pub fn pack(level: Level, geometry: Geometry, weight: &[f32]) -> Option<Self> {
        let fits = level == Level::Avx512
            && geometry.kernel == KERNEL
            && geometry.inputs.is_multiple_of(BLOCK);
        fits.then(|| {
            let Geometry {
                inputs, outputs, ..
            } = geometry;
            let mut weights = vec![Aligned([0.0; BLOCK]); inputs / BLOCK * outputs * TAPS];
            for (place, weight) in weight.chunks_exact(TAPS).enumerate() {
                let (output, input) = (place / inputs, place % inputs);
                let first = (input / BLOCK * outputs + output) * TAPS;
                for (to, weight) in weights[first..][..TAPS].iter_mut().zip(weight) {
                    to.0[input % BLOCK] = *weight;
                }
            }
            Self { weights }
        })
    }

    /// Adds the weights times the gradients of an image to the windows in `plane`; the first of the windows of each pooled pixel
    /// begin at `windows`.
    #[inline(always)]
    pub fn add<S: Simd>(
        &self,
        simd: S,
        geometry: Geometry,
        windows: &[u32],
        lists: &Lists,
        plane: &mut [f32],
    ) {
        let (step, inputs) = (geometry.step(), geometry.inputs);
        let weights = self.weights.chunks_exact(geometry.outputs * TAPS);
        for (group, weights) in weights.enumerate() {
            let mut start = 0;
            for pixel in 0..windows.len() {
                let [first, second, third, fourth] = lists.ends[pixel];
                let region = [simd.splat(0.0); SIDE * SIDE];
                let region = add_at::<S, 0>(simd, lists.range(start, first), weights, region);
                let region = add_at::<S, 1>(simd, lists.range(first, second), weights, region);
                let region = add_at::<S, 4>(simd, lists.range(second, third), weights, region);
                let region = add_at::<S, 5>(simd, lists.range(third, fourth), weights, region);
                start = fourth;
                let place = windows[pixel] as usize + group * BLOCK;
                for row in 0..SIDE {
                    for column in 0..SIDE {
                        let to: &mut [f32; BLOCK] =
                            window_mut(plane, place + row * step + column * inputs);
                        let sum = simd.add(simd.load(to), region[SIDE * row + column]);
                        simd.store(sum, to);
                    }
                }
            }
        }
    }
}

impl Lists {
    /// Finds the gradients that are not zero. `staged` is where [`interleave`] puts those of a block.
    #[inline(always)]
    pub fn fill<S: Simd>(&mut self, simd: S, staged: &[u32], gradients: &[f32], routes: &[u16]) {
        let pixels = staged.len();
        let (routes, _) = routes.as_chunks::<4>();
        let outputs = gradients.len() / pixels.max(1);
        let blocks = outputs.div_ceil(BLOCK);
        self.cells.resize(blocks * pixels * BLOCK, 0.0);
        self.gradients.resize(gradients.len() + HALF, 0.0);
        self.weights.resize(gradients.len() + HALF, 0.0);
        self.ends.resize(pixels, [0; 4]);
        let blocks_of = gradients.chunks(BLOCK * pixels);
        for (block, gradients) in blocks_of.enumerate() {
            let channels = gradients.len() / pixels;
            let cells = &mut self.cells[block * pixels * BLOCK..][..pixels * BLOCK];
            interleave(simd, gradients, channels, staged, cells);
        }
        let (cells, _) = self.cells.as_chunks::<HALF>();
        let mut count = 0;
        for pixel in 0..pixels {
            for place in 0..4 {
                for block in 0..blocks {
                    // Behind the last output the bits are anything.
                    let own = BLOCK.min(outputs - block * BLOCK);
                    let bits = routes[block * pixels + pixel][place] & (u16::MAX >> (BLOCK - own));
                    for half in 0..2 {
                        let bits = (bits >> (HALF * half)) as u8;
                        let gradients = &cells[2 * (block * pixels + pixel) + half];
                        let gradients = simd.load_half(gradients);
                        let offsets = offsets(simd, block * BLOCK + half * HALF);
                        let to = window_mut(&mut self.gradients, count);
                        simd.compress_half(gradients, bits, to);
                        let to = window_mut(&mut self.weights, count);
                        simd.compress_half(offsets, bits, to);
                        count += usize::from(ONES[usize::from(bits)]);
                    }
                }
                self.ends[pixel][place] = count as u32;
            }
        }
    }

    #[inline(always)]
    fn range(&self, start: u32, end: u32) -> Taken<'_> {
        let range = start as usize..end as usize;
        Taken {
            gradients: &self.gradients[range.clone()],
            weights: &self.weights[range],
        }
    }
}

/// Where the weights of eight outputs begin, as [`Lists`] has it.
#[inline(always)]
fn offsets<S: Simd>(simd: S, output: usize) -> S::Half {
    let mut offsets = [0.0; HALF];
    for lane in 0..HALF {
        offsets[lane] = f32::from_bits(((output + lane) * TAPS) as u32);
    }
    simd.load_half(&offsets)
}

/// Adds the windows of one of the four pixels, which begin at `FIRST` of the region.
#[inline(always)]
fn add_at<S: Simd, const FIRST: usize>(
    simd: S,
    taken: Taken<'_>,
    weights: &[Aligned<[f32; BLOCK]>],
    mut region: [S::Wide; SIDE * SIDE],
) -> [S::Wide; SIDE * SIDE] {
    let Taken {
        gradients,
        weights: offsets,
    } = taken;
    for place in 0..gradients.len() {
        let gradient = simd.splat(gradients[place]);
        let first = offsets[place].to_bits() as usize;
        let weights: &[Aligned<[f32; BLOCK]>; TAPS] = window(weights, first);
        for tap in 0..TAPS {
            let place = FIRST + tap / KERNEL * SIDE + tap % KERNEL;
            let weight = simd.load(&weights[tap].0);
            region[place] = simd.mul_add(gradient, weight, region[place]);
        }
    }
    region
}
