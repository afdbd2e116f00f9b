//! The operations of the network that this crate computes itself.

pub mod dropout;
