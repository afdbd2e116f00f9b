//! The sizes of an image and of what the convolutions leave of it.

use super::super::geometry::SIDE;
use crate::config::ImageShape;
use crate::kernels::cpu::average::cell;
use std::ops::Range;

/// The sizes of an image and of what the convolutions leave of it.
#[derive(Clone, Debug)]
pub struct Plan {
    pub shape: ImageShape,
    /// Columns that the first convolution leaves.
    pub width1: usize,
    /// Rows and columns that the second convolution leaves.
    pub height2: usize,
    pub width2: usize,
    /// The rows of each cell, and its columns.
    pub rows: [Range<usize>; SIDE],
    pub columns: [Range<usize>; SIDE],
}

impl Plan {
    pub fn new(shape: ImageShape) -> Self {
        let (height2, width2) = (shape.height - 4, shape.width - 4);
        Self {
            shape,
            width1: shape.width - 2,
            height2,
            width2,
            rows: std::array::from_fn(|place| cell(place, SIDE, height2)),
            columns: std::array::from_fn(|place| cell(place, SIDE, width2)),
        }
    }

    /// Pixels that the first convolution leaves.
    pub fn pixels1(&self) -> usize {
        (self.shape.height - 2) * self.width1
    }

    /// Pixels that the second convolution leaves.
    pub fn pixels2(&self) -> usize {
        self.height2 * self.width2
    }

    /// The share of a pixel in the mean of a cell.
    pub fn share(&self, row: usize, column: usize) -> f32 {
        1.0 / (self.rows[row].len() * self.columns[column].len()) as f32
    }

    /// Numbers of a [`Memory`].
    pub fn numbers(&self) -> usize {
        16 * self.pixels1() + 16 * self.pixels2() + self.shape.len()
    }
}

/// What is between the convolutions, for one image after the other.
pub struct Memory<'a> {
    /// The channels of a pixel beside each other.
    pub image: &'a mut [f32],
    pub activations1: &'a mut [[f32; 8]],
    /// The gradient of `activations1`.
    pub back: &'a mut [[f32; 8]],
    pub activations2: &'a mut [[f32; 16]],
}

impl<'a> Memory<'a> {
    /// Shares out [`Plan::numbers`], vectors first: they begin at lines of cache where `numbers` does.
    pub fn new(plan: &Plan, numbers: &'a mut [f32]) -> Self {
        let (activations2, numbers) = numbers.split_at_mut(16 * plan.pixels2());
        let (activations1, numbers) = numbers.split_at_mut(8 * plan.pixels1());
        let (back, image) = numbers.split_at_mut(8 * plan.pixels1());
        Self {
            image,
            activations1: activations1.as_chunks_mut().0,
            back: back.as_chunks_mut().0,
            activations2: activations2.as_chunks_mut().0,
        }
    }
}

/// The channels of each pixel that dropout kept, and for those of the second convolution that ReLU passed as well: a byte for
/// each pixel and eight channels, of the second convolution the channels from 8 on behind all others.
#[derive(Clone, Debug)]
pub struct Bits {
    pub conv1: Vec<u8>,
    pub conv2: Vec<u8>,
}

impl Bits {
    pub fn all(plan: &Plan) -> Self {
        Self {
            conv1: vec![u8::MAX; plan.pixels1()],
            conv2: vec![u8::MAX; 2 * plan.pixels2()],
        }
    }
}
