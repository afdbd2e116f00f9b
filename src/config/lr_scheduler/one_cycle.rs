use burn::lr_scheduler::LrScheduler;
use burn::tensor::backend::Backend;
use std::f64::consts::PI;

/// One cycle of the learning rate: Smith and Topin, "Super-Convergence: Very Fast Training of Neural Networks Using Large
/// Learning Rates", 2018, as `PyTorch`'s `OneCycleLR` with its cosines.
#[derive(Clone, Copy, Debug)]
pub struct OneCycleLrScheduler {
    /// The highest rate.
    pub(super) learning_rate: f64,
    pub(super) num_iters: usize,
    pub(super) pct_start: f64,
    pub(super) div_factor: f64,
    pub(super) final_div_factor: f64,
    /// Steps that are done.
    pub(super) steps: u64,
}

impl OneCycleLrScheduler {
    /// The rate of a step, from 0.
    fn rate(&self, step: u64) -> f64 {
        let first = self.learning_rate / self.div_factor;
        let last = first / self.final_div_factor;
        let step = step as f64;
        let end = self.num_iters as f64 - 1.0;
        let top = self.pct_start * self.num_iters as f64 - 1.0;
        if step < top {
            along_a_cosine(first, self.learning_rate, step / top)
        } else if step < end {
            along_a_cosine(self.learning_rate, last, (step - top) / (end - top))
        } else {
            last
        }
    }
}

fn along_a_cosine(start: f64, end: f64, share: f64) -> f64 {
    end + (start - end) / 2.0 * (1.0 + (PI * share).cos())
}

impl LrScheduler for OneCycleLrScheduler {
    type Record<B: Backend> = u64;

    fn step(&mut self) -> f64 {
        let rate = self.rate(self.steps);
        self.steps += 1;
        rate
    }

    fn to_record<B: Backend>(&self) -> u64 {
        self.steps
    }

    fn load_record<B: Backend>(mut self, record: u64) -> Self {
        self.steps = record;
        self
    }
}
