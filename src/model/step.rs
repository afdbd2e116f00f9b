//! Burn's training and validation steps.

use super::loss::classification;
use crate::data::MnistBatch;
use crate::device::{AutodiffBackend, Backend};
use crate::network::AnyNetwork;
use burn::train::{ClassificationOutput, InferenceStep, TrainOutput, TrainStep};

impl<B: AutodiffBackend> TrainStep for AnyNetwork<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> TrainOutput<ClassificationOutput<B>> {
        let logits = self.logits(batch.images, Some(&batch.dropout));
        let item = classification(logits, batch.targets);
        // The gradients of the parts of a step add up to that of the whole.
        let loss = if batch.share < 1.0 {
            item.loss.clone() * batch.share
        } else {
            item.loss.clone()
        };
        TrainOutput::new(self, loss.backward(), item)
    }
}

impl<B: Backend> InferenceStep for AnyNetwork<B> {
    type Input = MnistBatch<B>;
    type Output = ClassificationOutput<B>;

    fn step(&self, batch: MnistBatch<B>) -> ClassificationOutput<B> {
        classification(self.logits(batch.images, None), batch.targets)
    }
}
