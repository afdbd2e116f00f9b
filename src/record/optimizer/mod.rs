//! The state of an optimizer.

mod stepper;
#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests;

pub use stepper::StepperState;

use crate::config::{AdamConfig, AdamWConfig, OptimizerConfig, Precision, Recorder, SgdConfig};
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::kernels::Operations;
use crate::kernels::optimizer::{Adam, AdamW};
use crate::model::{OptimizerRecord, States};
use crate::network::{ParameterSpec, parameter_id};
use crate::record::content::Content;
use crate::record::encode::encode_item;
use crate::record::fault::fault;
use crate::record::item::{Name, TensorItem};
use burn::optim::momentum::MomentumState;
use burn::optim::record::AdaptorRecord;
use burn::optim::{AdamState, AdamWState, AdaptiveMomentumState, Sgd, SgdState, SimpleOptimizer};
use burn::record::{
    DoublePrecisionSettings, FullPrecisionSettings, HalfPrecisionSettings, PrecisionSettings,
    Record,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The bytes that Burn's recorder writes for the optimizer, its map sorted so that equal states give equal files.
pub(crate) fn encode_optimizer<B: AutodiffBackend>(
    record: OptimizerRecord<B>,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    match record {
        OptimizerRecord::Adam(states) => encode_states::<Adam, B>(states, recorder, precision),
        OptimizerRecord::AdamW(states) => encode_states::<AdamW, B>(states, recorder, precision),
        OptimizerRecord::Sgd(states) => {
            encode_states::<Sgd<B::InnerBackend>, B>(states, recorder, precision)
        }
    }
}

fn encode_states<O: SimpleOptimizer<B::InnerBackend>, B: AutodiffBackend>(
    states: States<O, B>,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    match precision {
        Precision::Half => encode_sorted::<O, B, HalfPrecisionSettings>(states, recorder),
        Precision::Full => encode_sorted::<O, B, FullPrecisionSettings>(states, recorder),
        Precision::Double => encode_sorted::<O, B, DoublePrecisionSettings>(states, recorder),
    }
}

fn encode_sorted<O, B, S>(states: States<O, B>, recorder: Recorder) -> Result<Vec<u8>>
where
    O: SimpleOptimizer<B::InnerBackend>,
    B: AutodiffBackend,
    S: PrecisionSettings,
{
    let item = <States<O, B> as Record<B>>::into_item::<S>(states);
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

/// Of Adam and `AdamW`.
#[derive(Deserialize)]
struct AdaptiveItem<'a> {
    #[serde(borrow)]
    momentum: AdaptiveMomentumItem<'a>,
}

#[derive(Deserialize)]
struct AdaptiveMomentumItem<'a> {
    time: u64,
    #[serde(borrow)]
    moment_1: TensorItem<'a>,
    #[serde(borrow)]
    moment_2: TensorItem<'a>,
    #[serde(borrow)]
    max_moment_2: Option<TensorItem<'a>>,
}

#[derive(Deserialize)]
struct SgdItem<'a> {
    #[serde(borrow)]
    momentum: Option<MomentumItem<'a>>,
}

#[derive(Deserialize)]
struct MomentumItem<'a> {
    #[serde(borrow)]
    velocity: TensorItem<'a>,
}

/// The parameter that a state is of.
struct Place<'a, B: Backend> {
    path: &'a Path,
    name: &'a str,
    shape: &'a [usize],
    device: &'a B::Device,
}

/// How the states of an optimizer of this configuration are read.
trait ReadState<O: SimpleOptimizer<B>, B: Backend> {
    type Item<'a>: Deserialize<'a>;

    fn state<const D: usize>(
        &self,
        item: Self::Item<'_>,
        place: &Place<'_, B>,
    ) -> Result<O::State<D>>;
}

impl<B: Operations> ReadState<Adam, B> for AdamConfig {
    type Item<'a> = AdaptiveItem<'a>;

    fn state<const D: usize>(
        &self,
        item: AdaptiveItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<AdamState<B, D>> {
        Ok(AdamState::new(place.moments(item.momentum, self.amsgrad)?))
    }
}

impl<B: Operations> ReadState<AdamW, B> for AdamWConfig {
    type Item<'a> = AdaptiveItem<'a>;

    fn state<const D: usize>(
        &self,
        item: AdaptiveItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<AdamWState<B, D>> {
        Ok(AdamWState::new(place.moments(item.momentum, self.amsgrad)?))
    }
}

impl<B: Backend> ReadState<Sgd<B>, B> for SgdConfig {
    type Item<'a> = SgdItem<'a>;

    /// Burn keeps a state of nothing for each parameter where there is no momentum.
    fn state<const D: usize>(
        &self,
        item: SgdItem<'_>,
        place: &Place<'_, B>,
    ) -> Result<SgdState<B, D>> {
        place.check_present(
            "velocity",
            item.momentum.is_some(),
            "momentum",
            self.momentum.is_some(),
        )?;
        let momentum = match item.momentum {
            None => None,
            Some(item) => Some(MomentumState::new(
                place.tensor("velocity", &item.velocity)?,
            )),
        };
        Ok(SgdState::new(momentum))
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
        OptimizerConfig::Adam(optimizer) => {
            decode_states::<Adam, B, _>(bytes, path, optimizer, parameters, device)
                .map(OptimizerRecord::Adam)
        }
        OptimizerConfig::AdamW(optimizer) => {
            decode_states::<AdamW, B, _>(bytes, path, optimizer, parameters, device)
                .map(OptimizerRecord::AdamW)
        }
        OptimizerConfig::Sgd(optimizer) => {
            decode_states::<Sgd<B::InnerBackend>, B, _>(bytes, path, optimizer, parameters, device)
                .map(OptimizerRecord::Sgd)
        }
    }
}

fn decode_states<O, B, C>(
    bytes: &[u8],
    path: &Path,
    optimizer: &C,
    parameters: &[ParameterSpec],
    device: &B::Device,
) -> Result<States<O, B>>
where
    O: SimpleOptimizer<B::InnerBackend>,
    B: AutodiffBackend,
    C: ReadState<O, B::InnerBackend>,
{
    // Four tensors at most for each parameter, and the names.
    let content = Content::of_bytes(
        bytes,
        path,
        4 * parameters.iter().map(ParameterSpec::len).sum::<usize>(),
    )?;
    let mut items: BTreeMap<Name<'_>, AdaptorItem<C::Item<'_>>> =
        content.item("an optimizer of this configuration")?;
    let mut states = States::<O, B>::new();
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
                AdaptorRecord::from_state(optimizer.state::<1>(item, &place)?)
            }
            (RankItem::Rank2(item), 2) => {
                AdaptorRecord::from_state(optimizer.state::<2>(item, &place)?)
            }
            (RankItem::Rank3(item), 3) => {
                AdaptorRecord::from_state(optimizer.state::<3>(item, &place)?)
            }
            (RankItem::Rank4(item), 4) => {
                AdaptorRecord::from_state(optimizer.state::<4>(item, &place)?)
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

impl<B: Backend> Place<'_, B> {
    fn moments<const D: usize>(
        &self,
        item: AdaptiveMomentumItem<'_>,
        amsgrad: bool,
    ) -> Result<AdaptiveMomentumState<B, D>> {
        let Self { path, name, .. } = self;
        let time = usize::try_from(item.time)
            .ok()
            .filter(|time| i32::try_from(*time).is_ok())
            .ok_or_else(|| {
                fault(
                    path,
                    &format!(
                        "the steps of {name} must be below 2^31, found {}",
                        item.time
                    ),
                )
            })?;
        self.check_present(
            "max_moment_2",
            item.max_moment_2.is_some(),
            "amsgrad",
            amsgrad,
        )?;
        let mut momentum = AdaptiveMomentumState::new(
            time,
            self.tensor("moments", &item.moment_1)?,
            self.tensor("moments", &item.moment_2)?,
        );
        momentum.max_moment_2 = item
            .max_moment_2
            .map(|item| self.tensor("moments", &item))
            .transpose()?;
        Ok(momentum)
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
