use super::rules::{
    GradientClippingConfig, clipping, clipping_value, decay, positive, single, weight_decay,
    weight_decay_value,
};
use crate::config::{Fields, Settings, impl_config};
use crate::error::Result;
use burn::optim::decay::WeightDecayConfig;
use serde_json::{Map, Value, json};

/// Adam (Kingma and Ba, 2014), as Burn has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Decay of the running mean of the gradient, in [0, 1).
    pub beta_1: f32,
    /// Decay of the running mean of its square, in [0, 1).
    pub beta_2: f32,
    /// Added to the denominator; above 0.
    pub epsilon: f32,
    /// Whether the denominator may only grow (AMSGrad: Reddi et al., 2018).
    pub amsgrad: bool,
    /// L2 penalty added to the gradient (Burn's `WeightDecayConfig.penalty`).
    pub weight_decay: Option<f32>,
    /// Bound on the gradient of each parameter.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-5,
            amsgrad: false,
            weight_decay: None,
            grad_clipping: None,
        }
    }
}

impl AdamConfig {
    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::AdamConfig {
        burn::optim::AdamConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_amsgrad(self.amsgrad)
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_grad_clipping(self.grad_clipping.map(GradientClippingConfig::to_burn))
    }
}

impl Settings for AdamConfig {
    const KIND: &'static str = "Adam";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            beta_1: decay(fields, "beta_1", default.beta_1.into())? as f32,
            beta_2: decay(fields, "beta_2", default.beta_2.into())? as f32,
            epsilon: positive(fields, "epsilon", Some(default.epsilon))?,
            amsgrad: fields.flag("amsgrad", default.amsgrad)?,
            weight_decay: weight_decay(fields, Self::KIND)?,
            grad_clipping: clipping(fields, "grad_clipping")?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("beta_1".into(), single(self.beta_1));
        object.insert("beta_2".into(), single(self.beta_2));
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("amsgrad".into(), json!(self.amsgrad));
        object.insert("weight_decay".into(), weight_decay_value(self.weight_decay));
        object.insert("grad_clipping".into(), clipping_value(self.grad_clipping));
        object
    }
}

impl_config!(AdamConfig);
