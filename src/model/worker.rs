//! Where the computations of a loop of one's own are done.

use crate::kernels::Operations;

/// Does `work` on one of the threads that share it, where the host computes. Each of its parallel parts would else wait for them
/// to wake, some twenty in a training step.
///
/// The work takes no lock that another caller may hold: a thread that waits for its part begins the work of others.
pub(super) fn on_worker<B: Operations, T: Send>(work: impl FnOnce() -> T + Send) -> T {
    if B::ON_HOST {
        rayon::scope(|_| work())
    } else {
        // Every thread has a queue of its own on a GPU.
        work()
    }
}
