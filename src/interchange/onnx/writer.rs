//! How the file is written.

use super::layers::layers;
use super::messages::{FLOAT, INT64, MAX_BYTES, UINT8, floats, node, parameter, value_info};
use crate::error::{Error, Result};
use crate::interchange::protobuf::Message;
use crate::interchange::state::State;
use crate::network::{Graph, IMAGES};

/// The version of the operators: nothing here needs a newer one, and old runtimes refuse those.
const OPSET: i64 = 17;
/// The version of the format that goes with it.
const FORMAT_VERSION: i64 = 8;

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
pub fn encode(state: &State<'_>, input: Input) -> Result<Vec<u8>> {
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
            graph.message(5, &parameter(tensor))
        })
        .message(11, &value)
        .message(12, &value_info(output, FLOAT, &[classes]))
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
