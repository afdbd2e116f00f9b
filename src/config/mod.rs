//! What a model, an optimizer and a training run are made from.
//!
//! The JSON of each type is that of the Burn `Config` of the same name, so files cross between this crate and
//! programs that follow the Burn book. Reading fills in defaults and refuses unknown keys; writing leaves out the
//! keys that Burn's type lacks while they hold their defaults. [`complete_json`](Settings::complete_json) writes
//! every key.

mod augmentation;
mod checkpoint;
mod class_weights;
mod early_stopping;
mod fields;
mod image;
mod lr_scheduler;
mod metadata;
mod metric;
mod network;
mod optimizer;
mod recorder;
mod training;
mod views;

pub use augmentation::AugmentationConfig;
pub use checkpoint::CheckpointConfig;
pub use class_weights::ClassWeights;
pub use early_stopping::EarlyStoppingConfig;
pub use image::ImageShape;
pub use lr_scheduler::{LrSchedule, LrScheduleRecord, LrSchedulerConfig};
pub use metadata::{Fit, ImageStatistics, Metadata, Prepare, Preprocessing};
pub use metric::{Average, Direction, EpochMetric, Metric};
pub(crate) use network::for_each_network;
pub use network::{ConvBlock, ConvNetConfig, ModelConfig, NetworkConfig, NetworkSettings, Norm};
pub(crate) use optimizer::for_each_optimizer;
pub use optimizer::{
    AdaGradConfig, AdamConfig, AdamWConfig, AdjustLrFn, GradientClippingConfig, MomentumConfig,
    MuonConfig, OptimizerConfig, RmsPropConfig, SgdConfig,
};
pub use recorder::{Precision, Recorder};
pub use training::TrainingConfig;
pub use views::Views;

use crate::error::{Error, Result};
use fields::Fields;
pub(crate) use fields::{nearest, shown};
use serde_json::{Map, Value};

/// A configuration that reads and writes Burn's JSON.
pub trait Settings: Default + Sized {
    /// The name in messages, as in "unknown key in the *training* configuration".
    const KIND: &'static str;

    /// Reads the keys of one JSON object, filling in defaults.
    #[doc(hidden)]
    fn read(fields: &mut Fields<'_>) -> Result<Self>;

    /// The JSON object, with every key or with only those of Burn's type and the ones that differ from their default.
    #[doc(hidden)]
    fn write(&self, complete: bool) -> Map<String, Value>;

    /// Checks every value against its rule.
    fn validate(&self) -> Result<()> {
        Self::from_json(&self.complete_json()).map(drop)
    }

    /// Reads and checks JSON text.
    fn from_json(text: &str) -> Result<Self> {
        let value: Value = serde_json::from_str(text).map_err(|error| {
            Error::Config(format!(
                "the {} configuration must be a JSON object: {error}",
                Self::KIND
            ))
        })?;
        Self::from_value(&value, "")
    }

    /// The JSON that Burn's own type of this name would write, indented.
    fn to_json(&self) -> String {
        pretty(&Value::Object(self.write(false)))
    }

    /// The JSON with every key, also those that Burn's type lacks.
    fn complete_json(&self) -> String {
        pretty(&Value::Object(self.write(true)))
    }

    #[doc(hidden)]
    fn from_value(value: &Value, path: &str) -> Result<Self> {
        let mut fields = Fields::new(value, path, Self::KIND)?;
        let settings = Self::read(&mut fields)?;
        fields.finish()?;
        Ok(settings)
    }
}

fn pretty(value: &Value) -> String {
    // `{:#}` of a value can't fail, unlike `to_string_pretty`.
    format!("{value:#}")
}

/// Implements serde and Burn's `Config` through [`Settings`].
macro_rules! impl_config {
    ($name:ty) => {
        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(
                &self,
                serializer: S,
            ) -> std::result::Result<S::Ok, S::Error> {
                crate::config::Settings::write(self, false).serialize(serializer)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(
                deserializer: D,
            ) -> std::result::Result<Self, D::Error> {
                let value = serde_json::Value::deserialize(deserializer)?;
                <Self as crate::config::Settings>::from_value(&value, "")
                    .map_err(serde::de::Error::custom)
            }
        }

        impl burn::config::Config for $name {}
    };
}
use impl_config;
