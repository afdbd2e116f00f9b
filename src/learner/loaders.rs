//! The loaders of a run.

use crate::config::TrainingConfig;
use crate::data::{Augmentation, DataLoader, Dataset, Order, total_weight};
use crate::device::Backend;
use crate::error::Result;

/// The loader of the training images: shuffled, changed and weighted as the configuration has it.
pub(super) fn training_loader<B: Backend>(
    dataset: &Dataset,
    config: &TrainingConfig,
    device: &B::Device,
) -> Result<DataLoader<B>> {
    let augmentation = config
        .augmentation
        .map(|augmentation| Augmentation::new(&augmentation, dataset.shape(), config.seed));
    Ok(loader(dataset, Order::Shuffled, config, device)
        .accumulating(config.grads_accumulation)
        .with_augmentation(augmentation.transpose()?)
        .with_weights(weights_of(dataset, config)?))
}

/// How much each training image counts: its own weight times that of its class.
pub(super) fn weights_of(dataset: &Dataset, config: &TrainingConfig) -> Result<Option<Vec<f32>>> {
    let of_classes = match &config.class_weights {
        None => None,
        Some(weights) => Some(weights.of_images(dataset.targets(), config.model.num_classes())?),
    };
    let weights = match (dataset.weights(), of_classes) {
        (None, of_classes) => return Ok(of_classes),
        (Some(own), None) => own.to_vec(),
        (Some(own), Some(of_classes)) => {
            let products = own.iter().zip(of_classes);
            products.map(|(own, of_class)| own * of_class).collect()
        }
    };
    total_weight(&weights)?;
    Ok(Some(weights))
}

/// The loader of the validation images, whose order changes nothing but the rounding of a mean.
pub(super) fn validation_loader<B: Backend>(
    dataset: &Dataset,
    config: &TrainingConfig,
    device: &B::Device,
) -> DataLoader<B> {
    loader(dataset, Order::Sequential, config, device)
}

fn loader<B: Backend>(
    dataset: &Dataset,
    order: Order,
    config: &TrainingConfig,
    device: &B::Device,
) -> DataLoader<B> {
    let TrainingConfig {
        batch_size,
        num_workers,
        seed,
        ..
    } = *config;
    DataLoader::new(
        dataset.clone(),
        batch_size,
        num_workers,
        order,
        seed,
        device.clone(),
    )
    .limited(config.limited(dataset.len()))
}
