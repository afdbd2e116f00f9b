use super::rules::{
    GradientClippingConfig, clipping, clipping_value, positive, single, weight_decay,
    weight_decay_value,
};
use crate::config::{Fields, Settings, impl_config};
use crate::error::Result;
use burn::optim::decay::WeightDecayConfig;
use serde_json::{Map, Value, json};

/// `AdaGrad` (Duchi, Hazan and Singer, 2011), as Burn has it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdaGradConfig {
    /// How the learning rate falls: step `t`, from 1, divides it by `1 + (t - 1) * lr_decay`; at least 0.
    pub lr_decay: f64,
    /// Added to the denominator; above 0.
    pub epsilon: f32,
    /// L2 penalty added to the gradient (Burn's `WeightDecayConfig.penalty`).
    pub weight_decay: Option<f32>,
    /// Bound on the gradient of each parameter.
    pub grad_clipping: Option<GradientClippingConfig>,
}

impl Default for AdaGradConfig {
    fn default() -> Self {
        Self {
            lr_decay: 0.0,
            epsilon: 1e-5,
            weight_decay: None,
            grad_clipping: None,
        }
    }
}

impl AdaGradConfig {
    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::AdaGradConfig {
        burn::optim::AdaGradConfig::new()
            .with_lr_decay(self.lr_decay)
            .with_epsilon(self.epsilon)
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_grad_clipping(self.grad_clipping.map(GradientClippingConfig::to_burn))
    }
}

impl Settings for AdaGradConfig {
    const KIND: &'static str = "AdaGrad";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            lr_decay: fields.number(
                "lr_decay",
                Some(default.lr_decay),
                "a number of at least 0",
                |decay| decay >= 0.0,
            )?,
            epsilon: positive(fields, "epsilon", Some(default.epsilon))?,
            weight_decay: weight_decay(fields, Self::KIND)?,
            grad_clipping: clipping(fields, "grad_clipping")?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("lr_decay".into(), json!(self.lr_decay));
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("weight_decay".into(), weight_decay_value(self.weight_decay));
        object.insert("grad_clipping".into(), clipping_value(self.grad_clipping));
        object
    }
}

impl_config!(AdaGradConfig);
