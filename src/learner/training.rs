//! The training steps of an epoch.

use super::due::Due;
use super::epochs::{Run, missing_batch};
use super::group::Group;
use super::history::{Ended, TrainStepRow};
use super::metrics::{Read, Unread};
use super::observer::Event;
use super::progress::Progress;
use crate::device::AutodiffBackend;
use crate::error::Result;
use crate::network::AnyNetwork;
use burn::module::AutodiffModule;
use burn::train::{ClassificationOutput, Interrupter};
use std::time::Instant;

impl<B: AutodiffBackend> Run<B> {
    /// Trains an epoch from the step on that the run has reached.
    pub fn train_epoch(
        &mut self,
        group: &Group<B>,
        mut model: AnyNetwork<B>,
        interrupter: &Interrupter,
        due: &mut Due,
    ) -> Result<(AnyNetwork<B>, Ended)> {
        let epoch = self.progress.epoch;
        let mut batches = group.batches(epoch, self.progress.step);
        let mut unread = self.unread();
        let mut ended = Ended::Completed;
        let mut signals = self.signals(interrupter, due)?;
        while self.progress.step < group.steps() {
            if self.ranks.is_none() {
                // What came since the last step; ranks have heard of each other as it ended.
                signals = self.own_signals(interrupter, due);
            }
            // Also before the first batch: a run that is told to stop at once does no step.
            if let Some(cause) = signals.stop {
                ended = cause;
                break;
            }
            if self.observer.wants_all() {
                let step = self.progress.step + 1;
                self.notify_at(Event::StepStart { epoch, step }, &model);
            }
            let done = group.step(&mut batches, &model)?;
            let learning_rate = self.rule.next_rate();
            self.progress.step += 1;
            let images = group.step_len(self.progress.step - 1);
            let step = self.progress.step;
            let read = self.measure_step(&mut unread, done.parts, step, images, learning_rate)?;
            let (gradients, statistics) = group.join(done.gradients, &model)?;
            model = self
                .rule
                .update(model, learning_rate, gradients, statistics);
            let steps = (epoch - 1) * group.steps() + self.progress.step;
            self.average = self
                .average
                .take()
                .map(|average| average.update(&model.valid(), steps));
            self.take_train_steps(group, &model, &read, unread.seconds_each(&read))?;
            signals = self.signals(interrupter, due)?;
            if signals.due && signals.stop.is_none() {
                // A checkpoint's history has all its steps.
                let read = unread.read()?;
                self.take_train_steps(group, &model, &read, unread.seconds_each(&read))?;
                let start = Instant::now();
                self.save_checkpoint(&model)?;
                *due = self.due(start);
                // The time that took is none of the next step's.
                unread.restart_clock();
            }
            if signals.over {
                ended = self.out_of_time();
                break;
            }
        }
        let read = unread.read()?;
        self.take_train_steps(group, &model, &read, unread.seconds_each(&read))?;
        Ok((model, ended))
    }

    /// Takes what a step of so many images left, and gives the steps that are read by now; with other ranks, of all of them.
    pub(super) fn measure_step(
        &self,
        unread: &mut Unread<B::InnerBackend>,
        parts: Vec<ClassificationOutput<B::InnerBackend>>,
        step: usize,
        images: usize,
        learning_rate: f64,
    ) -> Result<Vec<Read>> {
        let Some(ranks) = &self.ranks else {
            if unread.push(parts, step, learning_rate) != images {
                return Err(missing_batch());
            }
            return unread.read_if_due();
        };
        for part in parts {
            unread.push(vec![part], step, learning_rate);
        }
        let measured = ranks.join_step(&unread.read()?)?;
        let measured = measured.filter(|measured| measured.images == images);
        Ok(vec![Read {
            step,
            learning_rate,
            measured: measured.ok_or_else(missing_batch)?,
        }])
    }

    /// Takes note of training steps that took as many seconds each.
    fn take_train_steps(
        &mut self,
        group: &Group<B>,
        model: &AnyNetwork<B>,
        read: &[Read],
        seconds: f64,
    ) -> Result<()> {
        let epoch = self.progress.epoch;
        for Read {
            step,
            learning_rate,
            measured,
        } in read
        {
            let (step, learning_rate) = (*step, *learning_rate);
            let (images, loss, accuracy) = (measured.images, measured.loss, measured.accuracy());
            if !loss.is_finite() {
                let of = Progress {
                    epoch,
                    ended: false,
                    step: step - 1,
                };
                return Err(self.diverged("training", step, loss, of));
            }
            self.history.train_steps.push(TrainStepRow {
                epoch,
                step,
                images,
                loss,
                accuracy,
                learning_rate,
                seconds,
                images_per_second: images as f64 / seconds,
            });
            let images = group.images_in(step);
            let end = Event::TrainStep {
                epoch,
                step,
                images,
                loss,
                accuracy,
                learning_rate,
                seconds,
            };
            self.notify_at(end, model);
        }
        Ok(())
    }

    pub(super) fn unread(&self) -> Unread<B::InnerBackend> {
        Unread::new(B::ON_HOST || self.ranks.is_some() || self.observer.wants_each_step())
    }
}
