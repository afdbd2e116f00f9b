//! The moving average of a run's weights.

use crate::device::Backend;
use crate::network::AnyNetwork;

/// An exponential moving average of the weights, and of the running statistics with them (Polyak and Juditsky, 1992).
pub(super) struct WeightAverage<B: Backend> {
    decay: f64,
    model: AnyNetwork<B>,
}

impl<B: Backend> WeightAverage<B> {
    /// The average of the steps before, which is the initial model where there are none.
    pub fn new(decay: f64, model: AnyNetwork<B>) -> Self {
        Self { decay, model }
    }

    pub fn model(&self) -> &AnyNetwork<B> {
        &self.model
    }

    pub fn into_model(self) -> AnyNetwork<B> {
        self.model
    }

    /// The average with the weights after a step, counted from 1 at the start of the run.
    #[must_use]
    pub fn update(self, weights: &AnyNetwork<B>, step: usize) -> Self {
        let share = 1.0 - decay_at(self.decay, step);
        Self {
            decay: self.decay,
            model: self.model.lerp(weights, share),
        }
    }
}

/// The decay at a step: less at first, so that a short run's average forgets the initial weights, as in TensorFlow's
/// `ExponentialMovingAverage` with `num_updates`.
fn decay_at(decay: f64, step: usize) -> f64 {
    let step = step as f64;
    decay.min((1.0 + step) / (10.0 + step))
}

#[cfg(test)]
mod tests {
    use super::decay_at;

    #[test]
    fn the_decay_grows_to_its_value() {
        let decays: Vec<f64> = [1, 8, 90, 1_000].map(|step| decay_at(0.9, step)).into();
        assert_eq!(decays, [2.0 / 11.0, 0.5, 0.9, 0.9]);
    }
}
