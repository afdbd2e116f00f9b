//! A network of any kind, behind one type.

#![allow(
    clippy::large_enum_variant,
    reason = "there are few networks at a time, and a box is no Burn module"
)]

use super::graph::{Graph, ParameterSpec};
use super::{
    Architecture, Layout, Network, Parameter, Shapes, TrainingPass, conv_net, guide, state,
};
use crate::config::{ConvNetConfig, ImageShape, ModelConfig, NetworkConfig, for_each_network};
use crate::device::Backend;
use crate::error::Result;
use crate::kernels::{Images, Predict};
use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;

/// Work with a network whose kind is known while it is done.
pub trait WithNetwork<B: Backend> {
    /// What it gives.
    type Output;

    /// The work.
    fn run<N: Network<B>>(self, network: N) -> Self::Output;
}

macro_rules! any_network {
    ($($(#[$doc:meta])* $kind:ident($config:ident) = $module:ident::$network:ident;)+) => {
        /// A network of any kind, a Burn module like each of them.
        #[derive(Module, Debug)]
        pub enum AnyNetwork<B: BurnBackend> {
            $($(#[$doc])* $kind($module::$network<B>),)+
        }

        impl<B: Backend> AnyNetwork<B> {
            /// The network with random parameters from the back end's own generator, drawn when they are first used.
            pub fn init(config: &NetworkConfig, device: &B::Device) -> Self {
                match config {
                    $(NetworkConfig::$kind(config) => Self::$kind(Network::init(config, device)),)+
                }
            }

            /// Does `work` with the network.
            pub fn with<W: WithNetwork<B>>(self, work: W) -> W::Output {
                match self {
                    $(Self::$kind(network) => work.run(network),)+
                }
            }

            /// See [`Network::logits`].
            pub fn logits(
                &self,
                images: Images<B>,
                training: Option<&TrainingPass<'_, B>>,
            ) -> Tensor<B, 2> {
                match self {
                    $(Self::$kind(network) => network.logits(images, training),)+
                }
            }

            /// See [`Network::predictor`].
            pub fn predictor(&self, image: ImageShape) -> Option<Box<dyn Predict>> {
                match self {
                    $(Self::$kind(network) => network.predictor(image),)+
                }
            }
        }

        impl NetworkConfig {
            /// The layers of the network.
            pub fn graph(&self) -> Graph {
                match self {
                    $(Self::$kind(config) => config.graph(),)+
                }
            }

            /// Each network as its configuration has it by default.
            #[cfg(test)]
            pub(crate) fn defaults() -> Vec<Self> {
                vec![$(Self::$kind($config::default())),+]
            }

            /// The layouts of the records of all networks.
            pub(crate) const LAYOUTS: &[&[Layout]] = &[$($config::LAYOUTS),+];

            /// The configuration of a network whose parameters have these names and shapes, as far as they say it; `None` where
            /// no network has them.
            pub(crate) fn of_shapes(shapes: &Shapes<'_>) -> std::result::Result<Option<Self>, String> {
                $(
                    if let Some(config) = $config::of_shapes(shapes)? {
                        return Ok(Some(Self::$kind(config)));
                    }
                )+
                Ok(None)
            }
        }
    };
}
for_each_network!(any_network);

impl<B: Backend> AnyNetwork<B> {
    /// The network with random parameters that follow from `seed` alone, the same on every back end.
    pub fn init_seeded(config: &NetworkConfig, seed: u64, device: &B::Device) -> Result<Self> {
        Self::from_state(config, state::initial(config.state(), seed), device)
    }

    /// The network of `config` with the given parameters and buffers.
    pub fn from_state(
        config: &NetworkConfig,
        state: Vec<Parameter>,
        device: &B::Device,
    ) -> Result<Self> {
        let specs = config.state();
        let state = state::ordered(&specs, state, &config.sizes())?;
        state::write(Self::init(config, device), state, &specs, device)
    }
}

impl<B: BurnBackend> AnyNetwork<B> {
    /// The parameters and the buffers as numbers, in the order of the network.
    pub fn state(&self) -> Result<Vec<Parameter>> {
        state::read(self)
    }
}

impl NetworkConfig {
    /// The parameters and the buffers of the network, without their values.
    pub fn state(&self) -> Vec<ParameterSpec> {
        self.graph().state()
    }

    /// The parameters of the network, without their values.
    pub fn parameters(&self) -> Vec<ParameterSpec> {
        self.graph().parameters()
    }

    /// Whether a network of the other configuration has the same parameters.
    pub(crate) fn has_parameters_of(&self, other: &Self) -> bool {
        self == other || self.state() == other.state()
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    #[test]
    fn the_module_of_every_network_has_the_parameters_of_its_graph() {
        for config in NetworkConfig::defaults() {
            let network = AnyNetwork::<Flex>::init(&config, &FlexDevice);
            let found = network.state().unwrap();
            let found: Vec<_> = found
                .iter()
                .map(|found| (&found.name, &found.shape))
                .collect();
            let parameters = config.state();
            let stated = parameters
                .iter()
                .map(|stated| (&stated.name, &stated.shape));
            assert!(stated.eq(found), "{}", config.kind());
        }
    }
}
