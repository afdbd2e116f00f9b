//! The loaders of a run.

use crate::config::TrainingConfig;
use crate::data::{Augmentation, DataLoader, Dataset, Order};
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
    let num_classes = config.model.num_classes();
    let weights = config.class_weights.as_ref();
    let weights = weights.map(|weights| weights.of_images(dataset.targets(), num_classes));
    Ok(loader(dataset, Order::Shuffled, config, device)
        .accumulating(config.grads_accumulation)
        .with_augmentation(augmentation.transpose()?)
        .with_weights(weights.transpose()?))
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
