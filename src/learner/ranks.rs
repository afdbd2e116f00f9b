//! The processes that share the steps of a run.

use super::metrics::Read;
use crate::error::{Error, Result};
use crate::model::Measured;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::num::NonZeroUsize;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// What joins the processes, MPI for one: each is a rank, from 0. All of them do the same calls in the same order.
pub trait Communicator: Send + Sync {
    /// The number of this process.
    fn rank(&self) -> usize;

    /// How many there are.
    fn size(&self) -> usize;

    /// Replaces numbers by their sums over all ranks, the same bits on each.
    fn all_reduce(&self, values: &mut [f32]) -> Result<()>;

    /// What each rank passed, in their order.
    fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>>;
}

/// The processes that share a run. One of them that fails tells the others, so that none waits for it.
pub struct Ranks {
    communicator: Box<dyn Communicator>,
    /// Parts of a batch whose gradients are summed in their order.
    parts: Option<NonZeroUsize>,
    threads: Option<NonZeroUsize>,
    /// Whether all ranks know of a failure: nothing is exchanged after that.
    failed: AtomicBool,
}

/// What ends a run or has it saved, on any rank.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signals {
    /// Whether it is to stop.
    pub stop: bool,
    /// Whether that is for Ctrl-C or the like.
    pub interrupted: bool,
    /// Whether a checkpoint within the epoch is due.
    pub due: bool,
    /// Whether its time is over.
    pub over: bool,
}

#[derive(Serialize, Deserialize)]
enum Message<T> {
    Here(T),
    Failed(String),
}

impl Ranks {
    /// Ranks that a communicator joins.
    ///
    /// Each batch is cut into so many `parts`, a multiple of the number of ranks, whose gradients are summed in their order: then
    /// any number of ranks has the same bits. `None` cuts it into one part for each rank, and leaves the sum to the
    /// communicator. `threads` are those of this rank, where the configuration leaves that open.
    pub fn new(
        communicator: Box<dyn Communicator>,
        parts: Option<NonZeroUsize>,
        threads: Option<NonZeroUsize>,
    ) -> Result<Self> {
        let size = communicator.size();
        if let Some(parts) = parts.map(NonZeroUsize::get)
            && !parts.is_multiple_of(size)
        {
            return Err(Error::Config(format!(
                "parts must be a multiple of the number of ranks, {size}, got {parts}; use {} parts, or another number of ranks",
                parts.next_multiple_of(size)
            )));
        }
        Ok(Self {
            communicator,
            parts,
            threads,
            failed: AtomicBool::new(false),
        })
    }

    /// The threads of this rank, where the configuration leaves that open.
    pub(super) fn threads(&self) -> Option<NonZeroUsize> {
        self.threads
    }

    /// The number of this rank.
    pub(super) fn rank(&self) -> usize {
        self.communicator.rank()
    }

    /// Parts of a batch over all ranks.
    pub(super) fn num_parts(&self) -> usize {
        self.parts
            .map_or(self.communicator.size(), NonZeroUsize::get)
    }

    /// Those that this rank computes.
    pub(super) fn own_parts(&self) -> Range<usize> {
        let each = self.num_parts() / self.communicator.size();
        self.rank() * each..(self.rank() + 1) * each
    }

    /// Whether gradients are summed part by part.
    pub(super) fn is_ordered(&self) -> bool {
        self.parts.is_some()
    }

    /// Sums of numbers over all ranks. It comes right after an [`exchange`](Self::exchange), which tells whether all are there.
    pub(super) fn all_reduce(&self, values: &mut [f32]) -> Result<()> {
        self.communicator.all_reduce(values)
    }

    /// What each rank passed; an error where one of them has failed.
    pub(super) fn exchange<T: Serialize + DeserializeOwned>(&self, own: T) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for (rank, message) in self.gather(Message::Here(own))?.into_iter().enumerate() {
            match message {
                Message::Here(value) => all.push(value),
                Message::Failed(message) => return Err(self.failure(rank, &message)),
            }
        }
        Ok(all)
    }

    /// The result of this rank, or an error where another one has failed.
    pub fn settle<T>(&self, result: Result<T>) -> Result<T> {
        if self.failed.load(Ordering::Relaxed) {
            return result;
        }
        let own = match &result {
            Ok(_) => Message::Here(()),
            Err(error) => Message::Failed(error.to_string()),
        };
        let all = self.gather(own)?;
        let value = result.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
        for (rank, message) in all.into_iter().enumerate() {
            if let Message::Failed(message) = message {
                return Err(self.failure(rank, &message));
            }
        }
        Ok(value)
    }

    /// Refuses what is not the same on all ranks; `rule` opens the message.
    pub(super) fn check_same(&self, rule: &str, own: &str) -> Result<()> {
        let all = self.exchange(own.to_owned())?;
        match all.iter().position(|other| *other != all[0]) {
            None => Ok(()),
            Some(rank) => {
                // All ranks see it.
                self.failed.store(true, Ordering::Relaxed);
                Err(Error::Training(format!(
                    "{rule}, got {} on rank 0 and {} on rank {rank}",
                    all[0], all[rank]
                )))
            }
        }
    }

    /// What was measured of a step by all ranks, from what each part of this one left; `None` where it had no image.
    pub(super) fn join_step(&self, own: &[Read]) -> Result<Option<Measured>> {
        let measured: Vec<Measured> = own.iter().map(|read| read.measured).collect();
        let parts = self.exchange(measured)?.into_iter().flatten();
        Ok(mean(parts.filter(|part| part.images > 0)))
    }

    /// What any rank is told.
    pub(super) fn agree(&self, own: Signals) -> Result<Signals> {
        let all = self.exchange(own)?;
        // The clock of rank 0 is that of the run.
        let first = all.first().copied().unwrap_or(own);
        Ok(Signals {
            stop: all.iter().any(|signals| signals.stop),
            interrupted: all.iter().any(|signals| signals.interrupted),
            ..first
        })
    }

    fn gather<T: Serialize + DeserializeOwned>(&self, own: Message<T>) -> Result<Vec<Message<T>>> {
        let bytes = rmp_serde::to_vec(&own).map_err(|error| {
            Error::Internal(format!(
                "a message to other ranks can't be encoded: {error}"
            ))
        })?;
        let all = self.communicator.all_gather(bytes).inspect_err(|_| {
            // Nobody can be told.
            self.failed.store(true, Ordering::Relaxed);
        })?;
        let read = |bytes: Vec<u8>| {
            rmp_serde::from_slice(&bytes).map_err(|error| {
                Error::Internal(format!(
                    "a message of another rank can't be read: {error}; all ranks must run the same program"
                ))
            })
        };
        all.into_iter().map(read).collect()
    }

    fn failure(&self, rank: usize, message: &str) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        Error::Training(format!("rank {rank} failed: {message}"))
    }
}

/// What was measured of parts together, summed in their order; `None` without parts.
fn mean(parts: impl Iterator<Item = Measured>) -> Option<Measured> {
    let (images, loss, hits) = parts.fold((0, 0.0, 0), |(images, loss, hits), part| {
        (
            images + part.images,
            loss + part.loss * part.images as f64,
            hits + part.hits,
        )
    });
    (images > 0).then(|| Measured {
        images,
        loss: loss / images as f64,
        hits,
    })
}
