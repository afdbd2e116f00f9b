use super::{Place, ReadState, State};
use crate::config::SgdConfig;
use crate::device::Backend;
use crate::error::Result;
use crate::record::item::TensorItem;
use burn::optim::SgdState;
use burn::optim::momentum::MomentumState;
use serde::Deserialize;

// Without momentum nothing else would tell it from the state of another optimizer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SgdItem<'a> {
    #[serde(borrow)]
    momentum: Option<MomentumItem<'a>>,
}

#[derive(Deserialize)]
pub(super) struct MomentumItem<'a> {
    #[serde(borrow)]
    pub(super) velocity: TensorItem<'a>,
}

impl ReadState for SgdConfig {
    type Item<'a> = SgdItem<'a>;

    /// Burn keeps a state of nothing for each parameter where there is no momentum.
    fn state<B: Backend, const D: usize>(
        &self,
        item: SgdItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        place.check_present(
            "velocity",
            item.momentum.is_some(),
            "momentum",
            self.momentum.is_some(),
        )?;
        let momentum = match item.momentum {
            None => None,
            Some(item) => Some(MomentumState::new(
                place.tensor("velocity", &item.velocity)?,
            )),
        };
        Ok(SgdState::new(momentum))
    }
}
