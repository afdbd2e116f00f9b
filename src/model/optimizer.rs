//! Burn's optimizers for the network, behind one type, so that what trains it is compiled once.

use crate::config::OptimizerConfig;
use crate::device::AutodiffBackend;
use crate::error::{Error, Result};
use crate::kernels::optimizer::{Adam, AdamW};
use crate::network::AnyNetwork;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, MultiGradientsParams, Optimizer, Sgd};
use burn::record::Record;

type Adaptor<O, B> = OptimizerAdaptor<O, AnyNetwork<B>, B>;
/// Burn's record of the states of all parameters.
pub(crate) type States<O, B> = <Adaptor<O, B> as Optimizer<AnyNetwork<B>, B>>::Record;

/// An optimizer of the network, with its state.
#[derive(Clone)]
pub enum ModelOptimizer<B: AutodiffBackend> {
    /// See [`AdamConfig`](crate::config::AdamConfig).
    Adam(OptimizerAdaptor<Adam, AnyNetwork<B>, B>),
    /// See [`AdamWConfig`](crate::config::AdamWConfig).
    AdamW(OptimizerAdaptor<AdamW, AnyNetwork<B>, B>),
    /// See [`SgdConfig`](crate::config::SgdConfig).
    Sgd(OptimizerAdaptor<Sgd<B::InnerBackend>, AnyNetwork<B>, B>),
}

/// The state of a [`ModelOptimizer`]. Files hold what is in the variant, as Burn's optimizer of that kind writes it.
#[derive(Record)]
pub enum OptimizerRecord<B: AutodiffBackend> {
    /// That of Adam.
    Adam(States<Adam, B>),
    /// That of `AdamW`.
    AdamW(States<AdamW, B>),
    /// That of SGD.
    Sgd(States<Sgd<B::InnerBackend>, B>),
}

impl OptimizerConfig {
    /// The optimizer, without state.
    pub fn init<B: AutodiffBackend>(&self) -> ModelOptimizer<B> {
        match self {
            // The kernels clip while they step.
            Self::Adam(config) => ModelOptimizer::Adam(Adam::from(config).into()),
            Self::AdamW(config) => ModelOptimizer::AdamW(AdamW::from(config).into()),
            Self::Sgd(config) => ModelOptimizer::Sgd(config.to_burn().init()),
        }
    }
}

impl<B: AutodiffBackend> ModelOptimizer<B> {
    /// The optimizer in the state of a record, or an error if the record is that of another kind.
    pub fn restore(self, record: OptimizerRecord<B>) -> Result<Self> {
        match (self, record) {
            (Self::Adam(optimizer), OptimizerRecord::Adam(record)) => {
                Ok(Self::Adam(optimizer.load_record(record)))
            }
            (Self::AdamW(optimizer), OptimizerRecord::AdamW(record)) => {
                Ok(Self::AdamW(optimizer.load_record(record)))
            }
            (Self::Sgd(optimizer), OptimizerRecord::Sgd(record)) => {
                Ok(Self::Sgd(optimizer.load_record(record)))
            }
            _ => Err(Error::Record(
                "the state of an optimizer must be of its kind, found that of another".into(),
            )),
        }
    }
}

impl<B: AutodiffBackend> Optimizer<AnyNetwork<B>, B> for ModelOptimizer<B> {
    type Record = OptimizerRecord<B>;

    fn step(&mut self, lr: f64, module: AnyNetwork<B>, grads: GradientsParams) -> AnyNetwork<B> {
        match self {
            Self::Adam(optimizer) => optimizer.step(lr, module, grads),
            Self::AdamW(optimizer) => optimizer.step(lr, module, grads),
            Self::Sgd(optimizer) => optimizer.step(lr, module, grads),
        }
    }

    fn step_multi(
        &mut self,
        lr: f64,
        module: AnyNetwork<B>,
        grads: MultiGradientsParams,
    ) -> AnyNetwork<B> {
        match self {
            Self::Adam(optimizer) => optimizer.step_multi(lr, module, grads),
            Self::AdamW(optimizer) => optimizer.step_multi(lr, module, grads),
            Self::Sgd(optimizer) => optimizer.step_multi(lr, module, grads),
        }
    }

    fn to_record(&self) -> OptimizerRecord<B> {
        match self {
            Self::Adam(optimizer) => OptimizerRecord::Adam(optimizer.to_record()),
            Self::AdamW(optimizer) => OptimizerRecord::AdamW(optimizer.to_record()),
            Self::Sgd(optimizer) => OptimizerRecord::Sgd(optimizer.to_record()),
        }
    }

    /// Burn's signature knows no error: a record of another kind leaves the optimizer as it was. See
    /// [`restore`](ModelOptimizer::restore).
    fn load_record(self, record: OptimizerRecord<B>) -> Self {
        self.clone().restore(record).unwrap_or(self)
    }
}
