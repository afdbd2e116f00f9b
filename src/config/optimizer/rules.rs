//! What several optimizers have in common: their rules, weight decay and clipping.

use crate::config::Fields;
use crate::config::fields::shown;
use crate::error::{Error, Result};
use burn::grad_clipping::GradientClippingConfig as BurnGradientClippingConfig;
use serde_json::{Value, json};

/// How the gradient of each parameter tensor is bounded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum GradientClippingConfig {
    /// Every element within plus or minus this value.
    Value(f32),
    /// The L2 norm of each parameter's gradient at most this value.
    Norm(f32),
}

impl GradientClippingConfig {
    /// Burn's configuration with the same value.
    pub fn to_burn(self) -> BurnGradientClippingConfig {
        match self {
            Self::Value(most) => BurnGradientClippingConfig::Value(most),
            Self::Norm(most) => BurnGradientClippingConfig::Norm(most),
        }
    }
}

/// The bound on gradients, which may be absent.
pub(super) fn clipping(
    fields: &mut Fields<'_>,
    key: &'static str,
) -> Result<Option<GradientClippingConfig>> {
    let Some(value) = fields.get_some(key) else {
        return Ok(None);
    };
    let path = fields.name(key);
    let mut inner = Fields::new(value, &path, "gradient clipping")?;
    let chosen = (
        inner.get_some("Value").is_some(),
        inner.get_some("Norm").is_some(),
    );
    let clipping = match chosen {
        (true, false) => GradientClippingConfig::Value(positive(&mut inner, "Value", None)?),
        (false, true) => GradientClippingConfig::Norm(positive(&mut inner, "Norm", None)?),
        _ => {
            return Err(Error::Config(format!(
                "{path} must have exactly one of the keys Value and Norm, got {}",
                shown(value)
            )));
        }
    };
    inner.finish()?;
    Ok(Some(clipping))
}

pub(super) fn clipping_value(clipping: Option<GradientClippingConfig>) -> Value {
    match clipping {
        None => Value::Null,
        Some(GradientClippingConfig::Value(most)) => json!({ "Value": single(most) }),
        Some(GradientClippingConfig::Norm(most)) => json!({ "Norm": single(most) }),
    }
}

/// A number above 0.
pub(super) fn positive(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Option<f32>,
) -> Result<f32> {
    // The optimizer computes in f32: what rounds to 0 or to infinity there is refused here.
    let holds = |number: f64| (number as f32) > 0.0 && (number as f32).is_finite();
    let number = fields.number(key, default.map(f64::from), "a number above 0", holds)?;
    Ok(number as f32)
}

/// What is kept of a running mean at each step.
pub(super) fn decay(fields: &mut Fields<'_>, key: &'static str, default: f64) -> Result<f64> {
    let rule = "a number of at least 0 and below 1";
    fields.number(key, Some(default), rule, |decay| {
        decay >= 0.0 && (decay as f32) < 1.0
    })
}

/// A factor of the parameters that pulls them towards 0.
pub(super) fn penalty(
    fields: &mut Fields<'_>,
    key: &'static str,
    default: Option<f32>,
) -> Result<f32> {
    let holds = |number: f64| number >= 0.0 && (number as f32).is_finite();
    let number = fields.number(key, default.map(f64::from), "a number of at least 0", holds)?;
    Ok(number as f32)
}

/// Burn's `WeightDecayConfig`, which may be absent.
pub(super) fn weight_decay(fields: &mut Fields<'_>, kind: &'static str) -> Result<Option<f32>> {
    let Some(value) = fields.get_some("weight_decay") else {
        return Ok(None);
    };
    let mut inner = Fields::new(value, &fields.name("weight_decay"), kind)?;
    let penalty = penalty(&mut inner, "penalty", None)?;
    inner.finish()?;
    Ok(Some(penalty))
}

pub(super) fn weight_decay_value(penalty: Option<f32>) -> Value {
    penalty.map_or(Value::Null, |penalty| json!({ "penalty": single(penalty) }))
}

/// An f32 with the few digits that name it: 0.9, not 0.8999999761581421.
pub(super) fn single(number: f32) -> Value {
    number
        .to_string()
        .parse::<f64>()
        .map_or(Value::Null, |number| json!(number))
}
