//! What an observer can see of a run beside the event that it is told of.

use super::average::WeightAverage;
use super::history::History;
use crate::config::NetworkConfig;
use crate::device::{AutodiffBackend, Device, in_turn};
use crate::error::Result;
use crate::model::{Classifier, boxed};
use crate::network::AnyNetwork;
use crate::record::About;
use burn::module::AutodiffModule;

/// A look at a run while its observer is told of an event. Nothing is copied or computed before it is asked for.
pub trait Moment {
    /// The model as it is, which is the moving average of its weights if the run keeps one; whoever keeps it keeps its parameters, which the next step then copies.
    fn model(&self) -> Result<(Box<dyn Classifier>, About)>;

    /// What was measured so far.
    fn history(&self) -> &History;
}

pub(super) struct RunMoment<'a, B: AutodiffBackend> {
    pub model: &'a AnyNetwork<B>,
    pub average: Option<&'a WeightAverage<B::InnerBackend>>,
    pub config: &'a NetworkConfig,
    pub device: Device,
    pub burn_device: &'a B::Device,
    pub about: &'a About,
    pub history: &'a History,
}

impl<B: AutodiffBackend> Moment for RunMoment<'_, B> {
    fn model(&self) -> Result<(Box<dyn Classifier>, About)> {
        let model = in_turn::<B, _>(self.burn_device, || match self.average {
            Some(average) => average.model().clone(),
            None => self.model.valid(),
        });
        let model = boxed(model, self.config.clone(), self.device, self.burn_device);
        Ok((model, self.about.clone()))
    }

    fn history(&self) -> &History {
        self.history
    }
}
