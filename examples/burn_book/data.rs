//! Batches of images.

use burn::data::dataloader::batcher::Batcher;
use burn::prelude::*;
use mnistburn::data::Sample;

#[derive(Clone, Debug, Default)]
pub struct MnistBatcher;

#[derive(Clone, Debug)]
pub struct MnistBatch<B: Backend> {
    pub images: Tensor<B, 3>,
    pub targets: Tensor<B, 1, Int>,
}

impl<B: Backend> Batcher<B, Sample, MnistBatch<B>> for MnistBatcher {
    fn batch(&self, items: Vec<Sample>, device: &B::Device) -> MnistBatch<B> {
        let images = items
            .iter()
            .map(|item| TensorData::new(item.pixels.clone(), [1, 28, 28]).convert::<B::FloatElem>())
            .map(|data| Tensor::<B, 3>::from_data(data, device))
            .map(|tensor| ((tensor / 255) - 0.1307) / 0.3081)
            .collect();
        let targets = items
            .iter()
            .map(|item| Tensor::from_data([i64::from(item.target).elem::<B::IntElem>()], device))
            .collect();
        MnistBatch {
            images: Tensor::cat(images, 0),
            targets: Tensor::cat(targets, 0),
        }
    }
}
