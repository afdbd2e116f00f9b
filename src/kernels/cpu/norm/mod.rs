//! Normalisations: of groups of channels within an image, and of channels over a batch.

mod batch;
mod group;
mod rows;

pub use batch::{lines_of, write_lines};
pub use group::Norm;
pub use rows::Line;
