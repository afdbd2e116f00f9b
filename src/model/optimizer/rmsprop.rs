use super::{Adaptor, OptimizerSettings};
use crate::config::RmsPropConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use crate::kernels::optimizer::RmsProp;
use crate::kernels::rmsprop::RmsPropRule;
use crate::kernels::step::Clipping;

impl OptimizerSettings for RmsPropConfig {
    type Steps<B: Operations> = RmsProp;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        let rule = RmsPropRule {
            alpha: self.alpha,
            momentum: self.momentum,
            epsilon: self.epsilon,
            centered: self.centered,
            penalty: self.weight_decay.unwrap_or(0.0),
        };
        let clipping = self.grad_clipping.map(Clipping::from);
        RmsProp::new(self.to_burn().build(), rule, clipping).into()
    }
}
