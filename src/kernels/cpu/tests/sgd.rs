use super::numbers;
use super::step::{hold, hold_everywhere, hold_to_burn};
use crate::config::{MomentumConfig, SgdConfig};
use crate::kernels::sgd::{SgdMomentum, SgdRule, SgdStep};
use crate::kernels::step::Step;

fn rules() -> Vec<SgdRule> {
    let momentum = |dampening, nesterov| SgdMomentum {
        kept: 0.9,
        dampening,
        nesterov,
    };
    let momenta = [
        None,
        Some(momentum(0.0, false)),
        Some(momentum(0.25, false)),
        Some(momentum(0.0, true)),
        Some(momentum(0.25, true)),
    ];
    let penalties = [0.0, 0.1];
    momenta
        .into_iter()
        .flat_map(|momentum| penalties.map(|penalty| SgdRule { penalty, momentum }))
        .collect()
}

/// One step on one number, in double precision; the first gradient enters the velocity in full.
fn plain_sgd(step: &SgdStep, first: bool, [value, velocity]: [f64; 2], gradient: f64) -> [f64; 2] {
    let slope = gradient + f64::from(step.rule.penalty) * value;
    let rate = f64::from(step.learning_rate);
    let Some(momentum) = step.rule.momentum else {
        return [value - rate * slope, velocity];
    };
    let share = if first { 1.0 } else { 1.0 - momentum.dampening };
    let velocity = f64::from(momentum.kept) * velocity + share * slope;
    let way = if momentum.nesterov {
        slope + f64::from(momentum.kept) * velocity
    } else {
        velocity
    };
    [value - rate * way, velocity]
}

#[test]
fn a_step_of_sgd_is_the_plain_one_at_any_size() {
    for (rule, first) in rules()
        .into_iter()
        .flat_map(|rule| [(rule, true), (rule, false)])
    {
        let step = SgdStep::new(&rule, 0.05, first);
        if rule.momentum.is_none() {
            let start = |size| [numbers(size, 1, 1.0)];
            hold(&Step::Sgd(step), start, |[value], slope| {
                let [value, _] = plain_sgd(&step, first, [value, 0.0], slope);
                [value]
            });
            hold_everywhere(step, &start(100));
        } else {
            let bound = if first { 0.0 } else { 2.0 };
            let start = |size| [numbers(size, 1, 1.0), numbers(size, 2, bound)];
            hold(&Step::Sgd(step), start, |state, slope| {
                plain_sgd(&step, first, state, slope)
            });
            hold_everywhere(step, &start(100));
        }
    }
}

#[test]
fn steps_of_sgd_are_burns() {
    for rule in rules() {
        let config = SgdConfig {
            weight_decay: (rule.penalty > 0.0).then_some(rule.penalty),
            momentum: rule.momentum.map(|momentum| MomentumConfig {
                momentum: momentum.kept.into(),
                dampening: momentum.dampening,
                nesterov: momentum.nesterov,
            }),
            gradient_clipping: None,
        };
        hold_to_burn(&config.to_burn().build(), &rule, 0.0);
    }
}
