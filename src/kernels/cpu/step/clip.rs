//! Clipping of a gradient, while a step reads it.

use super::{TASK, WIDTH};
use crate::kernels::cpu::simd::{Kernel, Level, Simd};
use crate::kernels::cpu::slices::padded;
use crate::kernels::step::Clipping;
use rayon::prelude::*;

/// What a gradient is multiplied with, and the bound of its elements.
#[derive(Clone, Copy, Debug)]
pub struct Clip {
    factor: f32,
    bound: f32,
}

impl Clip {
    /// That of a gradient.
    pub fn new(level: Level, clipping: Option<Clipping>, gradient: &[f32]) -> Self {
        let (factor, bound) = match clipping {
            None => (1.0, f32::INFINITY),
            Some(Clipping::Value(bound)) => (1.0, bound),
            // As Burn has it: what is added keeps a gradient of zeros from a division by zero.
            Some(Clipping::Norm(bound)) => {
                let norm = squares(level, gradient).sqrt();
                ((bound / (norm + f32::MIN_POSITIVE)).min(1.0), f32::INFINITY)
            }
        };
        Self { factor, bound }
    }

    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, simd: S, gradient: S::Wide) -> S::Wide {
        let gradient = simd.mul(gradient, simd.splat(self.factor));
        let below = simd.sub(simd.splat(0.0), gradient);
        let below = simd.max(simd.splat(-self.bound), below);
        // The largest of the bound below and the smallest of the bound above, both through `max`.
        simd.max(simd.splat(-self.bound), simd.sub(simd.splat(0.0), below))
    }
}

/// The sum of the squares. Each task's sum is added in its place, so that the number of threads changes nothing.
fn squares(level: Level, values: &[f32]) -> f32 {
    struct Squares<'a>(&'a [f32]);

    impl Kernel for Squares<'_> {
        type Output = f64;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f64 {
            let mut sum = simd.splat(0.0);
            for values in self.0.chunks(WIDTH) {
                let values = simd.load(&padded(values));
                sum = simd.mul_add(values, values, sum);
            }
            let mut lanes = [0.0; WIDTH];
            simd.store(sum, &mut lanes);
            lanes.iter().map(|lane| f64::from(*lane)).sum()
        }
    }

    let tasks: Vec<f64> = values
        .par_chunks(TASK)
        .map(|values| level.run(Squares(values)))
        .collect();
    tasks.iter().sum::<f64>() as f32
}
