use super::decode::{TensorItem, decode, fault};
use super::encode::encode_item;
use crate::config::{ModelConfig, Precision, Recorder};
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::kernels::optimizer::Adam;
use crate::model::{Model, PARAMETER_NAMES, parameter_id, parameter_shapes};
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::AdaptorRecord;
use burn::optim::{AdamState, AdaptiveMomentumState, Optimizer};
use burn::record::{
    DoublePrecisionSettings, FullPrecisionSettings, HalfPrecisionSettings, PrecisionSettings,
    Record,
};
use burn::tensor::backend::Backend;
use burn::tensor::{Tensor, TensorData};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Burn's record of Adam's state.
pub(crate) type OptimizerRecord<B> =
    <OptimizerAdaptor<Adam, Model<B>, B> as Optimizer<Model<B>, B>>::Record;

/// The bytes that Burn's recorder writes for the optimizer, its map sorted so that equal states give equal files.
pub(crate) fn encode_optimizer<B: AutodiffBackend>(
    record: OptimizerRecord<B>,
    recorder: Recorder,
    precision: Precision,
) -> Result<Vec<u8>> {
    match precision {
        Precision::Half => encode_sorted::<B, HalfPrecisionSettings>(record, recorder),
        Precision::Full => encode_sorted::<B, FullPrecisionSettings>(record, recorder),
        Precision::Double => encode_sorted::<B, DoublePrecisionSettings>(record, recorder),
    }
}

fn encode_sorted<B: AutodiffBackend, S: PrecisionSettings>(
    record: OptimizerRecord<B>,
    recorder: Recorder,
) -> Result<Vec<u8>> {
    let item = <OptimizerRecord<B> as Record<B>>::into_item::<S>(record);
    encode_item::<B, S>(item.into_iter().collect::<BTreeMap<_, _>>(), recorder)
}

#[derive(Deserialize)]
enum AdaptorItem {
    V1(RankItem),
}

#[derive(Deserialize)]
enum RankItem {
    Rank1(AdamItem),
    Rank2(AdamItem),
    Rank4(AdamItem),
}

#[derive(Deserialize)]
struct AdamItem {
    momentum: MomentumItem,
}

#[derive(Deserialize)]
struct MomentumItem {
    time: u64,
    moment_1: TensorItem,
    moment_2: TensorItem,
    max_moment_2: Option<TensorItem>,
}

/// Parses the optimizer's state for a model of `config`, onto `device`.
pub(crate) fn decode_optimizer<B: AutodiffBackend>(
    bytes: &[u8],
    path: &Path,
    config: &ModelConfig,
    device: &B::Device,
) -> Result<OptimizerRecord<B>> {
    let mut items: BTreeMap<String, AdaptorItem> = decode(bytes, path)?;
    let mut record = OptimizerRecord::<B>::new();
    // Before its first step an optimizer has no state.
    if items.is_empty() {
        return Ok(record);
    }
    for (name, shape) in PARAMETER_NAMES.into_iter().zip(parameter_shapes(config)) {
        let id = parameter_id(name);
        let Some(AdaptorItem::V1(item)) = items.remove(&id.serialize()) else {
            return Err(fault(
                path,
                &format!("the optimizer's state must include {name}: it is missing"),
            ));
        };
        let entry = match (item, shape.len()) {
            (RankItem::Rank1(item), 1) => AdaptorRecord::from_state(
                item.state::<B::InnerBackend, 1>(name, &shape, path, device)?,
            ),
            (RankItem::Rank2(item), 2) => AdaptorRecord::from_state(
                item.state::<B::InnerBackend, 2>(name, &shape, path, device)?,
            ),
            (RankItem::Rank4(item), 4) => AdaptorRecord::from_state(
                item.state::<B::InnerBackend, 4>(name, &shape, path, device)?,
            ),
            _ => {
                return Err(fault(
                    path,
                    &format!("the moments of {name} must have the rank of its shape {shape:?}"),
                ));
            }
        };
        record.insert(id, entry);
    }
    match items.into_keys().next() {
        None => Ok(record),
        Some(stranger) => Err(fault(
            path,
            &format!("the optimizer's state names a parameter that the model lacks: {stranger:?}"),
        )),
    }
}

impl AdamItem {
    fn state<B: Backend, const D: usize>(
        self,
        name: &str,
        shape: &[usize],
        path: &Path,
        device: &B::Device,
    ) -> Result<AdamState<B, D>> {
        let tensor = |item: TensorItem| -> Result<Tensor<B, D>> {
            let (found, values) = item.values(name, path)?;
            if found != shape {
                return Err(fault(
                    path,
                    &format!(
                        "the moments of {name} must have the shape {shape:?}, found {found:?}"
                    ),
                ));
            }
            Ok(Tensor::from_data(TensorData::new(values, found), device))
        };
        let item = self.momentum;
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
        let mut momentum =
            AdaptiveMomentumState::new(time, tensor(item.moment_1)?, tensor(item.moment_2)?);
        momentum.max_moment_2 = item.max_moment_2.map(tensor).transpose()?;
        Ok(AdamState::new(momentum))
    }
}
