//! Means of networks.

use super::AnyNetwork;
use super::state::Path;
use crate::kernels::{Operations, lerp};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorPrimitive};
use std::collections::HashMap;

impl<B: Operations> AnyNetwork<B> {
    /// The network whose parameters and buffers have moved towards those of `other`, by a share of the distance. Equal ones keep
    /// their bits.
    #[must_use]
    pub fn lerp(self, other: &Self, share: f64) -> Self {
        let mut ends = Ends {
            path: Path::default(),
            tensors: HashMap::new(),
        };
        other.visit(&mut ends);
        self.map(&mut Lerp {
            path: Path::default(),
            ends: ends.tensors,
            share,
        })
    }
}

/// The tensors of a network by their paths.
struct Ends<B: BurnBackend> {
    path: Path,
    tensors: HashMap<String, TensorPrimitive<B>>,
}

impl<B: BurnBackend> ModuleVisitor<B> for Ends<B> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
        let tensor = param.val().into_primitive();
        self.tensors.insert(self.path.name(), tensor);
    }
}

struct Lerp<B: BurnBackend> {
    path: Path,
    ends: HashMap<String, TensorPrimitive<B>>,
    share: f64,
}

impl<B: Operations> ModuleMapper<B> for Lerp<B> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
        let Some(end) = self.ends.remove(&self.path.name()) else {
            return param;
        };
        let (id, tensor, _) = param.consume();
        Param::initialized(id, lerp(tensor, Tensor::from_primitive(end), self.share))
    }
}
