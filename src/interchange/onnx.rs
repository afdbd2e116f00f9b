//! The network as an ONNX graph: how it is written, and what of one is shown (onnx.ai, "ONNX Concepts"). The numbers of
//! fields are those of `onnx.proto`.

use super::protobuf::{Fields, Message, Value};
use super::source::{Source, quoted};
use super::state::{Entry, LinearLayout, State, Tensor, transposed};
use super::weights::{Weights, width};
use crate::error::{Error, Result};
use crate::network::{Graph, IMAGES, Layer, Node};
use std::collections::BTreeMap;

/// The version of the operators: nothing here needs a newer one, and old runtimes refuse those.
const OPSET: i64 = 17;
/// The version of the format that goes with it.
const FORMAT_VERSION: i64 = 8;
/// A protobuf message holds less than 2 GiB.
const MAX_BYTES: usize = (1 << 31) - (1 << 16);

const FLOAT: i64 = 1;
const UINT8: i64 = 2;
const INT64: i64 = 7;

/// What the names of constants begin with that are no parameters.
const CONSTANT: &str = "constant.";

/// The key of the names of the classes, a JSON list.
const CLASS_NAMES: &str = "class_names";

/// What the graph takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// `pixels`: raw pixels, uint8, `[batch, height, width]`, or `[batch, height, width, channels]` where there are several;
    /// they are normalised inside.
    Raw,
    /// `images`: normalised pixels, float32, `[batch, channels, height, width]`.
    Normalised,
}

/// The bytes of an ONNX file.
pub(super) fn encode(state: &State<'_>, input: Input) -> Result<Vec<u8>> {
    let bytes: usize = state
        .tensors
        .iter()
        .map(|tensor| 4 * tensor.values.len())
        .sum();
    if bytes > MAX_BYTES {
        return Err(Error::Record(format!(
            "the weights of an ONNX file must take less than 2 GiB, got {bytes} bytes in a network with {}; export to .safetensors",
            state.config.sizes()
        )));
    }
    let names = state.about.metadata.class_names.as_ref();
    // By themselves too: most readers of a graph look for nothing else.
    let names = names.map(|names| (CLASS_NAMES, serde_json::json!(names).to_string()));
    let metadata = state.metadata().into_iter().chain(names);
    let version = env!("CARGO_PKG_VERSION");
    let network = state.config.graph();
    let model = Message::default()
        .integer(1, FORMAT_VERSION)
        .text(2, "mnistburn")
        .text(3, version)
        .integer(5, 1)
        .text(6, network.description)
        .message(7, &graph(state, &network, input))
        .message(8, &Message::default().text(1, "").integer(2, OPSET))
        .each(metadata, |model, (key, value)| {
            model.message(14, &Message::default().text(1, key).text(2, &value))
        });
    Ok(model.into_bytes())
}

fn graph(state: &State<'_>, network: &Graph, input: Input) -> Message {
    let shape = network.image;
    let [height, width, channels] =
        [shape.height, shape.width, shape.channels].map(|size| size as i64);
    let (first, value, mut constants) = match input {
        Input::Raw => {
            let (to_planes, sizes): (Message, &[i64]) = if channels == 1 {
                let inputs = ["normalised", "pixels.channel"];
                (node("Unsqueeze", &inputs, IMAGES, &[]), &[height, width])
            } else {
                let order: (&str, &[i64]) = ("perm", &[0, 3, 1, 2]);
                (
                    node("Transpose", &["normalised"], IMAGES, &[order]),
                    &[height, width, channels],
                )
            };
            let factor = |(std, _): (f64, f64)| (1.0 / (255.0 * std)) as f32;
            let shift = |(std, mean): (f64, f64)| (mean / std) as f32;
            let nodes = vec![
                node("Cast", &["pixels"], "floats", &[("to", &[FLOAT])]),
                node("Mul", &["floats", "pixels.scale"], "scaled", &[]),
                node("Sub", &["scaled", "pixels.shift"], "normalised", &[]),
                to_planes,
            ];
            let mut constants = vec![
                per_channel("pixels.scale", network, factor),
                per_channel("pixels.shift", network, shift),
            ];
            if channels == 1 {
                constants.push(
                    Message::default()
                        .integer(1, 1)
                        .integer(2, INT64)
                        .integer(7, 1)
                        .text(8, "pixels.channel"),
                );
            }
            (nodes, value_info("pixels", UINT8, sizes), constants)
        }
        Input::Normalised => (
            Vec::new(),
            value_info(IMAGES, FLOAT, &[channels, height, width]),
            Vec::new(),
        ),
    };
    let (nodes, output) = layers(network, &mut constants);
    let classes = state.config.num_classes() as i64;
    Message::default()
        .each(first.iter().chain(&nodes), |graph, node| {
            graph.message(1, node)
        })
        .text(2, network.name)
        .each(&constants, |graph, constant| graph.message(5, constant))
        .each(&state.tensors, |graph, tensor| {
            graph.message(5, &weights(tensor))
        })
        .message(11, &value)
        .message(12, &value_info(output, FLOAT, &[classes]))
}

/// The layers as operations, and the name of what leaves the last one.
fn layers<'a>(network: &'a Graph, constants: &mut Vec<Message>) -> (Vec<Message>, &'a str) {
    let mut nodes = Vec::new();
    // Dropout is for training alone: what leaves it is what entered.
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    let mut last = IMAGES;
    let mut shapes: BTreeMap<&str, &[usize]> = BTreeMap::new();
    let image = network.image;
    let images = [image.channels, image.height, image.width];
    shapes.insert(IMAGES, &images);
    for layer in &network.nodes {
        let given = layer.input.as_str();
        let input = names.get(given).copied().unwrap_or(given);
        let output = layer.output.as_str();
        last = output;
        let path = layer.path.as_deref().unwrap_or_default();
        let parameters = || [format!("{path}.weight"), format!("{path}.bias")];
        match layer.layer {
            Layer::Dropout { .. } => {
                names.insert(output, input);
                last = input;
            }
            Layer::Convolution { padding: 0, .. } => {
                let [weight, bias] = parameters();
                nodes.push(node("Conv", &[input, &weight, &bias], output, &[]));
            }
            Layer::Convolution { padding, .. } => {
                let [weight, bias] = parameters();
                let pads: (&str, &[i64]) = ("pads", &[padding as i64; 4]);
                nodes.push(node("Conv", &[input, &weight, &bias], output, &[pads]));
            }
            Layer::MaxPool => {
                let (window, strides) = (("kernel_shape", &[2, 2][..]), ("strides", &[2, 2][..]));
                nodes.push(node("MaxPool", &[input], output, &[window, strides]));
            }
            Layer::Add => {
                let second = layer.second.as_deref().unwrap_or(input);
                let second = names.get(second).copied().unwrap_or(second);
                nodes.push(node("Add", &[input, second], output, &[]));
            }
            Layer::GroupNorm {
                groups, epsilon, ..
            } => {
                nodes.extend(group_norm(input, layer, groups, epsilon, constants));
            }
            Layer::BatchNorm { epsilon, .. } => {
                let parts = ["weight", "bias", "running_mean", "running_var"];
                let parts = parts.map(|part| format!("{path}.{part}"));
                let mut inputs = vec![input];
                inputs.extend(parts.iter().map(String::as_str));
                let norm = node("BatchNormalization", &inputs, output, &[]);
                nodes.push(norm.message(5, &epsilon_of(epsilon)));
            }
            Layer::Linear { .. } => {
                let [weight, bias] = parameters();
                let outputs_first: (&str, &[i64]) = ("transB", &[1]);
                nodes.push(node(
                    "Gemm",
                    &[input, &weight, &bias],
                    output,
                    &[outputs_first],
                ));
            }
            Layer::Relu => nodes.push(node("Relu", &[input], output, &[])),
            Layer::Flatten => nodes.push(node("Flatten", &[input], output, &[])),
            Layer::AdaptiveAveragePool { size } => {
                let entering = shapes.get(given).copied().unwrap_or_default();
                nodes.extend(adaptive_pool(input, layer, entering, size, constants));
            }
        }
        shapes.insert(output, &layer.shape);
    }
    (nodes, last)
}

/// Burn's adaptive pooling. Windows of one size side by side are ONNX's own pooling; any others are a mean over rows and one over
/// columns, each a product with a matrix.
fn adaptive_pool(
    input: &str,
    pool: &Node,
    entering: &[usize],
    size: usize,
    constants: &mut Vec<Message>,
) -> Vec<Message> {
    let output = pool.output.as_str();
    let [_, height, width] = *entering else {
        return Vec::new();
    };
    if height.is_multiple_of(size) && width.is_multiple_of(size) {
        let window = [(height / size) as i64, (width / size) as i64];
        let attributes: [(&str, &[i64]); 2] = [("kernel_shape", &window), ("strides", &window)];
        return vec![node("AveragePool", &[input], output, &attributes)];
    }
    let [rows, columns, means] =
        ["rows", "columns", "means"].map(|part| format!("{output}.{part}"));
    constants.push(floats(&rows, &[size, height], &means_of(height, size)));
    let turned = transposed(&means_of(width, size), size, width);
    constants.push(floats(&columns, &[width, size], &turned));
    vec![
        node("MatMul", &[&rows, input], &means, &[]),
        node("MatMul", &[&means, &columns], output, &[]),
    ]
}

/// The means over the windows of adaptive pooling, as a matrix of `size` rows of `length`.
fn means_of(length: usize, size: usize) -> Vec<f32> {
    let mut rows = vec![0.0; size * length];
    for (window, row) in rows.chunks_exact_mut(length).enumerate() {
        let range = window * length / size..((window + 1) * length).div_ceil(size);
        let share = 1.0 / range.len() as f32;
        row[range].fill(share);
    }
    rows
}

/// Burn's group normalisation, which the operators of this version lack: that of each group as a channel of its own, and then
/// the scale and the shift of each channel.
fn group_norm(
    input: &str,
    norm: &Node,
    groups: usize,
    epsilon: f64,
    constants: &mut Vec<Message>,
) -> Vec<Message> {
    let output = norm.output.as_str();
    let sizes = |size: &usize| *size as i64;
    let whole: Vec<i64> = [-1]
        .into_iter()
        .chain(norm.shape.iter().map(sizes))
        .collect();
    let channels = norm.shape.first().map_or(0, sizes);
    let name = |part: &str| format!("{CONSTANT}{output}.{part}");
    let [as_groups, as_images, as_channels, ones, zeros] =
        ["groups", "images", "channels", "ones", "zeros"].map(name);
    constants.push(integers(&as_groups, &[0, groups as i64, -1]));
    constants.push(integers(&as_images, &whole));
    constants.push(integers(&as_channels, &[channels, 1, 1]));
    constants.push(floats(&ones, &[groups], &vec![1.0; groups]));
    constants.push(floats(&zeros, &[groups], &vec![0.0; groups]));
    let path = norm.path.as_deref().unwrap_or_default();
    let [weight, bias] = [format!("{path}.weight"), format!("{path}.bias")];
    let part = |part: &str| format!("{output}.{part}");
    let [grouped, normalised, images, scale, scaled, shift] = [
        "grouped",
        "normalised",
        "images",
        "scale",
        "scaled",
        "shift",
    ]
    .map(part);
    let normalise = Message::default()
        .text(1, &grouped)
        .text(1, &ones)
        .text(1, &zeros)
        .text(2, &normalised)
        .text(3, &normalised)
        .text(4, "InstanceNormalization")
        .message(5, &epsilon_of(epsilon));
    vec![
        node("Reshape", &[input, &as_groups], &grouped, &[]),
        normalise,
        node("Reshape", &[&normalised, &as_images], &images, &[]),
        node("Reshape", &[&weight, &as_channels], &scale, &[]),
        node("Mul", &[&images, &scale], &scaled, &[]),
        node("Reshape", &[&bias, &as_channels], &shift, &[]),
        node("Add", &[&scaled, &shift], output, &[]),
    ]
}

/// The attribute of a normalisation.
fn epsilon_of(epsilon: f64) -> Message {
    Message::default()
        .text(1, "epsilon")
        .float(2, epsilon as f32)
        .integer(20, 1)
}

/// A constant of single precision.
fn floats(name: &str, shape: &[usize], values: &[f32]) -> Message {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Message::default()
        .each(shape, |message, size| message.integer(1, *size as i64))
        .integer(2, FLOAT)
        .text(8, name)
        .bytes(9, &bytes)
}

/// An operation named after its output.
fn node(kind: &str, inputs: &[&str], output: &str, attributes: &[(&str, &[i64])]) -> Message {
    Message::default()
        .each(inputs, |node, input| node.text(1, input))
        .text(2, output)
        .text(3, output)
        .text(4, kind)
        .each(attributes, |node, (name, values)| {
            node.message(5, &attribute(name, values))
        })
}

/// An attribute of one number, or of several.
fn attribute(name: &str, values: &[i64]) -> Message {
    const INT: i64 = 2;
    const INTS: i64 = 7;

    let attribute = Message::default().text(1, name);
    match values {
        [value] => attribute.integer(3, *value).integer(20, INT),
        values => attribute
            .each(values, |attribute, value| attribute.integer(8, *value))
            .integer(20, INTS),
    }
}

/// A row of whole numbers.
fn integers(name: &str, values: &[i64]) -> Message {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    Message::default()
        .integer(1, values.len() as i64)
        .integer(2, INT64)
        .text(8, name)
        .bytes(9, &bytes)
}

/// A number for each channel, from the standard deviation and the mean of its pixels; one for all where they are equal.
fn per_channel(name: &str, network: &Graph, number: impl Fn((f64, f64)) -> f32) -> Message {
    let pixels = network.pixel_std.iter().copied();
    let pixels = pixels.zip(network.pixel_mean.iter().copied());
    let numbers: Vec<f32> = pixels.map(number).collect();
    match numbers.first() {
        Some(first)
            if numbers
                .iter()
                .all(|number| number.to_bits() == first.to_bits()) =>
        {
            floats(name, &[], &numbers[..1])
        }
        _ => floats(name, &[numbers.len()], &numbers),
    }
}

fn weights(tensor: &Tensor) -> Message {
    Message::default()
        .each(&tensor.shape, |message, size| {
            message.integer(1, *size as i64)
        })
        .integer(2, FLOAT)
        .text(8, &tensor.name)
        .bytes(9, &tensor.bytes())
}

/// The name, type and shape of an input or output, below a batch of any size.
fn value_info(name: &str, number: i64, sizes: &[i64]) -> Message {
    let batch = Message::default().text(2, "batch");
    let shape = Message::default()
        .message(1, &batch)
        .each(sizes, |shape, size| {
            shape.message(1, &Message::default().integer(1, *size))
        });
    let tensor = Message::default().integer(1, number).message(2, &shape);
    let kind = Message::default().message(1, &tensor);
    Message::default().text(1, name).message(2, &kind)
}

/// More tensors, properties or dimensions than any network of ours has.
const MAX_COUNT: usize = 4096;

/// What an ONNX file says of its weights.
pub(super) struct Onnx {
    source: Source,
    entries: Vec<Entry>,
    metadata: Vec<(String, String)>,
}

impl Onnx {
    pub fn open(mut source: Source) -> Result<Self> {
        if source.length > MAX_BYTES as u64 {
            return Err(source.fault(&format!(
                "an ONNX file must have at most {MAX_BYTES} bytes, found {}",
                source.length
            )));
        }
        let bytes = source.read(0, source.length)?;
        let (entries, metadata) = describe(&bytes).map_err(|what| {
            source.fault(&format!(
                "expected an ONNX model, found something else: {what}"
            ))
        })?;
        Ok(Self {
            source,
            entries,
            metadata,
        })
    }
}

impl Weights for Onnx {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn layout(&self) -> Option<LinearLayout> {
        Some(LinearLayout::OutputsFirst)
    }

    fn limit(&self) -> u64 {
        self.source.length
    }

    fn read(&mut self, _index: usize) -> Result<Vec<u8>> {
        Err(self.source.fault(
            "a model must be loaded from a record, a safetensors, npz or PyTorch file, and this is an ONNX file, whose graph can \
             be any",
        ))
    }
}

type Described = (Vec<Entry>, Vec<(String, String)>);

fn describe(model: &[u8]) -> std::result::Result<Described, String> {
    let (mut entries, mut metadata) = (Vec::new(), Vec::new());
    let mut graph = None;
    let mut fields = Fields::new(model);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Integer(version)) => {
                metadata.push(("onnx_format".into(), version.to_string()));
            }
            (7, Value::Bytes(bytes)) if graph.is_none() => graph = Some(bytes),
            (7, _) => return Err("its graph is there twice".into()),
            (8, Value::Bytes(bytes)) => {
                metadata.extend(opset(bytes)?.map(|version| ("opset".into(), version)));
            }
            (14, Value::Bytes(bytes)) => metadata.push(property(bytes)?),
            _ => {}
        }
        if metadata.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} properties"));
        }
    }
    let mut fields = Fields::new(graph.ok_or("it has no graph")?);
    while let Some((field, value)) = fields.next()? {
        if let (5, Value::Bytes(bytes)) = (field, value) {
            entries.push(initializer(bytes)?);
        }
        if entries.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} initializers"));
        }
    }
    // The constants of the normalisation and the pooling are no parameters.
    entries.retain(|entry| {
        !["pixels.", "pool.", CONSTANT]
            .iter()
            .any(|prefix| entry.name.starts_with(prefix))
    });
    Ok((entries, metadata))
}

/// The version of ONNX's own operators; `None` for those of another domain.
fn opset(bytes: &[u8]) -> std::result::Result<Option<String>, String> {
    let (mut own, mut version) = (true, None);
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(domain)) => own = domain.is_empty() || domain == b"ai.onnx",
            (2, Value::Integer(number)) => version = Some(number.to_string()),
            _ => {}
        }
    }
    Ok(version.filter(|_| own))
}

fn property(bytes: &[u8]) -> std::result::Result<(String, String), String> {
    let (mut key, mut text) = (String::new(), String::new());
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
    }
    Ok((key, text))
}

fn initializer(bytes: &[u8]) -> std::result::Result<Entry, String> {
    let (mut name, mut shape, mut number, mut raw) = (String::new(), Vec::new(), 0, None);
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Integer(size)) => shape.push(size as usize),
            // Newer writers pack the dimensions.
            (1, Value::Bytes(sizes)) => {
                let mut sizes = Fields::new(sizes);
                while !sizes.is_empty() && shape.len() <= MAX_COUNT {
                    shape.push(sizes.varint()? as usize);
                }
            }
            (2, Value::Integer(kind)) => number = kind,
            (8, Value::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (9, Value::Bytes(bytes)) => raw = Some(bytes.len()),
            _ => {}
        }
        if shape.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} dimensions"));
        }
    }
    let number = match number {
        1 => "F32".to_owned(),
        10 => "F16".to_owned(),
        11 => "F64".to_owned(),
        16 => "BF16".to_owned(),
        other => format!("type {other} of ONNX"),
    };
    let needed = width(&number).and_then(|width| {
        shape
            .iter()
            .try_fold(width, |bytes, size| bytes.checked_mul(*size))
    });
    if let (Some(_), Some(found)) = (width(&number), raw.filter(|raw| Some(*raw) != needed)) {
        return Err(format!(
            "{} must hold the bytes of {number} numbers of shape {:?}, found {found}",
            quoted(&name),
            &shape[..shape.len().min(8)]
        ));
    }
    Ok(Entry {
        name,
        shape,
        number,
    })
}
