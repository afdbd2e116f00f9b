//! The operations of the network that this crate computes itself.
//!
//! [`Operations`] is what a back end can do for the network. Its bodies are Burn's own operations, unless the back end has
//! [`Kernels`]: then these compute the operation, and its backward pass within Burn's autodiff. So far [`cpu`] has them.

#[cfg(feature = "cpu")]
pub mod cpu;
pub mod dropout;
mod images;
mod operations;
pub mod optimizer;
mod standard;
mod tape;
mod words;

pub use crate::config::ImageShape;
pub use dropout::{Dropout, DropoutKey};
pub use images::{
    IMAGE_PIXELS, IMAGE_SIZE, Images, PIXEL_MEAN, PIXEL_STD, PixelValues, Pixels, normalise,
};
pub(crate) use images::{normalised, normalised_words, packed};
pub use operations::{Convolutions, Kernels, Linear, Operations, Predict};
