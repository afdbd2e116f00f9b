//! The guide network: its two convolutions with dropout, ReLU and pooling, and all of it without dropout.

#![allow(
    clippy::large_stack_arrays,
    clippy::similar_names,
    reason = "some 25 KB of the stack are in the cache; the two convolutions are told apart by their number"
)]

pub mod any_shape;
pub mod convolutions;
pub mod geometry;
pub mod images;
pub mod inference;
pub mod mnist;
pub mod parameters;
pub mod winograd;
