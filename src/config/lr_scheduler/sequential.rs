use super::LrSchedule;
use burn::lr_scheduler::LrScheduler;
use burn::tensor::backend::Backend;

/// One schedule after the other, as `PyTorch`'s `SequentialLR`: each from its own beginning.
#[derive(Clone, Debug)]
pub struct SequentialLrScheduler {
    /// Each with the steps before it, none of which has begun.
    stages: Vec<(usize, LrSchedule)>,
    /// The one that goes on, and the number of the next.
    current: Box<LrSchedule>,
    next: usize,
    /// Steps that are done.
    steps: u64,
}

impl SequentialLrScheduler {
    /// Schedules, at least one, each with the steps before it: none before the first, and more from each to the next.
    pub(super) fn new(stages: Vec<(usize, LrSchedule)>) -> Self {
        Self {
            current: Box::new(stages[0].1.clone()),
            next: 1,
            stages,
            steps: 0,
        }
    }
}

impl LrScheduler for SequentialLrScheduler {
    type Record<B: Backend> = u64;

    fn step(&mut self) -> f64 {
        if let Some((start, schedule)) = self.stages.get(self.next)
            && *start as u64 == self.steps
        {
            *self.current = schedule.clone();
            self.next += 1;
        }
        self.steps += 1;
        self.current.step()
    }

    fn to_record<B: Backend>(&self) -> u64 {
        self.steps
    }

    /// The state follows from the number of steps alone.
    fn load_record<B: Backend>(mut self, record: u64) -> Self {
        let begun = |(start, _): &(usize, LrSchedule)| (*start as u64) < record;
        self.next = self
            .stages
            .iter()
            .filter(|stage| begun(stage))
            .count()
            .max(1);
        let (start, schedule) = &self.stages[self.next - 1];
        *self.current = schedule.clone().after::<B>(record - *start as u64);
        self.steps = record;
        self
    }
}
