//! How long schedules take, beside the run they are for.

use super::LrSchedulerConfig;

impl LrSchedulerConfig {
    /// The schedule for so many steps: those that have no length take all of them, or as many as are left for them.
    #[must_use]
    pub fn with_length(self, steps: usize) -> Self {
        // What a schedule takes at least, where there is nothing left for it.
        let or = |num_iters: Option<usize>, least: usize| num_iters.or(Some(steps.max(least)));
        match self {
            Self::CosineAnnealing { min_lr, num_iters } => Self::CosineAnnealing {
                min_lr,
                num_iters: or(num_iters, 1),
            },
            Self::Linear {
                final_lr,
                num_iters,
            } => Self::Linear {
                final_lr,
                num_iters: or(num_iters, 1),
            },
            Self::OneCycle {
                num_iters,
                pct_start,
                div_factor,
                final_div_factor,
            } => Self::OneCycle {
                num_iters: or(num_iters, 2),
                pct_start,
                div_factor,
                final_div_factor,
            },
            Self::Sequential {
                schedules,
                milestones,
            } => {
                let starts = std::iter::once(0).chain(milestones.iter().copied());
                let ends = milestones.iter().copied().chain([steps]);
                let schedules = schedules
                    .into_iter()
                    .zip(starts.zip(ends))
                    .map(|(schedule, (start, end))| {
                        schedule.map(|schedule| schedule.with_length(end.saturating_sub(start)))
                    })
                    .collect();
                Self::Sequential {
                    schedules,
                    milestones,
                }
            }
            Self::WarmUp {
                num_iters,
                start_factor,
                after,
            } => Self::WarmUp {
                num_iters,
                start_factor,
                after: after
                    .map(|after| Box::new(after.with_length(steps.saturating_sub(num_iters)))),
            },
            Self::Exponential { .. }
            | Self::Noam { .. }
            | Self::ReduceOnPlateau(_)
            | Self::Step { .. } => self,
        }
    }

    /// The schedule with the lengths of another one where it has none itself; `None` where they differ in more than that.
    pub(crate) fn with_lengths_of(self, other: &Self) -> Option<Self> {
        let filled = self.filled(other);
        (filled == *other).then_some(filled)
    }

    fn filled(self, other: &Self) -> Self {
        match (self, other) {
            (
                Self::CosineAnnealing {
                    min_lr,
                    num_iters: None,
                },
                Self::CosineAnnealing { num_iters, .. },
            ) => Self::CosineAnnealing {
                min_lr,
                num_iters: *num_iters,
            },
            (
                Self::Linear {
                    final_lr,
                    num_iters: None,
                },
                Self::Linear { num_iters, .. },
            ) => Self::Linear {
                final_lr,
                num_iters: *num_iters,
            },
            (
                Self::OneCycle {
                    num_iters: None,
                    pct_start,
                    div_factor,
                    final_div_factor,
                },
                Self::OneCycle { num_iters, .. },
            ) => Self::OneCycle {
                num_iters: *num_iters,
                pct_start,
                div_factor,
                final_div_factor,
            },
            (
                Self::Sequential {
                    schedules,
                    milestones,
                },
                Self::Sequential {
                    schedules: others, ..
                },
            ) if schedules.len() == others.len() => Self::Sequential {
                schedules: schedules
                    .into_iter()
                    .zip(others)
                    .map(|(schedule, other)| match (schedule, other) {
                        (Some(schedule), Some(other)) => Some(schedule.filled(other)),
                        (schedule, _) => schedule,
                    })
                    .collect(),
                milestones,
            },
            (
                Self::WarmUp {
                    num_iters,
                    start_factor,
                    after: Some(after),
                },
                Self::WarmUp {
                    after: Some(other), ..
                },
            ) => Self::WarmUp {
                num_iters,
                start_factor,
                after: Some(Box::new(after.filled(other))),
            },
            (schedule, _) => schedule,
        }
    }

    /// What to tell of a schedule that has its length and doesn't fit a run of so many steps; `None` where it does.
    pub fn misfit(&self, steps: usize) -> Option<String> {
        let (start, last) = self.last_stage();
        if start >= steps && start > 0 {
            return Some(format!(
                "the last part of the learning-rate schedule is never used: it begins after {start} steps, and the run has {steps}"
            ));
        }
        // Both ends of a line and of a descent belong to it, as Burn has them.
        let (length, then) = match last? {
            Self::CosineAnnealing { num_iters, .. } => ((*num_iters)? + 1, "starts again"),
            Self::Linear { num_iters, .. } => ((*num_iters)? + 1, "stays at its last value"),
            Self::OneCycle { num_iters, .. } => ((*num_iters)?, "stays at its last value"),
            _ => return None,
        };
        let end = start.saturating_add(length);
        (end < steps).then(|| {
            format!(
                "the learning-rate schedule ends before the run does: after {end} of {steps} steps the rate {then}; leave num_iters out for \
                 the length of the run"
            )
        })
    }

    /// The schedule that the last steps are made with, and the steps before it; `None` where that is a constant rate.
    fn last_stage(&self) -> (usize, Option<&Self>) {
        let (start, last) = match self {
            Self::Sequential {
                schedules,
                milestones,
            } => {
                let last = schedules.last().and_then(Option::as_ref);
                (milestones.last().copied().unwrap_or(0), last)
            }
            Self::WarmUp {
                num_iters, after, ..
            } => (*num_iters, after.as_deref()),
            _ => return (0, Some(self)),
        };
        match last {
            None => (start, None),
            Some(last) => {
                let (more, last) = last.last_stage();
                (start.saturating_add(more), last)
            }
        }
    }
}
