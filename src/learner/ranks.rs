//! The processes that share the steps of a run.

use super::history::Ended;
use super::metrics::Read;
use crate::device::without_turns;
use crate::error::{Error, Result};
use crate::model::Measured;
use serde::de::{DeserializeOwned, IgnoredAny};
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Signals {
    /// Why it is to stop: it is stopped or interrupted.
    pub stop: Option<Ended>,
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

    /// What the log of a run says of them; `mnistburn verify` looks for it.
    pub(super) fn message(&self) -> String {
        let (size, parts) = (self.communicator.size(), self.num_parts());
        format!("shared by {size} ranks, each batch in {parts} parts")
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
        without_turns(|| self.communicator.all_reduce(values))
    }

    /// What each rank passed; an error where one of them has failed.
    pub(super) fn exchange<T: Serialize + DeserializeOwned>(&self, own: T) -> Result<Vec<T>> {
        let mut all = Vec::new();
        for (rank, bytes) in self.gather(&Message::Here(own))?.iter().enumerate() {
            match read(bytes)? {
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
        let all = self.gather(&own)?;
        let value = result.inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
        for (rank, bytes) in all.iter().enumerate() {
            // What the others pass is theirs to say.
            if let Message::<IgnoredAny>::Failed(message) = read(bytes)? {
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
        let causes = || all.iter().filter_map(|signals| signals.stop);
        Ok(Signals {
            stop: causes()
                .find(|cause| *cause == Ended::Interrupted)
                .or_else(|| causes().next()),
            ..first
        })
    }

    fn gather<T: Serialize>(&self, own: &Message<T>) -> Result<Vec<Vec<u8>>> {
        let bytes = rmp_serde::to_vec(own).map_err(|error| {
            Error::Internal(format!(
                "a message to other ranks can't be encoded: {error}"
            ))
        })?;
        without_turns(|| self.communicator.all_gather(bytes)).inspect_err(|_| {
            // Nobody can be told.
            self.failed.store(true, Ordering::Relaxed);
        })
    }

    fn failure(&self, rank: usize, message: &str) -> Error {
        self.failed.store(true, Ordering::Relaxed);
        Error::Training(format!("rank {rank} failed: {message}"))
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<Message<T>> {
    rmp_serde::from_slice(bytes).map_err(|error| {
        Error::Internal(format!(
            "a message of another rank can't be read: {error}; all ranks must run the same program"
        ))
    })
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Barrier, Mutex};

    /// Ranks that are threads.
    struct Threads {
        rank: usize,
        shared: Arc<(Barrier, Mutex<Vec<Vec<u8>>>)>,
        size: usize,
    }

    impl Communicator for Threads {
        fn rank(&self) -> usize {
            self.rank
        }

        fn size(&self) -> usize {
            self.size
        }

        fn all_reduce(&self, values: &mut [f32]) -> Result<()> {
            let own = values.iter().flat_map(|value| value.to_le_bytes());
            let all = self.all_gather(own.collect())?;
            values.fill(0.0);
            for bytes in all {
                for (sum, value) in values.iter_mut().zip(bytes.as_chunks().0) {
                    *sum += f32::from_le_bytes(*value);
                }
            }
            Ok(())
        }

        fn all_gather(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>> {
            let (barrier, messages) = &*self.shared;
            messages.lock().unwrap()[self.rank] = bytes;
            barrier.wait();
            let all = messages.lock().unwrap().clone();
            barrier.wait();
            Ok(all)
        }
    }

    /// What `work` gives on each of so many ranks.
    fn on_ranks<T: Send>(size: usize, work: impl Fn(&Ranks) -> T + Sync) -> Vec<T> {
        let shared = Arc::new((Barrier::new(size), Mutex::new(vec![Vec::new(); size])));
        std::thread::scope(|scope| {
            let start = |rank| {
                let shared = Arc::clone(&shared);
                let work = &work;
                scope.spawn(move || {
                    let communicator = Threads { rank, shared, size };
                    work(&Ranks::new(Box::new(communicator), None, None).unwrap())
                })
            };
            let ranks: Vec<_> = (0..size).map(start).collect();
            ranks.into_iter().map(|rank| rank.join().unwrap()).collect()
        })
    }

    fn measured(images: usize, loss: f64, hits: usize) -> Read {
        Read {
            step: 1,
            learning_rate: 0.1,
            measured: Measured { images, loss, hits },
        }
    }

    #[test]
    fn a_failure_of_one_rank_is_that_of_all_and_nothing_is_exchanged_after_it() {
        let ended = on_ranks(3, |ranks| {
            let own = if ranks.rank() == 1 {
                Err(Error::Data("a picture is gone".into()))
            } else {
                ranks.exchange(7).map(drop)
            };
            // The rank that failed tells here; the others know, and would wait for ever.
            ranks.settle(own).unwrap_err().to_string()
        });
        assert_eq!(ended[1], "a picture is gone");
        for other in [0, 2] {
            assert_eq!(ended[other], "rank 1 failed: a picture is gone");
        }
    }

    #[test]
    fn what_differs_is_refused_on_all_ranks() {
        let refused = on_ranks(3, |ranks| {
            let own = if ranks.rank() == 2 { "b" } else { "a" };
            ranks
                .check_same("letters must be the same", own)
                .unwrap_err()
                .to_string()
        });
        let expected = "letters must be the same, got a on rank 0 and b on rank 2";
        assert!(refused.iter().all(|message| message == expected));
    }

    #[test]
    fn a_step_is_measured_over_the_images_of_all_ranks() {
        let joined = on_ranks(3, |ranks| {
            let own = [
                vec![measured(3, 1.0, 2)],
                Vec::new(),
                vec![measured(1, 5.0, 0)],
            ];
            ranks.join_step(&own[ranks.rank()]).unwrap()
        });
        let expected = Measured {
            images: 4,
            loss: 2.0,
            hits: 2,
        };
        assert!(joined.iter().all(|found| *found == Some(expected)));
    }

    #[test]
    fn any_rank_stops_all_and_the_clock_is_that_of_the_first() {
        let agreed = on_ranks(2, |ranks| {
            let own = Signals {
                stop: [Some(Ended::Stopped), Some(Ended::Interrupted)][ranks.rank()],
                due: ranks.rank() == 0,
                over: ranks.rank() == 1,
            };
            ranks.agree(own).unwrap()
        });
        let expected = Signals {
            stop: Some(Ended::Interrupted),
            due: true,
            over: false,
        };
        assert!(agreed.iter().all(|found| *found == expected));
    }

    #[test]
    fn parts_are_shared_out_in_the_order_of_ranks() {
        let of = |rank, size, parts: usize| {
            let shared = Arc::new((Barrier::new(1), Mutex::new(Vec::new())));
            let communicator = Box::new(Threads { rank, shared, size });
            Ranks::new(communicator, NonZeroUsize::new(parts), None)
        };
        assert_eq!(of(0, 2, 6).unwrap().own_parts(), 0..3);
        assert_eq!(of(1, 2, 6).unwrap().own_parts(), 3..6);
        assert_eq!(of(3, 4, 0).unwrap().own_parts(), 3..4);
        let refused = of(0, 4, 6).err().unwrap().to_string();
        assert!(refused.ends_with("got 6; use 8 parts, or another number of ranks"));
    }
}
