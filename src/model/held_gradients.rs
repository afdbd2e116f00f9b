//! Gradients of a loop of one's own, which stay on their device until somebody looks at them: most go to the optimizer alone.

use super::gradients::{Gradients, send_gradients};
use crate::device::{Backend, Kept, in_turn};
use crate::error::{Error, Result};
use crate::network::{
    AnyNetwork, HostStatistics, Parameter, ParameterSpec, host_values, parameter_id,
};
use burn::backend::Autodiff;
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use std::any::Any;
use std::collections::HashMap;
use std::sync::OnceLock;

/// [`Gradients`], and the tensors that they are read from when they are first asked for.
pub struct HeldGradients {
    tensors: Option<Box<dyn Tensors>>,
    statistics: Vec<HostStatistics>,
    host: OnceLock<Gradients>,
}

impl From<Gradients> for HeldGradients {
    fn from(gradients: Gradients) -> Self {
        Self {
            tensors: None,
            statistics: gradients.statistics.clone(),
            host: gradients.into(),
        }
    }
}

impl HeldGradients {
    /// What a training step left for `specs`, parameters of a network, and at batch normalisations.
    pub(super) fn of_pass<B: Backend>(
        gradients: GradientsParams,
        network: &AnyNetwork<Autodiff<B>>,
        specs: Vec<ParameterSpec>,
        statistics: Vec<HostStatistics>,
        device: &B::Device,
    ) -> Self {
        let mut taken = Take::<B> {
            gradients,
            tensors: HashMap::new(),
        };
        network.visit(&mut taken);
        Self {
            tensors: Some(Box::new(OfBackend {
                specs,
                tensors: Kept::<B, _>::new(taken.tensors, device.clone()),
                device: device.clone(),
            })),
            statistics,
            host: OnceLock::new(),
        }
    }

    /// The gradients as numbers.
    pub fn get(&self) -> Result<&Gradients> {
        if let Some(gradients) = self.host.get() {
            return Ok(gradients);
        }
        let tensors = self.tensors.as_ref().ok_or_else(|| {
            Error::Internal("gradients are neither on a device nor on the host".into())
        })?;
        let gradients = Gradients {
            parameters: tensors.read()?,
            statistics: self.statistics.clone(),
        };
        Ok(self.host.get_or_init(|| gradients))
    }

    /// The statistics of the batch at batch normalisations.
    pub(super) fn statistics(&self) -> &[HostStatistics] {
        &self.statistics
    }

    /// As an optimizer on `device` takes them, for a model with the parameters `specs`; an error where they are of others.
    pub(super) fn send<B: Backend>(
        &self,
        specs: &[ParameterSpec],
        device: &B::Device,
    ) -> Result<GradientsParams> {
        let here = self.tensors.as_ref();
        let here = here.and_then(|tensors| tensors.as_any().downcast_ref::<OfBackend<B>>());
        if let Some(tensors) = here.filter(|tensors| tensors.specs == specs)
            && tensors.device == *device
        {
            return Ok(tensors.registered());
        }
        let ordered = self.get()?.in_order_of(
            specs.iter().map(|spec| (spec.name.as_str(), spec.shape.as_slice())),
            "gradients must be those of the model's parameters; take them from a loss of this model",
        )?;
        send_gradients::<B>(ordered.into_iter().cloned(), device)
    }
}

/// Tensors of a back end that is not in the type.
trait Tensors: Send + Sync {
    fn read(&self) -> Result<Vec<Parameter>>;

    fn as_any(&self) -> &dyn Any;
}

struct OfBackend<B: BurnBackend> {
    specs: Vec<ParameterSpec>,
    tensors: Kept<B, HashMap<ParamId, AnyRank<B>>>,
    device: B::Device,
}

/// The ranks that parameters have.
enum AnyRank<B: BurnBackend> {
    One(Tensor<B, 1>),
    Two(Tensor<B, 2>),
    Three(Tensor<B, 3>),
    Four(Tensor<B, 4>),
}

impl<B: BurnBackend> AnyRank<B> {
    fn data(&self) -> TensorData {
        match self {
            Self::One(tensor) => tensor.to_data(),
            Self::Two(tensor) => tensor.to_data(),
            Self::Three(tensor) => tensor.to_data(),
            Self::Four(tensor) => tensor.to_data(),
        }
    }
}

impl<B: BurnBackend> OfBackend<B> {
    fn registered(&self) -> GradientsParams {
        let mut gradients = GradientsParams::new();
        for (id, tensor) in &*self.tensors {
            match tensor {
                AnyRank::One(tensor) => gradients.register::<B, 1>(*id, tensor.clone()),
                AnyRank::Two(tensor) => gradients.register::<B, 2>(*id, tensor.clone()),
                AnyRank::Three(tensor) => gradients.register::<B, 3>(*id, tensor.clone()),
                AnyRank::Four(tensor) => gradients.register::<B, 4>(*id, tensor.clone()),
            }
        }
        gradients
    }
}

impl<B: Backend> Tensors for OfBackend<B> {
    fn read(&self) -> Result<Vec<Parameter>> {
        let parameter = |spec: &ParameterSpec| {
            let name = spec.name.clone();
            let tensor = self.tensors.get(&parameter_id(&name));
            let tensor =
                tensor.ok_or_else(|| Error::Internal(format!("{name} has no gradient")))?;
            Ok(Parameter {
                name,
                shape: spec.shape.clone(),
                values: host_values(tensor.data())?,
            })
        };
        in_turn::<B, _>(&self.device, || self.specs.iter().map(parameter).collect())
    }

    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// Takes the gradient of each parameter that a visitor comes to.
struct Take<B: BurnBackend> {
    gradients: GradientsParams,
    tensors: HashMap<ParamId, AnyRank<B>>,
}

impl<B: BurnBackend> ModuleVisitor<Autodiff<B>> for Take<B> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<Autodiff<B>, D>>) {
        let id = param.id;
        let tensor = match D {
            1 => self.gradients.remove::<B, 1>(id).map(AnyRank::One),
            2 => self.gradients.remove::<B, 2>(id).map(AnyRank::Two),
            3 => self.gradients.remove::<B, 3>(id).map(AnyRank::Three),
            4 => self.gradients.remove::<B, 4>(id).map(AnyRank::Four),
            _ => None,
        };
        if let Some(tensor) = tensor {
            self.tensors.insert(id, tensor);
        }
    }
}
