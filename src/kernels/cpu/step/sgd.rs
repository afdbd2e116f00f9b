use super::Arithmetic;
use crate::kernels::cpu::simd::Simd;
use crate::kernels::sgd::SgdStep;

impl Arithmetic for SgdStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let rule = self.rule;
        let [value, velocity @ ..] = vectors else {
            unreachable!("the parameter comes first");
        };
        let mut slope = simd.mul_add(*value, simd.splat(rule.penalty), gradient);
        if let ([velocity], Some(momentum)) = (velocity, rule.momentum) {
            let kept = simd.splat(momentum.kept);
            let share = simd.mul(slope, simd.splat(self.share));
            *velocity = simd.mul_add(*velocity, kept, share);
            slope = if momentum.nesterov {
                simd.mul_add(*velocity, kept, slope)
            } else {
                *velocity
            };
        }
        *value = simd.mul_add(slope, simd.splat(-self.learning_rate), *value);
    }
}
