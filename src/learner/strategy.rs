//! The way into Burn's learner.

use super::epochs::{Outcome, Run};
use crate::config::LrSchedule;
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::model::ModelOptimizer;
use crate::network::AnyNetwork;
use burn::train::{
    Learner, LearningComponentsMarker, SupervisedLearningStrategy,
    SupervisedTrainingEventProcessor, TrainLoader, TrainingComponents, ValidLoader,
};
use std::sync::{Arc, Mutex, PoisonError};

/// The types that Burn's learner is made of.
pub(super) type Components<B> =
    LearningComponentsMarker<B, LrSchedule, AnyNetwork<B>, ModelOptimizer<B>>;

/// Trains on one device or several, and can stop and go on at any batch.
///
/// Burn's own `SingleDeviceTrainingStrategy` clones the model for every step, so that no parameter is ever updated in
/// place, and keeps the optimizer where only Burn's checkpointer reaches it. Here the strategy owns both. Burn's event
/// processor is started and ended but not fed: it copies every batch's output to a thread of its own.
pub(super) struct ResumableStrategy<B: AutodiffBackend> {
    run: Mutex<Option<Run<B>>>,
    outcome: Arc<Mutex<Option<Result<Outcome>>>>,
}

impl<B: AutodiffBackend> ResumableStrategy<B> {
    /// The strategy and the place where its outcome will be.
    pub fn new(run: Run<B>) -> (Self, Arc<Mutex<Option<Result<Outcome>>>>) {
        let outcome = Arc::new(Mutex::new(None));
        (
            Self {
                run: Mutex::new(Some(run)),
                outcome: Arc::clone(&outcome),
            },
            outcome,
        )
    }
}

impl<B: AutodiffBackend> SupervisedLearningStrategy<Components<B>> for ResumableStrategy<B> {
    /// Burn's default `train` calls this with `starting_epoch` 1: where the run goes on is for its [`Progress`] to say,
    /// as Burn's own way to load a checkpoint restores to the default device.
    fn fit(
        &self,
        components: TrainingComponents<Components<B>>,
        learner: Learner<Components<B>>,
        _dataloader_train: TrainLoader<Components<B>>,
        _dataloader_valid: ValidLoader<Components<B>>,
        _starting_epoch: usize,
    ) -> (
        AnyNetwork<B>,
        SupervisedTrainingEventProcessor<Components<B>>,
    ) {
        let model = learner.model();
        // Nobody else may hold the parameters: shared ones are copied at every step.
        drop(learner);
        let run = self
            .run
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(run) = run else {
            // Burn calls this once; the caller finds no second outcome.
            return (model, components.event_processor);
        };
        let (config, device) = (run.config.model.clone(), run.burn_devices[0].clone());
        let (model, outcome) = run.train(model, &components.interrupter);
        *self.outcome.lock().unwrap_or_else(PoisonError::into_inner) = Some(outcome);
        // Burn's signature wants a model also from a run that failed; nobody sees this one.
        let model = model.unwrap_or_else(|| AnyNetwork::init(&config, &device));
        (model, components.event_processor)
    }
}
