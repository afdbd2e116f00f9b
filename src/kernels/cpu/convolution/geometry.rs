//! Sizes of a convolution, and where its pixels lie in memory.
//!
//! An image is laid out as a plane: its pixels with their border of zeros row by row, the channels of a pixel beside each
//! other. A row of a window is then one run of numbers.

use crate::kernels::cpu::simd::{Level, Simd};
use crate::kernels::cpu::slices::{window, window_mut};
use std::mem::MaybeUninit;

/// Channels that leave together, in one vector.
pub const BLOCK: usize = 16;
/// Rows and columns that one of Winograd's tiles leaves.
pub const STEP: usize = 4;
/// Images that are computed together, at most.
pub const TASK: usize = 4;

/// A convolution of stride 1 with a square kernel, without what follows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Channels that enter.
    pub inputs: usize,
    /// Channels that leave.
    pub outputs: usize,
    /// Rows and columns of a window.
    pub kernel: usize,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Rows and columns of zeros on each side; fewer than those of a window.
    pub padding: usize,
}

impl Geometry {
    /// Rows that leave.
    #[inline]
    pub const fn rows(self) -> usize {
        self.height + 2 * self.padding + 1 - self.kernel
    }

    /// Columns that leave.
    #[inline]
    pub const fn columns(self) -> usize {
        self.width + 2 * self.padding + 1 - self.kernel
    }

    /// Numbers of an image.
    #[inline]
    pub const fn image(self) -> usize {
        self.inputs * self.height * self.width
    }

    /// Rows or columns of a plane: those of an image and its border, and what the last of Winograd's tiles reach, both those
    /// of what leaves and, where the image is one of gradients, those of the image itself.
    #[inline]
    fn side(self, image: usize) -> usize {
        let bordered = image + 2 * self.padding;
        let tiles = (bordered + 1 - self.kernel).next_multiple_of(STEP) + 2;
        bordered
            .max(tiles)
            .max(image.next_multiple_of(STEP) + self.padding)
    }

    /// Numbers from a row of a plane to the next.
    #[inline]
    pub fn step(self) -> usize {
        self.side(self.width) * self.inputs
    }

    /// Numbers of a plane, and those behind it that a vector of its last pixel reaches.
    #[inline]
    pub fn plane(self) -> usize {
        self.side(self.height) * self.step() + BLOCK
    }

    /// Where the image begins in its plane.
    #[inline]
    pub fn inside(self) -> usize {
        self.padding * (self.step() + self.inputs)
    }

    /// Numbers of a row of a window.
    #[inline]
    pub const fn run(self) -> usize {
        self.kernel * self.inputs
    }

    /// Numbers of a window.
    #[inline]
    pub const fn taps(self) -> usize {
        self.kernel * self.run()
    }

    /// Blocks of the channels that leave.
    #[inline]
    pub const fn blocks(self) -> usize {
        self.outputs.div_ceil(BLOCK)
    }

    /// The convolution that takes the gradients of what leaves to those of what enters.
    #[inline]
    pub const fn transposed(self) -> Self {
        Self {
            inputs: self.outputs,
            outputs: self.inputs,
            kernel: self.kernel,
            height: self.rows(),
            width: self.columns(),
            padding: self.kernel - 1 - self.padding,
        }
    }

    /// Where the pixels of an image lie in its plane; with `pool` those of four that are pooled one behind the other.
    pub fn pixels(self, pool: bool) -> Vec<u32> {
        places(self.height, self.width, pool)
            .map(|(row, column)| (self.inside() + row * self.step() + column * self.inputs) as u32)
            .collect()
    }

    /// Where the windows begin in a plane, in whole tiles, the last of which is filled up with any; with `pool` those of four
    /// pixels that are pooled one behind the other.
    pub fn windows(self, level: Level, pool: bool) -> Vec<u32> {
        let mut windows: Vec<u32> = places(self.rows(), self.columns(), pool)
            .map(|(row, column)| (row * self.step() + column * self.inputs) as u32)
            .collect();
        windows.resize(windows.len().next_multiple_of(tile(level)), 0);
        windows
    }
}

/// Where [`interleave`] puts pixels one behind the other, each with a block of channels.
pub fn staged(pixels: usize) -> Vec<u32> {
    (0..pixels).map(|pixel| (pixel * BLOCK) as u32).collect()
}

/// Pixels, or Winograd's tiles, that are computed together are a divisor of this number.
pub fn tile(level: Level) -> usize {
    if level == Level::Avx512 { 12 } else { 6 }
}

/// Rows and columns of pixels, row by row, or the four of each pooled pixel together.
pub fn places(rows: usize, columns: usize, pool: bool) -> impl Iterator<Item = (usize, usize)> {
    let side = if pool { 2 } else { 1 };
    let (rows, columns) = (rows / side, columns / side);
    (0..rows * columns).flat_map(move |place| {
        let (row, column) = (side * (place / columns), side * (place % columns));
        (0..side * side).map(move |pixel| (row + pixel / side, column + pixel % side))
    })
}

/// Where an eight of `count` begins, which is eight at least: the last two may overlap.
#[inline(always)]
fn first_of(eight: usize, count: usize) -> usize {
    (8 * eight).min(count - 8)
}

/// Lays channels, one behind the other, beside each other: each pixel where `places` has it, in ascending order.
#[inline(always)]
pub fn interleave<S: Simd>(
    simd: S,
    image: &[f32],
    channels: usize,
    places: &[u32],
    to: &mut [f32],
) {
    let pixels = places.len();
    let image = &image[..channels * pixels];
    let vectors = if pixels < 8 { 0 } else { channels / 8 * 8 };
    for group in 0..vectors / 8 {
        let channel = 8 * group;
        for eight in 0..pixels.div_ceil(8) {
            let first = first_of(eight, pixels);
            let mut rows = [simd.splat_half(0.0); 8];
            for lane in 0..8 {
                rows[lane] = simd.load_half(window(image, (channel + lane) * pixels + first));
            }
            let rows = simd.transpose(rows);
            let places: &[u32; 8] = window(places, first);
            for lane in 0..8 {
                let place = places[lane] as usize + channel;
                simd.store_half(rows[lane], window_mut(to, place));
            }
        }
    }
    for channel in vectors..channels {
        let row = &image[channel * pixels..][..pixels];
        for pixel in 0..pixels {
            to[places[pixel] as usize + channel] = row[pixel];
        }
    }
}

/// Lays channels one behind the other that lay beside each other, each pixel where `places` has it. Writes all of `to`.
#[inline(always)]
pub fn gather<S: Simd>(
    simd: S,
    plane: &[f32],
    channels: usize,
    places: &[u32],
    to: &mut [MaybeUninit<f32>],
) {
    let pixels = places.len();
    let to = &mut to[..channels * pixels];
    let vectors = if pixels < 8 { 0 } else { channels / 8 * 8 };
    for group in 0..vectors / 8 {
        let channel = 8 * group;
        for eight in 0..pixels.div_ceil(8) {
            let first = first_of(eight, pixels);
            let places: &[u32; 8] = window(places, first);
            let mut rows = [simd.splat_half(0.0); 8];
            for lane in 0..8 {
                rows[lane] = simd.load_half(window(plane, places[lane] as usize + channel));
            }
            write_rows(
                simd,
                simd.transpose(rows),
                8,
                &mut to[channel * pixels..],
                pixels,
                first,
            );
        }
    }
    for channel in vectors..channels {
        for pixel in 0..pixels {
            let value = plane[places[pixel] as usize + channel];
            to[channel * pixels + pixel] = MaybeUninit::new(value);
        }
    }
}

/// Writes eight pixels of some channels, `pixels` apart.
#[inline(always)]
fn write_rows<S: Simd>(
    simd: S,
    rows: [S::Half; 8],
    channels: usize,
    to: &mut [MaybeUninit<f32>],
    pixels: usize,
    first: usize,
) {
    for lane in 0..channels {
        let mut values = [0.0; 8];
        simd.store_half(rows[lane], &mut values);
        let to: &mut [MaybeUninit<f32>; 8] = window_mut(to, lane * pixels + first);
        for pixel in 0..8 {
            to[pixel] = MaybeUninit::new(values[pixel]);
        }
    }
}

/// Lays channels one behind the other that lay beside each other, the first of each block of them. Writes all of `to`.
#[inline(always)]
pub fn separate<S: Simd>(
    simd: S,
    cells: &[[f32; BLOCK]],
    channels: usize,
    to: &mut [MaybeUninit<f32>],
) {
    let pixels = cells.len();
    let to = &mut to[..channels * pixels];
    if pixels < 8 {
        for channel in 0..channels {
            for pixel in 0..pixels {
                to[channel * pixels + pixel] = MaybeUninit::new(cells[pixel][channel]);
            }
        }
        return;
    }
    for group in 0..channels.div_ceil(8) {
        let channel = 8 * group;
        for eight in 0..pixels.div_ceil(8) {
            let first = first_of(eight, pixels);
            let cells: &[[f32; BLOCK]; 8] = window(cells, first);
            let mut rows = [simd.splat_half(0.0); 8];
            for lane in 0..8 {
                rows[lane] = simd.load_half(window(&cells[lane], channel));
            }
            let (rows, own) = (simd.transpose(rows), 8.min(channels - channel));
            write_rows(simd, rows, own, &mut to[channel * pixels..], pixels, first);
        }
    }
}
