//! Adam and `AdamW`, whose steps are kernels where a back end has such.

use super::{Adaptor, OptimizerSettings};
use crate::config::{AdamConfig, AdamWConfig, GradientClippingConfig};
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use crate::kernels::adam::{AdamRule, Decay};
use crate::kernels::optimizer::{Adam, AdamW};
use crate::kernels::step::Clipping;

impl OptimizerSettings for AdamConfig {
    type Steps<B: Operations> = Adam;

    // The kernels clip while they step.
    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        Adam::from(self).into()
    }
}

impl OptimizerSettings for AdamWConfig {
    type Steps<B: Operations> = AdamW;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        AdamW::from(self).into()
    }
}

impl From<&AdamConfig> for Adam {
    fn from(config: &AdamConfig) -> Self {
        let rule = AdamRule {
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            epsilon: config.epsilon,
            amsgrad: config.amsgrad,
            decay: config.weight_decay.map_or(Decay::None, Decay::Penalty),
        };
        let clipping = config.grad_clipping.map(Clipping::from);
        Self::new(config.to_burn().build(), rule, clipping)
    }
}

impl From<&AdamWConfig> for AdamW {
    fn from(config: &AdamWConfig) -> Self {
        let rule = AdamRule {
            beta_1: config.beta_1,
            beta_2: config.beta_2,
            epsilon: config.epsilon,
            amsgrad: config.amsgrad,
            decay: Decay::Decoupled {
                rate: config.weight_decay,
                cautious: config.cautious_weight_decay,
            },
        };
        let clipping = config.grad_clipping.map(Clipping::from);
        Self::new(config.to_burn().build(), rule, clipping)
    }
}

impl From<GradientClippingConfig> for Clipping {
    fn from(config: GradientClippingConfig) -> Self {
        match config {
            GradientClippingConfig::Value(bound) => Self::Value(bound),
            GradientClippingConfig::Norm(bound) => Self::Norm(bound),
        }
    }
}
