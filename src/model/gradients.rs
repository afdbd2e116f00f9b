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

/// What follows from a loss: values on the host, that belong to no model.
///
/// The statistics of a batch travel with the gradients of the parameters: [`plus`](Self::plus) pools them, and
/// [`scale`](Self::scale) and the two clippings leave them as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Gradients {
    /// The gradient of the loss for each parameter, in the order of the network.
    pub parameters: Vec<Parameter>,
    /// The statistics of the batch at batch normalisations, which the step takes in.
    pub statistics: Vec<HostStatistics>,
}

impl Gradients {
    /// Gradients of the given values.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self> {
        for (position, gradient) in parameters.iter().enumerate() {
            if parameters[..position]
                .iter()
                .any(|other| other.name == gradient.name)
            {
                return Err(Error::Training(format!(
                    "gradients must have each name once, got {:?} twice",
                    gradient.name
                )));
            }
            let expected: usize = gradient.shape.iter().product();
            if gradient.values.len() != expected {
                return Err(Error::Internal(format!(
                    "the gradient of {} has {} values for the shape {:?}",
                    gradient.name,
                    gradient.values.len(),
                    gradient.shape
                )));
            }
        }
        let gradients = Self {
            parameters,
            statistics: Vec::new(),
        };
        gradients.check_finite("gradients must be finite")?;
        Ok(gradients)
    }

    /// The same with other values for some of the parameters.
    pub fn replace(&self, others: Vec<Parameter>) -> Result<Self> {
        let mut replaced = self.clone();
        for other in Self::new(others)?.parameters {
            let known = replaced
                .parameters
                .iter_mut()
                .find(|gradient| gradient.name == other.name);
            let Some(gradient) = known else {
                return Err(Error::Training(format!(
                    "only gradients that are there can be replaced, which are {}, got {:?}",
                    self.names().join(", "),
                    other.name
                )));
            };
            if gradient.shape != other.shape {
                return Err(Error::Training(format!(
                    "the gradient of {} must have the shape {:?}, got {:?}",
                    other.name, gradient.shape, other.shape
                )));
            }
            *gradient = other;
        }
        Ok(replaced)
    }

    /// The sum of the gradients of each parameter: that of two losses is that of their sum.
    pub fn plus(mut self, other: &Self) -> Result<Self> {
        let Self {
            parameters,
            statistics,
        } = &mut self;
        let others = other.in_order_of(
            parameters
                .iter()
                .map(|gradient| (gradient.name.as_str(), gradient.shape.as_slice())),
            "gradients that are added must be of the same parameters",
        )?;
        for (sum, other) in parameters.iter_mut().zip(others) {
            for (sum, value) in sum.values.iter_mut().zip(&other.values) {
                *sum += value;
            }
        }
        for other in &other.statistics {
            let mut layers = statistics.iter_mut();
            match layers.find(|layer| layer.path == other.path) {
                Some(layer) => layer.pool(other),
                None => statistics.push(other.clone()),
            }
        }
        Ok(self)
    }

    /// Every value times a finite number.
    pub fn scale(self, factor: f64) -> Result<Self> {
        let single = factor as f32;
        if !single.is_finite() {
            return Err(Error::Config(format!(
                "gradients are scaled by a finite number below 3.4e38, got {factor}"
            )));
        }
        Ok(self.scaled(single))
    }

    fn scaled(mut self, factor: f32) -> Self {
        let Self { parameters, .. } = &mut self;
        for gradient in parameters {
            for value in &mut gradient.values {
                *value *= factor;
            }
        }
        self
    }

    /// Scaled down where the norm of all parameters together is larger than `max_norm`, as `PyTorch`'s `clip_grad_norm_` does
    /// it: by `max_norm / (norm + 1e-6)`.
    ///
    /// Burn's `GradientClipping::Norm`, which optimizers take, bounds the norm of each parameter by itself.
    pub fn clip_by_norm(self, max_norm: f64) -> Result<Self> {
        /// That of `PyTorch`.
        const EPSILON: f64 = 1e-6;

        check_bound("max_norm", max_norm)?;
        self.check_finite("gradients must be finite to be clipped")?;
        let factor = max_norm / (self.norm() + EPSILON);
        Ok(if factor < 1.0 {
            self.scaled(factor as f32)
        } else {
            self
        })
    }

    /// Every value within plus or minus `max_value`.
    pub fn clip_by_value(mut self, max_value: f64) -> Result<Self> {
        let bound = check_bound("max_value", max_value)?;
        self.check_finite("gradients must be finite to be clipped")?;
        let Self { parameters, .. } = &mut self;
        for gradient in parameters {
            for value in &mut gradient.values {
                *value = value.clamp(-bound, bound);
            }
        }
        Ok(self)
    }

    /// L2 norm over all parameters together.
    pub fn norm(&self) -> f64 {
        let squares = self
            .parameters
            .iter()
            .flat_map(|gradient| &gradient.values)
            .map(|value| f64::from(*value).powi(2));
        squares.sum::<f64>().sqrt()
    }

    /// The names of the parameters.
    pub fn names(&self) -> Vec<&str> {
        let names = self.parameters.iter();
        names.map(|gradient| gradient.name.as_str()).collect()
    }

    /// Refuses a value that is no number or infinite; `rule` opens the message.
    pub fn check_finite(&self, rule: &str) -> Result<()> {
        let found = self.parameters.iter().find_map(|gradient| {
            let value = gradient.values.iter().find(|value| !value.is_finite());
            value.map(|value| (&gradient.name, value))
        });
        match found {
            None => Ok(()),
            Some((name, value)) => Err(Error::Training(format!("{rule}, got {value} in {name}"))),
        }
    }

    /// The gradients of the parameters of these names and shapes, in their order; an error unless it is all of them.
    pub(super) fn in_order_of<'a>(
        &self,
        parameters: impl Iterator<Item = (&'a str, &'a [usize])>,
        rule: &str,
    ) -> Result<Vec<&Parameter>> {
        let mut ordered = Vec::with_capacity(self.parameters.len());
        for (position, (name, shape)) in parameters.enumerate() {
            // Nearly always they are in that order.
            let here = self.parameters.get(position);
            let gradient = here.filter(|gradient| gradient.name == name).or_else(|| {
                let mut all = self.parameters.iter();
                all.find(|gradient| gradient.name == name)
            });
            let Some(gradient) = gradient else {
                return Err(Error::Training(format!("{rule}: {name} has none")));
            };
            if gradient.shape != shape {
                return Err(Error::Training(format!(
                    "{rule}: {name} is {shape:?}, got {:?}",
                    gradient.shape
                )));
            }
            ordered.push(gradient);
        }
        let stranger = self
            .parameters
            .iter()
            .find(|gradient| ordered.iter().all(|known| known.name != gradient.name));
        match stranger {
            None => Ok(ordered),
            Some(stranger) => Err(Error::Training(format!(
                "{rule}, got one of {:?}, which is none of them",
                stranger.name
            ))),
        }
    }
}

/// What gradients are clipped to, in single precision.
fn check_bound(name: &str, bound: f64) -> Result<f32> {
    let single = bound as f32;
    if single > 0.0 && single.is_finite() {
        return Ok(single);
    }
    Err(Error::Config(format!(
        "{name} must be a finite number above 0, got {bound}"
    )))
}

/// The gradients of `specs`, parameters of a network, read from their device.
pub(crate) fn read_gradients<B: AutodiffBackend>(
    gradients: GradientsParams,
    network: &AnyNetwork<B>,
    specs: &[ParameterSpec],
) -> Result<Vec<Parameter>> {
    struct Read {
        gradients: GradientsParams,
        data: HashMap<ParamId, TensorData>,
    }

    impl<B: AutodiffBackend> ModuleVisitor<B> for Read {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            // A frozen parameter has none.
            if let Some(gradient) = self.gradients.remove::<B::InnerBackend, D>(param.id) {
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

/// Gradients of parameters as an optimizer on `device` takes them.
pub(crate) fn send_gradients<B: Backend>(
    gradients: impl IntoIterator<Item = Parameter>,
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
