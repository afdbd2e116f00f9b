//! The parameters as the formats of other programs have them, under PyTorch's names.

use crate::config::{NetworkConfig, Settings};
use crate::error::{Error, Result};
use crate::model::Classifier;
use crate::network::{Parameter, ParameterSpec, torch_name};
use crate::record::About;
use serde_json::Value;

/// In which order a linear weight has its dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LinearLayout {
    /// `[in, out]`, as in Burn.
    InputsFirst,
    /// `[out, in]`, as in PyTorch.
    OutputsFirst,
}

impl LinearLayout {
    pub const BOTH: [Self; 2] = [Self::InputsFirst, Self::OutputsFirst];

    /// How the metadata of a file has it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::InputsFirst => "[in, out]",
            Self::OutputsFirst => "[out, in]",
        }
    }
}

/// A network as the other program sees it.
pub(super) struct State<'a> {
    pub config: &'a NetworkConfig,
    pub about: &'a About,
    layout: LinearLayout,
    pub tensors: Vec<Tensor>,
}

/// A parameter of the network.
pub(super) struct Tensor {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl<'a> State<'a> {
    /// Reads the parameters of a model; refuses numbers that no reader would take.
    pub fn of(model: &'a dyn Classifier, layout: LinearLayout, about: &'a About) -> Result<Self> {
        let tensors = model
            .state()?
            .into_iter()
            .map(|parameter| {
                check_finite(&parameter.name, &parameter.values).map_err(Error::Record)?;
                Ok(Tensor::from_parameter(parameter, layout))
            })
            .collect::<Result<_>>()?;
        Ok(Self {
            config: model.config(),
            about,
            layout,
            tensors,
        })
    }

    /// What a file says about itself: keys and texts, in a fixed order so that equal models give equal files.
    pub fn metadata(&self) -> [(&'static str, String); 6] {
        let config = Value::Object(self.config.write(false));
        let all = Value::Object(self.about.write(self.config));
        [
            // What the tools around PyTorch look for in a safetensors file.
            ("format", "pt".into()),
            ("producer", PRODUCER.into()),
            ("version", env!("CARGO_PKG_VERSION").into()),
            ("config", config.to_string()),
            (ALL, all.to_string()),
            ("linear_layout", self.layout.name().into()),
        ]
    }
}

/// What a file says of one tensor.
pub(super) struct Entry {
    pub name: String,
    pub shape: Vec<usize>,
    /// `F16`, `BF16`, `F32` or `F64`; another word for a number that no weight is made of.
    pub number: String,
}

/// The key of all that is known of a model; the others are for readers of older versions.
pub(super) const ALL: &str = "mnistburn";
/// The producer of files whose configuration can be relied on.
pub(super) const PRODUCER: &str = "mnistburn";

impl Tensor {
    fn from_parameter(parameter: Parameter, layout: LinearLayout) -> Self {
        let Parameter {
            name,
            shape,
            values,
        } = parameter;
        let name = torch_name(&name);
        match shape[..] {
            [inputs, outputs] if layout == LinearLayout::OutputsFirst => Self {
                name,
                shape: vec![outputs, inputs],
                values: transposed(&values, inputs, outputs),
            },
            _ => Self {
                name,
                shape,
                values,
            },
        }
    }

    /// The values, little-endian.
    pub fn bytes(&self) -> Vec<u8> {
        self.values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect()
    }
}

/// The shape of a parameter in that layout.
pub(super) fn shape(parameter: &ParameterSpec, layout: LinearLayout) -> Vec<usize> {
    let mut shape = parameter.shape.clone();
    if shape.len() == 2 && layout == LinearLayout::OutputsFirst {
        shape.reverse();
    }
    shape
}

/// The transpose of a matrix of that many rows and columns.
pub(super) fn transposed(values: &[f32], rows: usize, columns: usize) -> Vec<f32> {
    let mut turned = Vec::with_capacity(values.len());
    for column in 0..columns {
        turned.extend((0..rows).map(|row| values[row * columns + column]));
    }
    turned
}

/// The error for more class names than a format has room for.
pub(super) fn too_long(what: &str, most: u64, found: usize) -> Error {
    Error::Record(format!(
        "{what}, which has the names of the classes, must take at most {most} bytes, got {found}; shorten the names, or export \
         to .onnx"
    ))
}

/// The sentence about the first number that is none.
pub(super) fn check_finite(name: &str, values: &[f32]) -> std::result::Result<(), String> {
    match values
        .iter()
        .enumerate()
        .find(|(_, value)| !value.is_finite())
    {
        None => Ok(()),
        Some((index, value)) => Err(format!(
            "{name} must hold finite numbers, found {value} at index {index}"
        )),
    }
}
