use super::rules::{
    GradientClippingConfig, clipping, clipping_value, decay, weight_decay, weight_decay_value,
};
use crate::config::{Fields, Settings, impl_config};
use crate::error::Result;
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig as BurnMomentumConfig;
use serde_json::{Map, Value, json};

/// Stochastic gradient descent, as Burn has it.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SgdConfig {
    /// L2 penalty added to the gradient (Burn's `WeightDecayConfig.penalty`).
    pub weight_decay: Option<f32>,
    /// How earlier gradients go on to count; `None` forgets them.
    pub momentum: Option<MomentumConfig>,
    /// Bound on the gradient of each parameter.
    pub gradient_clipping: Option<GradientClippingConfig>,
}

/// A running sum of gradients that stands for the gradient.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MomentumConfig {
    /// What is kept of the sum at each step, in [0, 1).
    pub momentum: f64,
    /// Share of a gradient that is left out of the sum, from 0 to 1; the first one counts in full.
    pub dampening: f64,
    /// Whether the gradient is added once more to the sum ahead (Nesterov, 1983; Sutskever et al., 2013).
    pub nesterov: bool,
}

impl Default for MomentumConfig {
    fn default() -> Self {
        Self {
            momentum: 0.9,
            dampening: 0.1,
            nesterov: false,
        }
    }
}

impl SgdConfig {
    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::SgdConfig {
        burn::optim::SgdConfig::new()
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_momentum(self.momentum.map(|momentum| {
                BurnMomentumConfig::new()
                    .with_momentum(momentum.momentum)
                    .with_dampening(momentum.dampening)
                    .with_nesterov(momentum.nesterov)
            }))
            .with_gradient_clipping(self.gradient_clipping.map(GradientClippingConfig::to_burn))
    }
}

impl Settings for SgdConfig {
    const KIND: &'static str = "SGD";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        Ok(Self {
            weight_decay: weight_decay(fields, Self::KIND)?,
            momentum: match fields.get_some("momentum") {
                None => None,
                Some(value) => Some(MomentumConfig::from_value(value, &fields.name("momentum"))?),
            },
            gradient_clipping: clipping(fields, "gradient_clipping")?,
        })
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("weight_decay".into(), weight_decay_value(self.weight_decay));
        let momentum = self
            .momentum
            .map_or(Value::Null, |momentum| momentum.write(complete).into());
        object.insert("momentum".into(), momentum);
        object.insert(
            "gradient_clipping".into(),
            clipping_value(self.gradient_clipping),
        );
        object
    }
}

impl Settings for MomentumConfig {
    const KIND: &'static str = "momentum";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            momentum: decay(fields, "momentum", default.momentum)?,
            dampening: fields.number(
                "dampening",
                Some(default.dampening),
                "a number from 0 to 1",
                |share| (0.0..=1.0).contains(&share),
            )?,
            nesterov: fields.flag("nesterov", default.nesterov)?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("momentum".into(), json!(self.momentum));
        object.insert("dampening".into(), json!(self.dampening));
        object.insert("nesterov".into(), json!(self.nesterov));
        object
    }
}

impl_config!(SgdConfig);
impl_config!(MomentumConfig);
