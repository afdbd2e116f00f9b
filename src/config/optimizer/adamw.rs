use super::rules::{
    GradientClippingConfig, clipping, clipping_value, decay, penalty, positive, single,
};
use crate::config::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// Adam whose weight decay is not part of the gradient (Loshchilov and Hutter, 2019), as Burn has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWConfig {
    /// Decay of the running mean of the gradient, in [0, 1).
    pub beta_1: f32,
    /// Decay of the running mean of its square, in [0, 1).
    pub beta_2: f32,
    /// Added to the denominator; above 0.
    pub epsilon: f32,
    /// Share of each parameter, times the learning rate, that a step takes away from it.
    pub weight_decay: f32,
    /// Whether only parameters decay whose sign is that of the mean of their gradient (Chen et al., 2025).
    pub cautious_weight_decay: bool,
    /// Whether the denominator may only grow (AMSGrad: Reddi et al., 2018).
    pub amsgrad: bool,
    /// Bound on the gradient of each parameter.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl Default for AdamWConfig {
    fn default() -> Self {
        Self {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-5,
            weight_decay: 1e-4,
            cautious_weight_decay: false,
            amsgrad: false,
            grad_clipping: None,
        }
    }
}

impl AdamWConfig {
    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::AdamWConfig {
        burn::optim::AdamWConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay)
            .with_cautious_weight_decay(self.cautious_weight_decay)
            .with_amsgrad(self.amsgrad)
            .with_grad_clipping(self.grad_clipping.map(GradientClippingConfig::to_burn))
    }
}

impl Settings for AdamWConfig {
    const KIND: &'static str = "AdamW";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            beta_1: decay(fields, "beta_1", default.beta_1.into())? as f32,
            beta_2: decay(fields, "beta_2", default.beta_2.into())? as f32,
            epsilon: positive(fields, "epsilon", Some(default.epsilon))?,
            weight_decay: penalty(fields, "weight_decay", Some(default.weight_decay))?,
            cautious_weight_decay: fields
                .flag("cautious_weight_decay", default.cautious_weight_decay)?,
            amsgrad: fields.flag("amsgrad", default.amsgrad)?,
            grad_clipping: clipping(fields, "grad_clipping")?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("beta_1".into(), single(self.beta_1));
        object.insert("beta_2".into(), single(self.beta_2));
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("weight_decay".into(), single(self.weight_decay));
        object.insert(
            "cautious_weight_decay".into(),
            json!(self.cautious_weight_decay),
        );
        object.insert("amsgrad".into(), json!(self.amsgrad));
        object.insert("grad_clipping".into(), clipping_value(self.grad_clipping));
        object
    }
}

impl_config!(AdamWConfig);
