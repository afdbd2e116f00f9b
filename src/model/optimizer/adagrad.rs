use super::{Adaptor, OptimizerSettings};
use crate::config::AdaGradConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use burn::optim::AdaGrad;

impl OptimizerSettings for AdaGradConfig {
    type Steps<B: Operations> = AdaGrad;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        self.to_burn().init()
    }
}
