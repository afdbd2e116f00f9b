use super::{Place, ReadState, State};
use crate::config::AdaGradConfig;
use crate::device::Backend;
use crate::error::Result;
use crate::record::item::TensorItem;
use burn::optim::{AdaGradState, LrDecayState};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct AdaGradItem<'a> {
    #[serde(borrow)]
    lr_decay: LrDecayItem<'a>,
}

#[derive(Deserialize)]
struct LrDecayItem<'a> {
    time: u64,
    #[serde(borrow)]
    sum: TensorItem<'a>,
}

impl ReadState for AdaGradConfig {
    type Item<'a> = AdaGradItem<'a>;

    fn state<B: Backend, const D: usize>(
        &self,
        AdaGradItem { lr_decay }: AdaGradItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        let sum = place.tensor("sum", &lr_decay.sum)?;
        Ok(AdaGradState::new(LrDecayState::new(
            place.steps(lr_decay.time)?,
            sum,
        )))
    }
}
