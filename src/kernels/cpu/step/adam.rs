use super::Arithmetic;
use crate::kernels::adam::{AdamStep, Decay};
use crate::kernels::cpu::simd::Simd;

impl Arithmetic for AdamStep {
    #[inline(always)]
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide) {
        let rule = self.rule;
        let (penalty, cautious) = match rule.decay {
            Decay::None => (0.0, false),
            Decay::Penalty(penalty) => (penalty, false),
            Decay::Decoupled { cautious, .. } => (0.0, cautious),
        };
        let [value, moment_1, moment_2, largest @ ..] = vectors else {
            unreachable!("Adam keeps two moments");
        };
        let slope = simd.mul_add(*value, simd.splat(penalty), gradient);
        let mean = simd.mul(*moment_1, simd.splat(rule.beta_1));
        let mean = simd.mul_add(slope, simd.splat(1.0 - rule.beta_1), mean);
        let square = simd.mul(*moment_2, simd.splat(rule.beta_2));
        let rest = simd.splat(1.0 - rule.beta_2);
        let square = simd.mul_add(simd.mul(slope, slope), rest, square);
        (*moment_1, *moment_2) = (mean, square);
        let square = match largest {
            [largest] => {
                *largest = simd.max(*largest, square);
                *largest
            }
            _ => square,
        };
        let mut lost = simd.mul(*value, simd.splat(self.decay));
        if cautious {
            let zero = simd.splat(0.0);
            let [value, mean] = [simd.sub(zero, *value), simd.sub(zero, mean)];
            lost = simd.keep(lost, !(simd.positive(value) ^ simd.positive(mean)));
        }
        let [factor, epsilon] = self.corrections;
        let (mean, root) = (simd.mul(mean, simd.splat(factor)), simd.sqrt(square));
        let step = simd.div(mean, simd.add(root, simd.splat(epsilon)));
        let rate = simd.splat(-self.learning_rate);
        *value = simd.mul_add(step, rate, simd.sub(*value, lost));
    }
}
