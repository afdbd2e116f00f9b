use super::Fields;
use super::fields::{nearest, shown};
use super::metric::EpochMetric;
use super::one_cycle::OneCycleLrScheduler;
use super::plateau::{PlateauConfig, PlateauLrScheduler};
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
use serde_json::{Value, json};

/// How the learning rate moves from step to step; each starts from the configured `learning_rate`.
///
/// The kinds, their names and their formulas are Burn's; those of `OneCycle` are `PyTorch`'s.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LrSchedulerConfig {
    /// Multiplied by `gamma` each step.
    Exponential {
        /// Factor in (0, 1].
        gamma: f64,
    },
    /// Half a cosine from the learning rate down to `min_lr`, then again from the top.
    CosineAnnealing {
        /// Lowest rate, at most the learning rate.
        min_lr: f64,
        /// Steps from top to bottom.
        num_iters: usize,
    },
    /// A straight line to `final_lr`, then constant.
    Linear {
        /// Rate at the end of the line, in [0, 1].
        final_lr: f64,
        /// Steps until then.
        num_iters: usize,
    },
    /// Warm-up, then the inverse square root of the step (Vaswani et al., 2017); the learning rate is its factor.
    Noam {
        /// Steps of warm-up.
        warmup_steps: usize,
        /// Width of the model.
        model_size: usize,
    },
    /// Up to the learning rate and down to almost nothing, both along half a cosine (Smith and Topin, 2018); then constant.
    OneCycle {
        /// Steps of the cycle.
        num_iters: usize,
        /// Share of them that leads up, in (0, 1).
        pct_start: f64,
        /// What the learning rate is divided by for the first step, at least 1.
        div_factor: f64,
        /// What the rate of the first step is divided by for the last one, at least 1.
        final_div_factor: f64,
    },
    /// Multiplied by a factor where a metric of the epochs gets no better.
    ReduceOnPlateau(PlateauConfig),
    /// Multiplied by `gamma` every `step_size` steps.
    Step {
        /// Steps between two changes.
        step_size: usize,
        /// Factor in (0, 1].
        gamma: f64,
    },
}

const KINDS: [&str; 7] = [
    "Exponential",
    "CosineAnnealing",
    "Linear",
    "Noam",
    "OneCycle",
    "ReduceOnPlateau",
    "Step",
];

impl LrSchedulerConfig {
    pub(super) fn from_value(value: &Value, path: &str) -> Result<Self> {
        let tagged = value.as_object().filter(|object| object.len() == 1);
        let Some((kind, inner)) = tagged.and_then(|object| object.iter().next()) else {
            return Err(Error::Config(format!(
                "{path} must be null or an object with one key of {}, got {}",
                KINDS.join(", "),
                shown(value)
            )));
        };
        let mut fields = Fields::new(inner, &format!("{path}.{kind}"), "learning-rate schedule")?;
        let most = u64::from(u32::MAX >> 1);
        let factor = ("a number above 0 and at most 1", |gamma: f64| {
            gamma > 0.0 && gamma <= 1.0
        });
        let rate = ("a number from 0 to 1", |rate: f64| {
            (0.0..=1.0).contains(&rate)
        });
        let config = match kind.as_str() {
            "Exponential" => Self::Exponential {
                gamma: fields.number("gamma", None, factor.0, factor.1)?,
            },
            "CosineAnnealing" => Self::CosineAnnealing {
                min_lr: fields.number("min_lr", Some(0.0), rate.0, rate.1)?,
                num_iters: fields.whole("num_iters", None, (1, most))? as usize,
            },
            "Linear" => Self::Linear {
                final_lr: fields.number("final_lr", None, rate.0, rate.1)?,
                num_iters: fields.whole("num_iters", None, (1, most))? as usize,
            },
            "Noam" => Self::Noam {
                warmup_steps: fields.whole("warmup_steps", Some(4000), (1, most))? as usize,
                model_size: fields.whole("model_size", Some(512), (1, most))? as usize,
            },
            "OneCycle" => {
                let share = ("a number above 0 and below 1", |share: f64| {
                    share > 0.0 && share < 1.0
                });
                let divisor = ("a number of at least 1", |divisor: f64| {
                    divisor >= 1.0 && divisor.is_finite()
                });
                Self::OneCycle {
                    num_iters: fields.whole("num_iters", None, (2, most))? as usize,
                    pct_start: fields.number("pct_start", Some(0.3), share.0, share.1)?,
                    div_factor: fields.number("div_factor", Some(25.0), divisor.0, divisor.1)?,
                    final_div_factor: fields.number(
                        "final_div_factor",
                        Some(1e4),
                        divisor.0,
                        divisor.1,
                    )?,
                }
            }
            "ReduceOnPlateau" => Self::ReduceOnPlateau(PlateauConfig::read(&mut fields, most)?),
            "Step" => Self::Step {
                step_size: fields.whole("step_size", None, (1, most))? as usize,
                gamma: fields.number("gamma", Some(0.1), factor.0, factor.1)?,
            },
            other => {
                let near = nearest(other, &KINDS)
                    .map_or_else(String::new, |near| format!("did you mean {near}? "));
                return Err(Error::Config(format!(
                    "unknown schedule {other:?} in {path}: {near}the schedules are {}",
                    KINDS.join(", ")
                )));
            }
        };
        fields.finish()?;
        Ok(config)
    }

    pub(super) fn to_value(self) -> Value {
        match self {
            Self::Exponential { gamma } => json!({"Exponential": {"gamma": gamma}}),
            Self::CosineAnnealing { min_lr, num_iters } => {
                json!({"CosineAnnealing": {"min_lr": min_lr, "num_iters": num_iters}})
            }
            Self::Linear {
                final_lr,
                num_iters,
            } => {
                json!({"Linear": {"final_lr": final_lr, "num_iters": num_iters}})
            }
            Self::Noam {
                warmup_steps,
                model_size,
            } => {
                json!({"Noam": {"warmup_steps": warmup_steps, "model_size": model_size}})
            }
            Self::OneCycle {
                num_iters,
                pct_start,
                div_factor,
                final_div_factor,
            } => {
                json!({"OneCycle": {
                    "num_iters": num_iters,
                    "pct_start": pct_start,
                    "div_factor": div_factor,
                    "final_div_factor": final_div_factor,
                }})
            }
            Self::ReduceOnPlateau(config) => json!({"ReduceOnPlateau": config.to_value()}),
            Self::Step { step_size, gamma } => {
                json!({"Step": {"step_size": step_size, "gamma": gamma}})
            }
        }
    }
}

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
    /// See [`LrSchedulerConfig::Step`].
    Step(StepLrScheduler),
    /// See [`LrSchedulerConfig::ReduceOnPlateau`].
    ReduceOnPlateau(PlateauLrScheduler),
}

impl LrSchedule {
    /// The schedule that starts from `learning_rate`; constant without a `config`.
    pub fn new(learning_rate: f64, config: Option<&LrSchedulerConfig>) -> Result<Self> {
        let schedule = match config.copied() {
            None => Ok(Self::Constant(ConstantLr::new(learning_rate))),
            Some(LrSchedulerConfig::Exponential { gamma }) => {
                ExponentialLrSchedulerConfig::new(learning_rate, gamma)
                    .init()
                    .map(Self::Exponential)
            }
            Some(LrSchedulerConfig::CosineAnnealing { min_lr, num_iters }) => {
                CosineAnnealingLrSchedulerConfig::new(learning_rate, num_iters)
                    .with_min_lr(min_lr)
                    .init()
                    .map(Self::CosineAnnealing)
            }
            Some(LrSchedulerConfig::Linear {
                final_lr,
                num_iters,
            }) => LinearLrSchedulerConfig::new(learning_rate, final_lr, num_iters)
                .init()
                .map(Self::Linear),
            Some(LrSchedulerConfig::Noam {
                warmup_steps,
                model_size,
            }) => NoamLrSchedulerConfig::new(learning_rate)
                .with_warmup_steps(warmup_steps)
                .with_model_size(model_size)
                .init()
                .map(Self::Noam),
            Some(LrSchedulerConfig::OneCycle {
                num_iters,
                pct_start,
                div_factor,
                final_div_factor,
            }) => Ok(Self::OneCycle(OneCycleLrScheduler {
                learning_rate,
                num_iters,
                pct_start,
                div_factor,
                final_div_factor,
                steps: 0,
            })),
            Some(LrSchedulerConfig::ReduceOnPlateau(config)) if config.min_lr > learning_rate => {
                Err("min_lr must be at most the learning rate".into())
            }
            Some(LrSchedulerConfig::ReduceOnPlateau(config)) => Ok(Self::ReduceOnPlateau(
                PlateauLrScheduler::new(config, learning_rate),
            )),
            Some(LrSchedulerConfig::Step { step_size, gamma }) => {
                StepLrSchedulerConfig::new(learning_rate, step_size)
                    .with_gamma(gamma)
                    .init()
                    .map(Self::Step)
            }
        };
        schedule.map_err(|reason| {
            Error::Config(format!(
                "lr_scheduler does not fit a learning_rate of {learning_rate}: {reason}"
            ))
        })
    }
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
}
