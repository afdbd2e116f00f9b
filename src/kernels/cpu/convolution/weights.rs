//! The weights of a convolution, packed.

use super::geometry::{BLOCK, Geometry};
use crate::kernels::cpu::scratch::Aligned;

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
