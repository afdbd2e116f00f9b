//! The operations of the network in Burn's own, for any back end.

use super::dropout::Layer;
use super::{Convolutions, Dropout, Images, Linear, Operations};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::activation::relu;
use burn::tensor::module::{adaptive_avg_pool2d, conv2d};
use burn::tensor::ops::ConvOptions;
use burn::tensor::{Int, Tensor};

pub(super) fn convolutions<B: Operations>(
    images: Images<B>,
    parameters: Convolutions<B>,
    dropout: Option<&Dropout>,
) -> Tensor<B, 2> {
    let drop = |x: Tensor<B, 4>, layer| match dropout {
        Some(dropout) => dropout.apply(x, layer),
        None => x,
    };
    let options = || ConvOptions::new([1, 1], [0, 0], [1, 1], 1);

    let x = images.normalised();
    let x = conv2d(x, parameters.weight1, Some(parameters.bias1), options());
    let x = drop(x, Layer::Conv1);
    let x = conv2d(x, parameters.weight2, Some(parameters.bias2), options());
    let x = drop(x, Layer::Conv2);
    adaptive_avg_pool2d(relu(x), [8, 8]).flatten(1, 3)
}

pub(super) fn hidden_layer<B: Operations>(
    x: Tensor<B, 2>,
    parameters: Linear<B>,
    dropout: Option<&Dropout>,
) -> Tensor<B, 2> {
    let x = output_layer(x, parameters);
    relu(match dropout {
        Some(dropout) => dropout.apply(x, Layer::Linear1),
        None => x,
    })
}

pub(super) fn output_layer<B: Operations>(x: Tensor<B, 2>, parameters: Linear<B>) -> Tensor<B, 2> {
    burn::tensor::module::linear(x, parameters.weight, Some(parameters.bias))
}

pub(super) fn cross_entropy<B: Operations>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> Tensor<B, 1> {
    CrossEntropyLossConfig::new()
        .init(&logits.device())
        .forward(logits, targets)
}
