//! Adam and `AdamW`, which keep the same.

use super::{Place, ReadState, State};
use crate::config::{AdamConfig, AdamWConfig};
use crate::device::Backend;
use crate::error::Result;
use crate::record::item::TensorItem;
use burn::optim::{AdamState, AdamWState, AdaptiveMomentumState};
use burn::tensor::backend::Backend as BurnBackend;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct AdaptiveItem<'a> {
    #[serde(borrow)]
    momentum: AdaptiveMomentumItem<'a>,
}

#[derive(Deserialize)]
pub(super) struct AdaptiveMomentumItem<'a> {
    time: u64,
    #[serde(borrow)]
    moment_1: TensorItem<'a>,
    #[serde(borrow)]
    moment_2: TensorItem<'a>,
    #[serde(borrow)]
    max_moment_2: Option<TensorItem<'a>>,
}

impl ReadState for AdamConfig {
    type Item<'a> = AdaptiveItem<'a>;

    fn state<B: Backend, const D: usize>(
        &self,
        item: AdaptiveItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        Ok(AdamState::new(place.moments(item.momentum, self.amsgrad)?))
    }
}

impl ReadState for AdamWConfig {
    type Item<'a> = AdaptiveItem<'a>;

    fn state<B: Backend, const D: usize>(
        &self,
        item: AdaptiveItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        Ok(AdamWState::new(place.moments(item.momentum, self.amsgrad)?))
    }
}

impl<B: BurnBackend> Place<'_, B> {
    pub(super) fn moments<const D: usize>(
        &self,
        item: AdaptiveMomentumItem<'_>,
        amsgrad: bool,
    ) -> Result<AdaptiveMomentumState<B, D>> {
        let time = self.steps(item.time)?;
        self.check_present(
            "max_moment_2",
            item.max_moment_2.is_some(),
            "amsgrad",
            amsgrad,
        )?;
        let mut momentum = AdaptiveMomentumState::new(
            time,
            self.tensor("moments", &item.moment_1)?,
            self.tensor("moments", &item.moment_2)?,
        );
        momentum.max_moment_2 = item
            .max_moment_2
            .map(|item| self.tensor("moments", &item))
            .transpose()?;
        Ok(momentum)
    }
}
