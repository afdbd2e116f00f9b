//! Tapes of losses that nobody asked for their gradients.
//!
//! Freeing one computes, so it waits for the next work that leaves the interpreter: a destructor runs with the GIL, and where
//! threads of the process may be missing after a fork.

use std::sync::{Mutex, PoisonError};

/// What frees a tape when it is dropped.
pub type Tape = Box<dyn Send>;

/// Locked with the GIL alone, and never while it is released: no fork finds it locked.
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
