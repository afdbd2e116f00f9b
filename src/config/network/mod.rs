//! The networks.

mod conv_net;
mod guide;

pub use conv_net::{ConvBlock, ConvNetConfig, Norm};
pub use guide::ModelConfig;

use super::{Fields, ImageShape, Settings, impl_config};
use crate::error::{Error, Result};
use serde_json::{Map, Value};

/// The networks that can be trained: for each the name of its kind, the type of its configuration, and its module in
/// [`network`](crate::network) with the Burn module there. All code that has to do something for each network is made
/// from this list.
macro_rules! for_each_network {
    ($macro:ident) => {
        $macro! {
            /// The guide network of the Burn book.
            Guide(ModelConfig) = guide::Model;
            /// A convolutional network of blocks.
            ConvNet(ConvNetConfig) = conv_net::ConvNet;
        }
    };
}
pub(crate) use for_each_network;

/// What the configurations of all networks have.
pub trait NetworkSettings: Settings + Clone {
    /// The images that the network takes.
    fn image(&self) -> ImageShape;

    /// The same network for other images.
    #[must_use]
    fn with_image(self, image: ImageShape) -> Self;

    /// Number of classes it tells apart.
    fn num_classes(&self) -> usize;

    /// The sizes that tell it from others of its kind, as messages show them: "`num_classes` 10 and `hidden_size` 512".
    fn sizes(&self) -> String;

    /// Mean and standard deviation of the pixels of each channel, where it has some of its own.
    fn pixels(&self) -> Option<(&[f64], &[f64])> {
        None
    }

    /// Whether training has to find these.
    fn wants_pixels(&self) -> bool {
        false
    }

    /// The same network with these, if it wants them.
    #[must_use]
    fn with_pixels(self, _mean: &[f64], _std: &[f64]) -> Self {
        self
    }
}

macro_rules! network_config {
    ($($(#[$doc:meta])* $kind:ident($config:ident) = $module:ident::$network:ident;)+) => {
        /// The network of a model.
        ///
        /// Its JSON is that of the Burn book's `ModelConfig` for the guide network, and for the others an object with the
        /// name of the kind as its one key, as Burn writes enums.
        #[derive(Clone, Debug, PartialEq)]
        pub enum NetworkConfig {
            $($(#[$doc])* $kind($config),)+
        }

        const KINDS: &[&str] = &[$(stringify!($kind)),+];

        $(
            impl From<$config> for NetworkConfig {
                fn from(config: $config) -> Self {
                    Self::$kind(config)
                }
            }
        )+

        impl NetworkConfig {
            /// The name of its kind.
            pub const fn kind(&self) -> &'static str {
                match self {
                    $(Self::$kind(_) => stringify!($kind),)+
                }
            }

            fn of_kind(kind: &str, value: &Value, path: &str) -> Result<Self> {
                match kind {
                    $(stringify!($kind) => $config::from_value(value, path).map(Self::$kind),)+
                    other => Err(Error::Internal(format!("no network is named {other}"))),
                }
            }

            fn object(&self, complete: bool) -> Map<String, Value> {
                match self {
                    $(Self::$kind(config) => config.write(complete),)+
                }
            }

            /// The images that the network takes.
            pub fn image(&self) -> ImageShape {
                match self {
                    $(Self::$kind(config) => config.image(),)+
                }
            }

            /// The same network for other images.
            #[must_use]
            pub fn with_image(self, image: ImageShape) -> Self {
                match self {
                    $(Self::$kind(config) => Self::$kind(config.with_image(image)),)+
                }
            }

            /// Number of classes it tells apart.
            pub fn num_classes(&self) -> usize {
                match self {
                    $(Self::$kind(config) => config.num_classes(),)+
                }
            }

            /// Mean and standard deviation of the pixels of each channel, where it has some of its own.
            pub fn pixels(&self) -> Option<(&[f64], &[f64])> {
                match self {
                    $(Self::$kind(config) => config.pixels(),)+
                }
            }

            /// Whether training has to find these.
            pub fn wants_pixels(&self) -> bool {
                match self {
                    $(Self::$kind(config) => config.wants_pixels(),)+
                }
            }

            /// The same network with these, if it wants them.
            #[must_use]
            pub fn with_pixels(self, mean: &[f64], std: &[f64]) -> Self {
                match self {
                    $(Self::$kind(config) => Self::$kind(config.with_pixels(mean, std)),)+
                }
            }

            /// The sizes that tell it from others of its kind, as messages show them.
            pub fn sizes(&self) -> String {
                match self {
                    $(Self::$kind(config) => config.sizes(),)+
                }
            }
        }
    };
}
for_each_network!(network_config);

impl Default for NetworkConfig {
    fn default() -> Self {
        Self::Guide(ModelConfig::default())
    }
}

impl Settings for NetworkConfig {
    const KIND: &'static str = "model";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let Some((kind, value)) = fields.variant(KINDS)? else {
            return ModelConfig::read(fields).map(Self::Guide);
        };
        Self::of_kind(kind, value, &fields.name(kind))
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let object = self.object(complete);
        if matches!(self, Self::Guide(_)) {
            return object;
        }
        Map::from_iter([(self.kind().to_owned(), Value::Object(object))])
    }
}

impl_config!(NetworkConfig);
