//! An epoch under way, batch by batch.

use super::plan::EpochPlan;
use super::workers::{Worker, spawn_workers};
use crate::data::MnistBatch;
use crate::device::Backend;
use crate::error::{Error, contain_panics};
use burn::data::dataloader::{DataLoaderIterator, Progress};
use burn::tensor::backend::Backend as BurnBackend;
use std::sync::{Arc, Mutex, PoisonError};

/// The batches of an epoch, in their order.
pub(super) struct EpochIterator<B: BurnBackend> {
    workers: Vec<Worker<B>>,
    plan: Arc<EpochPlan<B>>,
    first: usize,
    next: usize,
    num_batches: usize,
    fault: Arc<Mutex<Option<Error>>>,
}

impl<B: Backend> EpochIterator<B> {
    /// The batches from `first` on; `fault` is where an error goes that ends the epoch.
    pub fn start(
        plan: Arc<EpochPlan<B>>,
        first: usize,
        num_workers: usize,
        fault: Arc<Mutex<Option<Error>>>,
    ) -> Self {
        let num_batches = plan.num_batches();
        let left = num_batches.saturating_sub(first);
        Self {
            workers: spawn_workers(&plan, first, num_workers.min(left)),
            plan,
            first,
            next: first,
            num_batches,
            fault,
        }
    }
}

impl<B: Backend> Iterator for EpochIterator<B> {
    type Item = MnistBatch<B>;

    /// The next batch. `None` before the epoch's end says that its images could not be read, which `fault` tells.
    fn next(&mut self) -> Option<MnistBatch<B>> {
        if self.next >= self.num_batches {
            return None;
        }
        let batch = if self.workers.is_empty() {
            contain_panics(|| self.plan.batch(self.next))
        } else {
            let worker = (self.next - self.first) % self.workers.len();
            self.workers[worker].receive()?
        };
        match batch {
            Ok(batch) => {
                self.next += 1;
                Some(batch)
            }
            Err(error) => {
                *self.fault.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                self.num_batches = self.next;
                None
            }
        }
    }
}

impl<B: Backend> DataLoaderIterator<MnistBatch<B>> for EpochIterator<B> {
    fn progress(&self) -> Progress {
        let total = self.plan.order.len();
        Progress::new((self.next * self.plan.batch_size).min(total), total)
    }
}
