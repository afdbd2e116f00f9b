use super::{Arithmetic, mul_then_add};
use crate::kernels::cpu::simd::Simd;
use crate::kernels::sgd::SgdStep;

impl Arithmetic for SgdStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let rule = self.rule;
        let [value, velocity @ ..] = vectors else {
            unreachable!("the parameter comes first");
        };
        let mut slope = mul_then_add(simd, *value, simd.splat(rule.penalty), gradient);
        if let ([velocity], Some(momentum)) = (velocity, rule.momentum) {
            let kept = simd.splat(momentum.kept);
            let share = simd.mul(slope, simd.splat(self.share));
            *velocity = mul_then_add(simd, *velocity, kept, share);
            slope = if momentum.nesterov {
                mul_then_add(simd, *velocity, kept, slope)
            } else {
                *velocity
            };
        }
        *value = simd.sub(*value, simd.mul(slope, simd.splat(self.learning_rate)));
    }
}
