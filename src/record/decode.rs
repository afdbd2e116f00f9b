use super::file;
use crate::config::{LrScheduleRecord, ModelConfig, Settings};
use crate::device::Device;
use crate::error::{Error, Result};
use crate::model::{Classifier, Model, PARAMETER_NAMES, Parameter, from_parameters};
use burn::tensor::backend::Backend;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_bytes::ByteBuf;
use std::borrow::Cow;
use std::io::Read;
use std::path::Path;

/// Largest content of a compressed file: a gzip file can hold a thousand times its size.
const MAX_UNCOMPRESSED_BYTES: u64 = 1 << 30;
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

/// Loads a model; the file says format, precision and sizes.
///
/// The dropout rate, which no record holds, comes from a `config.json` beside the file if there is one: a model's or a
/// training run's.
pub fn load(path: &Path, device: Device) -> Result<Box<dyn Classifier>> {
    let dropout = config_beside(path).unwrap_or_default().dropout;
    load_with_dropout(path, dropout, device)
}

/// Loads a model whose dropout rate is known.
pub(crate) fn load_with_dropout(
    path: &Path,
    dropout: f64,
    device: Device,
) -> Result<Box<dyn Classifier>> {
    let parameters = decode::<ModelItem>(&read(path)?, path)?.parameters(path)?;
    let config = ModelConfig {
        dropout,
        ..shape_config(&parameters, path)?
    };
    from_parameters(&config, parameters, device).map_err(|error| about(path, &error))
}

/// Parses the record of a model of `config`, onto `device`.
pub(crate) fn decode_model<B: Backend>(
    bytes: &[u8],
    path: &Path,
    config: &ModelConfig,
    device: &B::Device,
) -> Result<Model<B>> {
    let parameters = decode::<ModelItem>(bytes, path)?.parameters(path)?;
    Model::from_parameters(config, parameters, device).map_err(|error| about(path, &error))
}

/// Parses the state of a learning-rate schedule.
pub(crate) fn decode_scheduler(bytes: &[u8], path: &Path) -> Result<LrScheduleRecord> {
    decode(bytes, path)
}

#[derive(Deserialize)]
struct RecordFile<T> {
    item: T,
}

#[derive(Deserialize)]
struct ModelItem {
    conv1: LayerItem,
    conv2: LayerItem,
    linear1: LayerItem,
    linear2: LayerItem,
}

#[derive(Deserialize)]
struct LayerItem {
    weight: ParamItem,
    bias: ParamItem,
}

#[derive(Deserialize)]
struct ParamItem {
    param: TensorItem,
}

/// A tensor as Burn writes it.
#[derive(Deserialize)]
pub(super) struct TensorItem {
    bytes: ByteBuf,
    shape: Vec<usize>,
    dtype: String,
}

/// The whole file, or a `RecordError` that says why it can't be a record.
fn read(path: &Path) -> Result<Vec<u8>> {
    if path.is_dir() {
        let advice =
            "a record must be a file, this is a directory; for a run's directory use load_run";
        return Err(fault(path, advice));
    }
    if path.exists() && !path.is_file() {
        return Err(fault(path, "a record must be a regular file"));
    }
    file::read(path)
}

/// The content of gzip data, and other bytes as they are.
fn uncompressed<'a>(bytes: &'a [u8], path: &Path) -> Result<Cow<'a, [u8]>> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut content = Vec::new();
    flate2::read::MultiGzDecoder::new(bytes)
        .take(MAX_UNCOMPRESSED_BYTES + 1)
        .read_to_end(&mut content)
        .map_err(|error| fault(path, &format!("the gzip data can't be decoded: {error}")))?;
    if content.len() as u64 > MAX_UNCOMPRESSED_BYTES {
        return Err(fault(
            path,
            &format!("a compressed record must hold at most {MAX_UNCOMPRESSED_BYTES} bytes"),
        ));
    }
    Ok(Cow::Owned(content))
}

/// Parses JSON or named MessagePack, whichever it is, compressed or not.
pub(super) fn decode<T: DeserializeOwned>(bytes: &[u8], path: &Path) -> Result<T> {
    let bytes = uncompressed(bytes, path)?;
    let bytes = bytes.as_ref();
    let json = bytes.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    let file: std::result::Result<RecordFile<T>, String> = if json {
        serde_json::from_slice(bytes).map_err(|error| error.to_string())
    } else {
        rmp_serde::from_slice(bytes).map_err(|error| error.to_string())
    };
    file.map(|file| file.item).map_err(|reason| {
        let reason: String = reason.chars().take(200).collect();
        fault(path, &format!("expected a record of the guide model in MessagePack or JSON, found something else: {reason}"))
    })
}

impl ModelItem {
    fn parameters(self, path: &Path) -> Result<Vec<Parameter>> {
        let tensors = [self.conv1, self.conv2, self.linear1, self.linear2]
            .into_iter()
            .flat_map(|layer| [layer.weight.param, layer.bias.param]);
        PARAMETER_NAMES
            .into_iter()
            .zip(tensors)
            .map(|(name, tensor)| tensor.parameter(name, path))
            .collect()
    }
}

impl TensorItem {
    fn parameter(self, name: &'static str, path: &Path) -> Result<Parameter> {
        let (shape, values) = self.values(name, path)?;
        Ok(Parameter {
            name,
            shape,
            values,
        })
    }

    /// Shape and values, once the number of bytes has been found to fit.
    pub(super) fn values(self, name: &str, path: &Path) -> Result<(Vec<usize>, Vec<f32>)> {
        let width = match self.dtype.as_str() {
            "F16" | "BF16" => 2,
            "F32" | "Flex32" => 4,
            "F64" => 8,
            other => {
                let other: String = other.chars().take(40).collect();
                return Err(fault(
                    path,
                    &format!("{name} must hold F16, BF16, F32 or F64 numbers, found {other:?}"),
                ));
            }
        };
        let length = self
            .shape
            .iter()
            .try_fold(1_usize, |product, size| product.checked_mul(*size));
        if self.shape.len() > 4
            || length.and_then(|length| length.checked_mul(width)) != Some(self.bytes.len())
        {
            let shape: Vec<usize> = self.shape.iter().copied().take(8).collect();
            return Err(fault(
                path,
                &format!(
                    "{name} must hold {width} bytes for each number of its shape {shape:?}, found {}",
                    self.bytes.len()
                ),
            ));
        }
        let bytes = self.bytes.as_slice();
        let values = match self.dtype.as_str() {
            "F16" => numbers(bytes, |number| half::f16::from_le_bytes(number).to_f32()),
            "BF16" => numbers(bytes, |number| half::bf16::from_le_bytes(number).to_f32()),
            "F64" => numbers(bytes, |number| f64::from_le_bytes(number) as f32),
            _ => numbers(bytes, f32::from_le_bytes),
        };
        Ok((self.shape, values))
    }
}

fn numbers<const WIDTH: usize>(bytes: &[u8], read: impl Fn([u8; WIDTH]) -> f32) -> Vec<f32> {
    bytes
        .chunks_exact(WIDTH)
        .map(|chunk| {
            let mut number = [0; WIDTH];
            number.copy_from_slice(chunk);
            read(number)
        })
        .collect()
}

/// The sizes that the shapes of `linear2` say.
fn shape_config(parameters: &[Parameter], path: &Path) -> Result<ModelConfig> {
    let shape = parameters
        .iter()
        .find(|parameter| parameter.name == "linear2.weight")
        .map(|parameter| parameter.shape.as_slice());
    let Some([hidden_size, num_classes]) = shape else {
        return Err(fault(
            path,
            &format!(
                "linear2.weight must have the shape [hidden_size, num_classes], found {shape:?}"
            ),
        ));
    };
    let config = ModelConfig {
        num_classes: *num_classes,
        hidden_size: *hidden_size,
        ..ModelConfig::default()
    };
    config.validate().map_err(|error| about(path, &error))?;
    Ok(config)
}

/// The model configuration of a `config.json` beside the file; anything else of that name is left alone.
fn config_beside(path: &Path) -> Option<ModelConfig> {
    let bytes = file::read(&path.with_file_name("config.json")).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    let model = value.get("model").unwrap_or(&value);
    ModelConfig::from_value(model, "").ok()
}

fn about(path: &Path, error: &Error) -> Error {
    Error::Record(format!("{}: {error}", path.display()))
}

pub(super) fn fault(path: &Path, what: &str) -> Error {
    Error::Record(format!("{}: {what}", path.display()))
}
