//! What a step makes of the logits and the targets of its batch.

use crate::config::TrainingConfig;
use crate::device::Backend;
use crate::kernels::{self, Weighting};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};
use burn::train::ClassificationOutput;

/// What training minimises; validation and evaluation measure the plain cross-entropy.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Objective {
    /// See [`TrainingConfig::label_smoothing`].
    pub label_smoothing: f64,
}

impl Objective {
    /// That of a training.
    pub fn of(config: &TrainingConfig) -> Self {
        Self {
            label_smoothing: config.label_smoothing,
        }
    }

    /// The mean loss of `logits` with the logits and targets it came from.
    ///
    /// # Shapes
    ///
    /// - logits: `[batch_size, num_classes]`
    /// - targets: `[batch_size]`
    /// - weights: `[batch_size]`
    pub fn classification<B: Backend>(
        self,
        logits: Tensor<B, 2>,
        targets: Tensor<B, 1, Int>,
        weights: Option<Tensor<B, 1>>,
    ) -> ClassificationOutput<B> {
        let weighting = Weighting {
            label_smoothing: self.label_smoothing,
            weights,
        };
        let loss = kernels::cross_entropy(logits.clone(), targets.clone(), weighting);
        ClassificationOutput::new(loss, logits, targets)
    }
}

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
    Objective::default().classification(logits, targets, None)
}

/// What the mean loss of a part adds to that of its batch: the losses of the parts, and so their gradients, add up to those of the
/// whole.
pub(super) fn of_part<B: BurnBackend>(loss: Tensor<B, 1>, share: f64) -> Tensor<B, 1> {
    if share < 1.0 { loss * share } else { loss }
}
