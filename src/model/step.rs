//! Burn's training and validation steps.

use super::objective::{classification, of_part};
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
        let loss = of_part(item.loss.clone(), batch.share);
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
