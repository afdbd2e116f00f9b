use super::Arithmetic;
use crate::kernels::adagrad::AdaGradStep;
use crate::kernels::cpu::simd::Simd;

impl Arithmetic for AdaGradStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let [value, sum] = vectors else {
            unreachable!("AdaGrad keeps the sum of squares");
        };
        let slope = simd.mul_add(*value, simd.splat(self.rule.penalty), gradient);
        *sum = simd.mul_add(slope, slope, *sum);
        let root = simd.add(simd.sqrt(*sum), simd.splat(self.rule.epsilon));
        let step = simd.div(slope, root);
        *value = simd.mul_add(step, simd.splat(-self.learning_rate), *value);
    }
}
