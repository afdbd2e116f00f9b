//! Burn's optimizers for the network, behind one type, so that what trains it is compiled once.

mod adagrad;
mod adam;
mod muon;
mod rmsprop;
mod sgd;

pub use muon::{MuonState, matrix_shape};

use crate::config::{OptimizerConfig, Settings, for_each_optimizer};
use crate::device::AutodiffBackend;
use crate::error::{Error, Result};
use crate::kernels::Operations;
use crate::network::AnyNetwork;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::{GradientsParams, MultiGradientsParams, Optimizer, SimpleOptimizer};
use burn::record::Record;
use burn::tensor::backend::AutodiffBackend as BurnAutodiffBackend;

/// What a configuration is to Burn.
pub trait OptimizerSettings: Settings {
    /// Its steps, of one parameter each.
    type Steps<B: Operations>: SimpleOptimizer<B>;

    /// The optimizer, without state.
    fn init<B: AutodiffBackend>(&self) -> Adaptor<Self, B>;
}

/// Burn's optimizer of the configuration `C`, for the network.
pub type Adaptor<C, B> = OptimizerAdaptor<Steps<C, B>, AnyNetwork<B>, B>;
/// Its steps, behind the tape.
type Steps<C, B> = <C as OptimizerSettings>::Steps<<B as BurnAutodiffBackend>::InnerBackend>;
/// Burn's record of the states of all parameters.
pub(crate) type States<C, B> = <Adaptor<C, B> as Optimizer<AnyNetwork<B>, B>>::Record;

macro_rules! model_optimizer {
    ($($kind:ident($config:ident);)+) => {
        /// An optimizer of the network, with its state.
        #[derive(Clone)]
        pub enum ModelOptimizer<B: AutodiffBackend> {
            $(
                #[doc = concat!("See [`", stringify!($config), "`](crate::config::", stringify!($config), ").")]
                $kind(Adaptor<crate::config::$config, B>),
            )+
        }

        /// The state of a [`ModelOptimizer`]. Files hold what is in the variant, as Burn's optimizer of that kind writes it.
        #[derive(Record)]
        pub enum OptimizerRecord<B: AutodiffBackend> {
            $(
                #[doc = concat!("That of [`", stringify!($kind), "`](ModelOptimizer::", stringify!($kind), ").")]
                $kind(States<crate::config::$config, B>),
            )+
        }

        impl OptimizerConfig {
            /// The optimizer, without state.
            pub fn init<B: AutodiffBackend>(&self) -> ModelOptimizer<B> {
                match self {
                    $(Self::$kind(config) => ModelOptimizer::$kind(OptimizerSettings::init(config)),)+
                }
            }
        }

        impl<B: AutodiffBackend> ModelOptimizer<B> {
            /// The optimizer in the state of a record, or an error if the record is that of another kind.
            pub fn restore(self, record: OptimizerRecord<B>) -> Result<Self> {
                match (self, record) {
                    $(
                        (Self::$kind(optimizer), OptimizerRecord::$kind(record)) => {
                            Ok(Self::$kind(optimizer.load_record(record)))
                        }
                    )+
                    _ => Err(Error::Record(
                        "the state of an optimizer must be of its kind, found that of another".into(),
                    )),
                }
            }
        }

        impl<B: AutodiffBackend> Optimizer<AnyNetwork<B>, B> for ModelOptimizer<B> {
            type Record = OptimizerRecord<B>;

            fn step(
                &mut self,
                lr: f64,
                module: AnyNetwork<B>,
                grads: GradientsParams,
            ) -> AnyNetwork<B> {
                match self {
                    $(Self::$kind(optimizer) => optimizer.step(lr, module, grads),)+
                }
            }

            fn step_multi(
                &mut self,
                lr: f64,
                module: AnyNetwork<B>,
                grads: MultiGradientsParams,
            ) -> AnyNetwork<B> {
                match self {
                    $(Self::$kind(optimizer) => optimizer.step_multi(lr, module, grads),)+
                }
            }

            fn to_record(&self) -> OptimizerRecord<B> {
                match self {
                    $(Self::$kind(optimizer) => OptimizerRecord::$kind(optimizer.to_record()),)+
                }
            }

            /// Burn's signature knows no error: a record of another kind leaves the optimizer as it was. See
            /// [`restore`](ModelOptimizer::restore).
            fn load_record(self, record: OptimizerRecord<B>) -> Self {
                self.clone().restore(record).unwrap_or(self)
            }
        }
    };
}
for_each_optimizer!(model_optimizer);
