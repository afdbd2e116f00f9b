//! The parameters of the network as plain numbers, with names, shapes and initial values.

use super::Model;
use crate::config::ModelConfig;
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
use burn::module::{Param, ParamId};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};

/// The names of the parameters, in the order of the network.
pub const PARAMETER_NAMES: [&str; 8] = [
    "conv1.weight",
    "conv1.bias",
    "conv2.weight",
    "conv2.bias",
    "linear1.weight",
    "linear1.bias",
    "linear2.weight",
    "linear2.bias",
];

/// Features that enter the first linear layer: 16 channels of 8 x 8.
pub(super) const NUM_FEATURES: usize = 16 * 8 * 8;

/// One parameter as numbers on the host.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Its name, as in `conv1.weight`.
    pub name: &'static str,
    /// `[out, in, 3, 3]` for a convolution, `[in, out]` for a linear layer, `[out]` for a bias.
    pub shape: Vec<usize>,
    /// The values, last dimension fastest.
    pub values: Vec<f32>,
}

/// The shapes that go with [`PARAMETER_NAMES`].
pub fn parameter_shapes(config: &ModelConfig) -> [Vec<usize>; 8] {
    [
        vec![8, config.image.channels, 3, 3],
        vec![8],
        vec![16, 8, 3, 3],
        vec![16],
        vec![NUM_FEATURES, config.hidden_size],
        vec![config.hidden_size],
        vec![config.hidden_size, config.num_classes],
        vec![config.num_classes],
    ]
}

/// The id of a parameter in records: the FNV-1a hash of its name, so that equal models give equal files.
pub fn parameter_id(name: &str) -> ParamId {
    let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    ParamId::from(hash)
}

/// Initial values, as Burn's `Conv2dConfig` and `LinearConfig` draw them: uniform within one over the square root of
/// the layer's inputs, for weight and bias alike.
pub(super) fn initial(config: &ModelConfig, seed: u64) -> Vec<Parameter> {
    let inputs = [
        9 * config.image.channels,
        9 * config.image.channels,
        72,
        72,
        NUM_FEATURES,
        NUM_FEATURES,
        config.hidden_size,
        config.hidden_size,
    ];
    PARAMETER_NAMES
        .into_iter()
        .zip(parameter_shapes(config))
        .zip(inputs)
        .enumerate()
        .map(|(position, ((name, shape), inputs))| {
            let bound = 1.0 / (inputs as f32).sqrt();
            let mut stream = Stream::new(Purpose::Weights, &[seed, position as u64]);
            let length = shape.iter().product();
            let values = (0..length)
                .map(|_| (2.0 * stream.unit() - 1.0) * bound)
                .collect();
            Parameter {
                name,
                shape,
                values,
            }
        })
        .collect()
}

/// Checks names, shapes and lengths against the configuration; the answer is in the network's order.
pub(super) fn ordered(config: &ModelConfig, parameters: Vec<Parameter>) -> Result<Vec<Parameter>> {
    let mut given = parameters;
    let ordered = PARAMETER_NAMES
        .into_iter()
        .zip(parameter_shapes(config))
        .map(|(name, shape)| {
            let position = given.iter().position(|parameter| parameter.name == name).ok_or_else(|| {
                Error::Record(format!("the parameters must include {name:?}: it is missing"))
            })?;
            let parameter = given.swap_remove(position);
            if parameter.shape != shape || parameter.values.len() != shape.iter().product::<usize>() {
                return Err(Error::Record(format!(
                    "{name} must have the shape {shape:?} in a model with num_classes {}, hidden_size {} and image_channels {}, got {:?}",
                    config.num_classes, config.hidden_size, config.image.channels, parameter.shape
                )));
            }
            Ok(parameter)
        })
        .collect::<Result<Vec<Parameter>>>()?;
    match given.first() {
        None => Ok(ordered),
        Some(extra) => Err(Error::Record(format!(
            "the parameter {:?} is given twice",
            extra.name
        ))),
    }
}

impl<B: Backend> Model<B> {
    /// The parameters as numbers, in the order of [`PARAMETER_NAMES`].
    pub fn parameters(&self) -> Result<Vec<Parameter>> {
        let data = [
            self.conv1.weight.val().into_data(),
            bias_data(self.conv1.bias.as_ref())?,
            self.conv2.weight.val().into_data(),
            bias_data(self.conv2.bias.as_ref())?,
            self.linear1.weight.val().into_data(),
            bias_data(self.linear1.bias.as_ref())?,
            self.linear2.weight.val().into_data(),
            bias_data(self.linear2.bias.as_ref())?,
        ];
        PARAMETER_NAMES
            .into_iter()
            .zip(data)
            .map(|(name, data)| {
                Ok(Parameter {
                    name,
                    shape: data.shape.to_vec(),
                    values: host_values(data)?,
                })
            })
            .collect()
    }

    /// The network of `config` with the given parameters.
    pub fn from_parameters(
        config: &ModelConfig,
        parameters: Vec<Parameter>,
        device: &B::Device,
    ) -> Result<Self> {
        let parameters = ordered(config, parameters)?;
        // Burn initialises lazily: these modules never draw the numbers that are replaced here.
        let mut model = config.init::<B>(device);
        let mut parameters = parameters.into_iter();
        let mut next = || parameters.next();
        model.conv1.weight = param(next(), device)?;
        model.conv1.bias = Some(param(next(), device)?);
        model.conv2.weight = param(next(), device)?;
        model.conv2.bias = Some(param(next(), device)?);
        model.linear1.weight = param(next(), device)?;
        model.linear1.bias = Some(param(next(), device)?);
        model.linear2.weight = param(next(), device)?;
        model.linear2.bias = Some(param(next(), device)?);
        Ok(model)
    }
}

fn bias_data<B: Backend>(bias: Option<&Param<Tensor<B, 1>>>) -> Result<TensorData> {
    bias.map(|bias| bias.val().into_data())
        .ok_or_else(|| Error::Internal("a layer of the network has no bias".into()))
}

/// The numbers of a tensor on the host, whatever the back end's precision.
pub(crate) fn host_values(data: TensorData) -> Result<Vec<f32>> {
    data.convert::<f32>()
        .into_vec()
        .map_err(|error| Error::Internal(format!("a tensor could not be read back: {error:?}")))
}

fn param<B: Backend, const D: usize>(
    parameter: Option<Parameter>,
    device: &B::Device,
) -> Result<Param<Tensor<B, D>>> {
    let parameter = parameter
        .filter(|parameter| parameter.shape.len() == D)
        .ok_or_else(|| Error::Internal("the parameters are out of order".into()))?;
    let data = TensorData::new(parameter.values, parameter.shape);
    let tensor = Tensor::from_data(data, device).require_grad();
    Ok(Param::initialized(parameter_id(parameter.name), tensor))
}
