//! Doors for fuzzing, which sees only what is public: records of a checkpoint, read as a run that goes on reads them and written
//! again.

use super::{decode_optimizer, decode_scheduler, encode_optimizer, encode_scheduler};
use crate::config::{NetworkConfig, OptimizerConfig, Precision, Recorder, TrainingConfig};
use crate::error::Result;
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::lr_scheduler::LrScheduler;
use burn::optim::Optimizer;
use std::path::Path;

/// The state of an optimizer in bincode.
pub fn optimizer_again(
    bytes: &[u8],
    optimizer: &OptimizerConfig,
    model: &NetworkConfig,
) -> Result<Vec<u8>> {
    let path = Path::new("optim");
    let record = decode_optimizer::<Autodiff<Flex>>(
        bytes,
        path,
        optimizer,
        &model.parameters(),
        &FlexDevice,
    )?;
    let restored = optimizer.init().restore(record)?;
    encode_optimizer(restored.to_record(), Recorder::Bin, Precision::Full)
}

/// The state of the learning-rate schedule of a run in bincode.
pub fn schedule_again(bytes: &[u8], config: &TrainingConfig) -> Result<Vec<u8>> {
    let schedule = config.schedule()?;
    let like = schedule.to_record::<Flex>();
    let state = decode_scheduler(bytes, Path::new("scheduler"), like)?;
    let restored = schedule.restore::<Flex>(state)?;
    // Whatever the state is, the run takes its next step from it.
    restored.clone().step();
    encode_scheduler::<Flex>(restored.to_record::<Flex>(), Recorder::Bin)
}
