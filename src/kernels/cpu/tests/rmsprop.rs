use super::step::{hold, hold_everywhere, hold_to_burn};
use super::tensors::values;
use super::{assert_close, numbers};
use crate::config::RmsPropConfig;
use crate::kernels::optimizer::Steps;
use crate::kernels::rmsprop::{RmsPropRule, RmsPropStep};
use crate::kernels::step::Step;
use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::optim::{RmsProp, RmsPropState, SimpleOptimizer};
use burn::tensor::Tensor;

fn rules() -> Vec<RmsPropRule> {
    let mut rules = Vec::new();
    for centered in [false, true] {
        for momentum in [0.0, 0.8] {
            rules.extend([0.0, 0.1].map(|penalty| RmsPropRule {
                alpha: 0.95,
                momentum,
                epsilon: 1e-3,
                centered,
                penalty,
            }));
        }
    }
    rules
}

fn burn_of(rule: &RmsPropRule) -> RmsProp {
    let config = RmsPropConfig {
        alpha: rule.alpha,
        momentum: rule.momentum,
        epsilon: rule.epsilon,
        centered: rule.centered,
        weight_decay: (rule.penalty > 0.0).then_some(rule.penalty),
        grad_clipping: None,
    };
    config.to_burn().build()
}

/// A parameter and its states. The mean square is above the square of the mean, and what is the variance before a step
/// must not count.
fn start<const N: usize>(rule: &RmsPropRule, size: usize) -> [Vec<f32>; N] {
    let square = numbers(size, 2, 0.4).into_iter().map(|number| number + 0.5);
    let mut parts = vec![numbers(size, 1, 1.0), square.collect()];
    if rule.centered {
        parts.extend([numbers(size, 3, 0.3), vec![f32::NAN; size]]);
    }
    if rule.momentum > 0.0 {
        parts.push(numbers(size, 4, 2.0));
    }
    parts.try_into().unwrap()
}

/// One step on one number, in double precision, as the sources have it.
fn plain_rmsprop<const N: usize>(step: &RmsPropStep, state: [f64; N], gradient: f64) -> [f64; N] {
    let rule = &step.rule;
    let (alpha, rest) = (f64::from(rule.alpha), 1.0 - f64::from(rule.alpha));
    let slope = gradient + f64::from(rule.penalty) * state[0];
    let mut next = state;
    next[1] = alpha * state[1] + rest * slope * slope;
    let mut spread = next[1];
    if rule.centered {
        next[2] = alpha * state[2] + rest * slope;
        next[3] = next[1] - next[2] * next[2];
        spread = next[3];
    }
    let mut way = slope / (spread.sqrt() + f64::from(rule.epsilon));
    if rule.momentum > 0.0 {
        way += f64::from(rule.momentum) * state[N - 1];
        next[N - 1] = way;
    }
    next[0] = state[0] - f64::from(step.learning_rate) * way;
    next
}

fn hold_rule<const N: usize>(rule: &RmsPropRule) {
    let step = RmsPropStep::new(rule, 0.05);
    let start = |size| start::<N>(rule, size);
    hold(&Step::RmsProp(step), start, |state, slope| {
        plain_rmsprop(&step, state, slope)
    });
    hold_everywhere(step, &start(100));
}

#[test]
fn a_step_of_rmsprop_is_that_of_its_sources_at_any_size() {
    for rule in rules() {
        match rule.count() {
            1 => hold_rule::<2>(&rule),
            2 => hold_rule::<3>(&rule),
            3 => hold_rule::<4>(&rule),
            _ => hold_rule::<5>(&rule),
        }
    }
}

#[test]
fn steps_of_rmsprop_are_burns() {
    for rule in rules() {
        hold_to_burn(&burn_of(&rule), &rule, 0.0);
    }
}

/// Burn computes it anew in each step, and keeps it.
#[test]
fn the_denominator_in_the_state_of_rmsprop_is_burns() {
    for rule in rules() {
        let ours = Steps::new(burn_of(&rule), rule, None);
        let parts = [1, 2, 3]
            .map(|seed| Tensor::<Flex, 1>::from_floats(&*numbers(9, seed, 1.0), &FlexDevice));
        let [parameter, gradient, later] = parts;
        let burns = burn_of(&rule);
        let (stepped, state) = ours.step(0.1, parameter.clone(), gradient.clone(), None);
        let (_, state) = ours.step(0.1, stepped, later.clone(), state);
        let (stepped, expected) = burns.step(0.1, parameter, gradient, None);
        let (_, expected) = burns.step(0.1, stepped, later, expected);
        let state: RmsPropState<Flex, 1> = state.unwrap();
        let expected: RmsPropState<Flex, 1> = expected.unwrap();
        assert_eq!(state.centered.grad_avg.is_some(), rule.centered);
        let wanted: Vec<f64> = values(expected.centered.avg)
            .into_iter()
            .map(f64::from)
            .collect();
        assert_close(
            &values(state.centered.avg),
            &wanted,
            0.0,
            &format!("{rule:?}"),
        );
    }
}
