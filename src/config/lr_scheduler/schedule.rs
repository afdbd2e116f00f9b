//! The schedules of the learning rate, as they go.

use super::LrSchedulerConfig;
use super::one_cycle::OneCycleLrScheduler;
use super::plateau::PlateauLrScheduler;
use super::sequential::SequentialLrScheduler;
use crate::config::metric::EpochMetric;
use crate::error::{Error, Result};
use burn::lr_scheduler::LrScheduler;
use burn::lr_scheduler::constant::ConstantLr;
use burn::lr_scheduler::cosine::{CosineAnnealingLrScheduler, CosineAnnealingLrSchedulerConfig};
use burn::lr_scheduler::exponential::{ExponentialLrScheduler, ExponentialLrSchedulerConfig};
use burn::lr_scheduler::linear::{LinearLrScheduler, LinearLrSchedulerConfig};
use burn::lr_scheduler::noam::{NoamLrScheduler, NoamLrSchedulerConfig};
use burn::lr_scheduler::step::{StepLrScheduler, StepLrSchedulerConfig};
use burn::record::{PrecisionSettings, Record};
use burn::tensor::backend::Backend;
use serde::{Deserialize, Serialize};

/// The schedule of a run: Burn's own schedulers, and what Burn lacks, behind one type, so that the training loop is compiled once.
#[derive(Clone, Debug)]
pub enum LrSchedule {
    /// The same rate at every step.
    Constant(ConstantLr),
    /// See [`LrSchedulerConfig::Exponential`].
    Exponential(ExponentialLrScheduler),
    /// See [`LrSchedulerConfig::CosineAnnealing`].
    CosineAnnealing(CosineAnnealingLrScheduler),
    /// See [`LrSchedulerConfig::Linear`].
    Linear(LinearLrScheduler),
    /// See [`LrSchedulerConfig::Noam`].
    Noam(NoamLrScheduler),
    /// See [`LrSchedulerConfig::OneCycle`].
    OneCycle(OneCycleLrScheduler),
    /// See [`LrSchedulerConfig::Sequential`] and [`LrSchedulerConfig::WarmUp`].
    Sequential(SequentialLrScheduler),
    /// See [`LrSchedulerConfig::Step`].
    Step(StepLrScheduler),
    /// See [`LrSchedulerConfig::ReduceOnPlateau`].
    ReduceOnPlateau(PlateauLrScheduler),
}

impl LrSchedule {
    /// The schedule that starts from `learning_rate`; constant without a `config`, which has its length.
    pub fn new(learning_rate: f64, config: Option<&LrSchedulerConfig>) -> Result<Self> {
        let fits = |reason| {
            Error::Config(format!(
                "lr_scheduler does not fit a learning_rate of {learning_rate}: {reason}"
            ))
        };
        match config {
            None => Ok(Self::Constant(ConstantLr::new(learning_rate))),
            Some(LrSchedulerConfig::Exponential { gamma }) => {
                ExponentialLrSchedulerConfig::new(learning_rate, *gamma)
                    .init()
                    .map(Self::Exponential)
                    .map_err(fits)
            }
            Some(LrSchedulerConfig::CosineAnnealing { min_lr, num_iters }) => {
                CosineAnnealingLrSchedulerConfig::new(learning_rate, known(*num_iters)?)
                    .with_min_lr(*min_lr)
                    .init()
                    .map(Self::CosineAnnealing)
                    .map_err(fits)
            }
            Some(LrSchedulerConfig::Linear {
                final_lr,
                num_iters,
            }) => line(learning_rate, *final_lr, known(*num_iters)?).map_err(fits),
            Some(LrSchedulerConfig::Noam {
                warmup_steps,
                model_size,
            }) => NoamLrSchedulerConfig::new(learning_rate)
                .with_warmup_steps(*warmup_steps)
                .with_model_size(*model_size)
                .init()
                .map(Self::Noam)
                .map_err(fits),
            Some(LrSchedulerConfig::OneCycle {
                num_iters,
                pct_start,
                div_factor,
                final_div_factor,
            }) => Ok(Self::OneCycle(OneCycleLrScheduler {
                learning_rate,
                num_iters: known(*num_iters)?,
                pct_start: *pct_start,
                div_factor: *div_factor,
                final_div_factor: *final_div_factor,
                steps: 0,
            })),
            Some(LrSchedulerConfig::ReduceOnPlateau(config)) if config.min_lr > learning_rate => {
                Err(fits("min_lr must be at most the learning rate".into()))
            }
            Some(LrSchedulerConfig::ReduceOnPlateau(config)) => Ok(Self::ReduceOnPlateau(
                PlateauLrScheduler::new(*config, learning_rate),
            )),
            Some(LrSchedulerConfig::Sequential {
                schedules,
                milestones,
            }) => {
                let schedules = schedules
                    .iter()
                    .map(|schedule| Self::new(learning_rate, schedule.as_ref()))
                    .collect::<Result<Vec<Self>>>()?;
                let starts = std::iter::once(0).chain(milestones.iter().copied());
                let stages = starts.zip(schedules).collect();
                Ok(Self::Sequential(SequentialLrScheduler::new(stages)))
            }
            Some(LrSchedulerConfig::Step { step_size, gamma }) => {
                StepLrSchedulerConfig::new(learning_rate, *step_size)
                    .with_gamma(*gamma)
                    .init()
                    .map(Self::Step)
                    .map_err(fits)
            }
            Some(LrSchedulerConfig::WarmUp {
                num_iters,
                start_factor,
                after,
            }) => {
                let first = learning_rate * start_factor;
                let stages = vec![
                    (0, line(first, learning_rate, *num_iters).map_err(fits)?),
                    (*num_iters, Self::new(learning_rate, after.as_deref())?),
                ];
                Ok(Self::Sequential(SequentialLrScheduler::new(stages)))
            }
        }
    }
}

fn line(from: f64, to: f64, steps: usize) -> std::result::Result<LrSchedule, String> {
    LinearLrSchedulerConfig::new(from, to, steps)
        .init()
        .map(LrSchedule::Linear)
}

fn known(num_iters: Option<usize>) -> Result<usize> {
    num_iters.ok_or_else(|| {
        Error::Config(
            "the schedule must know its length: give num_iters, or the steps of the run".into(),
        )
    })
}

/// The state of a schedule; in a file, what Burn's scheduler of that kind would write.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum LrScheduleRecord {
    /// The constant schedule has no state.
    Constant(()),
    /// A count of steps.
    Count(u64),
    /// A signed count of steps.
    SignedCount(i32),
    /// A learning rate.
    Rate(f64),
}

impl<B: Backend> Record<B> for LrScheduleRecord {
    type Item<S: PrecisionSettings> = Self;

    fn into_item<S: PrecisionSettings>(self) -> Self {
        self
    }

    fn from_item<S: PrecisionSettings>(item: Self, _device: &B::Device) -> Self {
        item
    }
}

impl LrScheduler for LrSchedule {
    type Record<B: Backend> = LrScheduleRecord;

    fn step(&mut self) -> f64 {
        match self {
            Self::Constant(schedule) => schedule.step(),
            Self::Exponential(schedule) => schedule.step(),
            Self::CosineAnnealing(schedule) => schedule.step(),
            Self::Linear(schedule) => schedule.step(),
            Self::Noam(schedule) => schedule.step(),
            Self::OneCycle(schedule) => schedule.step(),
            Self::Sequential(schedule) => schedule.step(),
            Self::Step(schedule) => schedule.step(),
            Self::ReduceOnPlateau(schedule) => schedule.rate,
        }
    }

    fn to_record<B: Backend>(&self) -> LrScheduleRecord {
        match self {
            Self::Constant(_) => LrScheduleRecord::Constant(()),
            Self::Exponential(schedule) => LrScheduleRecord::Rate(schedule.to_record::<B>()),
            Self::CosineAnnealing(schedule) => {
                LrScheduleRecord::Count(schedule.to_record::<B>() as u64)
            }
            Self::Linear(schedule) => LrScheduleRecord::Count(schedule.to_record::<B>() as u64),
            Self::Noam(schedule) => LrScheduleRecord::Count(schedule.to_record::<B>() as u64),
            Self::OneCycle(schedule) => LrScheduleRecord::Count(schedule.to_record::<B>()),
            Self::Sequential(schedule) => LrScheduleRecord::Count(schedule.to_record::<B>()),
            Self::Step(schedule) => LrScheduleRecord::SignedCount(schedule.to_record::<B>()),
            Self::ReduceOnPlateau(schedule) => LrScheduleRecord::Rate(schedule.rate),
        }
    }

    /// Burn's signature knows no error: a record of another kind leaves the schedule as it was. See
    /// [`restore`](LrSchedule::restore).
    fn load_record<B: Backend>(self, record: LrScheduleRecord) -> Self {
        self.clone().restore::<B>(record).unwrap_or(self)
    }
}

impl LrSchedule {
    /// The metric of the epochs that it follows; `None` where it follows the steps alone.
    pub fn metric(&self) -> Option<EpochMetric> {
        match self {
            Self::ReduceOnPlateau(schedule) => Some(schedule.metric()),
            _ => None,
        }
    }

    /// Takes note of its metric after an epoch.
    pub fn end_epoch(&mut self, value: f64) {
        if let Self::ReduceOnPlateau(schedule) = self {
            schedule.end_epoch(value);
        }
    }

    /// The schedule after epochs with these values of its metric, which is what its state follows from.
    #[must_use]
    pub fn after_epochs(self, values: &[f64]) -> Self {
        match self {
            Self::ReduceOnPlateau(schedule) => Self::ReduceOnPlateau(schedule.after_epochs(values)),
            other => other,
        }
    }

    /// The schedule in the state of a record, or an error if the record is that of another kind.
    pub fn restore<B: Backend>(self, record: LrScheduleRecord) -> Result<Self> {
        /// Burn counts steps in 31 bits.
        const MOST: u64 = (u32::MAX >> 2) as u64;

        // Numbers without a sign or a point may come back as another kind of number.
        let count = match record {
            LrScheduleRecord::Count(count) => Some(count),
            LrScheduleRecord::SignedCount(count) => u64::try_from(count).ok(),
            LrScheduleRecord::Constant(()) | LrScheduleRecord::Rate(_) => None,
        };
        // Before its first step a cosine is one before 0.
        let small = count
            .filter(|count| *count <= MOST)
            .map(|count| count as usize);
        let cosine = small.or((count == Some(u64::MAX)).then_some(usize::MAX));
        match (self, record, small) {
            (Self::Constant(schedule), LrScheduleRecord::Constant(()), _) => {
                Ok(Self::Constant(schedule))
            }
            (Self::Exponential(schedule), LrScheduleRecord::Rate(rate), _) if rate.is_finite() => {
                Ok(Self::Exponential(schedule.load_record::<B>(rate)))
            }
            (Self::CosineAnnealing(schedule), _, _) if cosine.is_some() => Ok(
                Self::CosineAnnealing(schedule.load_record::<B>(cosine.unwrap_or_default())),
            ),
            (Self::Linear(schedule), _, Some(count)) => {
                Ok(Self::Linear(schedule.load_record::<B>(count)))
            }
            (Self::Noam(schedule), _, Some(count)) => {
                Ok(Self::Noam(schedule.load_record::<B>(count)))
            }
            (Self::OneCycle(schedule), _, Some(count)) => {
                Ok(Self::OneCycle(schedule.load_record::<B>(count as u64)))
            }
            (Self::ReduceOnPlateau(schedule), LrScheduleRecord::Rate(rate), _)
                if rate.is_finite() =>
            {
                Ok(Self::ReduceOnPlateau(schedule.with_rate(rate)))
            }
            (Self::Sequential(schedule), _, Some(count)) => {
                Ok(Self::Sequential(schedule.load_record::<B>(count as u64)))
            }
            (Self::Step(schedule), LrScheduleRecord::SignedCount(-1), _) => {
                Ok(Self::Step(schedule.load_record::<B>(-1)))
            }
            (Self::Step(schedule), _, Some(count)) => {
                Ok(Self::Step(schedule.load_record::<B>(count as i32)))
            }
            _ => Err(Error::Record(format!(
                "the state of a learning-rate schedule must be of its kind, found {record:?}"
            ))),
        }
    }

    /// This schedule, which has not begun, after so many steps: what as many calls of `step` would make of it.
    pub(super) fn after<B: Backend>(self, steps: u64) -> Self {
        let Some(last) = steps.checked_sub(1) else {
            return self;
        };
        let (count, last) = (steps as usize, last as usize);
        match self {
            Self::Constant(schedule) => Self::Constant(schedule),
            Self::Exponential(mut schedule) => {
                // The rounding of each multiplication counts.
                for _ in 0..steps {
                    let before = schedule.to_record::<B>();
                    if schedule.step().total_cmp(&before).is_eq() {
                        break;
                    }
                }
                Self::Exponential(schedule)
            }
            Self::CosineAnnealing(schedule) => {
                Self::CosineAnnealing(schedule.load_record::<B>(last))
            }
            Self::Linear(schedule) => {
                let left = schedule.to_record::<B>().saturating_sub(count);
                Self::Linear(schedule.load_record::<B>(left))
            }
            Self::Noam(schedule) => Self::Noam(schedule.load_record::<B>(count)),
            Self::OneCycle(schedule) => Self::OneCycle(schedule.load_record::<B>(steps)),
            Self::Sequential(schedule) => Self::Sequential(schedule.load_record::<B>(steps)),
            Self::Step(schedule) => Self::Step(schedule.load_record::<B>(last as i32)),
            // It moves with epochs, not with steps.
            Self::ReduceOnPlateau(schedule) => Self::ReduceOnPlateau(schedule),
        }
    }
}
