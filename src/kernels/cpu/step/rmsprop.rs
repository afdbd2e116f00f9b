use super::{Arithmetic, mul_then_add};
use crate::kernels::cpu::simd::Simd;
use crate::kernels::rmsprop::RmsPropStep;

impl Arithmetic for RmsPropStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let rule = self.rule;
        let [value, square, others @ ..] = vectors else {
            unreachable!("RMSprop keeps the mean square");
        };
        let (centered, sum) = match others {
            [] => (None, None),
            [sum] => (None, Some(sum)),
            [mean, variance] => (Some((mean, variance)), None),
            [mean, variance, sum] => (Some((mean, variance)), Some(sum)),
            _ => unreachable!("RMSprop keeps no more"),
        };
        let (alpha, rest) = (simd.splat(rule.alpha), simd.splat(1.0 - rule.alpha));
        let slope = mul_then_add(simd, *value, simd.splat(rule.penalty), gradient);
        *square = simd.mul(*square, alpha);
        *square = mul_then_add(simd, simd.mul(slope, slope), rest, *square);
        let mut spread = *square;
        if let Some((mean, variance)) = centered {
            *mean = mul_then_add(simd, slope, rest, simd.mul(*mean, alpha));
            *variance = simd.sub(*square, simd.mul(*mean, *mean));
            spread = *variance;
        }
        let root = simd.add(simd.sqrt(spread), simd.splat(rule.epsilon));
        let mut step = simd.div(slope, root);
        if let Some(sum) = sum {
            *sum = mul_then_add(simd, *sum, simd.splat(rule.momentum), step);
            step = *sum;
        }
        *value = simd.sub(*value, simd.mul(step, simd.splat(self.learning_rate)));
    }
}
