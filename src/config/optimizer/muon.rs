use super::rules::{positive, single, weight_decay, weight_decay_value};
use super::{AdamWConfig, MomentumConfig};
use crate::config::fields::nearest;
use crate::config::{Fields, Settings, impl_config};
use crate::error::{Error, Result};
use burn::optim::decay::WeightDecayConfig;
use burn::optim::momentum::MomentumConfig as BurnMomentumConfig;
use serde_json::{Map, Value, json};

/// Muon (Jordan et al., 2024) for the weights of layers, as Burn has it, and `AdamW` for all else.
///
/// A parameter of two dimensions or more is a matrix: the weight of a linear layer, and that of a convolution with a row for each
/// output. Biases, scales and shifts are stepped by `AdamW`, with the same learning rate.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MuonConfig {
    /// Share of each matrix, times the learning rate, that a step takes away from it (Burn's `WeightDecayConfig.penalty`).
    pub weight_decay: Option<f32>,
    /// How earlier gradients go on to count.
    pub momentum: MomentumConfig,
    /// The coefficients of the Newton-Schulz iteration.
    pub ns_coefficients: [f32; 3],
    /// The least norm that a gradient is divided by; above 0.
    pub epsilon: f32,
    /// Newton-Schulz iterations, from 1 to 100.
    pub ns_steps: usize,
    /// How the shape of a matrix changes its learning rate.
    pub adjust_lr_fn: AdjustLrFn,
    /// What steps the parameters that are no matrices.
    pub adamw: AdamWConfig,
}

/// What the learning rate of a matrix is multiplied by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AdjustLrFn {
    /// The root of outputs over inputs, at least 1 (Jordan et al., 2024).
    Original,
    /// A fifth of the root of the larger of the two, so that steps are as long as those of `AdamW` (Liu et al., 2025).
    MatchRmsAdamW,
}

impl AdjustLrFn {
    const NAMES: [&str; 2] = ["Original", "MatchRmsAdamW"];

    const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
    }

    /// The factor of a matrix of so many rows and columns.
    pub fn factor(self, rows: usize, columns: usize) -> f64 {
        let (rows, columns) = (rows as f64, columns as f64);
        match self {
            Self::Original => (rows / columns).max(1.0).sqrt(),
            Self::MatchRmsAdamW => 0.2 * rows.max(columns).sqrt(),
        }
    }

    fn to_burn(self) -> burn::optim::AdjustLrFn {
        match self {
            Self::Original => burn::optim::AdjustLrFn::Original,
            Self::MatchRmsAdamW => burn::optim::AdjustLrFn::MatchRmsAdamW,
        }
    }
}

impl Default for MuonConfig {
    fn default() -> Self {
        Self {
            weight_decay: None,
            momentum: MomentumConfig {
                momentum: 0.95,
                dampening: 0.0,
                nesterov: true,
            },
            ns_coefficients: [3.4445, -4.775, 2.0315],
            epsilon: 1e-7,
            ns_steps: 5,
            adjust_lr_fn: AdjustLrFn::Original,
            adamw: AdamWConfig::default(),
        }
    }
}

impl MuonConfig {
    /// Burn's configuration with the same values, for the matrices alone.
    pub fn to_burn(&self) -> burn::optim::MuonConfig {
        let [a, b, c] = self.ns_coefficients;
        burn::optim::MuonConfig::new()
            .with_weight_decay(self.weight_decay.map(WeightDecayConfig::new))
            .with_momentum(
                BurnMomentumConfig::new()
                    .with_momentum(self.momentum.momentum)
                    .with_dampening(self.momentum.dampening)
                    .with_nesterov(self.momentum.nesterov),
            )
            .with_ns_coefficients((a, b, c))
            .with_epsilon(self.epsilon)
            .with_ns_steps(self.ns_steps)
            .with_adjust_lr_fn(self.adjust_lr_fn.to_burn())
    }
}

impl Settings for MuonConfig {
    const KIND: &'static str = "Muon";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        Ok(Self {
            weight_decay: weight_decay(fields, Self::KIND)?,
            momentum: match fields.get("momentum") {
                None => default.momentum,
                Some(value) => MomentumConfig::from_value(value, &fields.name("momentum"))?,
            },
            ns_coefficients: match fields.get("ns_coefficients") {
                None => default.ns_coefficients,
                Some(value) => coefficients(value).ok_or_else(|| {
                    fields.broken("ns_coefficients", "a list of three numbers", value)
                })?,
            },
            epsilon: positive(fields, "epsilon", Some(default.epsilon))?,
            ns_steps: fields.whole("ns_steps", Some(default.ns_steps as u64), (1, 100))? as usize,
            adjust_lr_fn: match fields.get("adjust_lr_fn") {
                None => default.adjust_lr_fn,
                Some(value) => match value.as_str() {
                    Some("Original") => AdjustLrFn::Original,
                    Some("MatchRmsAdamW") => AdjustLrFn::MatchRmsAdamW,
                    other => {
                        let near = other.and_then(|name| nearest(name, &AdjustLrFn::NAMES));
                        let near =
                            near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
                        let rule = format!("one of {}", AdjustLrFn::NAMES.join(", "));
                        let error = fields.broken("adjust_lr_fn", &rule, value);
                        return Err(Error::Config(format!("{error}{near}")));
                    }
                },
            },
            adamw: match fields.get("adamw") {
                None => default.adamw,
                Some(value) => AdamWConfig::from_value(value, &fields.name("adamw"))?,
            },
        })
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("weight_decay".into(), weight_decay_value(self.weight_decay));
        object.insert("momentum".into(), self.momentum.write(complete).into());
        object.insert(
            "ns_coefficients".into(),
            self.ns_coefficients.map(single).to_vec().into(),
        );
        object.insert("epsilon".into(), single(self.epsilon));
        object.insert("ns_steps".into(), json!(self.ns_steps));
        object.insert("adjust_lr_fn".into(), json!(self.adjust_lr_fn.name()));
        if complete || self.adamw != AdamWConfig::default() {
            object.insert("adamw".into(), self.adamw.write(complete).into());
        }
        object
    }
}

fn coefficients(value: &Value) -> Option<[f32; 3]> {
    let numbers = value.as_array()?.iter().map(|value| {
        let number = value.as_f64()? as f32;
        number.is_finite().then_some(number)
    });
    numbers.collect::<Option<Vec<f32>>>()?.try_into().ok()
}

impl_config!(MuonConfig);
