//! The loss.

use super::kernel::CrossEntropyKernel;
use super::operations::{Operations, are_single, float, primitive};
use super::tape::{Taped, inner, record};
use burn::backend::Autodiff;
use burn::nn::loss::CrossEntropyLossConfig;
use burn::tensor::activation::log_softmax;
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::ops::{FloatTensor, IntTensor};
use burn::tensor::{Int, Tensor};

/// What a cross-entropy is measured against, beside the targets.
#[derive(Clone, Debug)]
pub struct Weighting<B: BurnBackend> {
    /// The share of each target that is spread over all classes, in [0, 1).
    pub label_smoothing: f64,
    /// How much each image counts, `[batch_size]`; `None` for 1.
    pub weights: Option<Tensor<B, 1>>,
}

impl<B: BurnBackend> Default for Weighting<B> {
    fn default() -> Self {
        Self {
            label_smoothing: 0.0,
            weights: None,
        }
    }
}

/// The mean over the batch of the cross-entropy of softmax, `[1]`: the sum of the images' losses, each times its weight, over their
/// number.
///
/// # Shapes
///
/// - logits: `[batch_size, num_classes]`
/// - targets: `[batch_size]`
pub fn cross_entropy<B: Operations>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    weighting: Weighting<B>,
) -> Tensor<B, 1> {
    let mut floats = vec![primitive(logits.clone())];
    floats.extend(weighting.weights.clone().map(primitive));
    let kernel = B::kernels().cross_entropy.filter(|_| are_single(&floats));
    let loss = kernel.and_then(|kernel| {
        let targets = targets.clone().into_primitive();
        kernel.forward(
            &floats[0],
            &targets,
            floats.get(1),
            weighting.label_smoothing,
        )
    });
    match loss {
        Some(loss) => float(loss),
        None => standard(logits, targets, weighting),
    }
}

/// By Burn's own operations.
pub(super) fn standard<B: Operations>(
    logits: Tensor<B, 2>,
    targets: Tensor<B, 1, Int>,
    weighting: Weighting<B>,
) -> Tensor<B, 1> {
    if weighting.label_smoothing == 0.0 && weighting.weights.is_none() {
        let loss = CrossEntropyLossConfig::new().init(&logits.device());
        return loss.forward(logits, targets);
    }
    let [images, _] = logits.dims();
    let logarithms = log_softmax(logits, 1);
    let of_targets = logarithms.clone().gather(1, targets.reshape([images, 1]));
    let of_all = logarithms.mean_dim(1);
    let share = weighting.label_smoothing;
    let losses = (of_targets * (1.0 - share) + of_all * share)
        .reshape([images])
        .neg();
    match weighting.weights {
        Some(weights) => (losses * weights).mean(),
        None => losses.mean(),
    }
}

impl<B: Operations> CrossEntropyKernel<Autodiff<B>> for Taped {
    fn forward(
        &self,
        logits: &FloatTensor<Autodiff<B>>,
        targets: &IntTensor<B>,
        weights: Option<&FloatTensor<Autodiff<B>>>,
        label_smoothing: f64,
    ) -> Option<FloatTensor<Autodiff<B>>> {
        let kernel = B::kernels().cross_entropy?;
        let input = [logits.clone()];
        let [inner] = inner(&input);
        // No gradient goes to weights.
        let weights = weights.map(|weights| &weights.primitive);
        let (loss, pullback) =
            kernel.forward_training(&inner, targets, weights, label_smoothing)?;
        Some(record(&input, loss, pullback))
    }
}
