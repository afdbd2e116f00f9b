//! The loss, and its gradient while the probabilities are at hand.

use super::Cpu;
use super::tensors::{Numbers, tensor};
use crate::kernels::{CrossEntropyKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::backend::TensorMetadata;
use burn::tensor::ops::FloatTensorOps;

impl CrossEntropyKernel<Flex> for Cpu {
    fn forward(&self, logits: &FlexTensor, targets: &FlexTensor) -> Option<FlexTensor> {
        Some(loss_and_gradient(logits, targets).0)
    }

    fn forward_training(
        &self,
        logits: &FlexTensor,
        targets: &FlexTensor,
    ) -> Option<(FlexTensor, Pullback<Flex, 1>)> {
        let (loss, of_logits) = loss_and_gradient(logits, targets);
        let pullback = Pullback::new(move |gradient| {
            let gradient = Flex::float_reshape(gradient, [1, 1].into());
            [Flex::float_mul(of_logits.clone(), gradient)]
        });
        Some((loss, pullback))
    }
}

fn loss_and_gradient(logits: &FlexTensor, targets: &FlexTensor) -> (FlexTensor, FlexTensor) {
    let targets = targets.to_contiguous();
    let (loss, gradient) = cross_entropy(&Numbers::of(logits), targets.storage());
    let shape = logits.shape();
    (
        tensor(vec![loss], [1]),
        tensor(gradient, [shape[0], shape[1]]),
    )
}

/// The mean cross-entropy of the softmax of each row of `logits` with its target, and the gradient of that mean.
///
/// A target that is no class gives a loss that is not a number.
pub fn cross_entropy(logits: &[f32], targets: &[i32]) -> (f32, Vec<f32>) {
    let rows = targets.len().max(1);
    let classes = logits.len() / rows;
    let share = 1.0 / rows as f32;
    let mut gradient = logits.to_vec();
    let mut sum = 0.0;
    for (row, target) in gradient.chunks_exact_mut(classes.max(1)).zip(targets) {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        let target = usize::try_from(*target).unwrap_or(usize::MAX);
        let shifted = row.get(target).map_or(f32::NAN, |logit| logit - largest);
        for logit in row.iter_mut() {
            *logit = (*logit - largest).exp();
            total += *logit;
        }
        sum += total.ln() - shifted;
        let scale = share / total;
        for value in row.iter_mut() {
            *value *= scale;
        }
        if let Some(value) = row.get_mut(target) {
            *value -= share;
        }
    }
    (sum * share, gradient)
}
