//! Steps before the first one.

use super::epochs::Run;
use super::group::{Group, StepGradients};
use super::observer::tell;
use super::rule::Rule;
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::Metrics;
use crate::network::AnyNetwork;
use burn::data::dataloader::DataLoader as _;
use burn::module::AutodiffModule;
use burn::train::{InferenceStep, Interrupter};
use std::time::Instant;

/// Rounds of the warm-up on a GPU: in the first one kernels are compiled and tuned, and fusion settles on what to fuse after
/// it has seen a step again.
const WARM_UP_ROUNDS: usize = 3;

impl<B: AutodiffBackend> Run<B> {
    /// Does steps that leave no trace, so that the time of those that do says how fast training is.
    pub fn warm_up(
        &mut self,
        group: &Group<B>,
        model: &AnyNetwork<B>,
        interrupter: &Interrupter,
    ) -> Result<()> {
        if B::ON_HOST || group.steps() == 0 {
            return Ok(());
        }
        let message = "warm-up: kernels are compiled and tuned".into();
        tell(self.observer.as_mut(), message);
        let clock = Instant::now();
        let mut rule = Rule::new(&self.config)?;
        let mut model = model.clone();
        let mut metrics = Metrics::new();
        // A batch of another size takes kernels of its own.
        for step in [0, group.steps() - 1] {
            for _ in 0..WARM_UP_ROUNDS {
                if interrupter.should_stop() {
                    return Ok(());
                }
                let mut batches = group.batches(1, step);
                let done = group.step(&mut batches, &model)?;
                metrics.push(done.parts);
                // Alone: another rank may be told to stop in between.
                if let StepGradients::Sum(gradients, statistics) = done.gradients {
                    model = rule.update(model, 0.0, gradients, statistics);
                }
            }
        }
        let model = model.valid();
        for step in [0, self.valid_loaders[0].num_batches().saturating_sub(1)] {
            for _ in 0..WARM_UP_ROUNDS {
                if interrupter.should_stop() {
                    return Ok(());
                }
                for loader in &self.valid_loaders {
                    loader.start_at(1, step);
                    if let Some(batch) = loader.iter().next() {
                        metrics.push(vec![InferenceStep::step(&model, batch)]);
                    }
                }
            }
        }
        metrics.read()?;
        let seconds = clock.elapsed().as_secs_f64();
        self.history.warm_up_seconds += seconds;
        let message = format!("warm-up: done in {seconds:.1} s");
        tell(self.observer.as_mut(), message);
        Ok(())
    }
}
