//! Normalisation of groups of channels within an image.

use super::kernel::{Activation, GroupNormKernel};
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, is_tracked, record, untracked};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::FloatTensor;

/// The parameters of a normalisation.
#[derive(Clone, Debug)]
pub struct GroupNorm<B: BurnBackend> {
    /// The scale of each channel, `[channels]`.
    pub gamma: Tensor<B, 1>,
    /// The shift of each channel, `[channels]`.
    pub beta: Tensor<B, 1>,
    /// Groups of channels; their number divides that of the channels.
    pub groups: usize,
    /// What is added to the variance.
    pub epsilon: f64,
}

/// Group normalisation (Wu and He, 2018): the values of each group of channels of an image less their mean, over the root of
/// their variance, then scaled and shifted by channel; then the activation.
///
/// # Shapes
///
/// - x: `[batch_size, channels, height, width]`
/// - output: the same
pub fn group_norm<B: Operations>(
    x: Tensor<B, 4>,
    parameters: GroupNorm<B>,
    activation: Activation,
) -> Tensor<B, 4> {
    let GroupNorm {
        groups, epsilon, ..
    } = parameters;
    let inputs = [
        primitive(x.clone()),
        primitive(parameters.gamma.clone()),
        primitive(parameters.beta.clone()),
    ];
    let kernel = B::kernels().group_norm.filter(|_| are_single(&inputs));
    match kernel.and_then(|kernel| kernel.forward(&inputs, groups, epsilon, activation)) {
        Some(output) => float(output),
        None => standard(x, parameters, activation),
    }
}

/// By Burn's own operations.
pub(super) fn standard<B: Operations>(
    x: Tensor<B, 4>,
    parameters: GroupNorm<B>,
    activation: Activation,
) -> Tensor<B, 4> {
    let GroupNorm {
        gamma,
        beta,
        groups,
        epsilon,
    } = parameters;
    let [images, channels, height, width] = x.dims();
    let values = channels / groups.max(1) * height * width;
    let x = x.reshape([images, groups, values]);
    let x = x.clone() - x.mean_dim(2);
    let variance = (x.clone() * x.clone()).mean_dim(2);
    let x = x / (variance + epsilon).sqrt();
    let by_channel = |parameter: Tensor<B, 1>| parameter.reshape([1, channels, 1, 1]);
    let x = x.reshape([images, channels, height, width]) * by_channel(gamma) + by_channel(beta);
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
    }
}

impl<B: Operations> GroupNormKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        inputs: &[FloatTensor<Autodiff<B>>; 3],
        groups: usize,
        epsilon: f64,
        activation: Activation,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().group_norm?;
        if !is_tracked(inputs) {
            return kernel
                .forward(&inner(inputs), groups, epsilon, activation)
                .map(untracked::<B>);
        }
        let (output, pullback) =
            kernel.forward_training(&inner(inputs), groups, epsilon, activation)?;
        Some(record(inputs, output, pullback))
    }
}
