//! Images and targets: reading, ordering, batching.

mod augmentation;
mod batcher;
mod dataset;
mod description;
mod digit;
mod fingerprint;
mod folder;
mod idx;
mod image_file;
mod images;
mod likeness;
mod loader;
pub mod mnist;
mod picture;
mod pixel_statistics;
mod plane;
mod split;
mod statistics;
mod strokes;
mod survey;
mod weights;

pub use crate::kernels::{
    DropoutKey, IMAGE_PIXELS, IMAGE_SIZE, ImageShape, Images, PIXEL_MEAN, PIXEL_STD, normalise,
};
pub use augmentation::{Augmentation, Scratch};
pub(crate) use augmentation::{flip, shift};
pub use batcher::{MnistBatch, MnistBatcher};
pub use dataset::{Dataset, Sample};
pub use description::{Description, Finding, Hashes};
pub use digit::{Prepared, prepare};
pub use folder::{
    Folder, Pictures, Wanted, class_names_of, is_called_picture, is_passed_over, part_named,
    pictures_below,
};
pub(crate) use idx::hexadecimal;
pub use idx::{IdxArray, read_idx};
pub use image_file::ImageFile;
pub(crate) use images::targets_tensor;
pub use likeness::{Origin, Unlike, unlike};
pub use loader::{DataLoader, Order, batch_order};
pub use picture::{Layout, Picture};
pub use pixel_statistics::pixel_statistics;
pub use split::split_indices;
pub use statistics::statistics_of;
pub use weights::{check_weights, total_weight};
