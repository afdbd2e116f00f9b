use super::{Adaptor, OptimizerSettings};
use crate::config::SgdConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use burn::optim::Sgd;

impl OptimizerSettings for SgdConfig {
    type Steps<B: Operations> = Sgd<B>;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        self.to_burn().init()
    }
}
