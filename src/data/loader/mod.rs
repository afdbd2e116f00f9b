//! Batches for training, in an order that follows from the seed.

mod iterator;
mod order;
mod plan;
mod workers;

pub use order::{Order, batch_order};

use super::images::ResidentImages;
use super::{Augmentation, Dataset, MnistBatch, MnistBatcher};
use crate::device::Backend;
use crate::error::Error;
use burn::data::dataloader::{DataLoader as BurnDataLoader, DataLoaderIterator};
use burn::tensor::backend::Backend as BurnBackend;
use iterator::EpochIterator;
use plan::{EpochPlan, Part};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// Burn's `DataLoader` with an order that depends on the seed and the epoch alone.
///
/// Each `iter` is the next epoch, from wherever [`start_at`](Self::start_at) put it. Worker *w* of *n* prepares the
/// batches *w*, *w* + *n*, ...; they are taken in turn, so their number changes nothing but the speed. For a GPU there are
/// no workers: a data set in memory is sent there, and a batch is gathered by its indices.
pub struct DataLoader<B: BurnBackend> {
    dataset: Dataset,
    /// Sent when the first epoch starts.
    resident: OnceLock<Option<ResidentImages<B>>>,
    batch_size: usize,
    /// Batches that make a step together.
    accumulated: usize,
    /// Images at most of an epoch.
    limit: usize,
    num_workers: usize,
    seed: u64,
    order: Order,
    augmentation: Option<Arc<Augmentation>>,
    /// Of each image of the data set.
    weights: Option<Arc<[f32]>>,
    device: B::Device,
    part: Part,
    next: Mutex<Position>,
    /// Why an epoch ended before its last batch.
    fault: Arc<Mutex<Option<Error>>>,
}

/// Where the next iteration starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Position {
    epoch: u64,
    batch: usize,
}

impl<B: Backend> DataLoader<B> {
    /// A loader over `dataset`; `seed` is that of the order and of the dropout keys.
    pub fn new(
        dataset: Dataset,
        batch_size: usize,
        num_workers: usize,
        order: Order,
        seed: u64,
        device: B::Device,
    ) -> Self {
        Self {
            resident: OnceLock::new(),
            dataset,
            batch_size: batch_size.max(1),
            accumulated: 1,
            limit: usize::MAX,
            num_workers: if B::ON_HOST { num_workers } else { 0 },
            seed,
            order,
            augmentation: None,
            weights: None,
            device,
            part: Part::WHOLE,
            next: Mutex::new(Position { epoch: 1, batch: 0 }),
            fault: Arc::default(),
        }
    }

    /// The same with images that are changed anew in each epoch.
    #[must_use]
    pub fn with_augmentation(mut self, augmentation: Option<Augmentation>) -> Self {
        self.augmentation = augmentation.map(Arc::new);
        self
    }

    /// The same with images that count as much as these weights say, one for each.
    #[must_use]
    pub fn with_weights(mut self, weights: Option<Vec<f32>>) -> Self {
        self.weights = weights.map(Arc::from);
        self
    }

    /// The same with so many batches that make a step together: the share of a batch is that in its step.
    #[must_use]
    pub fn accumulating(mut self, batches: usize) -> Self {
        self.accumulated = batches.max(1);
        self
    }

    /// The same with so many images at most in an epoch: the first of its order.
    #[must_use]
    pub fn limited(mut self, images: usize) -> Self {
        self.limit = images;
        self
    }

    /// The loaders of devices that take the parts of each batch from `first` on, of `count` parts; `batch_size` is at least
    /// `count`, so that only the last batch of an epoch may leave a device without an image.
    pub(crate) fn in_parts(self, devices: &[B::Device], first: usize, count: usize) -> Vec<Self> {
        if let [device] = devices
            && *device == self.device
            && count == 1
        {
            return vec![self];
        }
        let part = |(number, device): (usize, &B::Device)| Self {
            part: Part {
                number: first + number,
                count,
            },
            weights: self.weights.clone(),
            ..self.with(self.dataset.clone(), device.clone())
        };
        devices.iter().enumerate().map(part).collect()
    }

    /// Batches in an epoch.
    pub fn num_batches(&self) -> usize {
        self.epoch_len().div_ceil(self.batch_size)
    }

    /// Steps in an epoch.
    pub(crate) fn num_steps(&self) -> usize {
        self.num_batches().div_ceil(self.accumulated)
    }

    /// Batches that make a step together.
    pub(crate) fn accumulated(&self) -> usize {
        self.accumulated
    }

    /// Images in the first `batches` of an epoch, over all devices.
    pub(crate) fn images_in(&self, batches: usize) -> usize {
        batches
            .saturating_mul(self.batch_size)
            .min(self.epoch_len())
    }

    /// Images in an epoch.
    fn epoch_len(&self) -> usize {
        self.dataset.len().min(self.limit)
    }

    /// The next iteration is that of `epoch` (from 1), without its first `batches`.
    pub fn start_at(&self, epoch: u64, batches: usize) {
        *self.next.lock().unwrap_or_else(PoisonError::into_inner) = Position {
            epoch,
            batch: batches,
        };
    }

    /// Why an epoch ended before its last batch, if one did.
    pub(crate) fn fault(&self) -> Option<Error> {
        self.fault
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
    }

    fn with(&self, dataset: Dataset, device: B::Device) -> Self {
        let next = *self.next.lock().unwrap_or_else(PoisonError::into_inner);
        Self {
            part: self.part,
            accumulated: self.accumulated,
            limit: self.limit,
            next: Mutex::new(next),
            augmentation: self.augmentation.clone(),
            ..Self::new(
                dataset,
                self.batch_size,
                self.num_workers,
                self.order,
                self.seed,
                device,
            )
        }
    }
}

impl<B: Backend> BurnDataLoader<B, MnistBatch<B>> for DataLoader<B> {
    fn iter<'a>(&'a self) -> Box<dyn DataLoaderIterator<MnistBatch<B>> + 'a> {
        let start = {
            let mut next = self.next.lock().unwrap_or_else(PoisonError::into_inner);
            let start = *next;
            *next = Position {
                epoch: start.epoch + 1,
                batch: 0,
            };
            start
        };
        let mut order = self.order.of(self.dataset.len(), self.seed, start.epoch);
        order.truncate(self.limit);
        let plan = Arc::new(EpochPlan {
            dataset: self.dataset.clone(),
            resident: self
                .resident
                .get_or_init(|| match self.augmentation {
                    None => ResidentImages::send(&self.dataset, &self.device),
                    // The images of each epoch are others.
                    Some(_) => None,
                })
                .clone(),
            batcher: MnistBatcher {
                seed: self.seed,
                epoch: start.epoch,
                shape: self.dataset.shape(),
                augmentation: self.augmentation.clone(),
            },
            order,
            weights: self.weights.clone(),
            batch_size: self.batch_size,
            accumulated: self.accumulated,
            device: self.device.clone(),
            part: self.part,
        });
        let fault = Arc::clone(&self.fault);
        Box::new(EpochIterator::start(
            plan,
            start.batch,
            self.num_workers,
            fault,
        ))
    }

    fn num_items(&self) -> usize {
        self.epoch_len()
    }

    fn to_device(&self, device: &B::Device) -> Arc<dyn BurnDataLoader<B, MnistBatch<B>>> {
        Arc::new(self.with(self.dataset.clone(), device.clone()))
    }

    fn slice(&self, start: usize, end: usize) -> Arc<dyn BurnDataLoader<B, MnistBatch<B>>> {
        let indices: Vec<usize> = (start..end).collect();
        Arc::new(self.with(self.dataset.subset(&indices), self.device.clone()))
    }
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::config::{AugmentationConfig, ImageShape};
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;

    fn dataset(length: usize) -> Dataset {
        let targets: Vec<i64> = (0..length as i64).collect();
        let shape = ImageShape::MNIST;
        Dataset::new(vec![0; length * shape.len()], shape, &targets).unwrap()
    }

    fn loader(num_workers: usize) -> DataLoader<Flex> {
        DataLoader::new(dataset(23), 5, num_workers, Order::Shuffled, 9, FlexDevice)
    }

    fn indices(loader: &DataLoader<Flex>) -> Vec<Vec<u64>> {
        loader
            .iter()
            .map(|batch| batch.dropout.indices.to_vec())
            .collect()
    }

    #[test]
    fn workers_do_not_change_the_batches() {
        let expected: Vec<_> = (0..3).map(|_| indices(&loader(0))).collect();
        for num_workers in [1, 2, 4, 7] {
            let loader = loader(num_workers);
            assert_eq!(indices(&loader), expected[0], "{num_workers} workers");
        }
    }

    #[test]
    fn a_panic_of_a_worker_ends_the_epoch_and_is_told() {
        for num_workers in [0, 2] {
            // Too few weights, which no caller can pass: a batch with any other image panics.
            let broken = loader(num_workers).with_weights(Some(vec![1.0]));
            assert!(broken.iter().count() < 5);
            let fault = broken.fault().unwrap().to_string();
            assert!(fault.contains("index out of bounds"), "{fault}");
            assert_eq!(indices(&loader(num_workers)).concat().len(), 23);
        }
    }

    #[test]
    fn every_epoch_has_every_image_once_in_its_own_order() {
        let loader = loader(2);
        let (first, second) = (indices(&loader).concat(), indices(&loader).concat());
        assert_ne!(first, second);
        for mut epoch in [first, second] {
            epoch.sort_unstable();
            assert_eq!(epoch, (0..23).collect::<Vec<u64>>());
        }
    }

    #[test]
    fn an_epoch_continues_where_it_is_told_to() {
        let whole = loader(3);
        whole.start_at(4, 0);
        let whole = indices(&whole);
        for done in 0..=5 {
            let rest = loader(3);
            rest.start_at(4, done);
            assert_eq!(indices(&rest), whole[done..], "after {done} batches");
        }
    }

    #[test]
    fn devices_share_each_batch_without_a_gap() {
        let whole = indices(&loader(0));
        for count in 1..=5 {
            let parts: Vec<_> = loader(2)
                .in_parts(&vec![FlexDevice; count], 0, count)
                .iter()
                .map(indices)
                .collect();
            for (number, batch) in whole.iter().enumerate() {
                let together: Vec<u64> = parts
                    .iter()
                    .filter_map(|part| part.get(number))
                    .flatten()
                    .copied()
                    .collect();
                assert_eq!(&together, batch, "batch {number} of {count} devices");
            }
        }
    }

    #[test]
    fn devices_that_share_a_batch_change_its_images_as_one_does() {
        let noise = AugmentationConfig {
            noise: 0.5,
            ..AugmentationConfig::default()
        };
        let augmented = || {
            let augmentation = Augmentation::new(&noise, ImageShape::MNIST, 9).unwrap();
            loader(0).with_augmentation(Some(augmentation))
        };
        let images = |loader: &DataLoader<Flex>| -> Vec<Vec<f32>> {
            loader
                .iter()
                .map(|batch| batch.images.normalised().into_data().into_vec().unwrap())
                .collect()
        };
        let parts: Vec<_> = augmented()
            .in_parts(&[FlexDevice; 2], 0, 2)
            .iter()
            .map(images)
            .collect();
        let whole = images(&augmented());
        assert!(
            whole[0]
                .iter()
                .any(|pixel| (pixel - whole[0][0]).abs() > 0.1)
        );
        for (number, batch) in whole.iter().enumerate() {
            assert_eq!(
                &[parts[0][number].as_slice(), &parts[1][number]].concat(),
                batch
            );
        }
    }

    #[test]
    fn a_loader_dropped_in_the_middle_ends_its_workers() {
        let loader = loader(4);
        let mut iterator = loader.iter();
        assert!(iterator.next().is_some());
        drop(iterator);
    }
}
