//! Layers as operations.

use super::messages::{CONSTANT, epsilon_of, floats, integers, node};
use crate::interchange::protobuf::Message;
use crate::interchange::state::transposed;
use crate::network::{Graph, IMAGES, Layer, Node};
use std::collections::BTreeMap;

/// The layers as operations, and the name of what leaves the last one.
pub(super) fn layers<'a>(
    network: &'a Graph,
    constants: &mut Vec<Message>,
) -> (Vec<Message>, &'a str) {
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
