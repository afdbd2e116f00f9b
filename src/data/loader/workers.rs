//! Threads that prepare batches ahead of the training.

use super::plan::EpochPlan;
use crate::data::MnistBatch;
use crate::device::Backend;
use crate::error::{Result, contain_panics};
use burn::tensor::backend::Backend as BurnBackend;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread::JoinHandle;

/// Batches that a worker prepares ahead of the training step.
const BATCHES_AHEAD: usize = 2;

/// A thread that prepares every so many batches.
pub(super) struct Worker<B: BurnBackend> {
    batches: Option<Receiver<Result<MnistBatch<B>>>>,
    thread: Option<JoinHandle<()>>,
}

impl<B: BurnBackend> Worker<B> {
    /// Its next batch; `None` where it has ended.
    pub fn receive(&self) -> Option<Result<MnistBatch<B>>> {
        self.batches.as_ref()?.recv().ok()
    }
}

impl<B: BurnBackend> Drop for Worker<B> {
    fn drop(&mut self) {
        // Without a receiver the worker's next send fails, and it ends.
        self.batches = None;
        if let Some(thread) = self.thread.take() {
            // A worker's panic has already shown as a missing batch.
            let _ = thread.join();
        }
    }
}

/// So many workers that prepare the batches from `first` on in turn; none where the system refuses a thread.
pub(super) fn spawn_workers<B: Backend>(
    plan: &Arc<EpochPlan<B>>,
    first: usize,
    count: usize,
) -> Vec<Worker<B>> {
    let num_batches = plan.num_batches();
    let workers: Vec<Worker<B>> = (0..count)
        .map_while(|number| {
            let (sender, receiver) = sync_channel(BATCHES_AHEAD);
            let plan = Arc::clone(plan);
            let work = move || {
                for batch in (first + number..num_batches).step_by(count) {
                    if sender.send(contain_panics(|| plan.batch(batch))).is_err() {
                        break;
                    }
                }
            };
            let name = format!("mnistburn-loader-{number}");
            let thread = std::thread::Builder::new().name(name).spawn(work).ok()?;
            Some(Worker {
                batches: Some(receiver),
                thread: Some(thread),
            })
        })
        .collect();
    // Where the system refuses a thread, the batches are prepared in line.
    if workers.len() == count {
        workers
    } else {
        Vec::new()
    }
}
