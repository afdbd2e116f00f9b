//! The range test of the learning rate: L. N. Smith, "Cyclical learning rates for training neural networks", 2017, as fastai has it.

use super::data::Data;
use super::group::Group;
use super::loaders::training_loader;
use super::metrics::Unread;
use super::rule::Rule;
use super::threads::in_pool;
use crate::config::{LrSchedulerConfig, TrainingConfig};
use crate::device::{Backend, Device, OnBackend, on_backend, pass};
use crate::error::{Error, Result, contain_panics};
use crate::model::Objective;
use crate::network::AnyNetwork;
use burn::backend::Autodiff;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// The share of the old mean in the running mean of the losses.
const SMOOTHING: f64 = 0.98;
/// The test ends once the smoothed loss is as many times its lowest.
const DIVERGED: f64 = 4.0;
/// A slope is that of the smoothed losses over so many steps to each side.
const REACH: usize = 2;

/// From where to where, and in how many steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RateRange {
    /// The rate of the first step.
    pub start: f64,
    /// The rate of the last step.
    pub end: f64,
    /// How many steps.
    pub steps: usize,
}

/// The loss at growing learning rates.
#[derive(Clone, Debug, PartialEq)]
pub struct RateCurve {
    /// The rate of each step.
    pub rates: Vec<f64>,
    /// The loss of the batch before the step.
    pub losses: Vec<f64>,
    /// Its running mean, without the bias of its start.
    pub smoothed: Vec<f64>,
    /// The rate at which the smoothed loss falls steepest over the logarithm of the rate; `None` where it never falls.
    pub steepest: Option<f64>,
    /// The rate of the lowest smoothed loss, over ten.
    pub minimum: Option<f64>,
    /// Whether the loss grew out of bounds before the last rate.
    pub diverged: bool,
}

impl RateRange {
    /// The fewest steps that a slope can be seen in.
    pub const LEAST_STEPS: usize = 10;

    fn check(self) -> Result<()> {
        let Self { start, end, steps } = self;
        if !(start.is_finite() && end.is_finite() && 0.0 < start && start < end) {
            return Err(Error::Config(format!(
                "start_rate must be above 0 and below end_rate, both finite, got {start} and {end}"
            )));
        }
        if !(Self::LEAST_STEPS..=1_000_000).contains(&steps) {
            return Err(Error::Config(format!(
                "num_steps must be a whole number from {} to 1000000, got {steps}",
                Self::LEAST_STEPS
            )));
        }
        Ok(())
    }

    fn rate(self, step: usize) -> f64 {
        let share = step as f64 / (self.steps - 1) as f64;
        self.start * (self.end / self.start).powf(share)
    }
}

/// Trains a model of its own on growing rates, and says how the loss moved. Nothing is written.
///
/// The rates of `config` do not count: neither `learning_rate` nor `lr_scheduler`. Where the steps are more than those of an epoch,
/// further epochs follow.
pub fn find_rate(
    config: &TrainingConfig,
    device: Device,
    data: &Data,
    range: RateRange,
    stop: &AtomicBool,
) -> Result<RateCurve> {
    range.check()?;
    contain_panics(|| {
        on_backend(
            device,
            FindRate {
                config,
                data,
                range,
                stop,
            },
        )
    })
}

struct FindRate<'a> {
    config: &'a TrainingConfig,
    data: &'a Data,
    range: RateRange,
    stop: &'a AtomicBool,
}

impl OnBackend for FindRate<'_> {
    type Output = RateCurve;

    fn run<B: Backend>(self, _device: Device, burn_device: &B::Device) -> Result<RateCurve> {
        let threads = self.config.threads;
        let work = || contain_panics(|| self.steps::<B>(burn_device));
        if B::ON_HOST {
            in_pool(threads, work)
        } else {
            work()
        }
    }
}

impl FindRate<'_> {
    fn steps<B: Backend>(&self, burn_device: &B::Device) -> Result<RateCurve> {
        let Self {
            config,
            data,
            range,
            stop,
        } = self;
        // The rule of the run, at the rates of the test.
        let config = TrainingConfig {
            lr_scheduler: None::<LrSchedulerConfig>,
            ..(*config).clone()
        };
        data.check(&config)?;
        let trainable: Arc<[_]> = config.model.trainable(&config.freeze)?.into();
        let images = Arc::new(training_loader(&data.train, &config, burn_device)?);
        let devices = [burn_device.clone()];
        let group = Group::<Autodiff<B>>::new(
            vec![images],
            &devices,
            &config.model,
            &trainable,
            Objective::of(&config),
            None,
        );
        let mut rule = Rule::<Autodiff<B>>::new(&config)?;
        let model: AnyNetwork<Autodiff<B>> =
            AnyNetwork::init_seeded(&config.model, config.seed, burn_device)?;
        let mut model = model.training_only(&trainable);
        let mut curve = Curve::default();
        let mut epoch = 0;
        'test: while curve.rates.len() < range.steps {
            epoch += 1;
            let mut batches = group.batches(epoch, 0);
            for _ in 0..group.steps().min(range.steps - curve.rates.len()) {
                pass();
                if stop.load(Ordering::Relaxed) {
                    return Err(Error::Interrupted);
                }
                let rate = range.rate(curve.rates.len());
                let done = group.step(&mut batches, &model)?;
                let mut unread = Unread::new(true);
                unread.push(done.parts, 1, rate);
                let loss = unread
                    .read()?
                    .first()
                    .map_or(f64::NAN, |read| read.measured.loss);
                if !curve.push(rate, loss) {
                    break 'test;
                }
                let (gradients, statistics) = group.join(done.gradients, &model)?;
                model = rule.update(model, rate, gradients, statistics);
            }
        }
        Ok(curve.finish(range.steps))
    }
}

#[derive(Default)]
struct Curve {
    rates: Vec<f64>,
    losses: Vec<f64>,
    smoothed: Vec<f64>,
    mean: f64,
    lowest: Option<f64>,
}

impl Curve {
    /// Takes the loss at a rate; false where it is out of bounds, and the test over.
    fn push(&mut self, rate: f64, loss: f64) -> bool {
        if !loss.is_finite() {
            return false;
        }
        self.mean = SMOOTHING * self.mean + (1.0 - SMOOTHING) * loss;
        let bias = 1.0 - SMOOTHING.powi(self.losses.len() as i32 + 1);
        let smoothed = self.mean / bias;
        self.rates.push(rate);
        self.losses.push(loss);
        self.smoothed.push(smoothed);
        let lowest = self.lowest.map_or(smoothed, |lowest| lowest.min(smoothed));
        self.lowest = Some(lowest);
        smoothed <= DIVERGED * lowest
    }

    fn finish(self, steps: usize) -> RateCurve {
        let diverged = self.rates.len() < steps
            || matches!((self.lowest, self.smoothed.last()), (Some(lowest), Some(last)) if *last > DIVERGED * lowest);
        RateCurve {
            steepest: steepest(&self.rates, &self.smoothed),
            minimum: minimum(&self.rates, &self.smoothed).map(|rate| rate / 10.0),
            rates: self.rates,
            losses: self.losses,
            smoothed: self.smoothed,
            diverged,
        }
    }
}

/// The rate of the lowest value, the first of equals.
fn minimum(rates: &[f64], values: &[f64]) -> Option<f64> {
    let lowest = rates
        .iter()
        .zip(values)
        .reduce(|best, row| if row.1 < best.1 { row } else { best });
    lowest.map(|(rate, _)| *rate)
}

/// The rate where values fall steepest over the logarithm of the rate.
fn steepest(rates: &[f64], values: &[f64]) -> Option<f64> {
    let slope = |place: usize| {
        let (first, last) = (place - REACH, place + REACH);
        (values[last] - values[first]) / (rates[last] / rates[first]).ln()
    };
    let slopes = (REACH..values.len().saturating_sub(REACH)).map(|place| (place, slope(place)));
    let lowest = slopes.reduce(|best, row| if row.1 < best.1 { row } else { best });
    lowest
        .filter(|(_, slope)| *slope < 0.0)
        .map(|(place, _)| rates[place])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steepest_descent_and_the_lowest_loss_are_found() {
        let range = RateRange {
            start: 1e-6,
            end: 1.0,
            steps: 61,
        };
        let rates: Vec<f64> = (0..61).map(|step| range.rate(step)).collect();
        assert!((rates[10] - 1e-5).abs() < 1e-18 && (rates[60] - 1.0).abs() < 1e-12);
        // A logistic curve falls steepest in its middle, here at 1e-3.
        let falls = |rate: &f64| 1.0 / (1.0 + (2.0 * (rate.log10() + 3.0)).exp());
        let values: Vec<f64> = rates.iter().map(falls).collect();
        let found = steepest(&rates, &values).unwrap();
        assert!((found / 1e-3 - 1.0).abs() < 1e-9, "{found}");
        assert_eq!(minimum(&rates, &values), Some(rates[60]));
        let rises: Vec<f64> = values.iter().map(|value| -value).collect();
        assert_eq!(steepest(&rates, &rises), None);
        assert_eq!(steepest(&rates[..3], &values[..3]), None);
    }
}
