//! How an image of MNIST and what the convolutions leave of it lie in memory.

use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::slices::{window, window_mut};

/// Pixels of an image, 28 x 28.
pub const PIXELS: usize = 28 * 28;
/// Features of an image: 16 channels of 8 x 8.
pub const FEATURES: usize = 16 * CELLS;
/// Pixels that the first convolution leaves, 26 x 26.
pub const PIXELS_1: usize = 26 * 26;
/// Pixels that the second convolution leaves, 24 x 24.
pub const PIXELS_2: usize = 24 * 24;
/// Cells of the pooling in each direction.
pub const SIDE: usize = 8;
/// Pixels after the pooling, 8 x 8.
pub const CELLS: usize = SIDE * SIDE;

/// Images of a task. The gradients of each task are added up in the order of the images, so that the number of threads
/// changes nothing.
pub const TASK: usize = 4;

/// Bytes of channel bits: one for each pixel of the first convolution, and one for each pixel and eight channels of the second.
#[derive(Clone, Copy, Debug)]
pub struct Bits {
    /// Channels of the first convolution that dropout kept.
    pub conv1: [u8; PIXELS_1],
    /// Channels of the second one that dropout kept; after the forward pass, those that ReLU passed as well. The first plane
    /// is of the channels 0 to 7, the second one of 8 to 15.
    pub conv2: [[u8; PIXELS_2]; 2],
}

impl Bits {
    /// Everything is kept.
    pub const ALL: Self = Self {
        conv1: [u8::MAX; PIXELS_1],
        conv2: [[u8::MAX; PIXELS_2]; 2],
    };
}

/// What the first convolution leaves of an image, dropped and scaled.
pub type Activations1 = [[f32; 8]; PIXELS_1];

/// Puts a row of cells where Burn has it: `[16, 8, 8]`.
#[inline(always)]
pub fn store_cells<S: Simd>(
    simd: S,
    cells: &[[f32; 16]; 8],
    cell_row: usize,
    features: &mut [f32; FEATURES],
) {
    for half in 0..2 {
        let mut rows = [simd.splat_half(0.0); 8];
        for cell in 0..8 {
            rows[cell] = simd.load_half(window(&cells[cell], 8 * half));
        }
        let channels = simd.transpose(rows);
        for channel in 0..8 {
            let place = CELLS * (8 * half + channel) + 8 * cell_row;
            simd.store_half(channels[channel], window_mut(features, place));
        }
    }
}
