//! Vectors of either size, for work that is written once for both.

use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::slices::{window, window_mut};

/// Vectors of a size. Each reads and writes the first numbers of a slice.
pub trait Lanes<S: Simd> {
    type Vector: Copy;
    /// Numbers of a vector.
    const COUNT: usize;

    fn load(simd: S, from: &[f32]) -> Self::Vector;
    fn store(simd: S, value: Self::Vector, to: &mut [f32]);
    fn splat(simd: S, value: f32) -> Self::Vector;
    fn mul_add(simd: S, a: Self::Vector, b: Self::Vector, c: Self::Vector) -> Self::Vector;
    fn add(simd: S, a: Self::Vector, b: Self::Vector) -> Self::Vector;
    fn sub(simd: S, a: Self::Vector, b: Self::Vector) -> Self::Vector;
}

/// Whether vectors of sixteen are registers, and so many numbers are whole ones.
#[inline(always)]
pub const fn fits_sixteens<S: Simd>(numbers: usize) -> bool {
    S::SUMS == 24 && numbers.is_multiple_of(16)
}

/// Eight numbers.
pub struct Eight;

impl<S: Simd> Lanes<S> for Eight {
    type Vector = S::Half;
    const COUNT: usize = 8;

    #[inline(always)]
    fn load(simd: S, from: &[f32]) -> S::Half {
        simd.load_half(window(from, 0))
    }
    #[inline(always)]
    fn store(simd: S, value: S::Half, to: &mut [f32]) {
        simd.store_half(value, window_mut(to, 0));
    }
    #[inline(always)]
    fn splat(simd: S, value: f32) -> S::Half {
        simd.splat_half(value)
    }
    #[inline(always)]
    fn mul_add(simd: S, a: S::Half, b: S::Half, c: S::Half) -> S::Half {
        simd.mul_add_half(a, b, c)
    }
    #[inline(always)]
    fn add(simd: S, a: S::Half, b: S::Half) -> S::Half {
        simd.add_half(a, b)
    }
    #[inline(always)]
    fn sub(simd: S, a: S::Half, b: S::Half) -> S::Half {
        simd.sub_half(a, b)
    }
}

/// Sixteen numbers.
pub struct Sixteen;

impl<S: Simd> Lanes<S> for Sixteen {
    type Vector = S::Wide;
    const COUNT: usize = 16;

    #[inline(always)]
    fn load(simd: S, from: &[f32]) -> S::Wide {
        simd.load(window(from, 0))
    }
    #[inline(always)]
    fn store(simd: S, value: S::Wide, to: &mut [f32]) {
        simd.store(value, window_mut(to, 0));
    }
    #[inline(always)]
    fn splat(simd: S, value: f32) -> S::Wide {
        simd.splat(value)
    }
    #[inline(always)]
    fn mul_add(simd: S, a: S::Wide, b: S::Wide, c: S::Wide) -> S::Wide {
        simd.mul_add(a, b, c)
    }
    #[inline(always)]
    fn add(simd: S, a: S::Wide, b: S::Wide) -> S::Wide {
        simd.add(a, b)
    }
    #[inline(always)]
    fn sub(simd: S, a: S::Wide, b: S::Wide) -> S::Wide {
        simd.sub(a, b)
    }
}
