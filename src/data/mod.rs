//! Images and targets: reading, ordering, batching.

mod batcher;
mod dataset;
mod idx;
mod images;
mod loader;
pub mod mnist;

pub use batcher::{DropoutKey, MnistBatch, MnistBatcher};
pub use dataset::{Dataset, Sample, split_indices};
pub(crate) use idx::hexadecimal;
pub use idx::{IdxArray, read_idx};
pub use images::{PIXEL_MEAN, PIXEL_STD, normalise};
pub(crate) use images::{normalised_images, targets_tensor};
pub use loader::{DataLoader, Order, batch_order};

/// Rows and columns of an image.
pub const IMAGE_SIZE: usize = 28;
/// Pixels of an image.
pub const IMAGE_PIXELS: usize = IMAGE_SIZE * IMAGE_SIZE;
