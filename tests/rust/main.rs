//! The crate from outside, as a Rust program uses it. No Python anywhere.

#![cfg(feature = "cpu")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests fail by panicking"
)]

mod book;
mod config;
mod corpus;
mod interchange;
mod learner;
mod model;
mod optimizer;
mod panics;
mod plateau;
mod record;
mod start;

use mnistburn::data::{Dataset, mnist};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

/// The first test images of MNIST, as many as a test asks for.
fn images(count: usize) -> Dataset {
    static TEST: LazyLock<Dataset> = LazyLock::new(|| {
        mnist::test(&Path::new(env!("CARGO_MANIFEST_DIR")).join("python/mnistburn/data/mnist"))
            .unwrap()
    });
    TEST.subset(&(0..count).collect::<Vec<usize>>())
}

/// A file of `tests/fixtures`.
fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/fixtures")
        .join(name)
}
