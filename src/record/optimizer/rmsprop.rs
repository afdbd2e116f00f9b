use super::{Place, ReadState, State};
use crate::config::RmsPropConfig;
use crate::device::Backend;
use crate::error::Result;
use crate::record::item::TensorItem;
use burn::optim::{CenteredState, RmsPropMomentumState, RmsPropState, SquareAvgState};
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct RmsPropItem<'a> {
    #[serde(borrow)]
    square_avg: SquareAvgItem<'a>,
    #[serde(borrow)]
    centered: CenteredItem<'a>,
    #[serde(borrow)]
    momentum: Option<MomentumItem<'a>>,
}

#[derive(Deserialize)]
struct SquareAvgItem<'a> {
    #[serde(borrow)]
    square_avg: TensorItem<'a>,
}

#[derive(Deserialize)]
struct CenteredItem<'a> {
    #[serde(borrow)]
    grad_avg: Option<TensorItem<'a>>,
    #[serde(borrow)]
    avg: TensorItem<'a>,
}

#[derive(Deserialize)]
struct MomentumItem<'a> {
    #[serde(borrow)]
    buf: TensorItem<'a>,
}

impl ReadState for RmsPropConfig {
    type Item<'a> = RmsPropItem<'a>;

    fn state<B: Backend, const D: usize>(
        &self,
        item: RmsPropItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        let centered = item.centered;
        place.check_present(
            "grad_avg",
            centered.grad_avg.is_some(),
            "centered",
            self.centered,
        )?;
        place.check_present(
            "buf",
            item.momentum.is_some(),
            "momentum",
            self.momentum > 0.0,
        )?;
        let grad_avg = centered
            .grad_avg
            .map(|item| place.tensor("grad_avg", &item))
            .transpose()?;
        let momentum = match item.momentum {
            None => None,
            Some(item) => Some(RmsPropMomentumState::new(place.tensor("buf", &item.buf)?)),
        };
        Ok(RmsPropState::new(
            SquareAvgState::new(place.tensor("square_avg", &item.square_avg.square_avg)?),
            CenteredState::new(grad_avg, place.tensor("avg", &centered.avg)?),
            momentum,
        ))
    }
}
