//! Linear layers, alone or with dropout and ReLU behind them.
//!
//! The threads share out the columns or rows of a result, never a sum, so that it has the same bits for any number of them.

mod backward;
mod forward;
mod layer;

pub use backward::{OutputGradients, backward};
pub use forward::{Panels, forward, forward_rows};

/// Sizes of a layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Numbers in a row that enters.
    pub inputs: usize,
    /// Numbers in a row that leaves.
    pub outputs: usize,
}

/// What follows a linear layer.
#[derive(Clone, Copy, Debug)]
pub enum Activation<'a> {
    /// Nothing.
    None,
    /// Dropout, then ReLU.
    DropoutRelu {
        /// A bit for each output that is kept, in rows of whole bytes.
        kept: &'a [u8],
        /// What the kept ones are multiplied with.
        scale: f32,
    },
    /// ReLU.
    Relu,
}

/// The parts of every row that lie in each stretch of `width` columns.
fn columns(rows: &mut [f32], row_length: usize, width: usize) -> Vec<Vec<&mut [f32]>> {
    let count = rows.len() / row_length.max(1);
    let mut parts: Vec<Vec<&mut [f32]>> = (0..row_length.div_ceil(width))
        .map(|_| Vec::with_capacity(count))
        .collect();
    for row in rows.chunks_exact_mut(row_length.max(1)) {
        for (parts, part) in parts.iter_mut().zip(row.chunks_mut(width)) {
            parts.push(part);
        }
    }
    parts
}
