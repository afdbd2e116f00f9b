//! The pixels of a channel, as normalisations read and write them.

use crate::kernels::cpu::simd::Simd;
use crate::kernels::cpu::slices::padded;
use std::mem::MaybeUninit;

/// Numbers of a vector.
pub const LANES: usize = 16;

/// What normalises, scales and shifts a channel: `x * scale + shift`.
#[derive(Clone, Copy, Debug)]
pub struct Line {
    scale: f32,
    shift: f32,
}

impl Line {
    /// The line of a channel by its mean, and one over the root of its variance.
    #[inline(always)]
    pub fn new([mean, inverse]: [f32; 2], gamma: f32, beta: f32) -> Self {
        let scale = inverse * gamma;
        Self {
            scale,
            shift: beta - mean * scale,
        }
    }

    /// Writes what leaves.
    #[inline(always)]
    pub fn write<S: Simd>(self, simd: S, x: &[f32], relu: bool, to: &mut [MaybeUninit<f32>]) {
        let (scale, shift) = (simd.splat(self.scale), simd.splat(self.shift));
        let mut first = 0;
        while first < x.len() {
            let count = LANES.min(x.len() - first);
            let value = load(simd, &x[first..first + count]);
            let mut value = simd.mul_add(value, scale, shift);
            if relu {
                value = simd.keep(value, simd.passing(value));
            }
            store(simd, value, &mut to[first..first + count]);
            first += count;
        }
    }
}

/// The pixels of a channel on the way back.
pub struct Row<'a> {
    /// What entered.
    pub x: &'a [f32],
    /// The gradient of what left.
    pub gradient: &'a [f32],
    /// The mean that was taken off.
    pub mean: f32,
    /// What led forward.
    pub line: Line,
    /// Whether ReLU came last.
    pub relu: bool,
}

impl Row<'_> {
    /// What enters less its mean, and the gradient behind ReLU, of at most [`LANES`] pixels.
    #[inline(always)]
    fn load<S: Simd>(&self, simd: S, first: usize, count: usize) -> [S::Wide; 2] {
        let x = load(simd, &self.x[first..first + count]);
        let mut gradient = load(simd, &self.gradient[first..first + count]);
        if self.relu {
            let Line { scale, shift } = self.line;
            let value = simd.mul_add(x, simd.splat(scale), simd.splat(shift));
            gradient = simd.keep(gradient, simd.passing(value));
        }
        [simd.sub(x, simd.splat(self.mean)), gradient]
    }

    /// The sum of the gradients, and that of their products with what enters less its mean.
    #[inline(always)]
    pub fn sums<S: Simd>(&self, simd: S) -> [f32; 2] {
        let mut sums = Sums::new(simd);
        sums.add(simd, self);
        sums.total(simd)
    }

    /// Writes the gradients of what enters, `gradient * scale + (x - mean) * slope + constant`.
    #[inline(always)]
    pub fn write<S: Simd>(
        &self,
        simd: S,
        [scale, slope, constant]: [f32; 3],
        to: &mut [MaybeUninit<f32>],
    ) {
        let (scale, slope) = (simd.splat(scale), simd.splat(slope));
        let constant = simd.splat(constant);
        let mut first = 0;
        while first < to.len() {
            let count = LANES.min(to.len() - first);
            let [x, gradient] = self.load(simd, first, count);
            let value = simd.mul_add(gradient, scale, simd.mul_add(x, slope, constant));
            store(simd, value, &mut to[first..first + count]);
            first += count;
        }
    }
}

/// Sums of the gradients, and of their products with what enters less its mean, in two vectors each, so that none waits for
/// the one before it.
pub struct Sums<S: Simd> {
    gradients: [S::Wide; 2],
    products: [S::Wide; 2],
}

impl<S: Simd> Sums<S> {
    #[inline(always)]
    pub fn new(simd: S) -> Self {
        Self {
            gradients: [simd.splat(0.0); 2],
            products: [simd.splat(0.0); 2],
        }
    }

    /// Adds those of a row.
    #[inline(always)]
    pub fn add(&mut self, simd: S, row: &Row<'_>) {
        let (mut first, mut turn) = (0, 0);
        while first < row.x.len() {
            let count = LANES.min(row.x.len() - first);
            let [x, gradient] = row.load(simd, first, count);
            self.gradients[turn] = simd.add(self.gradients[turn], gradient);
            self.products[turn] = simd.mul_add(x, gradient, self.products[turn]);
            turn = 1 - turn;
            first += count;
        }
    }

    #[inline(always)]
    pub fn total(self, simd: S) -> [f32; 2] {
        [self.gradients, self.products].map(|[first, second]| total(simd, simd.add(first, second)))
    }
}

/// The sum of a vector's numbers, in their order.
#[inline(always)]
pub fn total<S: Simd>(simd: S, sums: S::Wide) -> f32 {
    let mut lanes = [0.0; LANES];
    simd.store(sums, &mut lanes);
    let mut total = 0.0;
    for lane in lanes {
        total += lane;
    }
    total
}

/// At most [`LANES`] values, and zeros behind them.
#[inline(always)]
pub fn load<S: Simd>(simd: S, values: &[f32]) -> S::Wide {
    match values.first_chunk() {
        Some(values) => simd.load(values),
        None => simd.load(&padded(values)),
    }
}

/// Writes all of `to`, which is at most [`LANES`] numbers long.
#[inline(always)]
pub fn store<S: Simd>(simd: S, value: S::Wide, to: &mut [MaybeUninit<f32>]) {
    let mut values = [0.0; LANES];
    simd.store(value, &mut values);
    if let Some(to) = to.first_chunk_mut::<LANES>() {
        for lane in 0..LANES {
            to[lane] = MaybeUninit::new(values[lane]);
        }
        return;
    }
    for lane in 0..to.len() {
        to[lane] = MaybeUninit::new(values[lane]);
    }
}
