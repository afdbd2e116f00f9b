//! The operations of networks that this crate computes itself.
//!
//! Each has a file with its default, Burn's own operations, and a trait for what computes it instead: a kernel. A back end
//! says in [`Operations`] which kernels it has; Burn's autodiff has those of the back end within it. So far [`cpu`] has them.

pub mod adagrad;
pub mod adam;
mod average;
mod batch_norm;
mod convolution;
#[cfg(feature = "cpu")]
pub mod cpu;
mod cross_entropy;
pub mod dropout;
mod group_norm;
pub mod guide;
mod images;
mod kernel;
mod lerp;
mod linear;
mod normalisation;
mod operations;
pub mod optimizer;
mod pixels;
mod rescaling;
pub mod rmsprop;
mod sequence;
pub mod sgd;
pub mod step;
mod tape;
mod words;

pub use crate::config::ImageShape;
pub use average::average;
pub use batch_norm::{BatchMoments, BatchNorm, batch_norm, batch_norm_training};
pub use convolution::{Convolution, convolution};
pub use cross_entropy::{Weighting, cross_entropy};
pub use dropout::{Dropout, DropoutKey};
pub use group_norm::{GroupNorm, group_norm};
pub use images::{IMAGE_PIXELS, IMAGE_SIZE, Images};
pub use kernel::{
    Activation, Around, AverageKernel, BatchNormKernel, ConvolutionKernel, CrossEntropyKernel,
    GroupNormKernel, GuideKernel, LerpKernel, LinearKernel, Normalised, Predict, Pullback,
    SequenceKernel, SequenceLayer, StepKernel,
};
pub use lerp::lerp;
pub use linear::{Linear, linear};
pub use normalisation::{PIXEL_MEAN, PIXEL_STD, normalise};
pub(crate) use normalisation::{normalised, normalised_words, packed};
pub use operations::{Kernels, Operations};
pub use pixels::{PixelValues, Pixels};
pub use rescaling::Rescaling;
pub use sequence::{Layer, predictor};
