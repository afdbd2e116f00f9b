//! What a step makes of the logits and the targets of its batch.

use crate::config::TrainingConfig;
use crate::device::Backend;
use crate::kernels::{self, Weighting};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Int, Tensor};
use burn::train::{ClassificationOutput, RegressionOutput};

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

/// The mean squared error over the outputs of each image, and the mean of those over the images, with the share of each.
///
/// # Shapes
///
/// - output: `[batch_size, num_classes]`
/// - targets: `[batch_size, num_classes]`
/// - shares: `[batch_size]`
pub(super) fn regression<B: BurnBackend>(
    output: Tensor<B, 2>,
    targets: Tensor<B, 2>,
    shares: Tensor<B, 1>,
) -> RegressionOutput<B> {
    let errors = (output.clone() - targets.clone()).square();
    let loss = (errors.mean_dim(1).squeeze_dim::<1>(1) * shares).sum();
    RegressionOutput::new(loss, output, targets)
}

/// The cross-entropy of each image.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]` row by row
/// - targets: `[batch_size]`
pub(super) fn cross_entropies(logits: &[f32], targets: &[i64]) -> Vec<f32> {
    let num_classes = logits.len() / targets.len().max(1);
    let of_row = |(row, target): (&[f32], &i64)| {
        let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = row.iter().map(|logit| f64::from(logit - most).exp()).sum();
        let own = usize::try_from(*target)
            .ok()
            .and_then(|target| row.get(target));
        (sum.ln() - f64::from(own.copied().unwrap_or(f32::NAN) - most)) as f32
    };
    logits
        .chunks(num_classes.max(1))
        .zip(targets)
        .map(of_row)
        .collect()
}

/// The mean squared error of each image; both `[batch_size, num_classes]` row by row.
pub(super) fn squared_errors(output: &[f32], targets: &[f32], num_classes: usize) -> Vec<f32> {
    let of_row = |(row, targets): (&[f32], &[f32])| {
        let squares = row.iter().zip(targets);
        let squares = squares.map(|(value, target)| f64::from(value - target).powi(2));
        (squares.sum::<f64>() / num_classes as f64) as f32
    };
    output
        .chunks(num_classes)
        .zip(targets.chunks(num_classes))
        .map(of_row)
        .collect()
}

/// What the mean loss of a part adds to that of its batch: the losses of the parts, and so their gradients, add up to those of the
/// whole.
pub(super) fn of_part<B: BurnBackend>(loss: Tensor<B, 1>, share: f64) -> Tensor<B, 1> {
    if share < 1.0 { loss * share } else { loss }
}
