//! The kernels of burn-flex.

#![allow(
    clippy::inline_always,
    clippy::needless_range_loop,
    reason = "what is not inlined into its level's function has no vector instructions; the adapters of iterators need not be"
)]

mod average;
mod choice;
mod convolution;
mod cross_entropy;
mod guide;
mod lerp;
mod linear;
mod norm;
mod scratch;
mod sequence;
mod simd;
mod slices;
mod step;
mod sums;
mod tensors;
#[cfg(test)]
mod tests;
mod update;

use super::Kernels;
use burn::backend::Flex;
pub use choice::choice;
pub use simd::{Level, VARIABLE};

/// What computes with the instructions of a level. The kernels are in the file of each operation.
#[derive(Clone, Copy, Debug)]
struct Cpu {
    level: Level,
}

/// The kernels of a level, or of the best one below it that this processor has.
pub fn kernels(level: Level) -> Kernels<Flex> {
    let cpu: &'static Cpu = match level {
        Level::Portable => &Cpu {
            level: Level::Portable,
        },
        Level::Avx2 => &Cpu { level: Level::Avx2 },
        Level::Avx512 => &Cpu {
            level: Level::Avx512,
        },
    };
    Kernels {
        linear: Some(cpu),
        convolution: Some(cpu),
        group_norm: Some(cpu),
        batch_norm: Some(cpu),
        average: Some(cpu),
        sequence: Some(cpu),
        cross_entropy: Some(cpu),
        step: Some(cpu),
        lerp: Some(cpu),
        guide: Some(cpu),
    }
}

/// The kernels of [`choice`].
pub fn chosen() -> Kernels<Flex> {
    choice().ok().flatten().map_or(Kernels::none(), kernels)
}
