//! The use of a trained model.

use burn::data::dataloader::batcher::Batcher;
use burn::data::dataset::Dataset as _;
use burn::prelude::*;
use burn::record::{CompactRecorder, Recorder};
use mnistburn::data::Dataset;
use std::error::Error;

use crate::data::MnistBatcher;
use crate::training::TrainingConfig;

/// Prints the predicted class of each image.
pub fn infer<B: Backend>(
    artifact_dir: &str,
    device: &B::Device,
    images: &Dataset,
) -> Result<(), Box<dyn Error>> {
    let config = TrainingConfig::load(format!("{artifact_dir}/config.json"))?;
    let record = CompactRecorder::new().load(format!("{artifact_dir}/model").into(), device)?;
    let model = config.model.init::<B>(device).load_record(record);

    let batch = MnistBatcher.batch(images.iter().collect(), device);
    let output = model.forward(batch.images);
    let predicted = output.argmax(1).flatten::<1>(0, 1).into_data();

    println!(
        "{}",
        predicted
            .iter::<i64>()
            .map(|class| class.to_string())
            .collect::<Vec<_>>()
            .join(" ")
    );
    Ok(())
}
