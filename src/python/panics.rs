//! What becomes of panics: the panicking call raises `InternalError`, and nothing is printed.

use pyo3::prelude::*;
use std::sync::{Mutex, Once, PoisonError};

static TEXTS: Mutex<Vec<String>> = Mutex::new(Vec::new());
/// More than this are not kept: a panic in a loop must not fill the memory.
const MOST: usize = 100;

/// Replaces the panic hook of this library, which would print to stderr; the interpreter's and other extensions' stay.
pub fn keep_quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        std::panic::set_hook(Box::new(|information| {
            let mut texts = TEXTS.lock().unwrap_or_else(PoisonError::into_inner);
            if texts.len() < MOST {
                let place = information
                    .location()
                    .map_or_else(String::new, ToString::to_string);
                let text = information.payload_as_str().unwrap_or("no message");
                texts.push(format!("a defect in mnistburn or Burn at {place}: {text}"));
            }
        }));
    });
}

/// Sends what was caught since the last call to the logger `mnistburn`.
pub fn report(py: Python<'_>) {
    let texts = std::mem::take(&mut *TEXTS.lock().unwrap_or_else(PoisonError::into_inner));
    for text in texts {
        // Without a logger there is nobody to tell.
        let _ = log(py, "error", &text);
    }
}

fn log(py: Python<'_>, level: &str, text: &str) -> PyResult<()> {
    let logger = py
        .import("logging")?
        .call_method1("getLogger", ("mnistburn",))?;
    logger.call_method1(level, ("%s", text))?;
    Ok(())
}
