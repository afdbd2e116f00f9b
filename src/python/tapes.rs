//! Tapes of losses that nobody asked for their gradients.
//!
//! Freeing one computes, so it waits for the next work that leaves the interpreter: a destructor runs attached to it, and where
//! threads of the process may be missing after a fork.

use std::sync::{Mutex, PoisonError};

/// What frees a tape when it is dropped.
pub type Tape = Box<dyn Send>;

/// Locked by attached threads alone, never while they detach: a fork waits for the GIL, or stops them all, and finds it free.
static UNUSED: Mutex<Vec<Tape>> = Mutex::new(Vec::new());

/// Keeps a tape until the next work.
pub fn put_aside(tape: Tape) {
    UNUSED
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .push(tape);
}

/// The tapes that are to be freed.
pub fn unused() -> Vec<Tape> {
    std::mem::take(&mut *UNUSED.lock().unwrap_or_else(PoisonError::into_inner))
}
