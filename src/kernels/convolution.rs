//! Convolutions, with what follows them: max pooling and ReLU.

use super::kernel::{Activation, Around, ConvolutionKernel};
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, is_tracked, record, untracked};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::module::{conv2d, max_pool2d};
use burn::tensor::ops::{ConvOptions, FloatTensor};

/// The parameters of a convolution.
#[derive(Clone, Debug)]
pub struct Convolution<B: BurnBackend> {
    /// `[outputs, inputs, kernel, kernel]`
    pub weight: Tensor<B, 4>,
    /// `[outputs]`
    pub bias: Tensor<B, 1>,
}

/// Convolution, max pooling, activation.
///
/// # Shapes
///
/// - x: `[batch_size, inputs, height, width]`
/// - output: `[batch_size, outputs, height, width]`, with what the kernel and the pooling leave of height and width
pub fn convolution<B: Operations>(
    x: Tensor<B, 4>,
    parameters: Convolution<B>,
    around: Around,
) -> Tensor<B, 4> {
    let inputs = [
        primitive(x.clone()),
        primitive(parameters.weight.clone()),
        primitive(parameters.bias.clone()),
    ];
    let kernel = B::kernels().convolution.filter(|_| are_single(&inputs));
    match kernel.and_then(|kernel| kernel.forward(&inputs, around)) {
        Some(output) => float(output),
        None => standard(x, parameters, around),
    }
}

/// By Burn's own operations.
pub(super) fn standard<B: Operations>(
    x: Tensor<B, 4>,
    parameters: Convolution<B>,
    around: Around,
) -> Tensor<B, 4> {
    let Around {
        padding,
        pool,
        activation,
    } = around;
    let options = ConvOptions::new([1, 1], [padding, padding], [1, 1], 1);
    let x = conv2d(x, parameters.weight, Some(parameters.bias), options);
    let x = if pool {
        max_pool2d(x, [2, 2], [2, 2], [0, 0], [1, 1], false)
    } else {
        x
    };
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
    }
}

impl<B: Operations> ConvolutionKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        inputs: &[FloatTensor<Autodiff<B>>; 3],
        around: Around,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().convolution?;
        if !is_tracked(inputs) {
            return kernel.forward(&inner(inputs), around).map(untracked::<B>);
        }
        let wants_input = !inputs[0].node.requirement.is_none();
        let (output, pullback) = kernel.forward_training(&inner(inputs), around, wants_input)?;
        Some(record(inputs, output, pullback))
    }
}
