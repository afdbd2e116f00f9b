//! Normalisation of channels over a batch.

use super::kernel::{Activation, BatchNormKernel};
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, record, untracked};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::FloatTensor;

/// The parameters of a batch normalisation.
#[derive(Clone, Debug)]
pub struct BatchNorm<B: BurnBackend> {
    /// The scale of each channel, `[channels]`.
    pub gamma: Tensor<B, 1>,
    /// The shift of each channel, `[channels]`.
    pub beta: Tensor<B, 1>,
    /// What is added to the variance.
    pub epsilon: f64,
}

/// Mean and variance of each channel of a batch, both `[channels]`.
#[derive(Clone, Debug)]
pub struct BatchMoments<B: BurnBackend> {
    /// The mean.
    pub mean: Tensor<B, 1>,
    /// The mean square of what the values have over their mean.
    pub variance: Tensor<B, 1>,
}

/// Batch normalisation (Ioffe and Szegedy, 2015) by the moments of other batches, as in inference: the values of each channel
/// less the mean, over the root of the variance, then scaled and shifted; then the activation.
///
/// # Shapes
///
/// - x: `[batch_size, channels, height, width]`
/// - output: the same
pub fn batch_norm<B: Operations>(
    x: Tensor<B, 4>,
    parameters: BatchNorm<B>,
    moments: BatchMoments<B>,
    activation: Activation,
) -> Tensor<B, 4> {
    let inputs = [
        primitive(x.clone()),
        primitive(parameters.gamma.clone()),
        primitive(parameters.beta.clone()),
        primitive(moments.mean.clone()),
        primitive(moments.variance.clone()),
    ];
    let kernel = B::kernels().batch_norm.filter(|_| are_single(&inputs));
    match kernel.and_then(|kernel| kernel.forward(&inputs, parameters.epsilon, activation)) {
        Some(output) => float(output),
        None => standard(x, parameters, moments, activation),
    }
}

/// Batch normalisation by the moments of this batch, as in training, and these moments, through which no gradient goes.
///
/// # Shapes
///
/// - x: `[batch_size, channels, height, width]`
/// - output: the same
pub fn batch_norm_training<B: Operations>(
    x: Tensor<B, 4>,
    parameters: BatchNorm<B>,
    activation: Activation,
) -> (Tensor<B, 4>, BatchMoments<B>) {
    let inputs = [
        primitive(x.clone()),
        primitive(parameters.gamma.clone()),
        primitive(parameters.beta.clone()),
    ];
    let kernel = B::kernels().batch_norm.filter(|_| are_single(&inputs));
    let normalised =
        kernel.and_then(|kernel| kernel.forward_batch(&inputs, parameters.epsilon, activation));
    if let Some((output, [mean, variance])) = normalised {
        let (mean, variance) = (float(mean), float(variance));
        return (float(output), BatchMoments { mean, variance });
    }
    let moments = moments_of(x.clone());
    let taken = BatchMoments {
        mean: moments.mean.clone().detach(),
        variance: moments.variance.clone().detach(),
    };
    (standard(x, parameters, moments, activation), taken)
}

/// The moments of a batch by Burn's own operations.
pub(super) fn moments_of<B: Operations>(x: Tensor<B, 4>) -> BatchMoments<B> {
    let [images, channels, height, width] = x.dims();
    let x = x
        .swap_dims(0, 1)
        .reshape([channels, images * height * width]);
    let mean = x.clone().mean_dim(1);
    let x = x - mean.clone();
    BatchMoments {
        mean: mean.reshape([channels]),
        variance: (x.clone() * x).mean_dim(1).reshape([channels]),
    }
}

/// By Burn's own operations.
pub(super) fn standard<B: Operations>(
    x: Tensor<B, 4>,
    parameters: BatchNorm<B>,
    moments: BatchMoments<B>,
    activation: Activation,
) -> Tensor<B, 4> {
    let [_, channels, _, _] = x.dims();
    let by_channel = |tensor: Tensor<B, 1>| tensor.reshape([1, channels, 1, 1]);
    let deviation = (moments.variance + parameters.epsilon).sqrt();
    let x = (x - by_channel(moments.mean)) / by_channel(deviation);
    let x = x * by_channel(parameters.gamma) + by_channel(parameters.beta);
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
    }
}

impl<B: Operations> BatchNormKernel<Autodiff<B>> for Taped {
    /// A normalisation by given moments that gradients go through is that of frozen layers, which is left to Burn.
    fn forward(
        &self,
        _: &[FloatTensor<Autodiff<B>>; 5],
        _: f64,
        _: Activation,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        None
    }

    fn forward_batch(
        &self,
        inputs: &[FloatTensor<Autodiff<B>>; 3],
        epsilon: f64,
        activation: Activation,
    ) -> Option<(FloatTensor<Autodiff<B>>, [FloatTensor<Autodiff<B>>; 2])> {
        let kernel = B::kernels().batch_norm?;
        let (output, moments, pullback) =
            kernel.forward_training(&inner(inputs), epsilon, activation)?;
        let output = record(inputs, output, pullback);
        Some((output, moments.map(untracked::<B>)))
    }
}
