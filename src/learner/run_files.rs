//! What a run writes: checkpoints as it goes on, and history, summary and model at its end.

use super::checkpoint::Records;
use super::checkpoints;
use super::epochs::Run;
use super::history::Ended;
use super::observer::{Event, tell, warn};
use super::progress::Progress;
use super::start::sha256;
use super::state::{State, StoredHistory};
use super::{HISTORY_FILE, MODEL_FILE, SUMMARY_FILE, summary_table};
use crate::config::{Precision, Recorder, Settings};
use crate::device::{AutodiffBackend, Backend};
use crate::error::{Error, Result};
use crate::network::{AnyNetwork, Network, WithNetwork};
use crate::record::{self, encode, file};
use burn::module::{AutodiffModule, DisplaySettings};
use std::path::Path;

impl<B: AutodiffBackend> Run<B> {
    /// Saves where the run is; the first checkpoint takes the place of an older run.
    pub fn save_checkpoint(&mut self, model: &AnyNetwork<B>) -> Result<()> {
        let state = model.valid().state()?;
        let mut values = state.iter().flat_map(|parameter| &parameter.values);
        if let Some(value) = values.find(|value| !value.is_finite()) {
            // The step before broke them, and the next one would tell. A run could not go on from such a checkpoint.
            return Err(self.not_finite(&format!(
                "the parameters must stay finite, and one became {value} in step {} of epoch {}",
                self.progress.step, self.progress.epoch
            ), None));
        }
        let recorder = self.config.recorder;
        if let Some(ranks) = &self.ranks {
            let rule = "the parameters of all ranks must stay the same";
            ranks.check_same(rule, &sha256(&state))?;
        }
        let (optimizer, scheduler) = self.rule.encode(recorder)?;
        let records = Records {
            model: encode(self.model(model), recorder, recorder.precision())?,
            weights: self
                .average
                .is_some()
                .then(|| encode(model.valid(), recorder, recorder.precision()))
                .transpose()?,
            optimizer,
            scheduler,
        };
        self.history.close(if self.progress == self.last() {
            Ended::Completed
        } else {
            Ended::Interrupted
        });
        let artifact_dir = self.directory.file("");
        let mark = self.rows.append(&artifact_dir, &self.history)?;
        let state = State {
            progress: self.progress,
            data: self.data.clone(),
            config: self.config.write(true),
            recorder: recorder.name().into(),
            retention: self.retention,
            history: StoredHistory::Marked(mark),
        };
        let best = self.history.best_epochs(self.retention.keep_best)?;
        let path = checkpoints::save(&artifact_dir, recorder, state, &best, &records)?;
        let message = format!("checkpoint {} saved", relative(&path, &artifact_dir));
        self.directory.publish()?;
        tell(self.observer.as_mut(), message);
        Ok(())
    }

    /// The progress of a complete run.
    fn last(&self) -> Progress {
        Progress {
            epoch: self.config.num_epochs,
            ended: true,
            step: self.train_loaders[0].num_steps(),
        }
    }

    fn write_history(&self) -> Result<()> {
        let text = serde_json::to_vec(&self.history).map_err(|error| {
            Error::Internal(format!("the history could not be encoded: {error}"))
        })?;
        self.directory.write(HISTORY_FILE, &text)
    }

    /// Writes what is there once a run is over.
    pub fn finish(&mut self, model: AnyNetwork<B>, ended: Ended) -> Result<AnyNetwork<B>> {
        self.history.close(ended);
        let last = match self.average.take() {
            Some(average) => AnyNetwork::from_inner(average.into_model()),
            None => model,
        };
        let trained = self.restore_best(last, ended);
        self.write_history()?;
        let model = trained.valid();
        self.directory.write(
            SUMMARY_FILE,
            summary_table(&self.history, &model.clone().with(Displayed)).as_bytes(),
        )?;
        record::write(
            &self.directory.file(MODEL_FILE),
            &encode(model, Recorder::Compact, Precision::Half)?,
            &self.config.model,
            &self.about,
        )?;
        let end = Event::End {
            ended,
            interrupted: ended == Ended::Interrupted,
        };
        self.notify_at(end, &trained);
        Ok(trained)
    }

    /// The model of a run that is over: that of its best epoch where early stopping asks for it, else that of the last one.
    fn restore_best(&mut self, last: AnyNetwork<B>, ended: Ended) -> AnyNetwork<B> {
        self.history.model_epoch = None;
        let is_over = matches!(ended, Ended::Completed | Ended::StoppedEarly);
        let rule = self.history.early_stopping.as_ref();
        let best = self.history.best_epoch.filter(|best| {
            is_over && rule.is_some_and(|rule| rule.restore_best) && *best != self.progress.epoch
        });
        let Some(epoch) = best else {
            return last;
        };
        match self.model_of(epoch) {
            Ok(best) => {
                self.history.model_epoch = Some(epoch);
                let message = format!("the model of the run is that of its best epoch, {epoch}");
                tell(self.observer.as_mut(), message);
                best
            }
            Err(error) => {
                let message = format!(
                    "the model of the run is that of its last epoch, as that of its best one, {epoch}, is gone: {error}"
                );
                warn(self.observer.as_mut(), message);
                last
            }
        }
    }

    /// The model after an epoch whose checkpoint is kept.
    fn model_of(&self, epoch: usize) -> Result<AnyNetwork<B>> {
        let path = checkpoints::model_of(&self.directory.file(""), epoch)?;
        let model = &self.config.model;
        record::decode_model(&file::read(&path)?, &path, model, &self.burn_devices[0])
    }
}

/// A network as Burn displays it.
struct Displayed;

impl<B: Backend> WithNetwork<B> for Displayed {
    type Output = String;

    fn run<N: Network<B>>(self, network: N) -> String {
        network.format(DisplaySettings::default())
    }
}

fn relative(path: &Path, root: &Path) -> String {
    path.strip_prefix(root)
        .unwrap_or(path)
        .display()
        .to_string()
}
