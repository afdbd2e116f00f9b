//! The network as an ONNX graph: how it is written, and what of one is shown (onnx.ai, "ONNX Concepts"). The numbers of
//! fields are those of `onnx.proto`.

mod layers;
mod messages;
mod reader;
mod writer;

pub(super) use reader::Onnx;
pub use writer::Input;
pub(super) use writer::encode;
