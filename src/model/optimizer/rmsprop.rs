use super::{Adaptor, OptimizerSettings};
use crate::config::RmsPropConfig;
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use burn::optim::RmsProp;

impl OptimizerSettings for RmsPropConfig {
    type Steps<B: Operations> = RmsProp;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        self.to_burn().init()
    }
}
