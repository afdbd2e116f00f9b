use super::{Adaptor, OptimizerSettings};
use crate::config::AdaGradConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use crate::kernels::adagrad::AdaGradRule;
use crate::kernels::optimizer::AdaGrad;
use crate::kernels::step::Clipping;

impl OptimizerSettings for AdaGradConfig {
    type Steps<B: Operations> = AdaGrad;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        let rule = AdaGradRule {
            lr_decay: self.lr_decay,
            epsilon: self.epsilon,
            penalty: self.weight_decay.unwrap_or(0.0),
        };
        let clipping = self.grad_clipping.map(Clipping::from);
        AdaGrad::new(self.to_burn().build(), rule, clipping).into()
    }
}
