//! Burn's training and validation steps.

use super::objective::{Objective, classification, of_part};
use crate::data::MnistBatch;
use crate::device::{AutodiffBackend, Backend};
use crate::network::{AnyNetwork, Statistics, TrainingPass};
use burn::optim::GradientsParams;
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

/// What a training step computes of a batch.
pub(crate) struct Computed<B: AutodiffBackend> {
    /// The gradients of the parameters.
    pub gradients: GradientsParams,
    /// The loss, and what it came from.
    pub item: ClassificationOutput<B>,
    /// What the batch leaves at batch normalisations.
    pub statistics: Statistics<B>,
}

impl<B: AutodiffBackend> AnyNetwork<B> {
    /// The forward and the backward pass of a batch.
    pub(crate) fn compute(&self, batch: MnistBatch<B>, objective: Objective) -> Computed<B> {
        let pass = TrainingPass::new(&batch.dropout);
        let logits = self.logits(batch.images, Some(&pass));
        let item = objective.classification(logits, batch.targets, batch.weights);
        let loss = of_part(item.loss.clone(), batch.share);
        Computed {
            gradients: GradientsParams::from_grads(loss.backward(), self),
            item,
            statistics: pass.into_statistics(),
        }
    }
}

/// Burn's own learner has no place for the statistics of a step, which batch normalisations need: what trains here calls
/// `compute`.
impl<B: AutodiffBackend> TrainStep for AnyNetwork<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> TrainOutput<ClassificationOutput<B>> {
        let Computed {
            gradients, item, ..
        } = self.compute(batch, Objective::default());
        TrainOutput {
            grads: gradients,
            item,
        }
    }
}

impl<B: Backend> InferenceStep for AnyNetwork<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> ClassificationOutput<B> {
        classification(self.logits(batch.images, None), batch.targets)
    }
}
