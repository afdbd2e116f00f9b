//! Steps of optimizers, against plain ones of one number in double precision, and against Burn's.

use super::tensors::values;
use super::{assert_close, levels, numbers};
use crate::kernels::cpu::Cpu;
use crate::kernels::cpu::scratch::LINE;
use crate::kernels::cpu::simd::Level;
use crate::kernels::cpu::step::{Arithmetic, Clip, step};
use crate::kernels::cpu::tensors::{Numbers, tensor};
use crate::kernels::kernel::StepKernel;
use crate::kernels::optimizer::{Rule, Steps};
use crate::kernels::step::{Clipping, Step};
use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::grad_clipping::GradientClipping;
use burn::optim::SimpleOptimizer;
use burn::tensor::{Tensor, TensorData};

const CLIPPINGS: [Option<Clipping>; 4] = [
    None,
    Some(Clipping::Value(0.3)),
    Some(Clipping::Norm(1.5)),
    Some(Clipping::Norm(1e6)),
];

/// The step of a kernel: of a parameter and its states, the parameter first.
pub fn stepped(
    level: Level,
    step: &Step,
    clipping: Option<Clipping>,
    start: &[Vec<f32>],
    gradient: &[f32],
) -> Vec<Vec<f32>> {
    let tensor = |numbers: &[f32]| tensor(numbers.to_vec(), [numbers.len()]);
    let mut tensors = start.iter().map(|numbers| tensor(numbers));
    let parameter = tensors.next().unwrap();
    let states = tensors.collect();
    let kernel = Cpu { level };
    let (parameter, states) = kernel.step(step, clipping, parameter, &tensor(gradient), states);
    std::iter::once(&parameter)
        .chain(&states)
        .map(|tensor| Numbers::of(tensor).to_vec())
        .collect()
}

/// A gradient after clipping.
fn clipped(clipping: Option<Clipping>, gradient: &[f32]) -> Vec<f64> {
    let gradient = gradient.iter().map(|slope| f64::from(*slope));
    let norm = gradient
        .clone()
        .map(|slope| slope * slope)
        .sum::<f64>()
        .sqrt();
    gradient
        .map(|slope| match clipping {
            None => slope,
            Some(Clipping::Value(bound)) => slope.clamp(-f64::from(bound), bound.into()),
            Some(Clipping::Norm(bound)) => slope * (f64::from(bound) / norm).min(1.0),
        })
        .collect()
}

/// Holds a step at each level and with each clipping to `plain`, which takes a number of the parameter and of each state, and
/// the gradient. `start` gives so many numbers of each.
pub fn hold<const N: usize>(
    step: &Step,
    start: impl Fn(usize) -> [Vec<f32>; N],
    plain: impl Fn([f64; N], f64) -> [f64; N],
) {
    for (size, clipping) in [1, 15, 16, 33, 20_001]
        .into_iter()
        .flat_map(|size| CLIPPINGS.map(|clipping| (size, clipping)))
    {
        let (start, gradient) = (start(size), numbers(size, 5, 1.0));
        let expected: Vec<[f64; N]> = clipped(clipping, &gradient)
            .into_iter()
            .enumerate()
            .map(|(place, slope)| plain(start.each_ref().map(|part| part[place].into()), slope))
            .collect();
        for level in levels() {
            let actual = stepped(level, step, clipping, &start, &gradient);
            assert_eq!(actual.len(), N);
            for (part, actual) in actual.iter().enumerate() {
                let expected: Vec<f64> = expected.iter().map(|each| each[part]).collect();
                let what = format!("{} {size} {clipping:?} {part} {step:?}", level.name());
                assert_close(actual, &expected, 1e-5, &what);
            }
        }
    }
}

/// Holds steps of numbers that begin anywhere in a line of cache to the bits of those at its beginning, which it gives for
/// each level.
pub fn hold_anywhere<A: Arithmetic, const N: usize>(
    arithmetic: A,
    start: &[Vec<f32>; N],
) -> Vec<Vec<Vec<f32>>> {
    let gradient = numbers(start[0].len(), 5, 1.0);
    let mut results = Vec::new();
    for level in levels() {
        let clip = Clip::new(level, Some(Clipping::Value(0.5)), &gradient);
        let stepped_at = |offsets: [usize; N]| -> Vec<Vec<f32>> {
            let mut memory = start.each_ref().map(|part| vec![0.0; part.len() + 32]);
            let mut parts = start.iter().zip(offsets);
            let mut places = memory.each_mut().map(|memory| {
                let (part, offset) = parts.next().unwrap();
                let first = memory.as_ptr().align_offset(LINE) + offset;
                let place = &mut memory[first..first + part.len()];
                place.copy_from_slice(part);
                place
            });
            let numbers = places.each_mut().map(|place| &mut **place);
            step(level, arithmetic, clip, numbers, &gradient);
            places.iter().map(|place| place.to_vec()).collect()
        };
        let aligned = stepped_at([0; N]);
        for offset in 1..16 {
            let offsets = std::array::from_fn(|part| (offset + 5 * part) % 16);
            assert_eq!(stepped_at(offsets), aligned, "{} {offset}", level.name());
        }
        results.push(aligned);
    }
    results
}

/// The same, with the same bits at each level.
pub fn hold_everywhere<A: Arithmetic, const N: usize>(arithmetic: A, start: &[Vec<f32>; N]) {
    let results = hold_anywhere(arithmetic, start);
    assert!(results.iter().all(|result| *result == results[0]));
}

/// Holds some steps to Burn's, from a state of either. Norms are sums, in whose order the kernels differ.
pub fn hold_to_burn<O, R>(burn: &O, rule: &R, tolerance: f64)
where
    O: SimpleOptimizer<Flex>,
    R: Rule<Flex, O>,
{
    let tensor = |seed: u64| -> Tensor<Flex, 2> {
        let values = numbers(7 * 11, seed, 1.0);
        Tensor::from_data(TensorData::new(values, [7, 11]), &FlexDevice)
    };
    for clipping in CLIPPINGS {
        let tolerance = match clipping {
            Some(Clipping::Norm(_)) => 1e-5,
            _ => tolerance,
        };
        let ours = Steps::new(burn.clone(), rule.clone(), clipping);
        let clip = |gradient: Tensor<Flex, 2>| match clipping {
            None => gradient,
            Some(Clipping::Value(bound)) => GradientClipping::Value(bound).clip_gradient(gradient),
            Some(Clipping::Norm(bound)) => GradientClipping::Norm(bound).clip_gradient(gradient),
        };
        let (mut parameter, mut state) = (tensor(0), None);
        let (mut expected, mut expected_state) = (tensor(0), None);
        // The fourth step is Burn's from our state, and the others go on from what it leaves.
        for time in 1..=6 {
            let gradient = tensor(time);
            let clipped = clip(gradient.clone());
            (expected, expected_state) = burn.step(0.05, expected, clipped.clone(), expected_state);
            (parameter, state) = if time == 4 {
                burn.step(0.05, parameter, clipped, state)
            } else {
                ours.step(0.05, parameter, gradient, state)
            };
            let what = format!("step {time} with {clipping:?}");
            let wanted: Vec<f64> = values(expected.clone())
                .into_iter()
                .map(f64::from)
                .collect();
            assert_close(&values(parameter.clone()), &wanted, tolerance, &what);
        }
    }
}
