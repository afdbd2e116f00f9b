//! Gradients as numbers: on their way to Python, and between devices.

use crate::error::{Error, Result};
use crate::network::{
    AnyNetwork, HostStatistics, Parameter, ParameterSpec, host_values, parameter_id,
};
use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::optim::GradientsParams;
use burn::tensor::backend::{AutodiffBackend, Backend};
use burn::tensor::{Tensor, TensorData};
use std::collections::HashMap;

/// What the backward pass of a loss leaves for the step that follows.
#[derive(Clone, Debug, Default)]
pub struct Gradients {
    /// The gradient for each parameter, in the order of the network.
    pub parameters: Vec<Parameter>,
    /// The statistics of the batch at batch normalisations, which the step takes in.
    pub statistics: Vec<HostStatistics>,
}

/// The gradients of `specs`, parameters of a network, read from their device.
pub(crate) fn read_gradients<B: AutodiffBackend>(
    gradients: &GradientsParams,
    network: &AnyNetwork<B>,
    specs: &[ParameterSpec],
) -> Result<Vec<Parameter>> {
    struct Read<'a> {
        gradients: &'a GradientsParams,
        data: HashMap<ParamId, TensorData>,
    }

    impl<B: AutodiffBackend> ModuleVisitor<B> for Read<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            // A frozen parameter has none.
            if let Some(gradient) = self.gradients.get::<B::InnerBackend, D>(param.id) {
                self.data.insert(param.id, gradient.into_data());
            }
        }
    }

    let mut read = Read {
        gradients,
        data: HashMap::new(),
    };
    network.visit(&mut read);
    specs
        .iter()
        .map(|spec| {
            let name = spec.name.clone();
            let data = read.data.remove(&parameter_id(&name));
            let data = data.ok_or_else(|| Error::Internal(format!("{name} has no gradient")))?;
            Ok(Parameter {
                name,
                shape: spec.shape.clone(),
                values: host_values(data)?,
            })
        })
        .collect()
}

/// Gradients as an optimizer on `device` takes them.
pub(crate) fn send_gradients<B: Backend>(
    gradients: Vec<Parameter>,
    device: &B::Device,
) -> Result<GradientsParams> {
    let mut tensors = GradientsParams::new();
    for Parameter {
        name,
        shape,
        values,
    } in gradients
    {
        let (id, dimensions) = (parameter_id(&name), shape.len());
        let data = TensorData::new(values, shape);
        match dimensions {
            1 => tensors.register::<B, 1>(id, Tensor::from_data(data, device)),
            2 => tensors.register::<B, 2>(id, Tensor::from_data(data, device)),
            3 => tensors.register::<B, 3>(id, Tensor::from_data(data, device)),
            4 => tensors.register::<B, 4>(id, Tensor::from_data(data, device)),
            rank => {
                return Err(Error::Internal(format!("{name} has {rank} dimensions")));
            }
        }
    }
    Ok(tensors)
}
