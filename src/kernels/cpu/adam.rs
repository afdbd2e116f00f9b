//! Optimizer steps in one pass over a parameter, its gradient and its moments, in place.

use super::Cpu;
use super::scratch::LINE;
use super::simd::{Kernel, Level, Simd};
use super::slices::padded;
use super::tensors::{Numbers, contiguous};
use crate::kernels::adam::{AdamStep, Clipping, Decay, Moments};
use crate::kernels::kernel::AdamKernel;
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use rayon::prelude::*;

/// Numbers of a task, which fit the second-level cache with all that belongs to them.
const TASK: usize = 8192;
/// Numbers of a vector.
const WIDTH: usize = 16;

impl AdamKernel<Flex> for Cpu {
    fn step(
        &self,
        step: &AdamStep,
        parameter: FlexTensor,
        gradient: &FlexTensor,
        moments: Moments<FlexTensor>,
    ) -> (FlexTensor, Moments<FlexTensor>) {
        let mut parameter = contiguous(parameter);
        let mut mean = contiguous(moments.mean);
        let mut square = contiguous(moments.square);
        let mut largest = moments.largest.map(contiguous);
        adam(
            self.level,
            step,
            parameter.storage_mut(),
            &Numbers::of(gradient),
            Moments {
                mean: mean.storage_mut(),
                square: square.storage_mut(),
                largest: largest.as_mut().map(FlexTensor::storage_mut),
            },
        );
        let moments = Moments {
            mean,
            square,
            largest,
        };
        (parameter, moments)
    }
}

/// What a gradient is multiplied with, and the bound of its elements.
#[derive(Clone, Copy, Debug)]
struct Clip {
    factor: f32,
    bound: f32,
}

impl Clip {
    fn new(level: Level, clipping: Option<Clipping>, gradient: &[f32]) -> Self {
        let (factor, bound) = match clipping {
            None => (1.0, f32::INFINITY),
            Some(Clipping::Value(bound)) => (1.0, bound),
            // As Burn has it: what is added keeps a gradient of zeros from a division by zero.
            Some(Clipping::Norm(bound)) => {
                let norm = squares(level, gradient).sqrt();
                ((bound / (norm + f32::MIN_POSITIVE)).min(1.0), f32::INFINITY)
            }
        };
        Self { factor, bound }
    }

    #[inline(always)]
    fn apply<S: Simd>(self, simd: S, gradient: S::Wide) -> S::Wide {
        let gradient = simd.mul(gradient, simd.splat(self.factor));
        let below = simd.sub(simd.splat(0.0), gradient);
        let below = simd.max(simd.splat(-self.bound), below);
        // The largest of the bound below and the smallest of the bound above, both through `max`.
        simd.max(simd.splat(-self.bound), simd.sub(simd.splat(0.0), below))
    }
}

/// The sum of the squares. Each task's sum is added in its place, so that the number of threads changes nothing.
fn squares(level: Level, values: &[f32]) -> f32 {
    struct Squares<'a>(&'a [f32]);

    impl Kernel for Squares<'_> {
        type Output = f64;

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) -> f64 {
            let mut sum = simd.splat(0.0);
            for values in self.0.chunks(WIDTH) {
                let values = simd.load(&padded(values));
                sum = simd.mul_add(values, values, sum);
            }
            let mut lanes = [0.0; WIDTH];
            simd.store(sum, &mut lanes);
            lanes.iter().map(|lane| f64::from(*lane)).sum()
        }
    }

    let tasks: Vec<f64> = values
        .par_chunks(TASK)
        .map(|values| level.run(Squares(values)))
        .collect();
    tasks.iter().sum::<f64>() as f32
}

/// One step of Adam or AdamW.
pub fn adam(
    level: Level,
    step: &AdamStep,
    parameter: &mut [f32],
    gradient: &[f32],
    moments: Moments<&mut [f32]>,
) {
    let clip = Clip::new(level, step.rule.clipping, gradient);
    let tasks = parameter
        .par_chunks_mut(TASK)
        .zip(gradient.par_chunks(TASK))
        .zip(moments.mean.par_chunks_mut(TASK))
        .zip(moments.square.par_chunks_mut(TASK));
    let run = |(((parameter, gradient), mean), square), largest| {
        level.run(Adam {
            step,
            clip,
            parameter,
            gradient,
            moments: Moments {
                mean,
                square,
                largest,
            },
        });
    };
    match moments.largest {
        None => tasks.for_each(|task| run(task, None)),
        Some(largest) => tasks
            .zip(largest.par_chunks_mut(TASK))
            .for_each(|(task, largest)| run(task, Some(largest))),
    }
}

struct Adam<'a> {
    step: &'a AdamStep,
    clip: Clip,
    parameter: &'a mut [f32],
    gradient: &'a [f32],
    moments: Moments<&'a mut [f32]>,
}

impl Kernel for Adam<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            step,
            clip,
            parameter,
            gradient,
            moments:
                Moments {
                    mean: moment_1,
                    square: moment_2,
                    mut largest,
                },
        } = self;
        let rule = &step.rule;
        let (penalty, cautious) = match rule.decay {
            Decay::None => (0.0, false),
            Decay::Penalty(penalty) => (penalty, false),
            Decay::Decoupled { cautious, .. } => (0.0, cautious),
        };
        let zero = simd.splat(0.0);
        let (penalty, decay) = (simd.splat(penalty), simd.splat(step.decay));
        let (beta_1, beta_2) = (simd.splat(rule.beta_1), simd.splat(rule.beta_2));
        let (rest_1, rest_2) = (simd.splat(1.0 - rule.beta_1), simd.splat(1.0 - rule.beta_2));
        let [factor, epsilon] = step.corrections;
        let (factor, epsilon) = (simd.splat(factor), simd.splat(epsilon));
        let rate = simd.splat(-step.learning_rate);
        // What comes before the first line of cache is done apart: a vector that is written across two of them takes twice as
        // long.
        let length = parameter.len();
        let head = length.min(parameter.as_ptr().align_offset(LINE));
        for (start, end) in [(0, head), (head, length)] {
            let (parameter, gradient) = (&mut parameter[..end], &gradient[..end]);
            let (moment_1, moment_2) = (&mut moment_1[..end], &mut moment_2[..end]);
            for first in (start..end).step_by(WIDTH) {
                let value = load(simd, parameter, first);
                let slope = clip.apply(simd, load(simd, gradient, first));
                let slope = simd.mul_add(value, penalty, slope);
                let mean = simd.mul(load(simd, moment_1, first), beta_1);
                let mean = simd.mul_add(slope, rest_1, mean);
                let square = simd.mul(load(simd, moment_2, first), beta_2);
                let square = simd.mul_add(simd.mul(slope, slope), rest_2, square);
                store(simd, mean, moment_1, first);
                store(simd, square, moment_2, first);
                let square = match largest.as_deref_mut() {
                    None => square,
                    Some(largest) => {
                        let largest = &mut largest[..end];
                        let most = simd.max(load(simd, largest, first), square);
                        store(simd, most, largest, first);
                        most
                    }
                };
                let mut lost = simd.mul(value, decay);
                if cautious {
                    let [value, mean] = [simd.sub(zero, value), simd.sub(zero, mean)];
                    lost = simd.keep(lost, !(simd.positive(value) ^ simd.positive(mean)));
                }
                let step = simd.div(simd.mul(mean, factor), simd.add(simd.sqrt(square), epsilon));
                let value = simd.mul_add(step, rate, simd.sub(value, lost));
                store(simd, value, parameter, first);
            }
        }
    }
}

#[inline(always)]
fn load<S: Simd>(simd: S, values: &[f32], first: usize) -> S::Wide {
    let rest = &values[first..];
    match rest.first_chunk() {
        Some(values) => simd.load(values),
        None => simd.load(&padded(rest)),
    }
}

#[inline(always)]
fn store<S: Simd>(simd: S, value: S::Wide, values: &mut [f32], first: usize) {
    let rest = &mut values[first..];
    if let Some(values) = rest.first_chunk_mut() {
        simd.store(value, values);
    } else {
        let mut lanes = [0.0; WIDTH];
        simd.store(value, &mut lanes);
        let count = rest.len();
        rest.copy_from_slice(&lanes[..count]);
    }
}
