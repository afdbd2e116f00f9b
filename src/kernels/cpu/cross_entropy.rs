//! The loss, and its gradient while the probabilities are at hand.

use super::Cpu;
use super::tensors::{Numbers, shape_of, tensor};
use crate::kernels::{CrossEntropyKernel, Pullback};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::ops::FloatTensorOps;

impl CrossEntropyKernel<Flex> for Cpu {
    fn forward(
        &self,
        logits: &FlexTensor,
        targets: &FlexTensor,
        weights: Option<&FlexTensor>,
        label_smoothing: f64,
    ) -> Option<FlexTensor> {
        Some(loss_and_gradient(logits, targets, weights, label_smoothing).0)
    }

    fn forward_training(
        &self,
        logits: &FlexTensor,
        targets: &FlexTensor,
        weights: Option<&FlexTensor>,
        label_smoothing: f64,
    ) -> Option<(FlexTensor, Pullback<Flex, 1>)> {
        let (loss, of_logits) = loss_and_gradient(logits, targets, weights, label_smoothing);
        let pullback = Pullback::new(move |gradient| {
            let gradient = Flex::float_reshape(gradient, [1, 1].into());
            [Flex::float_mul(of_logits.clone(), gradient)]
        });
        Some((loss, pullback))
    }
}

fn loss_and_gradient(
    logits: &FlexTensor,
    targets: &FlexTensor,
    weights: Option<&FlexTensor>,
    label_smoothing: f64,
) -> (FlexTensor, FlexTensor) {
    let targets = targets.to_contiguous();
    let weights = weights.map(Numbers::of);
    let (loss, gradient) = cross_entropy(
        &Numbers::of(logits),
        targets.storage(),
        weights.as_deref(),
        label_smoothing as f32,
    );
    (
        tensor(vec![loss], [1]),
        tensor(gradient, shape_of::<2>(logits)),
    )
}

/// The mean cross-entropy of the softmax of each row of `logits` with its target, each row times its weight, and the gradient of
/// that mean.
///
/// A target that is no class gives a loss that is not a number.
pub fn cross_entropy(
    logits: &[f32],
    targets: &[i32],
    weights: Option<&[f32]>,
    label_smoothing: f32,
) -> (f32, Vec<f32>) {
    let rows = targets.len().max(1);
    let classes = logits.len() / rows;
    let mut gradient = logits.to_vec();
    let of_row = 1.0 / rows as f32;
    let mut sum = 0.0;
    // What each class has of a target, and what the target has beside that.
    let (spread, rest) = (
        label_smoothing / classes.max(1) as f32,
        1.0 - label_smoothing,
    );
    let each = gradient.chunks_exact_mut(classes.max(1)).zip(targets);
    for (number, (row, target)) in each.enumerate() {
        let weight = weights.map_or(1.0, |weights| weights[number]);
        let share = weight * of_row;
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut total = 0.0;
        let target = usize::try_from(*target).unwrap_or(usize::MAX);
        let mut aim = row.get(target).map_or(f32::NAN, |logit| logit - largest);
        if label_smoothing > 0.0 {
            let all: f32 = row.iter().map(|logit| logit - largest).sum();
            aim = aim * rest + all * spread;
        }
        for logit in row.iter_mut() {
            *logit = (*logit - largest).exp();
            total += *logit;
        }
        sum += (total.ln() - aim) * weight;
        let scale = share / total;
        for value in row.iter_mut() {
            *value = *value * scale - share * spread;
        }
        if let Some(value) = row.get_mut(target) {
            *value -= share * rest;
        }
    }
    (sum * of_row, gradient)
}
