//! Linear layers, with what follows them: dropout and ReLU.

use super::dropout::LayerDropout;
use super::kernel::{Activation, LinearKernel};
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, is_tracked, record, untracked};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::FloatTensor;

/// The parameters of a linear layer.
#[derive(Clone, Debug)]
pub struct Linear<B: BurnBackend> {
    /// `[inputs, outputs]`
    pub weight: Tensor<B, 2>,
    /// `[outputs]`
    pub bias: Tensor<B, 1>,
}

/// Linear layer, dropout, activation.
///
/// # Shapes
///
/// - x: `[batch_size, inputs]`
/// - output: `[batch_size, outputs]`
pub fn linear<B: Operations>(
    x: Tensor<B, 2>,
    parameters: Linear<B>,
    dropout: Option<LayerDropout<'_>>,
    activation: Activation,
) -> Tensor<B, 2> {
    let inputs = [
        primitive(x.clone()),
        primitive(parameters.weight.clone()),
        primitive(parameters.bias.clone()),
    ];
    let kernel = B::kernels().linear.filter(|_| are_single(&inputs));
    match kernel.and_then(|kernel| kernel.forward(&inputs, dropout, activation)) {
        Some(output) => float(output),
        None => standard(x, parameters, dropout, activation),
    }
}

/// By Burn's own operations.
fn standard<B: Operations>(
    x: Tensor<B, 2>,
    parameters: Linear<B>,
    dropout: Option<LayerDropout<'_>>,
    activation: Activation,
) -> Tensor<B, 2> {
    let x = burn::tensor::module::linear(x, parameters.weight, Some(parameters.bias));
    let x = match dropout {
        Some(dropout) => dropout.apply(x),
        None => x,
    };
    match activation {
        Activation::None => x,
        Activation::Relu => relu(x),
    }
}

impl<B: Operations> LinearKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        inputs: &[FloatTensor<Autodiff<B>>; 3],
        dropout: Option<LayerDropout<'_>>,
        activation: Activation,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().linear?;
        if !is_tracked(inputs) {
            return kernel
                .forward(&inner(inputs), dropout, activation)
                .map(untracked::<B>);
        }
        let (output, pullback) = kernel.forward_training(&inner(inputs), dropout, activation)?;
        Some(record(inputs, output, pullback))
    }
}
