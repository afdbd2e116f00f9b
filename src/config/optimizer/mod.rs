//! The optimizers.

mod adam;
mod adamw;
mod rules;
mod sgd;

pub use adam::AdamConfig;
pub use adamw::AdamWConfig;
pub use rules::GradientClippingConfig;
pub use sgd::{MomentumConfig, SgdConfig};

use super::{Fields, Settings, impl_config};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The optimizer of a run.
///
/// Its JSON is that of Burn's `AdamConfig` for Adam, as the Burn book's configuration has it, and for the others an object with
/// the name of the kind as its one key, as Burn writes enums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum OptimizerConfig {
    /// See [`AdamConfig`].
    Adam(AdamConfig),
    /// See [`AdamWConfig`].
    AdamW(AdamWConfig),
    /// See [`SgdConfig`].
    Sgd(SgdConfig),
}

const KINDS: [&str; 3] = ["Adam", "AdamW", "Sgd"];

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl From<AdamConfig> for OptimizerConfig {
    fn from(config: AdamConfig) -> Self {
        Self::Adam(config)
    }
}

impl From<AdamWConfig> for OptimizerConfig {
    fn from(config: AdamWConfig) -> Self {
        Self::AdamW(config)
    }
}

impl From<SgdConfig> for OptimizerConfig {
    fn from(config: SgdConfig) -> Self {
        Self::Sgd(config)
    }
}

impl Settings for OptimizerConfig {
    const KIND: &'static str = "optimizer";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let Some((kind, value)) = fields.variant(&KINDS)? else {
            return AdamConfig::read(fields).map(Self::Adam);
        };
        let path = fields.name(kind);
        match kind {
            "AdamW" => AdamWConfig::from_value(value, &path).map(Self::AdamW),
            "Sgd" => SgdConfig::from_value(value, &path).map(Self::Sgd),
            "Adam" => AdamConfig::from_value(value, &path).map(Self::Adam),
            other => Err(Error::Internal(format!("no optimizer is named {other}"))),
        }
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let (kind, object) = match self {
            Self::Adam(config) => return config.write(complete),
            Self::AdamW(config) => ("AdamW", config.write(complete)),
            Self::Sgd(config) => ("Sgd", config.write(complete)),
        };
        Map::from_iter([(kind.to_owned(), Value::Object(object))])
    }
}

impl_config!(OptimizerConfig);
