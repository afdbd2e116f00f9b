use crate::device::Backend;
use crate::kernels;
use burn::tensor::{Int, Tensor};
use burn::train::ClassificationOutput;

/// The mean cross-entropy of `logits` with the logits and targets it came from.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]`
/// - targets: `[batch_size]`
pub(super) fn classification<B: Backend>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
) -> ClassificationOutput<B> {
    let loss = kernels::cross_entropy(logits.clone(), targets.clone());
    ClassificationOutput::new(loss, logits, targets)
}
