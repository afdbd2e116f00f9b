//! Trains, keeps and uses small image classifiers with the Burn deep-learning framework.
//!
//! - [`config`]: what a model, an optimizer and a run are made from; Burn's JSON
//! - [`device`]: devices by name
//! - [`data`]: images and targets, and the loader that orders and batches them
//! - [`kernels`]: the operations computed here instead of by Burn
//! - [`network`]: the networks, as Burn modules
//! - [`model`]: a network on a device that is chosen at run time, its training steps and its optimizers
//! - [`record`]: models as files
//! - [`interchange`]: models as files of other programs: ONNX, safetensors, NumPy, PyTorch
//! - [`learner`]: training with checkpoints, history and resume
//!
//! # Features
//!
//! - `cpu` (default), `wgpu`, `cuda`: back ends; at least one
//! - `python`: the extension module `mnistburn._native`; nothing outside it knows of Python

#[cfg(not(any(feature = "cpu", feature = "wgpu", feature = "cuda")))]
compile_error!("choose at least one back end: the Cargo features are `cpu`, `wgpu` and `cuda`");

pub mod config;
pub mod data;
pub mod device;
pub mod error;
pub mod interchange;
pub mod kernels;
pub mod learner;
pub mod model;
pub mod network;
#[cfg(feature = "python")]
#[allow(
    clippy::doc_markdown,
    clippy::needless_pass_by_value,
    clippy::type_complexity,
    reason = "PyO3 passes by value, and these docs and tuples are for Python"
)]
mod python;
mod random;
pub mod record;
