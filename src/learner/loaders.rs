//! The loaders of a run.

use super::data::Data;
use super::ranks::Ranks;
use crate::config::TrainingConfig;
use crate::data::{Augmentation, DataLoader, Dataset, Order, total_weight};
use crate::device::Backend;
use crate::error::Result;
use burn::backend::Autodiff;
use std::sync::Arc;

/// Those of a run: one for each device, or in one of several processes for each part of a batch that it computes.
pub(super) struct Loaders<B: Backend> {
    pub train: Vec<Arc<DataLoader<Autodiff<B>>>>,
    /// One where no other process takes part.
    pub valid: Vec<Arc<DataLoader<B>>>,
    /// The device of each.
    pub devices: Vec<B::Device>,
}

impl<B: Backend> Loaders<B> {
    pub fn new(
        data: &Data,
        config: &TrainingConfig,
        devices: &[B::Device],
        ranks: Option<&Ranks>,
    ) -> Result<Self> {
        let (parts, num_parts) = match ranks {
            None => (0..devices.len(), devices.len()),
            Some(ranks) => (ranks.own_parts(), ranks.num_parts()),
        };
        // A rank has one device, which computes its parts one after the other.
        let devices: Vec<B::Device> = devices.iter().cycle().take(parts.len()).cloned().collect();
        let device = &devices[0];
        let train = training_loader(&data.train, config, device)?;
        let valid = validation_loader(&data.valid, config, device);
        Ok(Self {
            train: arcs(train.in_parts(&devices, parts.start, num_parts)),
            valid: arcs(match ranks {
                None => vec![valid],
                Some(_) => valid.in_parts(&devices, parts.start, num_parts),
            }),
            devices,
        })
    }
}

fn arcs<T>(all: Vec<T>) -> Vec<Arc<T>> {
    all.into_iter().map(Arc::new).collect()
}

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
fn validation_loader<B: Backend>(
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
