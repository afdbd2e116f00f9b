//! Layers one behind the other, prepared for inference.

use super::batch_norm::{BatchMoments, BatchNorm};
use super::convolution::Convolution;
use super::group_norm::GroupNorm;
use super::kernel::{Activation, Around, Predict, SequenceLayer};
use super::linear::Linear;
use super::operations::{Operations, are_single, primitive};
use super::rescaling::Rescaling;
use crate::config::ImageShape;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::FloatTensor;

/// A layer of a sequence.
#[derive(Clone, Debug)]
pub enum Layer<B: BurnBackend> {
    /// As in [`convolution`](super::convolution).
    Convolution(Convolution<B>, Around),
    /// As in [`group_norm`](super::group_norm).
    GroupNorm(GroupNorm<B>, Activation),
    /// As in [`batch_norm`](super::batch_norm).
    BatchNorm(BatchNorm<B>, BatchMoments<B>, Activation),
    /// What entered that layer of the sequence is added.
    Add(usize),
    /// ReLU.
    Relu,
    /// The means of each channel over so many cells in each direction, which share out rows and columns as Burn's
    /// `AdaptiveAvgPool2d` has it; with 1 as in [`average`](super::average).
    Average(usize),
    /// As in [`linear`](super::linear), without dropout.
    Linear(Linear<B>, Activation),
}

impl<B: BurnBackend> Layer<B> {
    fn into_primitives(self) -> SequenceLayer<FloatTensor<B>> {
        fn both<B: BurnBackend, const D: usize>(
            weight: Tensor<B, D>,
            bias: Tensor<B, 1>,
        ) -> [FloatTensor<B>; 2] {
            [primitive(weight), primitive(bias)]
        }
        match self {
            Self::Convolution(layer, around) => {
                SequenceLayer::Convolution(both(layer.weight, layer.bias), around)
            }
            Self::GroupNorm(layer, activation) => SequenceLayer::GroupNorm {
                parameters: both(layer.gamma, layer.beta),
                groups: layer.groups,
                epsilon: layer.epsilon,
                activation,
            },
            Self::BatchNorm(layer, moments, activation) => SequenceLayer::BatchNorm {
                parameters: [layer.gamma, layer.beta, moments.mean, moments.variance]
                    .map(primitive),
                epsilon: layer.epsilon,
                activation,
            },
            Self::Add(layer) => SequenceLayer::Add(layer),
            Self::Relu => SequenceLayer::Relu,
            Self::Average(size) => SequenceLayer::Average(size),
            Self::Linear(layer, activation) => {
                SequenceLayer::Linear(both(layer.weight, layer.bias), activation)
            }
        }
    }
}

impl<T> SequenceLayer<T> {
    /// Its parameters.
    fn parameters(&self) -> &[T] {
        match self {
            Self::Convolution(parameters, _)
            | Self::GroupNorm { parameters, .. }
            | Self::Linear(parameters, _) => parameters,
            Self::BatchNorm { parameters, .. } => parameters,
            Self::Add(_) | Self::Relu | Self::Average(_) => &[],
        }
    }
}

/// The layers prepared for many images of a shape; `None` where the back end has nothing to prepare.
pub fn predictor<B: Operations>(
    image: ImageShape,
    rescaling: &Rescaling,
    layers: Vec<Layer<B>>,
) -> Option<Box<dyn Predict>> {
    let kernel = B::kernels().sequence?;
    let layers: Vec<_> = layers.into_iter().map(Layer::into_primitives).collect();
    if !layers.iter().all(|layer| are_single(layer.parameters())) {
        return None;
    }
    kernel.predictor(image, rescaling, layers)
}
