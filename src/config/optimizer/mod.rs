//! The optimizers.

mod adagrad;
mod adam;
mod adamw;
mod muon;
mod rmsprop;
mod rules;
mod sgd;

pub use adagrad::AdaGradConfig;
pub use adam::AdamConfig;
pub use adamw::AdamWConfig;
pub use muon::{AdjustLrFn, MuonConfig};
pub use rmsprop::RmsPropConfig;
pub use rules::GradientClippingConfig;
pub use sgd::{MomentumConfig, SgdConfig};

use super::{Fields, Settings, impl_config};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The optimizers: for each the name of its kind and the type of its configuration. All code that has to do something for
/// each optimizer is made from this list; what one of them is to Burn stands in its file of
/// [`model::optimizer`](crate::model), and how its state is read in that of `record::optimizer`.
macro_rules! for_each_optimizer {
    ($macro:ident) => {
        $macro! {
            Adam(AdamConfig);
            AdamW(AdamWConfig);
            Sgd(SgdConfig);
            RmsProp(RmsPropConfig);
            AdaGrad(AdaGradConfig);
            Muon(MuonConfig);
        }
    };
}
pub(crate) use for_each_optimizer;

macro_rules! optimizer_config {
    ($($kind:ident($config:ident);)+) => {
        /// The optimizer of a run.
        ///
        /// Its JSON is that of Burn's `AdamConfig` for Adam, as the Burn book's configuration has it, and for the others an
        /// object with the name of the kind as its one key, as Burn writes enums.
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub enum OptimizerConfig {
            $(
                #[doc = concat!("See [`", stringify!($config), "`].")]
                $kind($config),
            )+
        }

        const KINDS: &[&str] = &[$(stringify!($kind)),+];

        $(
            impl From<$config> for OptimizerConfig {
                fn from(config: $config) -> Self {
                    Self::$kind(config)
                }
            }
        )+

        impl OptimizerConfig {
            /// The name of its kind.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)+
                }
            }

            fn of_kind(kind: &str, value: &Value, path: &str) -> Result<Self> {
                match kind {
                    $(stringify!($kind) => $config::from_value(value, path).map(Self::$kind),)+
                    other => Err(Error::Internal(format!("no optimizer is named {other}"))),
                }
            }

            fn object(&self, complete: bool) -> Map<String, Value> {
                match self {
                    $(Self::$kind(config) => config.write(complete),)+
                }
            }

            /// Each optimizer as its configuration has it by default.
            #[cfg(test)]
            pub(crate) fn defaults() -> Vec<Self> {
                vec![$($config::default().into()),+]
            }
        }
    };
}
for_each_optimizer!(optimizer_config);

impl Default for OptimizerConfig {
    fn default() -> Self {
        Self::Adam(AdamConfig::default())
    }
}

impl Settings for OptimizerConfig {
    const KIND: &'static str = "optimizer";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let Some((kind, value)) = fields.variant(KINDS)? else {
            return AdamConfig::read(fields).map(Self::Adam);
        };
        Self::of_kind(kind, value, &fields.name(kind))
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let object = self.object(complete);
        if matches!(self, Self::Adam(_)) {
            return object;
        }
        Map::from_iter([(self.kind().to_owned(), Value::Object(object))])
    }
}

impl_config!(OptimizerConfig);
