//! The state of a network: its parameters by name, read from the Burn module and set in it by Burn's own visitors.

use super::graph::{Initial, ParameterSpec, Role};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use std::collections::BTreeMap;

/// One parameter as numbers on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its path in the module, as in `conv1.weight`.
    pub name: String,
    /// `[out, in, 3, 3]` for a convolution, `[in, out]` for a linear layer, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// The values, last dimension fastest.
    pub values: Vec<f32>,
}

/// The id of a parameter in records: the FNV-1a hash of its name, so that equal models give equal files.
pub fn parameter_id(name: &str) -> ParamId {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ParamId::from(hash)
}

/// The values of parameters before the first step, which follow from `seed` alone.
pub fn initial(specs: Vec<ParameterSpec>, seed: u64) -> Vec<Parameter> {
    specs
        .into_iter()
        .enumerate()
        .map(|(position, spec)| {
            let length = spec.len();
            let values = match spec.initial {
                Initial::Uniform { inputs } => {
                    let bound = 1.0 / (inputs as f32).sqrt();
                    let mut stream = Stream::new(Purpose::Weights, &[seed, position as u64]);
                    (0..length)
                        .map(|_| (2.0 * stream.unit() - 1.0) * bound)
                        .collect()
                }
                Initial::Constant(value) => vec![value; length],
            };
            Parameter {
                name: spec.name,
                shape: spec.shape,
                values,
            }
        })
        .collect()
}

/// Checks names, shapes and lengths; the answer is in the order of `specs`. `sizes` is what messages call the network.
pub fn ordered(
    specs: &[ParameterSpec],
    parameters: Vec<Parameter>,
    sizes: &str,
) -> Result<Vec<Parameter>> {
    let mut given = parameters;
    let ordered = specs
        .iter()
        .map(|spec| {
            let position = given
                .iter()
                .position(|parameter| parameter.name == spec.name);
            let position = position.ok_or_else(|| {
                Error::Record(format!(
                    "the parameters must include {:?}: it is missing",
                    spec.name
                ))
            })?;
            let parameter = given.swap_remove(position);
            if parameter.shape != spec.shape || parameter.values.len() != spec.len() {
                return Err(Error::Record(format!(
                    "{} must have the shape {:?} in a model with {sizes}, got {:?}",
                    spec.name, spec.shape, parameter.shape
                )));
            }
            check_variances(&parameter)?;
            Ok(parameter)
        })
        .collect::<Result<Vec<Parameter>>>()?;
    match given.first() {
        None => Ok(ordered),
        Some(extra) if specs.iter().any(|spec| spec.name == extra.name) => Err(Error::Record(
            format!("the parameter {:?} is given twice", extra.name),
        )),
        Some(extra) => {
            let names: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
            Err(Error::Record(format!(
                "the parameters must be {}, got {:?}",
                names.join(", "),
                extra.name
            )))
        }
    }
}

/// A negative variance would make every result NaN.
fn check_variances(parameter: &Parameter) -> Result<()> {
    let mut values = parameter.values.iter().enumerate();
    match values.find(|(_, value)| **value < 0.0) {
        Some((index, value)) if parameter.name.ends_with(".running_var") => {
            Err(Error::Record(format!(
                "{} must hold variances of at least 0, got {value} at index {index}",
                parameter.name
            )))
        }
        _ => Ok(()),
    }
}

/// Where a visitor is in a module.
#[derive(Default)]
pub(super) struct Path(Vec<String>);

impl Path {
    pub fn enter(&mut self, name: &str, container: &str) {
        // The kind of a network is no part of the names in it.
        if !container.starts_with("Enum:") {
            self.0.push(name.to_owned());
        }
    }

    pub fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    pub fn name(&self) -> String {
        self.0.join(".")
    }
}

/// The parameters of a module as numbers, in its own order.
pub fn read<B: Backend, M: Module<B>>(module: &M) -> Result<Vec<Parameter>> {
    struct Read {
        path: Path,
        parameters: Vec<(String, TensorData)>,
    }

    impl<B: Backend> ModuleVisitor<B> for Read {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<B, D>>) {
            let data = param.val().into_data();
            self.parameters.push((self.path.name(), data));
        }
    }

    let mut read = Read {
        path: Path::default(),
        parameters: Vec::new(),
    };
    module.visit(&mut read);
    read.parameters
        .into_iter()
        .map(|(name, data)| {
            Ok(Parameter {
                name,
                shape: data.shape.to_vec(),
                values: host_values(data)?,
            })
        })
        .collect()
}

/// The module with the given parameters, all of its own and no others, in the order of `specs`.
pub fn write<B: Backend, M: Module<B>>(
    module: M,
    parameters: Vec<Parameter>,
    specs: &[ParameterSpec],
    device: &B::Device,
) -> Result<M> {
    struct Write<'a, B: Backend> {
        path: Path,
        parameters: BTreeMap<String, (Parameter, Role)>,
        device: &'a B::Device,
        missing: Option<String>,
    }

    impl<B: Backend> ModuleMapper<B> for Write<'_, B> {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.path.enter(name, container);
        }

        fn exit_module(&mut self, _: &str, container: &str) {
            self.path.exit(container);
        }

        /// Burn initialises lazily: what is replaced here without being looked at is never drawn.
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<B, D>>) -> Param<Tensor<B, D>> {
            let name = self.path.name();
            let found = self.parameters.remove(&name);
            let Some((parameter, role)) = found.filter(|(found, _)| found.shape.len() == D) else {
                self.missing.get_or_insert(name);
                return param;
            };
            let data = TensorData::new(parameter.values, parameter.shape);
            let tensor = Tensor::from_data(data, self.device);
            let tensor = tensor.set_require_grad(role == Role::Parameter);
            Param::initialized(parameter_id(&parameter.name), tensor)
        }
    }

    let parameters = parameters
        .into_iter()
        .zip(specs)
        .map(|(parameter, spec)| (parameter.name.clone(), (parameter, spec.role)))
        .collect();
    let mut write = Write::<B> {
        path: Path::default(),
        parameters,
        device,
        missing: None,
    };
    let module = module.map(&mut write);
    let left = write.parameters.into_keys().next();
    match write.missing.or(left) {
        None => Ok(module),
        Some(name) => Err(Error::Internal(format!(
            "the module and the graph of a network differ in {name}"
        ))),
    }
}

/// The numbers of a tensor on the host, whatever the back end's precision.
pub(crate) fn host_values(data: TensorData) -> Result<Vec<f32>> {
    data.convert::<f32>()
        .into_vec()
        .map_err(|error| Error::Internal(format!("a tensor could not be read back: {error:?}")))
}
