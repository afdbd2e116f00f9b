//! When a run is out of time.

use std::time::{Duration, Instant};

/// When a run is out of time; that may be never.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Deadline(Option<Instant>);

impl Deadline {
    /// So many seconds from now.
    pub fn after(seconds: Option<f64>) -> Self {
        let wait = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
        // A time that the clock can't tell never comes.
        Self(wait.and_then(|wait| Instant::now().checked_add(wait)))
    }

    pub fn is_over(self) -> bool {
        self.0.is_some_and(|end| Instant::now() >= end)
    }
}
