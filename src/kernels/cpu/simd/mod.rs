//! Vectors of sixteen and of eight numbers at each instruction set, and the run-time choice between them.
//!
//! A kernel is written once, generic over [`Simd`], and compiled for every level. [`Level::run`] calls it inside a function
//! that has the instructions of its level, into which everything is inlined; what is marked `#[inline(always)]` here
//! relies on that.

#![allow(
    unsafe_code,
    reason = "vector instructions are unsafe to call, and checked for here"
)]

#[cfg(target_arch = "x86_64")]
mod x86;

use std::sync::LazyLock;
#[cfg(target_arch = "x86_64")]
use x86::{run_avx2, run_avx512};

/// The environment variable that chooses what computes on the CPU: a [`Level`] by its name, or `burn` for Burn's own
/// operations.
pub const VARIABLE: &str = "MNISTBURN_KERNELS";

/// An instruction set that the kernels are compiled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// What every processor of the architecture has: SSE2 on x86-64, NEON on AArch64.
    Portable,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, VL, BW and DQ.
    Avx512,
}

impl Level {
    /// Every level, the best last.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// Whether this processor has it.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                Self::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512vl")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
            }
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx2 | Self::Avx512 => false,
        }
    }

    /// Runs a kernel with the instructions of this level, or of the best one below it that this processor has.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        #[cfg(target_arch = "x86_64")]
        {
            if self == Self::Avx512 && *AVX512 {
                // SAFETY: the processor has the instructions.
                return unsafe { run_avx512(kernel) };
            }
            if self >= Self::Avx2 && *AVX2 {
                // SAFETY: the processor has the instructions.
                return unsafe { run_avx2(kernel) };
            }
        }
        kernel.run(Portable)
    }
}

#[cfg(target_arch = "x86_64")]
static AVX2: LazyLock<bool> = LazyLock::new(|| Level::Avx2.is_available());
#[cfg(target_arch = "x86_64")]
static AVX512: LazyLock<bool> = LazyLock::new(|| Level::Avx512.is_available());

/// Has the line of cache around a value brought nearer, if there is such a value. It reads nothing that a program could see.
#[inline(always)]
pub fn prefetch<T>(values: &[T], place: usize) {
    #[cfg(target_arch = "x86_64")]
    x86::prefetch(values.as_ptr().wrapping_add(place).cast());
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (values, place);
}

/// Work that is compiled for every level.
pub trait Kernel {
    /// What it gives.
    type Output;

    /// Does the work. Must be `#[inline(always)]`, as must be all that it calls with `simd`.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// The vector operations of a level. A value of the type shows that the processor has the instructions.
pub trait Simd: Copy + Send + Sync {
    /// Sixteen numbers.
    type Wide: Copy;
    /// Eight numbers.
    type Half: Copy;

    /// Vectors of sixteen that fit the registers as sums of products, with room for two factors.
    const SUMS: usize;

    fn load(self, from: &[f32; 16]) -> Self::Wide;
    fn store(self, value: Self::Wide, to: &mut [f32; 16]);
    fn splat(self, value: f32) -> Self::Wide;
    /// `a * b + c`; with one rounding wherever the level has such an instruction.
    fn mul_add(self, a: Self::Wide, b: Self::Wide, c: Self::Wide) -> Self::Wide;
    fn add(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn sub(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn mul(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn div(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The larger of each two; `b` where they are equal or one is not a number.
    fn max(self, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    fn sqrt(self, a: Self::Wide) -> Self::Wide;
    /// A bit for each number above 0, the first in the lowest bit.
    fn positive(self, a: Self::Wide) -> u16;
    /// The same, and a bit for what is not a number: what passes ReLU.
    fn passing(self, a: Self::Wide) -> u16;
    /// A bit for each number of `a` that is above that of `b`, or that is not a number.
    fn exceeding(self, a: Self::Wide, b: Self::Wide) -> u16;
    /// The numbers of `a` whose bit is set, and those of `b` for the others.
    fn select(self, bits: u16, a: Self::Wide, b: Self::Wide) -> Self::Wide;
    /// The numbers whose bit is set, and 0 for the others.
    fn keep(self, a: Self::Wide, bits: u16) -> Self::Wide;

    fn load_half(self, from: &[f32; 8]) -> Self::Half;
    fn store_half(self, value: Self::Half, to: &mut [f32; 8]);
    fn splat_half(self, value: f32) -> Self::Half;
    fn mul_add_half(self, a: Self::Half, b: Self::Half, c: Self::Half) -> Self::Half;
    fn add_half(self, a: Self::Half, b: Self::Half) -> Self::Half;
    fn sub_half(self, a: Self::Half, b: Self::Half) -> Self::Half;
    fn keep_half(self, a: Self::Half, bits: u8) -> Self::Half;
    /// A bit for each number that is not 0, the first in the lowest bit.
    fn different_half(self, a: Self::Half) -> u8;
    /// Writes the numbers whose bit is set, one behind the other; what is written behind them is anything.
    fn compress_half(self, a: Self::Half, bits: u8, to: &mut [f32; 8]);
    /// Rows for columns.
    fn transpose(self, rows: [Self::Half; 8]) -> [Self::Half; 8];
}

/// Arrays, which the compiler turns into what vectors the architecture always has.
#[derive(Clone, Copy, Debug)]
pub struct Portable;

/// Whether a fused multiply-add is an instruction of every processor of this architecture, and not a slow function.
const FUSED: bool = cfg!(target_arch = "aarch64");

#[inline(always)]
fn mul_add(a: f32, b: f32, c: f32) -> f32 {
    if FUSED { a.mul_add(b, c) } else { a * b + c }
}

/// `$value` for each lane, as an array. A loop: the closures of `array::from_fn` need not be inlined.
macro_rules! lanes {
    ($count:literal, |$lane:ident| $value:expr) => {{
        let mut lanes = [0.0; $count];
        for $lane in 0..$count {
            lanes[$lane] = $value;
        }
        lanes
    }};
}

/// A bit for each lane.
macro_rules! bits {
    ($type:ty, $count:literal, |$lane:ident| $value:expr) => {{
        let mut bits: $type = 0;
        for $lane in 0..$count {
            bits |= <$type>::from($value) << $lane;
        }
        bits
    }};
}

/// A number where its bit is set, and else 0, without a branch.
#[inline(always)]
fn keep(value: f32, bit: u32) -> f32 {
    f32::from_bits(value.to_bits() & bit.wrapping_neg())
}

impl Simd for Portable {
    type Wide = [f32; 16];
    type Half = [f32; 8];

    const SUMS: usize = if FUSED { 6 } else { 2 };

    #[inline(always)]
    fn load(self, from: &[f32; 16]) -> [f32; 16] {
        *from
    }
    #[inline(always)]
    fn store(self, value: [f32; 16], to: &mut [f32; 16]) {
        *to = value;
    }
    #[inline(always)]
    fn splat(self, value: f32) -> [f32; 16] {
        [value; 16]
    }
    #[inline(always)]
    fn mul_add(self, a: [f32; 16], b: [f32; 16], c: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| mul_add(a[lane], b[lane], c[lane]))
    }
    #[inline(always)]
    fn add(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| a[lane] + b[lane])
    }
    #[inline(always)]
    fn sub(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| a[lane] - b[lane])
    }
    #[inline(always)]
    fn mul(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| a[lane] * b[lane])
    }
    #[inline(always)]
    fn div(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| a[lane] / b[lane])
    }
    #[inline(always)]
    fn max(self, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| if a[lane] > b[lane] { a[lane] } else { b[lane] })
    }
    #[inline(always)]
    fn sqrt(self, a: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| a[lane].sqrt())
    }
    #[inline(always)]
    fn positive(self, a: [f32; 16]) -> u16 {
        bits!(u16, 16, |lane| a[lane] > 0.0)
    }
    #[inline(always)]
    fn passing(self, a: [f32; 16]) -> u16 {
        !bits!(u16, 16, |lane| a[lane] <= 0.0)
    }
    #[inline(always)]
    fn exceeding(self, a: [f32; 16], b: [f32; 16]) -> u16 {
        bits!(u16, 16, |lane| a[lane] > b[lane] || a[lane].is_nan())
    }
    #[inline(always)]
    fn select(self, bits: u16, a: [f32; 16], b: [f32; 16]) -> [f32; 16] {
        lanes!(16, |lane| if bits >> lane & 1 == 1 {
            a[lane]
        } else {
            b[lane]
        })
    }
    #[inline(always)]
    fn keep(self, a: [f32; 16], bits: u16) -> [f32; 16] {
        lanes!(16, |lane| keep(a[lane], u32::from(bits) >> lane & 1))
    }
    #[inline(always)]
    fn load_half(self, from: &[f32; 8]) -> [f32; 8] {
        *from
    }
    #[inline(always)]
    fn store_half(self, value: [f32; 8], to: &mut [f32; 8]) {
        *to = value;
    }
    #[inline(always)]
    fn splat_half(self, value: f32) -> [f32; 8] {
        [value; 8]
    }
    #[inline(always)]
    fn mul_add_half(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        lanes!(8, |lane| mul_add(a[lane], b[lane], c[lane]))
    }
    #[inline(always)]
    fn add_half(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(8, |lane| a[lane] + b[lane])
    }
    #[inline(always)]
    fn sub_half(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        lanes!(8, |lane| a[lane] - b[lane])
    }
    #[inline(always)]
    fn keep_half(self, a: [f32; 8], bits: u8) -> [f32; 8] {
        lanes!(8, |lane| keep(a[lane], u32::from(bits) >> lane & 1))
    }
    #[inline(always)]
    fn different_half(self, a: [f32; 8]) -> u8 {
        bits!(u8, 8, |lane| a[lane] != 0.0)
    }
    #[inline(always)]
    fn compress_half(self, a: [f32; 8], bits: u8, to: &mut [f32; 8]) {
        let mut count = 0;
        for lane in 0..8 {
            to[count % 8] = a[lane];
            count += usize::from(bits >> lane & 1);
        }
    }
    #[inline(always)]
    fn transpose(self, rows: [[f32; 8]; 8]) -> [[f32; 8]; 8] {
        let mut columns = [[0.0; 8]; 8];
        for row in 0..8 {
            for column in 0..8 {
                columns[column][row] = rows[row][column];
            }
        }
        columns
    }
}
