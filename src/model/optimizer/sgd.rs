use super::{Adaptor, OptimizerSettings};
use crate::config::SgdConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use crate::kernels::optimizer::Sgd;
use crate::kernels::sgd::{SgdMomentum, SgdRule};
use crate::kernels::step::Clipping;

impl OptimizerSettings for SgdConfig {
    type Steps<B: Operations> = Sgd<B>;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        let rule = SgdRule {
            penalty: self.weight_decay.unwrap_or(0.0),
            momentum: self.momentum.map(|momentum| SgdMomentum {
                kept: momentum.momentum as f32,
                dampening: momentum.dampening,
                nesterov: momentum.nesterov,
            }),
        };
        let clipping = self.gradient_clipping.map(Clipping::from);
        Sgd::new(self.to_burn().build(), rule, clipping).into()
    }
}
