//! The threads that compute a run.

use crate::error::{Error, Result};
use std::num::NonZeroUsize;

/// Does `work` in a pool of its own, of `threads` threads or as many as Rayon chooses: `RAYON_NUM_THREADS`, else one for each
/// core.
///
/// The thread that goes through the steps is one of the pool, and so computes as well. A pool of the whole process would be
/// of a size that is settled once, and would not survive a fork.
pub(super) fn in_pool<T: Send>(
    threads: Option<NonZeroUsize>,
    work: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.map_or(0, NonZeroUsize::get))
        .thread_name(|number| format!("mnistburn-{number}"))
        .build();
    let pool = pool.map_err(|error| {
        Error::Training(format!(
            "the threads of a run must be had from the system, and {error}; set threads to a smaller number"
        ))
    })?;
    pool.install(work)
}
