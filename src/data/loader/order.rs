//! The order of images.

use crate::random::{Purpose, Stream};

/// The order of `length` images in an epoch: a function of (seed, epoch) alone.
pub fn batch_order(length: usize, seed: u64, epoch: u64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..length).collect();
    Stream::new(Purpose::Order, &[seed, epoch]).shuffle(&mut order);
    order
}

/// How a loader goes through its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// As they are.
    Sequential,
    /// By [`batch_order`].
    Shuffled,
}

impl Order {
    /// The order of `length` images in an epoch.
    pub(super) fn of(self, length: usize, seed: u64, epoch: u64) -> Vec<usize> {
        match self {
            Self::Sequential => (0..length).collect(),
            Self::Shuffled => batch_order(length, seed, epoch),
        }
    }
}
