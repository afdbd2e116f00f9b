//! The MNIST images (LeCun, Cortes and Burges), from its four IDX files.

use super::{Dataset, read_idx};
use crate::error::Result;
use std::path::Path;

/// Name and SHA-256 (of the uncompressed bytes) of the images and targets of one split.
struct Files {
    images: (&'static str, &'static str),
    targets: (&'static str, &'static str),
}

const TRAIN: Files = Files {
    images: (
        "train-images-idx3-ubyte.gz",
        "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    ),
    targets: (
        "train-labels-idx1-ubyte.gz",
        "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    ),
};

const TEST: Files = Files {
    images: (
        "t10k-images-idx3-ubyte.gz",
        "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    ),
    targets: (
        "t10k-labels-idx1-ubyte.gz",
        "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    ),
};

/// The 60,000 training images from the files in `directory`.
pub fn train(directory: &Path) -> Result<Dataset> {
    load(directory, &TRAIN)
}

/// The 10,000 test images from the files in `directory`.
pub fn test(directory: &Path) -> Result<Dataset> {
    load(directory, &TEST)
}

fn load(directory: &Path, files: &Files) -> Result<Dataset> {
    let read = |(name, sha256): (&str, &str)| read_idx(&directory.join(name), Some(sha256));
    Dataset::from_idx(read(files.images)?, read(files.targets)?)
}
