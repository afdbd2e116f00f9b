//! Linear layers, with what follows them: dropout and ReLU.

use super::dropout::LayerDropout;
use super::operations::{Operations, Pullback, are_single, float, primitive};
use super::tape::{Taped, inner, record};
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

/// What comes behind a linear layer and its dropout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// Nothing.
    None,
    /// ReLU.
    Relu,
}

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
        let (output, pullback) = kernel.forward_training(&inner(inputs), dropout, activation)?;
        Some(record(inputs, output, pullback))
    }
}
