//! Gradients as numbers: on their way to Python, and between devices.

use super::parameters::{host_values, parameter_id, parameter_shapes};
use super::{PARAMETER_NAMES, Parameter};
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use burn::optim::GradientsParams;
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// The gradient of a loss for each parameter, in the order of [`PARAMETER_NAMES`].
pub type Gradients = Vec<Parameter>;

/// Gradients of a network of `config`, read from their device.
pub(crate) fn read_gradients<B: Backend>(
    gradients: &GradientsParams,
    config: &ModelConfig,
) -> Result<Gradients> {
    PARAMETER_NAMES
        .into_iter()
        .zip(parameter_shapes(config))
        .map(|(name, shape)| {
            let data = match shape.len() {
                1 => read::<B, 1>(gradients, name),
                2 => read::<B, 2>(gradients, name),
                _ => read::<B, 4>(gradients, name),
            };
            let data = data.ok_or_else(|| Error::Internal(format!("{name} has no gradient")))?;
            Ok(Parameter {
                name,
                shape,
                values: host_values(data)?,
            })
        })
        .collect()
}

fn read<B: Backend, const D: usize>(gradients: &GradientsParams, name: &str) -> Option<TensorData> {
    gradients
        .get::<B, D>(parameter_id(name))
        .map(Tensor::into_data)
}

/// Gradients as an optimizer on `device` takes them.
pub(crate) fn send_gradients<B: Backend>(
    gradients: Gradients,
    device: &B::Device,
) -> GradientsParams {
    let mut tensors = GradientsParams::new();
    for Parameter {
        name,
        shape,
        values,
    } in gradients
    {
        let (id, dimensions) = (parameter_id(name), shape.len());
        let data = TensorData::new(values, shape);
        match dimensions {
            1 => tensors.register::<B, 1>(id, Tensor::from_data(data, device)),
            2 => tensors.register::<B, 2>(id, Tensor::from_data(data, device)),
            _ => tensors.register::<B, 4>(id, Tensor::from_data(data, device)),
        }
    }
    tensors
}
