//! AVX2 and AVX-512.

#![allow(
    clippy::many_single_char_names,
    clippy::wildcard_imports,
    reason = "eight rows are a to h; the intrinsics have their own prefix"
)]

use super::{Kernel, Simd};
use std::arch::x86_64::*;

/// AVX2 and FMA. Made where they are known to be there, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Avx2(());

/// AVX-512 F, VL, BW and DQ. Made where they are known to be there, and nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct Avx512(());

/// # Safety
///
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub unsafe fn run_avx2<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// # Safety
///
/// The processor has AVX2, FMA and AVX-512 F, VL, BW and DQ.
#[target_feature(enable = "avx2,fma,avx512f,avx512vl,avx512bw,avx512dq")]
pub unsafe fn run_avx512<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

#[inline(always)]
pub fn prefetch(address: *const i8) {
    // SAFETY: every processor of the architecture has the instruction, which takes any address.
    unsafe { _mm_prefetch::<_MM_HINT_T0>(address) }
}

/// For each pattern of bits, the places of those that are set.
const COMPRESSED: [[u8; 8]; 256] = {
    let mut table = [[0; 8]; 256];
    let mut bits = 0;
    while bits < 256 {
        let (mut lane, mut count) = (0, 0);
        while lane < 8 {
            if bits >> lane & 1 == 1 {
                table[bits][count] = lane as u8;
                count += 1;
            }
            lane += 1;
        }
        bits += 1;
    }
    table
};

// The operations on eight numbers are those of AVX2 on both levels.
macro_rules! half_operations {
    () => {
        #[inline(always)]
        fn load_half(self, from: &[f32; 8]) -> __m256 {
            // SAFETY: `self` shows that the instructions are there; the array is eight numbers long.
            unsafe { _mm256_loadu_ps(from.as_ptr()) }
        }
        #[inline(always)]
        fn store_half(self, value: __m256, to: &mut [f32; 8]) {
            // SAFETY: as in `load_half`.
            unsafe { _mm256_storeu_ps(to.as_mut_ptr(), value) }
        }
        #[inline(always)]
        fn splat_half(self, value: f32) -> __m256 {
            // SAFETY: `self` shows that the instructions are there.
            unsafe { _mm256_set1_ps(value) }
        }
        #[inline(always)]
        fn mul_add_half(self, a: __m256, b: __m256, c: __m256) -> __m256 {
            // SAFETY: `self` shows that the instructions are there.
            unsafe { _mm256_fmadd_ps(a, b, c) }
        }
        #[inline(always)]
        fn add_half(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: `self` shows that the instructions are there.
            unsafe { _mm256_add_ps(a, b) }
        }
        #[inline(always)]
        fn sub_half(self, a: __m256, b: __m256) -> __m256 {
            // SAFETY: `self` shows that the instructions are there.
            unsafe { _mm256_sub_ps(a, b) }
        }
        #[inline(always)]
        fn different_half(self, a: __m256) -> u8 {
            // SAFETY: `self` shows that the instructions are there.
            unsafe {
                let zero = _mm256_setzero_ps();
                _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NEQ_UQ>(a, zero)) as u8
            }
        }
        #[inline(always)]
        fn compress_half(self, a: __m256, bits: u8, to: &mut [f32; 8]) {
            // SAFETY: `self` shows that the instructions are there; row and array are eight numbers long.
            unsafe {
                let order = &COMPRESSED[usize::from(bits)];
                let order = _mm256_cvtepu8_epi32(_mm_loadl_epi64(order.as_ptr().cast()));
                _mm256_storeu_ps(to.as_mut_ptr(), _mm256_permutevar8x32_ps(a, order));
            }
        }
        #[inline(always)]
        fn transpose(self, rows: [__m256; 8]) -> [__m256; 8] {
            // SAFETY: `self` shows that the instructions are there.
            unsafe { transpose(rows) }
        }
    };
}

impl Simd for Avx2 {
    type Wide = [__m256; 2];
    type Half = __m256;

    const SUMS: usize = 6;

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there; the array is sixteen numbers long.
        unsafe {
            [
                _mm256_loadu_ps(from.as_ptr()),
                _mm256_loadu_ps(from.as_ptr().add(8)),
            ]
        }
    }
    #[inline(always)]
    fn store(self, value: [__m256; 2], to: &mut [f32; 16]) {
        // SAFETY: as in `load`.
        unsafe {
            _mm256_storeu_ps(to.as_mut_ptr(), value[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), value[1]);
        }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> [__m256; 2] {
        [self.splat_half(value); 2]
    }
    #[inline(always)]
    fn mul_add(self, a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            [
                _mm256_fmadd_ps(a[0], b[0], c[0]),
                _mm256_fmadd_ps(a[1], b[1], c[1]),
            ]
        }
    }
    #[inline(always)]
    fn add(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sub(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn mul(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn div(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn max(self, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])] }
    }
    #[inline(always)]
    fn sqrt(self, a: [__m256; 2]) -> [__m256; 2] {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { [_mm256_sqrt_ps(a[0]), _mm256_sqrt_ps(a[1])] }
    }
    #[inline(always)]
    fn positive(self, a: [__m256; 2]) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            let zero = _mm256_setzero_ps();
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a[0], zero));
            let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_GT_OQ>(a[1], zero));
            (low | high << 8) as u16
        }
    }
    #[inline(always)]
    fn passing(self, a: [__m256; 2]) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            let zero = _mm256_setzero_ps();
            let low = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(a[0], zero));
            let high = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_NLE_UQ>(a[1], zero));
            (low | high << 8) as u16
        }
    }
    #[inline(always)]
    fn exceeding(self, a: [__m256; 2], b: [__m256; 2]) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(a[0], b[0]);
            let low = _mm256_or_ps(above, _mm256_cmp_ps::<_CMP_UNORD_Q>(a[0], a[0]));
            let above = _mm256_cmp_ps::<_CMP_GT_OQ>(a[1], b[1]);
            let high = _mm256_or_ps(above, _mm256_cmp_ps::<_CMP_UNORD_Q>(a[1], a[1]));
            (_mm256_movemask_ps(low) | _mm256_movemask_ps(high) << 8) as u16
        }
    }
    #[inline(always)]
    fn select(self, bits: u16, a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        let (kept, others) = (self.keep(a, bits), self.keep(b, !bits));
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            [
                _mm256_or_ps(kept[0], others[0]),
                _mm256_or_ps(kept[1], others[1]),
            ]
        }
    }
    #[inline(always)]
    fn keep(self, a: [__m256; 2], bits: u16) -> [__m256; 2] {
        [
            self.keep_half(a[0], bits as u8),
            self.keep_half(a[1], (bits >> 8) as u8),
        ]
    }
    #[inline(always)]
    fn keep_half(self, a: __m256, bits: u8) -> __m256 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe {
            let lanes = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
            let set = _mm256_and_si256(_mm256_set1_epi32(i32::from(bits)), lanes);
            _mm256_and_ps(a, _mm256_castsi256_ps(_mm256_cmpeq_epi32(set, lanes)))
        }
    }
    half_operations!();
}

impl Simd for Avx512 {
    type Wide = __m512;
    type Half = __m256;

    const SUMS: usize = 24;

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> __m512 {
        // SAFETY: `self` shows that the instructions are there; the array is sixteen numbers long.
        unsafe { _mm512_loadu_ps(from.as_ptr()) }
    }
    #[inline(always)]
    fn store(self, value: __m512, to: &mut [f32; 16]) {
        // SAFETY: as in `load`.
        unsafe { _mm512_storeu_ps(to.as_mut_ptr(), value) }
    }
    #[inline(always)]
    fn splat(self, value: f32) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_set1_ps(value) }
    }
    #[inline(always)]
    fn mul_add(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }
    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_add_ps(a, b) }
    }
    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_sub_ps(a, b) }
    }
    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_mul_ps(a, b) }
    }
    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_div_ps(a, b) }
    }
    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_max_ps(a, b) }
    }
    #[inline(always)]
    fn sqrt(self, a: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_sqrt_ps(a) }
    }
    #[inline(always)]
    fn positive(self, a: __m512) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn passing(self, a: __m512) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_cmp_ps_mask::<_CMP_NLE_UQ>(a, _mm512_setzero_ps()) }
    }
    #[inline(always)]
    fn exceeding(self, a: __m512, b: __m512) -> u16 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) | _mm512_cmp_ps_mask::<_CMP_UNORD_Q>(a, a) }
    }
    #[inline(always)]
    fn select(self, bits: u16, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_mask_mov_ps(b, bits, a) }
    }
    #[inline(always)]
    fn keep(self, a: __m512, bits: u16) -> __m512 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm512_maskz_mov_ps(bits, a) }
    }
    #[inline(always)]
    fn keep_half(self, a: __m256, bits: u8) -> __m256 {
        // SAFETY: `self` shows that the instructions are there.
        unsafe { _mm256_maskz_mov_ps(bits, a) }
    }
    half_operations!();
}

/// # Safety
///
/// The processor has AVX.
#[inline(always)]
unsafe fn transpose(rows: [__m256; 8]) -> [__m256; 8] {
    // SAFETY: the caller vouches for the instructions.
    unsafe {
        let [a, b, c, d, e, f, g, h] = rows;
        let pairs = [
            _mm256_unpacklo_ps(a, b),
            _mm256_unpackhi_ps(a, b),
            _mm256_unpacklo_ps(c, d),
            _mm256_unpackhi_ps(c, d),
            _mm256_unpacklo_ps(e, f),
            _mm256_unpackhi_ps(e, f),
            _mm256_unpacklo_ps(g, h),
            _mm256_unpackhi_ps(g, h),
        ];
        let fours = [
            _mm256_shuffle_ps::<0x44>(pairs[0], pairs[2]),
            _mm256_shuffle_ps::<0xee>(pairs[0], pairs[2]),
            _mm256_shuffle_ps::<0x44>(pairs[1], pairs[3]),
            _mm256_shuffle_ps::<0xee>(pairs[1], pairs[3]),
            _mm256_shuffle_ps::<0x44>(pairs[4], pairs[6]),
            _mm256_shuffle_ps::<0xee>(pairs[4], pairs[6]),
            _mm256_shuffle_ps::<0x44>(pairs[5], pairs[7]),
            _mm256_shuffle_ps::<0xee>(pairs[5], pairs[7]),
        ];
        [
            _mm256_permute2f128_ps::<0x20>(fours[0], fours[4]),
            _mm256_permute2f128_ps::<0x20>(fours[1], fours[5]),
            _mm256_permute2f128_ps::<0x20>(fours[2], fours[6]),
            _mm256_permute2f128_ps::<0x20>(fours[3], fours[7]),
            _mm256_permute2f128_ps::<0x31>(fours[0], fours[4]),
            _mm256_permute2f128_ps::<0x31>(fours[1], fours[5]),
            _mm256_permute2f128_ps::<0x31>(fours[2], fours[6]),
            _mm256_permute2f128_ps::<0x31>(fours[3], fours[7]),
        ]
    }
}
