use super::{Arithmetic, mul_then_add};
use crate::kernels::adagrad::AdaGradStep;
use crate::kernels::cpu::simd::Simd;

impl Arithmetic for AdaGradStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let [value, sum] = vectors else {
            unreachable!("AdaGrad keeps the sum of squares");
        };
        let slope = mul_then_add(simd, *value, simd.splat(self.rule.penalty), gradient);
        *sum = mul_then_add(simd, slope, slope, *sum);
        let root = simd.add(simd.sqrt(*sum), simd.splat(self.rule.epsilon));
        let step = simd.div(slope, root);
        *value = simd.sub(*value, simd.mul(step, simd.splat(self.learning_rate)));
    }
}
