//! The sum of the gradients of all ranks.

use super::super::ranks::Ranks;
use crate::error::{Error, Result};
use crate::model::Gradients;
use crate::network::{HostStatistics, Parameter, ParameterSpec};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

/// The gradients of a part of a batch, on their way to other ranks.
#[derive(Serialize, Deserialize)]
struct PartGradients {
    /// The numbers of all parameters, 32-bit floats, little-endian.
    values: ByteBuf,
    statistics: Vec<HostStatistics>,
}

impl From<Gradients> for PartGradients {
    fn from(gradients: Gradients) -> Self {
        Self {
            values: ByteBuf::from(
                flat(gradients.parameters)
                    .into_iter()
                    .flat_map(f32::to_le_bytes)
                    .collect::<Vec<u8>>(),
            ),
            statistics: gradients.statistics,
        }
    }
}

impl PartGradients {
    fn read(self, specs: &[ParameterSpec]) -> Result<Gradients> {
        let (numbers, _) = self.values.as_chunks();
        let values: Vec<f32> = numbers
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect();
        Ok(Gradients {
            parameters: unflattened(&values, specs)?,
            statistics: self.statistics,
        })
    }
}

/// The sum of the gradients of parts, in their order over all ranks: the same bits for any number of ranks.
pub(super) fn sum_in_order(
    ranks: &Ranks,
    own: Vec<Gradients>,
    specs: &[ParameterSpec],
) -> Result<Gradients> {
    let own: Vec<PartGradients> = own.into_iter().map(PartGradients::from).collect();
    let all = ranks.exchange(own)?.into_iter().flatten();
    let mut parts = all.map(|part| part.read(specs));
    let first = parts.next().transpose()?.unwrap_or_default();
    parts.try_fold(first, |sum, part| sum.plus(&part?))
}

/// The sum of the gradients of all ranks, as the communicator computes it; `own` is `None` on a rank that had no image.
pub(super) fn sum_of_ranks(
    ranks: &Ranks,
    own: Option<Gradients>,
    specs: &[ParameterSpec],
    has_statistics: bool,
) -> Result<Gradients> {
    let own = own.unwrap_or_else(|| Gradients {
        parameters: zeros(specs),
        statistics: Vec::new(),
    });
    let statistics = if has_statistics {
        pooled(ranks.exchange(own.statistics)?)?
    } else {
        Vec::new()
    };
    let mut values = flat(own.parameters);
    ranks.all_reduce(&mut values)?;
    Ok(Gradients {
        parameters: unflattened(&values, specs)?,
        statistics,
    })
}

/// The statistics of the parts of a batch together, in the order of the ranks.
fn pooled(all: Vec<Vec<HostStatistics>>) -> Result<Vec<HostStatistics>> {
    let of_rank = |statistics| Gradients {
        parameters: Vec::new(),
        statistics,
    };
    let mut parts = all.into_iter().map(of_rank);
    let first = parts.next().unwrap_or_default();
    let sum = parts.try_fold(first, |sum, part| sum.plus(&part))?;
    Ok(sum.statistics)
}

fn zeros(specs: &[ParameterSpec]) -> Vec<Parameter> {
    let zero = |spec: &ParameterSpec| Parameter {
        name: spec.name.clone(),
        shape: spec.shape.clone(),
        values: vec![0.0; spec.len()],
    };
    specs.iter().map(zero).collect()
}

fn flat(parameters: Vec<Parameter>) -> Vec<f32> {
    let length = parameters.iter().map(|gradient| gradient.values.len());
    let mut values = Vec::with_capacity(length.sum());
    for gradient in parameters {
        values.extend(gradient.values);
    }
    values
}

fn unflattened(values: &[f32], specs: &[ParameterSpec]) -> Result<Vec<Parameter>> {
    let expected: usize = specs.iter().map(ParameterSpec::len).sum();
    if values.len() != expected {
        return Err(Error::Internal(format!(
            "the gradients of another rank are {} numbers, and those of the model {expected}",
            values.len()
        )));
    }
    let mut rest = values;
    let parameter = |spec: &ParameterSpec| {
        let (own, others) = rest.split_at(spec.len());
        rest = others;
        Parameter {
            name: spec.name.clone(),
            shape: spec.shape.clone(),
            values: own.to_vec(),
        }
    };
    Ok(specs.iter().map(parameter).collect())
}
