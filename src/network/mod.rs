//! The networks: Burn modules that this crate trains.
//!
//! A network is a configuration ([`config`](crate::config)), a file here with its module, and a line in the list of
//! networks there. [`AnyNetwork`] is one of them, whichever: what trains, saves and uses a model is compiled once for it.

mod any;
mod average;
mod batch_norm;
mod conv_net;
mod freeze;
mod graph;
mod guide;
mod layers;
mod layout;
mod state;
mod statistics;

pub use any::{AnyNetwork, WithNetwork};
pub use batch_norm::BatchNorm;
pub use conv_net::{Block, ConvNet};
pub(crate) use graph::torch_name;
pub use graph::{Graph, IMAGES, Initial, Layer, Node, ParameterSpec, Role};
pub use guide::Model;
pub use layout::Layout;
pub use state::{Parameter, parameter_id};
pub(crate) use state::{host_values, initial};
pub use statistics::{HostStatistics, LayerStatistics, Statistics, TrainingPass, pooled};

use crate::config::{ImageShape, NetworkSettings};
use crate::device::Backend;
use crate::kernels::{Images, Predict};
use burn::module::{Module, ModuleDisplay};
use burn::tensor::Tensor;

/// What the configuration of a network says of it, whatever computes it.
pub trait Architecture: NetworkSettings {
    /// The orders of a record's fields: that of this version, and then those of earlier ones.
    const LAYOUTS: &'static [Layout];

    /// Its layers.
    fn graph(&self) -> Graph;

    /// The configuration of a network whose parameters have these names and shapes, in Burn's layout or PyTorch's, as far as
    /// they say it; `None` where they are those of another network, and a reason where a shape can't be.
    fn of_shapes(shapes: &Shapes<'_>) -> std::result::Result<Option<Self>, String>;
}

/// A Burn module that this crate trains.
pub trait Network<B: Backend>: Module<B> + ModuleDisplay {
    /// What it is made from.
    type Config: Architecture;

    /// The network with random parameters from the back end's own generator, drawn when they are first used.
    fn init(config: &Self::Config, device: &B::Device) -> Self;

    /// The logits; of a training step, with its dropout, and leaving its statistics of batch normalisation.
    ///
    /// # Shapes
    ///
    /// - images: `[batch_size, channels, height, width]`
    /// - output: `[batch_size, num_classes]`
    fn logits(&self, images: Images<B>, training: Option<&TrainingPass<'_, B>>) -> Tensor<B, 2>;

    /// The network without dropout, prepared for many images of a shape; `None` where there is nothing to prepare.
    fn predictor(&self, _image: ImageShape) -> Option<Box<dyn Predict>> {
        None
    }
}

/// Names and shapes of the tensors of a file.
pub struct Shapes<'a>(pub Vec<(&'a str, &'a [usize])>);

impl Shapes<'_> {
    /// The shape of a tensor.
    pub fn get(&self, name: &str) -> Option<&[usize]> {
        let found = self.0.iter().find(|(found, _)| *found == name);
        found.map(|(_, shape)| *shape)
    }

    /// The one size of a bias.
    pub fn length(&self, name: &str) -> std::result::Result<usize, String> {
        match self.get(name) {
            Some([length]) => Ok(*length),
            found => Err(format!(
                "{name} must have one dimension, found {}",
                found.map_or_else(|| "none".into(), shown)
            )),
        }
    }
}

/// A shape as a message shows it: a hostile one may have thousands of dimensions.
pub(crate) fn shown(shape: &[usize]) -> String {
    let more = if shape.len() > 8 { " and more" } else { "" };
    format!("{:?}{more}", &shape[..shape.len().min(8)])
}
