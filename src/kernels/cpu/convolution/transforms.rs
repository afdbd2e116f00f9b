//! The transforms of F(4 x 4, 3 x 3), of rows or of columns, by the names of Lavin and Gray's paper.

use super::geometry::STEP;
use super::lanes::Lanes;
use crate::kernels::cpu::simd::Simd;

/// Rows and columns of a tile.
pub const SIDE: usize = 6;

/// B^T.
#[inline(always)]
pub fn transform_pixels<S: Simd, L: Lanes<S>>(
    simd: S,
    six: [L::Vector; SIDE],
) -> [L::Vector; SIDE] {
    let (two, plus_two) = (L::splat(simd, -2.0), L::splat(simd, 2.0));
    let (four, plus_four) = (L::splat(simd, -4.0), L::splat(simd, 4.0));
    let five = L::splat(simd, -5.0);
    let sum = L::mul_add(simd, six[2], four, six[4]);
    let difference = L::mul_add(simd, six[1], four, six[3]);
    let even = L::sub(simd, six[4], six[2]);
    let odd = L::sub(simd, six[1], six[3]);
    let first = L::mul_add(simd, six[2], five, six[4]);
    let last = L::mul_add(simd, six[3], five, six[5]);
    [
        L::mul_add(simd, six[0], plus_four, first),
        L::add(simd, sum, difference),
        L::sub(simd, sum, difference),
        L::mul_add(simd, odd, two, even),
        L::mul_add(simd, odd, plus_two, even),
        L::mul_add(simd, six[1], plus_four, last),
    ]
}

/// A^T.
#[inline(always)]
pub fn transform_products<S: Simd>(simd: S, six: [S::Wide; SIDE]) -> [S::Wide; STEP] {
    let (sum, difference) = (simd.add(six[1], six[2]), simd.sub(six[1], six[2]));
    let (other, apart) = (simd.add(six[3], six[4]), simd.sub(six[3], six[4]));
    [
        simd.add(simd.add(six[0], sum), other),
        simd.mul_add(apart, simd.splat(2.0), difference),
        simd.mul_add(other, simd.splat(4.0), sum),
        simd.add(simd.mul_add(apart, simd.splat(8.0), difference), six[5]),
    ]
}

/// A.
#[inline(always)]
pub fn transform_four<S: Simd>(simd: S, four: [S::Wide; STEP]) -> [S::Wide; SIDE] {
    let (even, odd) = (simd.add(four[0], four[2]), simd.add(four[1], four[3]));
    let even_of_two = simd.mul_add(four[2], simd.splat(4.0), four[0]);
    let odd_of_two = simd.mul_add(four[3], simd.splat(4.0), four[1]);
    [
        four[0],
        simd.add(even, odd),
        simd.sub(even, odd),
        simd.mul_add(odd_of_two, simd.splat(2.0), even_of_two),
        simd.mul_add(odd_of_two, simd.splat(-2.0), even_of_two),
        four[3],
    ]
}

/// G.
#[inline(always)]
pub fn transform_taps<S: Simd>(simd: S, three: [S::Wide; 3]) -> [S::Wide; SIDE] {
    let sixth = simd.splat(-1.0 / 6.0);
    let ends = simd.mul(simd.add(three[0], three[2]), sixth);
    let middle = simd.mul(three[1], sixth);
    let far = simd.mul_add(
        three[2],
        simd.splat(1.0 / 6.0),
        simd.mul(three[0], simd.splat(1.0 / 24.0)),
    );
    let twelfth = simd.mul(three[1], simd.splat(1.0 / 12.0));
    [
        simd.mul(three[0], simd.splat(0.25)),
        simd.add(ends, middle),
        simd.sub(ends, middle),
        simd.add(far, twelfth),
        simd.sub(far, twelfth),
        three[2],
    ]
}

/// G^T.
#[inline(always)]
pub fn transform_to_taps<S: Simd>(simd: S, six: [S::Wide; SIDE]) -> [S::Wide; 3] {
    let sixth = simd.splat(-1.0 / 6.0);
    let near = simd.mul(simd.add(six[1], six[2]), sixth);
    let near_apart = simd.mul(simd.sub(six[1], six[2]), sixth);
    let (far, far_apart) = (simd.add(six[3], six[4]), simd.sub(six[3], six[4]));
    [
        simd.mul_add(
            six[0],
            simd.splat(0.25),
            simd.mul_add(far, simd.splat(1.0 / 24.0), near),
        ),
        simd.mul_add(far_apart, simd.splat(1.0 / 12.0), near_apart),
        simd.add(simd.mul_add(far, simd.splat(1.0 / 6.0), near), six[5]),
    ]
}
