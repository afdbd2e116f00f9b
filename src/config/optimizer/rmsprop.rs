use super::rules::{
    GradientClippingConfig, clipping, clipping_value, decay, positive, single, weight_decay,
    weight_decay_value,
};
use crate::config::{Fields, Settings, impl_config};
use crate::error::Result;
use burn::optim::decay::WeightDecayConfig;
use serde_json::{Map, Value, json};

/// `RMSprop` (Tieleman and Hinton, 2012), as Burn has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsPropConfig {
    /// Decay of the running mean of the squared gradient, in [0, 1).
    pub alpha: f32,
    /// What is kept of the sum of steps at each step, in [0, 1); 0 forgets them.
    pub momentum: f32,
    /// Added to the denominator; above 0.
    pub epsilon: f32,
    /// Whether the denominator is the deviation of the gradient, and not the root of its mean square (Graves, 2013).
    pub centered: bool,
    /// L2 penalty added to the gradient (Burn's `WeightDecayConfig.penalty`).
    pub weight_decay: Option<f32>,
    /// Bound on the gradient of each parameter.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl Default for RmsPropConfig {
    fn default() -> Self {
        Self {
            alpha: 0.99,
            momentum: 0.9,
            epsilon: 1e-5,
            centered: false,
            weight_decay: None,
            grad_clipping: None,
        }
    }
}

impl RmsPropConfig {
    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::RmsPropConfig {
        burn::optim::RmsPropConfig::new()
            .with_alpha(self.alpha)
            .with_momentum(self.momentum)
            .with_epsilon(self.epsilon)
            .with_centered(self.centered)
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_grad_clipping(self.grad_clipping.map(GradientClippingConfig::to_burn))
    }
}

impl Settings for RmsPropConfig {
    const KIND: &'static str = "RMSprop";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            alpha: decay(fields, "alpha", default.alpha.into())? as f32,
            momentum: decay(fields, "momentum", default.momentum.into())? as f32,
            epsilon: positive(fields, "epsilon", Some(default.epsilon))?,
            centered: fields.flag("centered", default.centered)?,
            weight_decay: weight_decay(fields, Self::KIND)?,
            grad_clipping: clipping(fields, "grad_clipping")?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("alpha".into(), single(self.alpha));
        object.insert("momentum".into(), single(self.momentum));
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("centered".into(), json!(self.centered));
        object.insert("weight_decay".into(), weight_decay_value(self.weight_decay));
        object.insert("grad_clipping".into(), clipping_value(self.grad_clipping));
        object
    }
}

impl_config!(RmsPropConfig);
