//! The MNIST images (LeCun, Cortes and Burges), from its four IDX files.

use super::{Dataset, read_idx};
use crate::error::Result;
use std::path::Path;

/// Names of the images and targets of one split.
type Files = [&'static str; 2];

const TRAIN: Files = ["train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"];
const TEST: Files = ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"];

/// The 60,000 training images from the files in `directory`.
pub fn train(directory: &Path) -> Result<Dataset> {
    load(directory, &TRAIN)
}

/// The 10,000 test images from the files in `directory`.
pub fn test(directory: &Path) -> Result<Dataset> {
    load(directory, &TEST)
}

fn load(directory: &Path, files: &Files) -> Result<Dataset> {
    let [images, targets] = files.map(|name| read_idx(&directory.join(name), None));
    Dataset::from_idx(images?, targets?)
}
