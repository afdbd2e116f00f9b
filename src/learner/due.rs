//! When checkpoints within an epoch are due.

use std::time::{Duration, Instant};

/// A checkpoint within an epoch waits at least this many times as long as the last one took, so that those of a very large
/// model take no more than a twentieth of the time.
const TIMES_LAST_CHECKPOINT: u32 = 20;

/// When the next checkpoint within an epoch is due.
pub(super) struct Due {
    last: Instant,
    wait: Option<Duration>,
}

impl Due {
    /// After a checkpoint that was begun at `start`, or with the first step of a run, which comes after none.
    pub fn after(start: Instant, every: Option<f64>) -> Self {
        let took = start.elapsed();
        let wait = every.map(|seconds| {
            let seconds = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
            seconds.max(took.saturating_mul(TIMES_LAST_CHECKPOINT))
        });
        Self {
            last: Instant::now(),
            wait,
        }
    }

    pub fn is_now(&self) -> bool {
        self.wait.is_some_and(|wait| self.last.elapsed() >= wait)
    }
}
