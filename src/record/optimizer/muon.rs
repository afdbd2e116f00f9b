use super::adam::AdaptiveMomentumItem;
use super::sgd::MomentumItem;
use super::{Place, ReadState, State};
use crate::config::MuonConfig;
use crate::device::Backend;
use crate::error::Result;
use crate::model::{MuonState, matrix_shape};
use burn::optim::momentum::MomentumState;
use serde::Deserialize;

#[derive(Deserialize)]
pub(super) struct MuonItem<'a> {
    #[serde(borrow)]
    matrix: Option<MomentumItem<'a>>,
    #[serde(borrow)]
    vector: Option<AdaptiveMomentumItem<'a>>,
}

impl ReadState for MuonConfig {
    type Item<'a> = MuonItem<'a>;

    fn state<B: Backend, const D: usize>(
        &self,
        MuonItem { matrix, vector }: MuonItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>> {
        place.check_present(
            "velocity",
            matrix.is_some(),
            "two dimensions or more",
            D > 1,
        )?;
        place.check_present("moment_1", vector.is_some(), "one dimension", D < 2)?;
        let flat = matrix_shape(place.shape);
        let of_matrix = Place {
            shape: &flat,
            ..*place
        };
        let matrix = matrix.map(|item| of_matrix.tensor("velocity", &item.velocity));
        let vector = vector.map(|item| place.moments(item, self.adamw.amsgrad));
        Ok(MuonState {
            matrix: matrix.transpose()?.map(MomentumState::new),
            vector: vector.transpose()?,
        })
    }
}
