//! The state of an optimizer.

mod adagrad;
mod adam;
mod muon;
mod rmsprop;
mod sgd;
mod stepper;
#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests;

pub use stepper::StepperState;

use crate::config::{OptimizerConfig, Precision, Recorder, for_each_optimizer};
use crate::device::{AutodiffBackend, Backend};
use crate::error::Result;
use crate::model::{OptimizerRecord, OptimizerSettings, States};
use crate::network::{ParameterSpec, parameter_id};
use crate::record::content::Content;
use crate::record::encode::encode_item;
use crate::record::fault::fault;
use crate::record::item::{Name, TensorItem};
use burn::optim::SimpleOptimizer;
use burn::optim::record::AdaptorRecord;
use burn::record::{
    DoublePrecisionSettings, FullPrecisionSettings, HalfPrecisionSettings, PrecisionSettings,
    Record,
};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

macro_rules! optimizer_records {
    ($($kind:ident($config:ident);)+) => {
        /// The bytes that Burn's recorder writes for the optimizer, its map sorted so that equal states give equal files.
        pub(crate) fn encode_optimizer<B: AutodiffBackend>(
            record: OptimizerRecord<B>,
            recorder: Recorder,
            precision: Precision,
        ) -> Result<Vec<u8>> {
            match record {
                $(
                    OptimizerRecord::$kind(states) => {
                        encode_states::<crate::config::$config, B>(states, recorder, precision)
                    }
                )+
            }
        }

        /// Parses the state of an optimizer of these parameters, onto `device`.
        pub(crate) fn decode_optimizer<B: AutodiffBackend>(
            bytes: &[u8],
            path: &Path,
            optimizer: &OptimizerConfig,
            parameters: &[ParameterSpec],
            device: &B::Device,
        ) -> Result<OptimizerRecord<B>> {
            match optimizer {
                $(
                    OptimizerConfig::$kind(optimizer) => {
                        decode_states::<_, B>(bytes, path, optimizer, parameters, device)
                            .map(OptimizerRecord::$kind)
                    }
                )+
            }
        }
    };
}
for_each_optimizer!(optimizer_records);

fn encode_states<C: OptimizerSettings, B: AutodiffBackend>(
    states: States<C, B>,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    match precision {
        Precision::Half => encode_sorted::<C, B, HalfPrecisionSettings>(states, recorder),
        Precision::Full => encode_sorted::<C, B, FullPrecisionSettings>(states, recorder),
        Precision::Double => encode_sorted::<C, B, DoublePrecisionSettings>(states, recorder),
    }
}

fn encode_sorted<C, B, S>(states: States<C, B>, recorder: Recorder) -> Result<Vec<u8>>
where
    C: OptimizerSettings,
    B: AutodiffBackend,
    S: PrecisionSettings,
{
    let item = <States<C, B> as Record<B>>::into_item::<S>(states);
    encode_item::<B, S>(item.into_iter().collect::<BTreeMap<_, _>>(), recorder)
}

#[derive(Deserialize)]
enum AdaptorItem<I> {
    V1(RankItem<I>),
}

/// Burn's ranks, all of them: bincode has their numbers.
#[derive(Deserialize)]
#[allow(dead_code, reason = "no parameter of the model has the other ranks")]
enum RankItem<I> {
    Rank0(I),
    Rank1(I),
    Rank2(I),
    Rank3(I),
    Rank4(I),
    Rank5(I),
    Rank6(I),
    Rank7(I),
    Rank8(I),
}

/// The parameter that a state is of.
struct Place<'a, B: BurnBackend> {
    path: &'a Path,
    name: &'a str,
    shape: &'a [usize],
    device: &'a B::Device,
}

/// How the states of an optimizer of this configuration are read.
trait ReadState: OptimizerSettings {
    /// The state of a parameter in a file.
    type Item<'a>: Deserialize<'a>;

    /// The state that a file has for the parameter at `place`.
    fn state<B: Backend, const D: usize>(
        &self,
        item: Self::Item<'_>,
        place: &Place<'_, B>,
    ) -> Result<State<Self, B, D>>;
}

/// What the optimizer of a configuration keeps of a parameter.
type State<C, B, const D: usize> =
    <<C as OptimizerSettings>::Steps<B> as SimpleOptimizer<B>>::State<D>;

fn decode_states<C, B>(
    bytes: &[u8],
    path: &Path,
    optimizer: &C,
    parameters: &[ParameterSpec],
    device: &B::Device,
) -> Result<States<C, B>>
where
    C: ReadState,
    B: AutodiffBackend,
{
    // Four tensors at most for each parameter, and the names.
    let content = Content::of_bytes(
        bytes,
        path,
        4 * parameters.iter().map(ParameterSpec::len).sum::<usize>(),
    )?;
    let mut items: BTreeMap<Name<'_>, AdaptorItem<C::Item<'_>>> =
        content.item("an optimizer of this configuration")?;
    let mut states = States::<C, B>::new();
    // Before its first step an optimizer has no state.
    if items.is_empty() {
        return Ok(states);
    }
    for parameter in parameters {
        let (name, shape) = (parameter.name.as_str(), parameter.shape.as_slice());
        let id = parameter_id(name);
        let Some(AdaptorItem::V1(item)) = items.remove(id.serialize().as_str()) else {
            return Err(fault(
                path,
                &format!("the optimizer's state must include {name}: it is missing"),
            ));
        };
        let place = Place {
            path,
            name,
            shape,
            device,
        };
        let entry = match (item, shape.len()) {
            (RankItem::Rank1(item), 1) => {
                AdaptorRecord::from_state(optimizer.state::<B::InnerBackend, 1>(item, &place)?)
            }
            (RankItem::Rank2(item), 2) => {
                AdaptorRecord::from_state(optimizer.state::<B::InnerBackend, 2>(item, &place)?)
            }
            (RankItem::Rank3(item), 3) => {
                AdaptorRecord::from_state(optimizer.state::<B::InnerBackend, 3>(item, &place)?)
            }
            (RankItem::Rank4(item), 4) => {
                AdaptorRecord::from_state(optimizer.state::<B::InnerBackend, 4>(item, &place)?)
            }
            _ => {
                return Err(fault(
                    path,
                    &format!("the state of {name} must have the rank of its shape {shape:?}"),
                ));
            }
        };
        states.insert(id, entry);
    }
    match items.into_keys().next() {
        None => Ok(states),
        Some(stranger) => Err(fault(
            path,
            &format!(
                "the optimizer's state names a parameter that the model lacks or that is frozen: {:?}",
                stranger.0.chars().take(40).collect::<String>()
            ),
        )),
    }
}

impl<B: BurnBackend> Place<'_, B> {
    /// A number of steps, which Burn counts in 31 bits.
    fn steps(&self, count: u64) -> Result<usize> {
        let steps = usize::try_from(count).ok();
        steps
            .filter(|steps| i32::try_from(*steps).is_ok())
            .ok_or_else(|| {
                fault(
                    self.path,
                    &format!(
                        "the steps of {} must be below 2^31, found {count}",
                        self.name
                    ),
                )
            })
    }

    fn tensor<const D: usize>(&self, what: &str, item: &TensorItem<'_>) -> Result<Tensor<B, D>> {
        let Self {
            path, name, shape, ..
        } = self;
        item.check(name, path)?;
        if item.shape != *shape {
            return Err(fault(
                path,
                &format!(
                    "the {what} of {name} must have the shape {shape:?}, found {:?}",
                    item.shape
                ),
            ));
        }
        Ok(Tensor::from_data(
            TensorData::new(item.values(), shape.to_vec()),
            self.device,
        ))
    }

    /// A step would go on without the part that is missing, and to other numbers.
    fn check_present(&self, part: &str, found: bool, option: &str, wanted: bool) -> Result<()> {
        if found == wanted {
            return Ok(());
        }
        let rule = if wanted { "have a" } else { "have no" };
        let because = if wanted { "with" } else { "without" };
        Err(fault(
            self.path,
            &format!(
                "the state of {} must {rule} {part} {because} {option}",
                self.name
            ),
        ))
    }
}
