//! Steps of optimizers in one pass over a parameter, its gradient and its state, in place.

mod adagrad;
mod adam;
mod clip;
mod rmsprop;
mod sgd;

pub use clip::Clip;

use super::Cpu;
use super::scratch::LINE;
use super::simd::{Kernel, Level, Simd};
use super::slices::padded;
use super::tensors::Numbers;
use super::update::update;
use crate::kernels::kernel::StepKernel;
use crate::kernels::step::{Clipping, Step};
use burn::backend::Flex;
use burn::backend::flex::FlexTensor;

/// Numbers of a task, which fit the second-level cache with all that belongs to them.
const TASK: usize = 8192;
/// Numbers of a vector.
const WIDTH: usize = 16;

impl StepKernel<Flex> for Cpu {
    fn step(
        &self,
        step: &Step,
        clipping: Option<Clipping>,
        parameter: FlexTensor,
        gradient: &FlexTensor,
        states: Vec<FlexTensor>,
    ) -> (FlexTensor, Vec<FlexTensor>) {
        let gradient = Numbers::of(gradient);
        let pass = Pass {
            level: self.level,
            clip: Clip::new(self.level, clipping, &gradient),
            gradient: &gradient,
        };
        match *step {
            Step::Adam(step) if step.rule.amsgrad => pass.run::<_, 4>(step, parameter, states),
            Step::Adam(step) => pass.run::<_, 3>(step, parameter, states),
            Step::Sgd(step) => match step.rule.momentum {
                None => pass.run::<_, 1>(step, parameter, states),
                Some(_) => pass.run::<_, 2>(step, parameter, states),
            },
            Step::RmsProp(step) => match (step.rule.centered, step.rule.momentum > 0.0) {
                (false, false) => pass.run::<_, 2>(step, parameter, states),
                (false, true) => pass.run::<_, 3>(step, parameter, states),
                (true, false) => pass.run::<_, 4>(step, parameter, states),
                (true, true) => pass.run::<_, 5>(step, parameter, states),
            },
            Step::AdaGrad(step) => pass.run::<_, 2>(step, parameter, states),
        }
    }
}

/// What an optimizer computes. All but Adam round after each operation, as Burn does: their bits are Burn's at every level.
pub trait Arithmetic: Copy + Sync {
    /// Changes vectors of a parameter and of each of its states, the parameter's first, by that of the gradient.
    ///
    /// Must be `#[inline(always)]`.
    fn step<S: Simd>(self, simd: S, vectors: &mut [S::Wide], gradient: S::Wide);
}

/// One step over a gradient.
struct Pass<'a> {
    level: Level,
    clip: Clip,
    gradient: &'a [f32],
}

impl Pass<'_> {
    /// The step of a parameter with `N - 1` states.
    fn run<A: Arithmetic, const N: usize>(
        &self,
        arithmetic: A,
        parameter: FlexTensor,
        states: Vec<FlexTensor>,
    ) -> (FlexTensor, Vec<FlexTensor>) {
        let tensors: Vec<FlexTensor> = std::iter::once(parameter).chain(states).collect();
        let Ok(tensors) = <[FlexTensor; N]>::try_from(tensors) else {
            unreachable!("an optimizer keeps the tensors that its step says");
        };
        let tensors = update(tensors, TASK, |place, numbers| {
            let first = place * TASK;
            let gradient = &self.gradient[first..first + numbers[0].len()];
            step(self.level, arithmetic, self.clip, numbers, gradient);
        });
        let mut tensors = tensors.into_iter();
        match tensors.next() {
            Some(parameter) => (parameter, tensors.collect()),
            None => unreachable!("the parameter is one of them"),
        }
    }
}

/// The step of a task: of a parameter and of each of its states, the parameter first.
pub fn step<A: Arithmetic, const N: usize>(
    level: Level,
    arithmetic: A,
    clip: Clip,
    numbers: [&mut [f32]; N],
    gradient: &[f32],
) {
    level.run(Task {
        arithmetic,
        clip,
        numbers,
        gradient,
    });
}

struct Task<'a, A, const N: usize> {
    arithmetic: A,
    clip: Clip,
    numbers: [&'a mut [f32]; N],
    gradient: &'a [f32],
}

impl<A: Arithmetic, const N: usize> Kernel for Task<'_, A, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self {
            arithmetic,
            clip,
            numbers,
            gradient,
        } = self;
        // Whole vectors begin at a line of cache: one that is written across two of them takes twice as long.
        let length = gradient.len();
        let head = length.min(numbers[0].as_ptr().align_offset(LINE));
        let tail = length - (length - head) % WIDTH;
        for (start, end) in [(0, head), (tail, length)] {
            let slope = simd.load(&padded(&gradient[start..end]));
            let mut vectors = [simd.splat(0.0); N];
            for each in 0..N {
                vectors[each] = simd.load(&padded(&numbers[each][start..end]));
            }
            arithmetic.step(simd, &mut vectors, clip.apply(simd, slope));
            for each in 0..N {
                let mut lanes = [0.0; WIDTH];
                simd.store(vectors[each], &mut lanes);
                numbers[each][start..end].copy_from_slice(&lanes[..end - start]);
            }
        }
        let (gradient, _) = gradient[head..tail].as_chunks();
        let mut numbers = numbers.map(|numbers| numbers[head..tail].as_chunks_mut().0);
        for each in 0..N {
            // One check here instead of one for each vector.
            numbers[each] = &mut std::mem::take(&mut numbers[each])[..gradient.len()];
        }
        for place in 0..gradient.len() {
            let slope = simd.load(&gradient[place]);
            let mut vectors = [simd.splat(0.0); N];
            for each in 0..N {
                vectors[each] = simd.load(&numbers[each][place]);
            }
            arithmetic.step(simd, &mut vectors, clip.apply(simd, slope));
            for each in 0..N {
                simd.store(vectors[each], &mut numbers[each][place]);
            }
        }
    }
}

/// `a * b + c`, rounded twice at every level.
#[inline(always)]
fn mul_then_add<S: Simd>(simd: S, a: S::Wide, b: S::Wide, c: S::Wide) -> S::Wide {
    simd.add(simd.mul(a, b), c)
}
