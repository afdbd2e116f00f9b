//! What may compute an operation instead of Burn: a trait for each, with the default that a back end has none.

use super::dropout::{Dropout, LayerDropout};
use super::images::Images;
use super::pixels::Pixels;
use super::rescaling::Rescaling;
use super::step::{Clipping, Step};
use crate::config::ImageShape;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::{FloatTensor, IntTensor};
use std::fmt::{Debug, Formatter};
use std::sync::Arc;

/// A linear layer written by hand. The inputs are what enters it, `[batch_size, inputs]`, its weight and its bias.
pub trait LinearKernel<B: BurnBackend>: Sync {
    /// What leaves the layer, `[batch_size, outputs]`.
    fn forward(
        &self,
        inputs: &[FloatTensor<B>; 3],
        dropout: Option<LayerDropout<'_>>,
        activation: Activation,
    ) -> Option<FloatTensor<B>>;

    /// The same, and the way back; without it the layer is Burn's own where gradients are asked for.
    fn forward_training(
        &self,
        _inputs: &[FloatTensor<B>; 3],
        _dropout: Option<LayerDropout<'_>>,
        _activation: Activation,
    ) -> Option<(FloatTensor<B>, Pullback<B, 3>)> {
        None
    }
}

/// What comes behind a linear layer and its dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// ReLU.
    Relu,
}

/// A convolution written by hand. The inputs are what enters it, `[batch_size, inputs, height, width]`, its weight and its
/// bias. An image has the same bits in any batch, and the gradients of any split of a batch add up to the same bits.
pub trait ConvolutionKernel<B: BurnBackend>: Sync {
    /// What leaves, `[batch_size, outputs, height, width]`.
    fn forward(&self, inputs: &[FloatTensor<B>; 3], around: Around) -> Option<FloatTensor<B>>;

    /// The same, and the way back; without it the convolution is Burn's own where gradients are asked for.
    ///
    /// The gradient of what enters is only asked for with `wants_input`: that of images is not. It may be any tensor of
    /// that shape otherwise.
    fn forward_training(
        &self,
        _inputs: &[FloatTensor<B>; 3],
        _around: Around,
        _wants_input: bool,
    ) -> Option<(FloatTensor<B>, Pullback<B, 3>)> {
        None
    }
}

/// What a convolution of stride 1 comes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Around {
    /// Rows and columns of zeros on each side of an image.
    pub padding: usize,
    /// Whether the largest of each 2 x 2 values is taken; a last row or column that has no partner is left out.
    pub pool: bool,
    /// What comes last.
    pub activation: Activation,
}

/// Group normalisation written by hand, and the activation behind it. The inputs are what enters it, `[batch_size, channels, height, width]`, and the scale and
/// the shift of each channel.
pub trait GroupNormKernel<B: BurnBackend>: Sync {
    /// What leaves, of the same shape.
    fn forward(
        &self,
        inputs: &[FloatTensor<B>; 3],
        groups: usize,
        epsilon: f64,
        activation: Activation,
    ) -> Option<FloatTensor<B>>;

    /// The same, and the way back; without it the normalisation is Burn's own where gradients are asked for.
    fn forward_training(
        &self,
        _inputs: &[FloatTensor<B>; 3],
        _groups: usize,
        _epsilon: f64,
        _activation: Activation,
    ) -> Option<(FloatTensor<B>, Pullback<B, 3>)> {
        None
    }
}

/// Batch normalisation written by hand, and the activation behind it. The inputs are what enters it, `[batch_size, channels,
/// height, width]`, and the scale and the shift of each channel.
pub trait BatchNormKernel<B: BurnBackend>: Sync {
    /// What leaves, of the same shape, by the mean and the variance of each channel that come last among the inputs.
    fn forward(
        &self,
        inputs: &[FloatTensor<B>; 5],
        epsilon: f64,
        activation: Activation,
    ) -> Option<FloatTensor<B>>;

    /// What leaves by the mean and the variance of the batch, and these two, `[channels]`.
    fn forward_batch(
        &self,
        inputs: &[FloatTensor<B>; 3],
        epsilon: f64,
        activation: Activation,
    ) -> Option<(FloatTensor<B>, [FloatTensor<B>; 2])>;

    /// The same, and the way back; without it the normalisation is Burn's own where gradients are asked for.
    fn forward_training(
        &self,
        _inputs: &[FloatTensor<B>; 3],
        _epsilon: f64,
        _activation: Activation,
    ) -> Option<Normalised<B>> {
        None
    }
}

/// What leaves a batch normalisation, the mean and the variance of the batch, and the way back.
pub type Normalised<B> = (FloatTensor<B>, [FloatTensor<B>; 2], Pullback<B, 3>);

/// Global average pooling written by hand: the mean of each channel, `[batch_size, channels]`, of what enters,
/// `[batch_size, channels, height, width]`.
pub trait AverageKernel<B: BurnBackend>: Sync {
    /// The means.
    fn forward(&self, x: &FloatTensor<B>) -> Option<FloatTensor<B>>;

    /// The same, and the way back; without it the means are Burn's own where gradients are asked for.
    fn forward_training(&self, _x: &FloatTensor<B>) -> Option<(FloatTensor<B>, Pullback<B, 1>)> {
        None
    }
}

/// Layers one behind the other, written by hand for inference.
pub trait SequenceKernel<B: BurnBackend>: Sync {
    /// The layers with their parameters prepared, for images of a shape that `rescaling` normalises.
    fn predictor(
        &self,
        image: ImageShape,
        rescaling: &Rescaling,
        layers: Vec<SequenceLayer<FloatTensor<B>>>,
    ) -> Option<Box<dyn Predict>>;
}

/// A layer of a sequence, with its parameters as its own kernel takes them.
#[derive(Clone, Debug)]
pub enum SequenceLayer<T> {
    /// A convolution, with its weight and its bias.
    Convolution([T; 2], Around),
    /// A group normalisation and the activation behind it, with the scale and the shift of each channel.
    GroupNorm {
        /// Scale and shift.
        parameters: [T; 2],
        /// Groups of channels.
        groups: usize,
        /// What is added to the variance.
        epsilon: f64,
        /// What comes last.
        activation: Activation,
    },
    /// A batch normalisation and the activation behind it, with scale, shift, mean and variance of each channel.
    BatchNorm {
        /// Scale, shift, mean and variance.
        parameters: [T; 4],
        /// What is added to the variance.
        epsilon: f64,
        /// What comes last.
        activation: Activation,
    },
    /// What entered that layer of the sequence is added.
    Add(usize),
    /// ReLU.
    Relu,
    /// The means of each channel over so many cells in each direction.
    Average(usize),
    /// A linear layer, with its weight and its bias.
    Linear([T; 2], Activation),
}

/// The cross-entropy written by hand.
pub trait CrossEntropyKernel<B: BurnBackend>: Sync {
    /// The mean loss, `[1]`, of logits, `[batch_size, num_classes]`; weights are `[batch_size]`.
    fn forward(
        &self,
        logits: &FloatTensor<B>,
        targets: &IntTensor<B>,
        weights: Option<&FloatTensor<B>>,
        label_smoothing: f64,
    ) -> Option<FloatTensor<B>>;

    /// The same, and the way back; without it the loss is Burn's own where gradients are asked for.
    fn forward_training(
        &self,
        _logits: &FloatTensor<B>,
        _targets: &IntTensor<B>,
        _weights: Option<&FloatTensor<B>>,
        _label_smoothing: f64,
    ) -> Option<(FloatTensor<B>, Pullback<B, 1>)> {
        None
    }
}

/// The guide network written by hand. Parameters are weight and bias of each layer in turn.
pub trait GuideKernel<B: BurnBackend>: Sync {
    /// What leaves the trunk, `[batch_size, 1024]`.
    fn forward(
        &self,
        images: &Images<B>,
        parameters: &[FloatTensor<B>; 4],
        dropout: Option<&Dropout>,
    ) -> Option<FloatTensor<B>>;

    /// The same, and the way back to the parameters; without it the trunk is Burn's own where gradients are asked for.
    fn forward_training(
        &self,
        _images: &Images<B>,
        _parameters: &[FloatTensor<B>; 4],
        _dropout: Option<&Dropout>,
    ) -> Option<(FloatTensor<B>, Pullback<B, 4>)> {
        None
    }

    /// The network without dropout, its parameters prepared for images of a shape: those of the trunk, the hidden layer and
    /// the output layer.
    fn predictor(
        &self,
        _image: ImageShape,
        _trunk: &[FloatTensor<B>; 4],
        _hidden: &[FloatTensor<B>; 2],
        _output: &[FloatTensor<B>; 2],
    ) -> Option<Box<dyn Predict>> {
        None
    }
}

/// A model that was prepared for inference.
pub trait Predict: Send + Sync {
    /// The logits of images, row by row. An image has the same bits among any others.
    fn logits(&self, pixels: Pixels<'_>) -> Vec<f32>;
}

/// The steps of optimizers written by hand.
pub trait StepKernel<B: BurnBackend>: Sync {
    /// One step, in place where nobody else holds the tensors. The states are those that [`Step`] names, in its order, and
    /// come back in it.
    fn step(
        &self,
        step: &Step,
        clipping: Option<Clipping>,
        parameter: FloatTensor<B>,
        gradient: &FloatTensor<B>,
        states: Vec<FloatTensor<B>>,
    ) -> (FloatTensor<B>, Vec<FloatTensor<B>>);
}

/// Moving averages written by hand.
pub trait LerpKernel<B: BurnBackend>: Sync {
    /// What is a share of the way from `start` to `end`, in place where nobody else holds `start`.
    fn lerp(&self, start: FloatTensor<B>, end: &FloatTensor<B>, share: f32) -> FloatTensor<B>;
}

/// The way back through an operation (a pullback, as in JAX and Zygote): from the gradient of its output to those of its `N`
/// inputs. It holds what the forward pass left for it.
pub struct Pullback<B: BurnBackend, const N: usize>(
    Arc<dyn Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync>,
);

impl<B: BurnBackend, const N: usize> Pullback<B, N> {
    /// The way back that `pull` computes.
    pub fn new(
        pull: impl Fn(FloatTensor<B>) -> [FloatTensor<B>; N] + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(pull))
    }

    /// The gradients of the inputs.
    pub fn pull(&self, gradient: FloatTensor<B>) -> [FloatTensor<B>; N] {
        (self.0)(gradient)
    }
}

impl<B: BurnBackend, const N: usize> Clone for Pullback<B, N> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B: BurnBackend, const N: usize> Debug for Pullback<B, N> {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Pullback")
    }
}
