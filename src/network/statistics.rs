//! What batch normalisations leave of a training step: the statistics of its batch, which become those of inference.

use super::batch_norm::BatchNorm;
use super::state::Path;
use super::{AnyNetwork, host_values};
use crate::error::Result;
use crate::kernels::{BatchMoments, DropoutKey};
use burn::module::{Module, ModuleMapper, Param};
use burn::tensor::backend::Backend as BurnBackend;
use burn::tensor::{Tensor, TensorData};
use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::collections::HashMap;

/// A forward pass of training.
#[derive(Debug)]
pub struct TrainingPass<'a, B: BurnBackend> {
    /// What the masks of dropout follow from.
    pub key: &'a DropoutKey,
    statistics: RefCell<Statistics<B>>,
}

/// The statistics of a batch, of each normalisation that it went through.
pub type Statistics<B> = Vec<LayerStatistics<B>>;

/// The statistics of a batch at one normalisation.
#[derive(Clone, Debug)]
pub struct LayerStatistics<B: BurnBackend> {
    /// Where the normalisation is, as in `blocks.0.batch_norm`.
    pub path: String,
    /// Mean and variance of each channel.
    pub moments: BatchMoments<B>,
    /// Values of a channel.
    pub count: usize,
}

/// The statistics of a batch at one normalisation as numbers on the host.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HostStatistics {
    /// Where the normalisation is.
    pub path: String,
    /// Mean of each channel.
    pub mean: Vec<f32>,
    /// Variance of each channel.
    pub variance: Vec<f32>,
    /// Values of a channel.
    pub count: usize,
}

impl<'a, B: BurnBackend> TrainingPass<'a, B> {
    /// A pass with dropout by the masks of `key`.
    pub fn new(key: &'a DropoutKey) -> Self {
        Self {
            key,
            statistics: RefCell::default(),
        }
    }

    /// Takes note of the statistics of a layer.
    pub fn leave(&self, statistics: LayerStatistics<B>) {
        self.statistics.borrow_mut().push(statistics);
    }

    /// The statistics of all layers.
    pub fn into_statistics(self) -> Statistics<B> {
        self.statistics.into_inner()
    }
}

impl<B: BurnBackend> LayerStatistics<B> {
    /// The statistics as numbers.
    pub fn read(self) -> Result<HostStatistics> {
        Ok(HostStatistics {
            path: self.path,
            mean: host_values(self.moments.mean.into_data())?,
            variance: host_values(self.moments.variance.into_data())?,
            count: self.count,
        })
    }
}

impl HostStatistics {
    /// The statistics on a device.
    pub fn send<B: BurnBackend>(self, device: &B::Device) -> LayerStatistics<B> {
        let tensor = |values: Vec<f32>| {
            let channels = values.len();
            Tensor::from_data(TensorData::new(values, [channels]), device)
        };
        LayerStatistics {
            path: self.path,
            moments: BatchMoments {
                mean: tensor(self.mean),
                variance: tensor(self.variance),
            },
            count: self.count,
        }
    }

    /// The statistics of two batches together (Chan et al., 1983).
    pub fn pool(&mut self, other: &Self) {
        let (ours, theirs) = (self.count as f64, other.count as f64);
        let share = theirs / (ours + theirs).max(1.0);
        for channel in 0..self.mean.len() {
            let (mean, variance) = (&mut self.mean[channel], &mut self.variance[channel]);
            let apart = f64::from(other.mean[channel]) - f64::from(*mean);
            let within =
                f64::from(*variance) * (1.0 - share) + f64::from(other.variance[channel]) * share;
            *variance = (within + apart * apart * share * (1.0 - share)) as f32;
            *mean = (f64::from(*mean) + apart * share) as f32;
        }
        self.count += other.count;
    }
}

/// The statistics of several batches together, each with those of the same layers.
pub fn pooled<B: BurnBackend>(
    batches: Vec<Statistics<B>>,
    device: &B::Device,
) -> Result<Statistics<B>> {
    let mut pooled: Vec<HostStatistics> = Vec::new();
    for (number, batch) in batches.into_iter().enumerate() {
        for (layer, statistics) in batch.into_iter().enumerate() {
            let statistics = statistics.read()?;
            if number == 0 {
                pooled.push(statistics);
            } else if let Some(sum) = pooled.get_mut(layer) {
                sum.pool(&statistics);
            }
        }
    }
    Ok(pooled.into_iter().map(|layer| layer.send(device)).collect())
}

impl<B: BurnBackend> AnyNetwork<B> {
    /// The network whose running statistics have taken in those of a batch.
    #[must_use]
    pub fn with_statistics(self, statistics: Statistics<B>) -> Self {
        struct TakeIn<B: BurnBackend> {
            path: Path,
            of_buffers: HashMap<String, Tensor<B, 1>>,
        }

        impl<B: BurnBackend> ModuleMapper<B> for TakeIn<B> {
            fn enter_module(&mut self, name: &str, container: &str) {
                self.path.enter(name, container);
            }

            fn exit_module(&mut self, _: &str, container: &str) {
                self.path.exit(container);
            }

            fn map_float<const D: usize>(
                &mut self,
                param: Param<Tensor<B, D>>,
            ) -> Param<Tensor<B, D>> {
                let Some(batch) = self.of_buffers.remove(&self.path.name()) else {
                    return param;
                };
                let (id, running, _) = param.consume();
                let momentum = BatchNorm::<B>::MOMENTUM;
                let shape = running.shape();
                let running = running * (1.0 - momentum) + batch.reshape(shape) * momentum;
                Param::initialized(id, running)
            }
        }

        if statistics.is_empty() {
            return self;
        }
        let mut of_buffers = HashMap::new();
        for layer in statistics {
            let BatchMoments { mean, variance } = layer.moments;
            // The mean square from the mean of a sample is less than the variance of what it was drawn from.
            let count = layer.count.max(2) as f64;
            let variance = variance * (count / (count - 1.0));
            for (name, batch) in [("running_mean", mean), ("running_var", variance)] {
                of_buffers.insert(format!("{}.{name}", layer.path), batch);
            }
        }
        self.map(&mut TakeIn {
            path: Path::default(),
            of_buffers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[f32]) -> HostStatistics {
        let count = values.len() as f32;
        let mean = values.iter().sum::<f32>() / count;
        let squares: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
        HostStatistics {
            path: "blocks.0.batch_norm".into(),
            mean: vec![mean],
            variance: vec![squares / count],
            count: values.len(),
        }
    }

    #[test]
    fn statistics_of_parts_pool_to_those_of_the_whole() {
        let values = [3.0, -1.0, 4.5, 0.25, 8.0, -2.0, 1.0];
        for cut in 1..values.len() {
            let mut pooled = of(&values[..cut]);
            pooled.pool(&of(&values[cut..]));
            let whole = of(&values);
            assert_eq!(pooled.count, whole.count);
            assert!((pooled.mean[0] - whole.mean[0]).abs() < 1e-6);
            assert!((pooled.variance[0] - whole.variance[0]).abs() < 1e-5);
        }
    }
}
