//! What is measured of each batch, and what an epoch makes of that.

use crate::device::Backend;
use crate::error::Result;
use crate::model::{Measured, Metrics};
use burn::train::ClassificationOutput;
use std::time::{Duration, Instant};

/// Steps on a GPU between two readings of their metrics, each of which waits for the device.
const STEPS_PER_READING: usize = 32;
/// A slow GPU is read before that, so that one who watches sees it move.
const TIME_PER_READING: Duration = Duration::from_millis(250);

/// Steps whose metrics are still on their device.
pub(super) struct Unread<B: Backend> {
    metrics: Metrics<B>,
    /// Step and learning rate.
    steps: Vec<(usize, f64)>,
    most: usize,
    /// When the last reading was.
    clock: Instant,
}

/// A step whose metrics are read.
pub(super) struct Read {
    pub step: usize,
    pub learning_rate: f64,
    pub measured: Measured,
}

impl<B: Backend> Unread<B> {
    /// `at_once`: whether each step is read before the next one.
    pub fn new(at_once: bool) -> Self {
        Self {
            metrics: Metrics::new(),
            steps: Vec::new(),
            most: if at_once { 1 } else { STEPS_PER_READING },
            clock: Instant::now(),
        }
    }

    /// Takes a step; the answer is the number of its images.
    pub fn push(
        &mut self,
        parts: Vec<ClassificationOutput<B>>,
        step: usize,
        learning_rate: f64,
    ) -> usize {
        self.steps.push((step, learning_rate));
        self.metrics.push(parts)
    }

    pub fn read_if_due(&mut self) -> Result<Vec<Read>> {
        if self.steps.len() >= self.most || self.clock.elapsed() >= TIME_PER_READING {
            self.read()
        } else {
            Ok(Vec::new())
        }
    }

    pub fn read(&mut self) -> Result<Vec<Read>> {
        let measured = self.metrics.read()?;
        let steps = self.steps.drain(..).zip(measured);
        Ok(steps
            .map(|((step, learning_rate), measured)| Read {
                step,
                learning_rate,
                measured,
            })
            .collect())
    }

    /// The seconds of each of the steps that were read, since the clock was last looked at; it is looked at only when there were
    /// any.
    pub fn seconds_each(&mut self, read: &[Read]) -> f64 {
        if read.is_empty() {
            return 0.0;
        }
        let now = Instant::now();
        // Never 0, so that a rate can be taken.
        let seconds = now.duration_since(self.clock).as_secs_f64().max(1e-9) / read.len() as f64;
        self.clock = now;
        seconds
    }

    /// Leaves what was done since the last reading out of the time of the next step.
    pub fn restart_clock(&mut self) {
        self.clock = Instant::now();
    }
}

/// Sums over the steps of one epoch.
#[derive(Default)]
pub(super) struct Totals {
    pub images: usize,
    loss: f64,
    hits: f64,
    pub seconds: f64,
}

impl Totals {
    /// Those of the newest epoch, whose rows are the last ones, from the columns of a history.
    pub fn of(
        epochs: &[usize],
        images: &[usize],
        losses: &[f64],
        accuracies: &[f64],
        seconds: &[f64],
        epoch: usize,
    ) -> Self {
        let first = epochs
            .iter()
            .rposition(|row| *row != epoch)
            .map_or(0, |position| position + 1);
        (first..epochs.len()).fold(Self::default(), |mut totals, row| {
            totals.images += images[row];
            totals.loss += losses[row] * images[row] as f64;
            totals.hits += (accuracies[row] * images[row] as f64).round();
            totals.seconds += seconds[row];
            totals
        })
    }

    /// The mean loss over the images.
    pub fn mean_loss(&self) -> f64 {
        self.loss / self.images as f64
    }

    /// The share of hits.
    pub fn accuracy(&self) -> f64 {
        self.hits / self.images as f64
    }
}
