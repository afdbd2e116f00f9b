//! What a step makes of the logits and the targets of its batch.

use crate::device::Backend;
use crate::kernels;
use burn::tensor::backend::Backend as BurnBackend;
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

/// What the mean loss of a part adds to that of its batch: the losses of the parts, and so their gradients, add up to those of the
/// whole.
pub(super) fn of_part<B: BurnBackend>(loss: Tensor<B, 1>, share: f64) -> Tensor<B, 1> {
    if share < 1.0 { loss * share } else { loss }
}
