//! The mean of each channel over the image.

use super::kernel::AverageKernel;
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, record};
use burn::backend::Autodiff;
use burn::tensor::Tensor;
use burn::tensor::ops::FloatTensor;

/// Global average pooling.
///
/// # Shapes
///
/// - x: `[batch_size, channels, height, width]`
/// - output: `[batch_size, channels]`
pub fn average<B: Operations>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    let inputs = [primitive(x.clone())];
    let kernel = B::kernels().average.filter(|_| are_single(&inputs));
    match kernel.and_then(|kernel| kernel.forward(&inputs[0])) {
        Some(output) => float(output),
        None => standard(x),
    }
}

/// By Burn's own operations.
pub(super) fn standard<B: Operations>(x: Tensor<B, 4>) -> Tensor<B, 2> {
    x.flatten::<3>(2, 3).mean_dim(2).squeeze_dim(2)
}

impl<B: Operations> AverageKernel<Autodiff<B>> for Taped {
    fn forward(&self, x: &FloatTensor<Autodiff<B>>) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().average?;
        let inputs = [x.clone()];
        let [x] = inner(&inputs);
        let (output, pullback) = kernel.forward_training(&x)?;
        Some(record(&inputs, output, pullback))
    }
}
