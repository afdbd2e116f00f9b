//! Where the computations of a loop of one's own are done.

use crate::device::in_turn;
use crate::kernels::Operations;
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::sync::{Mutex, OnceLock, PoisonError};

/// The pool that the first looping thread is one of.
static POOL: OnceLock<Option<ThreadPool>> = OnceLock::new();

/// Held by the thread whose work is in the pool of the process.
static TURN: Mutex<()> = Mutex::new(());

/// Does `work` on one of the threads that share it, where the host computes. Each of its parallel parts would else wait for them
/// to wake, some twenty in a training step.
///
/// Works of several threads take turns: a thread of the pool that waits for a part of one begins whatever else is to be done, and
/// a backward pass locks the tape of each other one, also of that which waits below it.
pub(super) fn on_worker<B: Operations, T: Send>(
    device: &B::Device,
    work: impl FnOnce() -> T + Send,
) -> T {
    if !B::ON_HOST {
        in_turn::<B, T>(device, work)
    } else if computes() {
        work()
    } else {
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        rayon::scope(|_| work())
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
