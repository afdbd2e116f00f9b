//! What the environment asks for.

use super::{Level, VARIABLE};
use crate::error::{Error, Result};
use std::sync::LazyLock;

static CHOICE: LazyLock<std::result::Result<Option<Level>, String>> = LazyLock::new(choose);

/// What the environment variable [`VARIABLE`] asked for when this was first called: a level, the best where it is not set, and
/// `None` for Burn's own operations. An error says why it can't be had.
pub fn choice() -> Result<Option<Level>> {
    CHOICE.clone().map_err(Error::Device)
}

fn choose() -> std::result::Result<Option<Level>, String> {
    let available = || Level::ALL.into_iter().filter(|level| level.is_available());
    let Some(value) = std::env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(available().next_back());
    };
    let value = value.to_string_lossy();
    if value == "burn" {
        return Ok(None);
    }
    available()
        .find(|level| level.name() == value)
        .map(Some)
        .ok_or_else(|| {
            let names: Vec<&str> = available().map(Level::name).collect();
            format!(
                "the environment variable {VARIABLE} must be burn or one of the instruction sets of this processor, {}, got \
                 {value:?}; without it the best is taken",
                names.join(", ")
            )
        })
}
