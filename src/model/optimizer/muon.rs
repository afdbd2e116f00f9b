//! Muon for matrices, and `AdamW` for what is none.

use super::{Adaptor, OptimizerSettings};
use crate::config::{AdjustLrFn, MuonConfig};
use crate::device::AutodiffBackend;
use crate::kernels::Operations;
use crate::kernels::optimizer::AdamW;
use burn::optim::momentum::MomentumState;
use burn::optim::{
    AdamWState, AdaptiveMomentumState, LearningRate, Muon as BurnMuon, MuonState as BurnMuonState,
    SimpleOptimizer,
};
use burn::record::Record;
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;

/// Burn's Muon takes matrices alone; this one makes them of the weights of convolutions, and leaves all else to `AdamW`.
#[derive(Clone)]
pub struct Muon<B: BurnBackend> {
    /// Without weight decay, which has the learning rate that no shape has changed.
    matrices: BurnMuon<B>,
    penalty: Option<f32>,
    adjust_lr_fn: AdjustLrFn,
    others: AdamW,
}

/// What [`Muon`] keeps of a parameter: one of the two.
#[derive(Record, Clone)]
pub struct MuonState<B: BurnBackend, const D: usize> {
    /// Of a matrix.
    pub matrix: Option<MomentumState<B, 2>>,
    /// Of a vector.
    pub vector: Option<AdaptiveMomentumState<B, D>>,
}

/// Rows and columns of a parameter of two dimensions or more: those of a linear layer's weight are its inputs and outputs, and
/// a convolution's weight has a row for each output.
pub fn matrix_shape(shape: &[usize]) -> [usize; 2] {
    let rows = shape.first().copied().unwrap_or(1);
    [rows, shape.iter().skip(1).product()]
}

impl<B: Operations> SimpleOptimizer<B> for Muon<B> {
    type State<const D: usize> = MuonState<B, D>;

    fn step<const D: usize>(
        &self,
        learning_rate: LearningRate,
        parameter: Tensor<B, D>,
        gradient: Tensor<B, D>,
        state: Option<MuonState<B, D>>,
    ) -> (Tensor<B, D>, Option<MuonState<B, D>>) {
        if D < 2 {
            let state = state.and_then(|state| state.vector).map(AdamWState::new);
            let (parameter, state) =
                SimpleOptimizer::<B>::step(&self.others, learning_rate, parameter, gradient, state);
            let state = state.map(|state| MuonState {
                matrix: None,
                vector: Some(state.momentum),
            });
            return (parameter, state);
        }
        let shape = parameter.shape();
        let [rows, columns] = matrix_shape(&parameter.dims());
        // Burn takes rows for outputs, which they are in a convolution.
        let by_burn = self.adjust_lr_fn.factor(rows, columns);
        let factor = if D == 2 {
            self.adjust_lr_fn.factor(columns, rows)
        } else {
            by_burn
        };
        let mut matrix = parameter.reshape([rows, columns]);
        if let Some(penalty) = self.penalty {
            matrix = matrix.mul_scalar(1.0 - learning_rate * f64::from(penalty));
        }
        let state = state.and_then(|state| state.matrix).map(BurnMuonState::new);
        let (matrix, state) = self.matrices.step(
            learning_rate * (factor / by_burn),
            matrix,
            gradient.reshape([rows, columns]),
            state,
        );
        let state = state.map(|state| MuonState {
            matrix: Some(state.momentum),
            vector: None,
        });
        (matrix.reshape(shape), state)
    }

    fn to_device<const D: usize>(state: MuonState<B, D>, device: &B::Device) -> MuonState<B, D> {
        MuonState {
            matrix: state.matrix.map(|state| state.to_device(device)),
            vector: state.vector.map(|state| state.to_device(device)),
        }
    }
}

impl OptimizerSettings for MuonConfig {
    type Steps<B: Operations> = Muon<B>;

    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B> {
        let steps = Muon {
            matrices: self.to_burn().with_weight_decay(None).build(),
            penalty: self.weight_decay,
            adjust_lr_fn: self.adjust_lr_fn,
            others: AdamW::from(&self.adamw),
        };
        steps.into()
    }
}
