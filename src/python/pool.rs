//! The threads that compute.
//!
//! Burn computes in Rayon's global pool, which does not survive a fork: a child would wait for ever for threads that
//! only its parent has. Python forks often (`multiprocessing`, pre-forking servers), so a child of a process that has
//! computed gets a pool for each call.

use crate::error::{Error, Result, contain_panics};
use rayon::ThreadPoolBuilder;
use std::sync::atomic::{AtomicU32, Ordering};

/// The process that the global pool belongs to; 0 before anything was computed.
static OWNER: AtomicU32 = AtomicU32::new(0);
/// Work that the owner is at. A child inherits the count of the moment of the fork.
static ACTIVE: AtomicU32 = AtomicU32::new(0);

/// Whether this is a child of a process that has computed: the global pool is not its own.
pub fn is_child() -> bool {
    let owner = OWNER.load(Ordering::Relaxed);
    owner != 0 && owner != std::process::id()
}

/// Does `work` where its parallel parts find threads of this process.
pub fn in_pool<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let process = std::process::id();
    let owner = OWNER.compare_exchange(0, process, Ordering::Relaxed, Ordering::Relaxed);
    if owner.is_ok() || owner == Err(process) {
        ACTIVE.fetch_add(1, Ordering::Relaxed);
        let result = contain_panics(work);
        ACTIVE.fetch_sub(1, Ordering::Relaxed);
        return result;
    }
    if ACTIVE.load(Ordering::Relaxed) > 0 {
        // Whatever lock the parent's other threads held stays locked here.
        return Err(Error::Device(
            "a process can compute only if its parent was not computing when it was forked, and this one's was; start it with \
             multiprocessing's \"spawn\" method, or before the training"
                .into(),
        ));
    }
    // Not one pool for all calls: a callback that predicts would wait for the training that waits for the callback.
    let pool = ThreadPoolBuilder::new()
        .build()
        .map_err(|error| Error::Internal(format!("no threads could be started: {error}")))?;
    contain_panics(|| pool.install(work))
}
