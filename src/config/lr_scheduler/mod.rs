//! The schedules of the learning rate, as configurations.

mod length;
mod one_cycle;
mod plateau;
mod schedule;
mod sequential;

pub use plateau::PlateauConfig;
pub use schedule::{LrSchedule, LrScheduleRecord};

use super::Fields;
use super::fields::{nearest, shown};
use crate::error::{Error, Result};
use serde_json::{Value, json};

/// How the learning rate moves from step to step; each starts from the configured `learning_rate`.
///
/// The kinds, their names and their formulas are Burn's; those of `OneCycle`, `Sequential` and `WarmUp` are `PyTorch`'s. A
/// length of `None` is that of the run, or of the part of it that a schedule is for; see
/// [`with_length`](LrSchedulerConfig::with_length).
#[derive(Clone, Debug, PartialEq)]
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
        num_iters: Option<usize>,
    },
    /// A straight line to `final_lr`, then constant.
    Linear {
        /// Rate at the end of the line, in [0, 1].
        final_lr: f64,
        /// Steps until then.
        num_iters: Option<usize>,
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
        num_iters: Option<usize>,
        /// Share of them that leads up, in (0, 1).
        pct_start: f64,
        /// What the learning rate is divided by for the first step, at least 1.
        div_factor: f64,
        /// What the rate of the first step is divided by for the last one, at least 1.
        final_div_factor: f64,
    },
    /// One schedule after the other, each from its own beginning and from the learning rate; `None` is a constant rate.
    Sequential {
        /// The schedules, at least one.
        schedules: Vec<Option<LrSchedulerConfig>>,
        /// The steps before each but the first of them, increasing.
        milestones: Vec<usize>,
    },
    /// Multiplied by a factor where a metric of the epochs gets no better. It follows a whole run, so no other schedule has it as a
    /// part.
    ReduceOnPlateau(PlateauConfig),
    /// Multiplied by `gamma` every `step_size` steps.
    Step {
        /// Steps between two changes.
        step_size: usize,
        /// Factor in (0, 1].
        gamma: f64,
    },
    /// A straight line up to the learning rate (Goyal et al., 2017), and then another schedule from its beginning; `None` is a
    /// constant rate.
    WarmUp {
        /// Steps until then.
        num_iters: usize,
        /// Share of the learning rate that the line begins at, in (0, 1].
        start_factor: f64,
        /// The schedule behind the line.
        after: Option<Box<LrSchedulerConfig>>,
    },
}

const KINDS: [&str; 9] = [
    "Exponential",
    "CosineAnnealing",
    "Linear",
    "Noam",
    "OneCycle",
    "ReduceOnPlateau",
    "Sequential",
    "Step",
    "WarmUp",
];

/// Burn counts steps in 31 bits.
const MOST_STEPS: u64 = (u32::MAX >> 1) as u64;

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
        let most = MOST_STEPS;
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
                num_iters: length(&mut fields, 1)?,
            },
            "Linear" => Self::Linear {
                final_lr: fields.number("final_lr", None, rate.0, rate.1)?,
                num_iters: length(&mut fields, 1)?,
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
                    num_iters: length(&mut fields, 2)?,
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
            "ReduceOnPlateau" => {
                Self::ReduceOnPlateau(PlateauConfig::read(&mut fields, MOST_STEPS)?)
            }
            "Sequential" => sequential(&mut fields)?,
            "Step" => Self::Step {
                step_size: fields.whole("step_size", None, (1, most))? as usize,
                gamma: fields.number("gamma", Some(0.1), factor.0, factor.1)?,
            },
            "WarmUp" => Self::WarmUp {
                num_iters: fields.whole("num_iters", None, (1, most))? as usize,
                start_factor: fields.number("start_factor", Some(1.0 / 3.0), factor.0, factor.1)?,
                after: match fields.get_some("after") {
                    None => None,
                    Some(value) => {
                        let config = Self::part(value, &fields.name("after"))?;
                        Some(Box::new(config))
                    }
                },
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

    /// A schedule that is a part of another one.
    fn part(value: &Value, path: &str) -> Result<Self> {
        match Self::from_value(value, path)? {
            Self::ReduceOnPlateau(_) => Err(Error::Config(format!(
                "{path} must be another schedule than ReduceOnPlateau, which follows the metrics of a whole run; let that be \
                 lr_scheduler itself"
            ))),
            schedule => Ok(schedule),
        }
    }

    pub(super) fn to_value(&self) -> Value {
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
            Self::Sequential {
                schedules,
                milestones,
            } => {
                let schedules: Vec<Value> = schedules
                    .iter()
                    .map(|schedule| schedule.as_ref().map_or(Value::Null, Self::to_value))
                    .collect();
                json!({"Sequential": {"schedules": schedules, "milestones": milestones}})
            }
            Self::WarmUp {
                num_iters,
                start_factor,
                after,
            } => {
                let after = after.as_ref().map_or(Value::Null, |after| after.to_value());
                json!({"WarmUp": {
                    "num_iters": num_iters,
                    "start_factor": start_factor,
                    "after": after,
                }})
            }
            Self::Step { step_size, gamma } => {
                json!({"Step": {"step_size": step_size, "gamma": gamma}})
            }
        }
    }
}

/// The number of steps of a schedule, which may be absent.
fn length(fields: &mut Fields<'_>, least: u64) -> Result<Option<usize>> {
    if fields.get_some("num_iters").is_none() {
        return Ok(None);
    }
    let length = fields.whole("num_iters", None, (least, MOST_STEPS))?;
    Ok(Some(length as usize))
}

fn sequential(fields: &mut Fields<'_>) -> Result<LrSchedulerConfig> {
    let value = fields.get("schedules").unwrap_or(&Value::Null);
    let list = value.as_array().filter(|list| !list.is_empty());
    let list =
        list.ok_or_else(|| fields.broken("schedules", "a list of at least one schedule", value))?;
    let schedules = list
        .iter()
        .enumerate()
        .map(|(place, value)| {
            let path = fields.name(&format!("schedules[{place}]"));
            (!value.is_null())
                .then(|| LrSchedulerConfig::part(value, &path))
                .transpose()
        })
        .collect::<Result<Vec<_>>>()?;
    let value = fields.get("milestones").unwrap_or(&Value::Null);
    let milestones: Option<Vec<usize>> = value.as_array().and_then(|list| {
        let milestone = |value: &Value| {
            let step = value.as_u64()?;
            (1..=MOST_STEPS).contains(&step).then_some(step as usize)
        };
        list.iter().map(milestone).collect()
    });
    let milestones = milestones.filter(|milestones| {
        milestones.len() + 1 == schedules.len() && milestones.is_sorted_by(|one, next| one < next)
    });
    let Some(milestones) = milestones else {
        let rule = format!(
            "a list of {} increasing numbers of steps from 1 on, one less than there are schedules",
            schedules.len() - 1
        );
        return Err(fields.broken("milestones", &rule, value));
    };
    Ok(LrSchedulerConfig::Sequential {
        schedules,
        milestones,
    })
}
