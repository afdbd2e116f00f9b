//! Where the computations of a loop of one's own are done.

use crate::kernels::Operations;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::OnceLock;

/// The pool that the first looping thread is one of.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Does `work` on one of the threads that share it, where the host computes. Each of its parallel parts would else wait for them
/// to wake, some twenty in a training step.
///
/// The work takes no lock that another caller may hold: a thread that waits for its part begins the work of others.
pub(super) fn on_worker<B: Operations, T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if B::ON_HOST && !computes() {
        rayon::scope(|_| work())
    } else {
        // Every thread has a queue of its own on a GPU.
        work()
    }
}

/// Whether the calling thread is one of those that compute.
///
/// The first that asks becomes one, of a pool of its own, and stays it: a step hands nothing over, and its numbers stay in the
/// caches of the same core. Others hand their work to the pool of the process, so that no thread costs others.
fn computes() -> bool {
    POOL.get_or_init(|| ThreadPoolBuilder::new().use_current_thread().build().ok());
    rayon::current_thread_index().is_some()
}
