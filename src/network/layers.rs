//! The parameters of Burn's layers as the operations here take them.

use crate::kernels::{Convolution, GroupNorm, Linear};
use burn::module::Param;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend;

pub(super) fn convolution<B: Backend>(layer: &Conv2d<B>) -> Convolution<B> {
    let [outputs, ..] = layer.weight.dims();
    Convolution {
        weight: layer.weight.val(),
        bias: bias(layer.bias.as_ref(), outputs, &layer.weight.device()),
    }
}

/// The same with a scale of 1 and a shift of 0 where the layer has none.
pub(super) fn group_norm<B: Backend>(
    layer: &burn::nn::GroupNorm<B>,
    device: &B::Device,
) -> GroupNorm<B> {
    let channels = layer.num_channels;
    let gamma = layer.gamma.as_ref().map(Param::val);
    GroupNorm {
        gamma: gamma.unwrap_or_else(|| Tensor::ones([channels], device)),
        beta: bias(layer.beta.as_ref(), channels, device),
        groups: layer.num_groups,
        epsilon: layer.epsilon,
    }
}

pub(super) fn linear<B: Backend>(layer: &burn::nn::Linear<B>) -> Linear<B> {
    let [_, outputs] = layer.weight.dims();
    Linear {
        weight: layer.weight.val(),
        bias: bias(layer.bias.as_ref(), outputs, &layer.weight.device()),
    }
}

fn bias<B: Backend>(
    bias: Option<&Param<Tensor<B, 1>>>,
    outputs: usize,
    device: &B::Device,
) -> Tensor<B, 1> {
    bias.map_or_else(|| Tensor::zeros([outputs], device), Param::val)
}
