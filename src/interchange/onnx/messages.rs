//! The messages that a graph is made of.

use crate::interchange::protobuf::Message;
use crate::interchange::state::Tensor;

/// A protobuf message holds less than 2 GiB.
pub(super) const MAX_BYTES: usize = (1 << 31) - (1 << 16);

/// What the names of constants begin with that are no parameters.
pub(super) const CONSTANT: &str = "constant.";

pub(super) const FLOAT: i64 = 1;
pub(super) const UINT8: i64 = 2;
pub(super) const INT64: i64 = 7;

/// The attribute of a normalisation.
pub(super) fn epsilon_of(epsilon: f64) -> Message {
    Message::default()
        .text(1, "epsilon")
        .float(2, epsilon as f32)
        .integer(20, 1)
}

/// A constant of single precision.
pub(super) fn floats(name: &str, shape: &[usize], values: &[f32]) -> Message {
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
pub(super) fn node(
    kind: &str,
    inputs: &[&str],
    output: &str,
    attributes: &[(&str, &[i64])],
) -> Message {
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
pub(super) fn integers(name: &str, values: &[i64]) -> Message {
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

/// A parameter.
pub(super) fn parameter(tensor: &Tensor) -> Message {
    Message::default()
        .each(&tensor.shape, |message, size| {
            message.integer(1, *size as i64)
        })
        .integer(2, FLOAT)
        .text(8, &tensor.name)
        .bytes(9, &tensor.bytes())
}

/// The name, type and shape of an input or output, below a batch of any size.
pub(super) fn value_info(name: &str, number: i64, sizes: &[i64]) -> Message {
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
