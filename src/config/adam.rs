use super::fields::shown;
use super::{Fields, Settings, impl_config};
use crate::error::{Error, Result};
use crate::kernels::optimizer::{Adam, AdamRule, Clipping, Decay};
use burn::grad_clipping::GradientClippingConfig as BurnGradientClippingConfig;
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

/// How the gradient of each parameter tensor is bounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GradientClippingConfig {
    /// Every element within plus or minus this value.
    Value(f32),
    /// The L2 norm of each parameter's gradient at most this value.
    Norm(f32),
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
    /// The optimizer, its state empty.
    pub fn build(&self) -> Adam {
        Adam::new(
            self.to_burn().build(),
            AdamRule {
                beta_1: self.beta_1,
                beta_2: self.beta_2,
                epsilon: self.epsilon,
                amsgrad: self.amsgrad,
                decay: self.weight_decay.map_or(Decay::None, Decay::Penalty),
                clipping: self.grad_clipping.map(|clipping| match clipping {
                    GradientClippingConfig::Value(most) => Clipping::Value(most),
                    GradientClippingConfig::Norm(most) => Clipping::Norm(most),
                }),
            },
        )
    }

    /// Burn's configuration with the same values.
    pub fn to_burn(&self) -> burn::optim::AdamConfig {
        burn::optim::AdamConfig::new()
            .with_beta_1(self.beta_1)
            .with_beta_2(self.beta_2)
            .with_epsilon(self.epsilon)
            .with_amsgrad(self.amsgrad)
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_grad_clipping(self.grad_clipping.map(|clipping| match clipping {
                GradientClippingConfig::Value(most) => BurnGradientClippingConfig::Value(most),
                GradientClippingConfig::Norm(most) => BurnGradientClippingConfig::Norm(most),
            }))
    }
}

const ABOVE_ZERO: &str = "a number above 0";

fn above_zero(number: f64) -> bool {
    // The optimizer computes in f32: what rounds to 0 or to infinity there is refused here.
    let number = number as f32;
    number > 0.0 && number.is_finite()
}

impl Settings for AdamConfig {
    const KIND: &'static str = "Adam";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let decay_rule = "a number of at least 0 and below 1";
        let decays = |decay: f64| decay >= 0.0 && (decay as f32) < 1.0;
        Ok(Self {
            beta_1: fields.number("beta_1", Some(default.beta_1.into()), decay_rule, decays)?
                as f32,
            beta_2: fields.number("beta_2", Some(default.beta_2.into()), decay_rule, decays)?
                as f32,
            epsilon: fields.number(
                "epsilon",
                Some(default.epsilon.into()),
                ABOVE_ZERO,
                above_zero,
            )? as f32,
            amsgrad: fields.flag("amsgrad", default.amsgrad)?,
            weight_decay: match fields.get_some("weight_decay") {
                None => None,
                Some(value) => {
                    let mut inner = Fields::new(value, &fields.name("weight_decay"), Self::KIND)?;
                    let penalty =
                        inner.number("penalty", None, "a number of at least 0", |number| {
                            number >= 0.0 && (number as f32).is_finite()
                        })?;
                    inner.finish()?;
                    Some(penalty as f32)
                }
            },
            grad_clipping: match fields.get_some("grad_clipping") {
                None => None,
                Some(value) => Some(read_clipping(value, &fields.name("grad_clipping"))?),
            },
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("beta_1".into(), single(self.beta_1));
        object.insert("beta_2".into(), single(self.beta_2));
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("amsgrad".into(), json!(self.amsgrad));
        object.insert(
            "weight_decay".into(),
            self.weight_decay
                .map_or(Value::Null, |penalty| json!({ "penalty": single(penalty) })),
        );
        object.insert(
            "grad_clipping".into(),
            match self.grad_clipping {
                None => Value::Null,
                Some(GradientClippingConfig::Value(most)) => json!({ "Value": single(most) }),
                Some(GradientClippingConfig::Norm(most)) => json!({ "Norm": single(most) }),
            },
        );
        object
    }
}

fn read_clipping(value: &Value, path: &str) -> Result<GradientClippingConfig> {
    let mut fields = Fields::new(value, path, "gradient clipping")?;
    let chosen = (
        fields.get_some("Value").is_some(),
        fields.get_some("Norm").is_some(),
    );
    let clipping = match chosen {
        (true, false) => GradientClippingConfig::Value(
            fields.number("Value", None, ABOVE_ZERO, above_zero)? as f32,
        ),
        (false, true) => {
            GradientClippingConfig::Norm(fields.number("Norm", None, ABOVE_ZERO, above_zero)? as f32)
        }
        _ => {
            return Err(Error::Config(format!(
                "{path} must have exactly one of the keys Value and Norm, got {}",
                shown(value)
            )));
        }
    };
    fields.finish()?;
    Ok(clipping)
}

/// An f32 with the few digits that name it: 0.9, not 0.8999999761581421.
fn single(number: f32) -> Value {
    number
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, |number| json!(number))
}

impl_config!(AdamConfig);
