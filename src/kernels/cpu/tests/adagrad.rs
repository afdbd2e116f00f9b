use super::numbers;
use super::step::{hold, hold_everywhere, hold_to_burn};
use crate::config::AdaGradConfig;
use crate::kernels::adagrad::{AdaGradRule, AdaGradStep};
use crate::kernels::step::Step;

fn rules() -> [AdaGradRule; 4] {
    [(0.0, 0.0), (0.5, 0.0), (0.0, 0.1), (0.5, 0.1)].map(|(lr_decay, penalty)| AdaGradRule {
        lr_decay,
        epsilon: 1e-3,
        penalty,
    })
}

#[test]
fn a_step_of_adagrad_is_that_of_the_paper_at_any_size() {
    for rule in rules() {
        let step = AdaGradStep::new(&rule, 0.05, 4);
        let rate = 0.05 / (1.0 + 3.0 * rule.lr_decay);
        let start = |size| {
            let sum = numbers(size, 2, 0.4).into_iter().map(|number| number + 0.5);
            [numbers(size, 1, 1.0), sum.collect()]
        };
        hold(&Step::AdaGrad(step), start, |[value, sum], gradient| {
            let slope = gradient + f64::from(rule.penalty) * value;
            let sum = sum + slope * slope;
            [
                value - rate * slope / (sum.sqrt() + f64::from(rule.epsilon)),
                sum,
            ]
        });
        hold_everywhere(step, &start(100));
    }
}

#[test]
fn steps_of_adagrad_are_burns() {
    for rule in rules() {
        let config = AdaGradConfig {
            lr_decay: rule.lr_decay,
            epsilon: rule.epsilon,
            weight_decay: (rule.penalty > 0.0).then_some(rule.penalty),
            grad_clipping: None,
        };
        hold_to_burn(&config.to_burn().build(), &rule, 0.0);
    }
}
