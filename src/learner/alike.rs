//! What must be the same on all ranks of a run.

use super::epochs::Run;
use super::ranks::Ranks;
use super::start::sha256;
use crate::config::{Settings, TrainingConfig};
use crate::device::{AutodiffBackend, cpu_kernels};
use crate::error::Result;
use crate::network::AnyNetwork;
use burn::module::AutodiffModule;

impl<B: AutodiffBackend> Run<B> {
    /// Refuses ranks that would train something else.
    pub fn check_ranks(&self, ranks: &Ranks, model: &AnyNetwork<B>) -> Result<()> {
        let same = |what: &str, own: &str| {
            let rule = format!("{what} must be the same on all ranks");
            ranks.check_same(&rule, own)
        };
        // Each rank has its own threads and workers.
        let config = TrainingConfig {
            threads: None,
            num_workers: 0,
            ..self.config.clone()
        };
        same("the configuration", &config.complete_json())?;
        for (name, fingerprint) in ["training", "validation"].iter().zip(&self.data) {
            same(&format!("the {name} data"), fingerprint)?;
        }
        let progress = self.progress;
        let place = format!("step {} of epoch {}", progress.step, progress.epoch);
        same("the place where the run goes on", &place)?;
        if B::ON_HOST {
            let rule = "the instructions that compute must be the same on all ranks, or their sums round differently; set \
                        MNISTBURN_KERNELS to those that all processors have, as in MNISTBURN_KERNELS=avx2";
            ranks.check_same(rule, cpu_kernels()?)?;
        }
        same("the parameters", &sha256(&model.valid().state()?))
    }
}
