//! The loss.

use super::kernel::CrossEntropyKernel;
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, record};
use burn::backend::Autodiff;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{Int, Tensor};

/// The mean over the batch of the cross-entropy of softmax, `[1]`.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]`
/// - targets: `[batch_size]`
pub fn cross_entropy<B: Operations>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> Tensor<B, 1> {
    let input = [primitive(logits.clone())];
    let kernel = B::kernels().cross_entropy.filter(|_| are_single(&input));
    let loss =
        kernel.and_then(|kernel| kernel.forward(&input[0], &targets.clone().into_primitive()));
    match loss {
        Some(loss) => float(loss),
        None => CrossEntropyLossConfig::new()
            .init(&logits.device())
            .forward(logits, targets),
    }
}

impl<B: Operations> CrossEntropyKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        logits: &FloatTensor<Autodiff<B>>,
        targets: &IntTensor<B>,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().cross_entropy?;
        let input = [logits.clone()];
        let [inner] = inner(&input);
        let (loss, pullback) = kernel.forward_training(&inner, targets)?;
        Some(record(&input, loss, pullback))
    }
}
