use super::step::{hold, hold_anywhere, hold_to_burn, stepped};
use super::{levels, numbers};
use crate::config::{AdamConfig, AdamWConfig};
use crate::kernels::adam::{AdamRule, AdamStep, Decay};
use crate::kernels::cpu::simd::Level;
use crate::kernels::step::{Clipping, Step};

const PLAIN: AdamRule = AdamRule {
    beta_1: 0.9,
    beta_2: 0.999,
    epsilon: 1e-5,
    amsgrad: false,
    decay: Decay::None,
};

fn rules() -> [AdamRule; 5] {
    let with = |decay| AdamRule { decay, ..PLAIN };
    [
        PLAIN,
        AdamRule {
            amsgrad: true,
            ..PLAIN
        },
        with(Decay::Penalty(0.1)),
        with(Decay::Decoupled {
            rate: 0.5,
            cautious: false,
        }),
        with(Decay::Decoupled {
            rate: 0.5,
            cautious: true,
        }),
    ]
}

/// A parameter, and its moments.
fn start(size: usize) -> [Vec<f32>; 4] {
    let square = |seed| numbers(size, seed, 0.1).into_iter().map(f32::abs).collect();
    [
        numbers(size, 1, 1.0),
        numbers(size, 2, 0.1),
        square(3),
        square(4),
    ]
}

/// One step of Adam on one number, in double precision, as the papers have it.
fn plain_adam(
    step: &AdamStep,
    [value, mean, square, largest]: [f64; 4],
    gradient: f64,
) -> [f64; 4] {
    let rule = &step.rule;
    let mut gradient = gradient;
    if let Decay::Penalty(penalty) = rule.decay {
        gradient += f64::from(penalty) * value;
    }
    let (beta_1, beta_2) = (f64::from(rule.beta_1), f64::from(rule.beta_2));
    let mean = beta_1 * mean + (1.0 - beta_1) * gradient;
    let square = beta_2 * square + (1.0 - beta_2) * gradient * gradient;
    let largest = largest.max(square);
    let root = (1.0 - beta_2.powi(3)).sqrt();
    let used = if rule.amsgrad { largest } else { square };
    let direction =
        mean / (1.0 - beta_1.powi(3)) / ((used.sqrt() / root) + f64::from(rule.epsilon));
    let decayed = match rule.decay {
        Decay::Decoupled { rate, cautious } if !cautious || (value >= 0.0) == (mean >= 0.0) => {
            value * f64::from(rate) * f64::from(step.learning_rate)
        }
        _ => 0.0,
    };
    [
        value - decayed - f64::from(step.learning_rate) * direction,
        mean,
        square,
        largest,
    ]
}

#[test]
fn a_gradient_that_is_not_a_number_stays_so_when_it_is_clipped() {
    let step = Step::Adam(AdamStep::new(&PLAIN, 0.01, 1));
    for clipping in [None, Some(Clipping::Value(0.3))] {
        for level in levels() {
            let start = [vec![1.0; 20], vec![0.0; 20], vec![0.0; 20]];
            let mut gradient = [0.5; 20];
            gradient[3] = f32::NAN;
            gradient[19] = f32::NAN;
            for numbers in stepped(level, &step, clipping, &start, &gradient) {
                for (number, slope) in numbers.iter().zip(gradient) {
                    assert_eq!(number.is_nan(), slope.is_nan(), "{}", level.name());
                }
            }
        }
    }
}

#[test]
fn a_step_of_adam_is_that_of_the_papers_at_any_size() {
    for rule in rules() {
        let step = AdamStep::new(&rule, 0.01, 3);
        if rule.amsgrad {
            hold(&Step::Adam(step), start, |state, slope| {
                plain_adam(&step, state, slope)
            });
            hold_anywhere(step, &start(100));
        } else {
            let three = |size| -> [Vec<f32>; 3] {
                let [value, mean, square, _] = start(size);
                [value, mean, square]
            };
            hold(&Step::Adam(step), three, |[value, mean, square], slope| {
                let [value, mean, square, _] = plain_adam(&step, [value, mean, square, 0.0], slope);
                [value, mean, square]
            });
            hold_anywhere(step, &three(100));
        }
    }
}

#[test]
fn steps_of_adam_are_burns() {
    for rule in rules() {
        match rule.decay {
            Decay::Decoupled { rate, cautious } => {
                let config = AdamWConfig {
                    weight_decay: rate,
                    cautious_weight_decay: cautious,
                    ..AdamWConfig::default()
                };
                hold_to_burn(&config.to_burn().build(), &rule, 1e-5);
            }
            decay => {
                let config = AdamConfig {
                    amsgrad: rule.amsgrad,
                    weight_decay: match decay {
                        Decay::Penalty(penalty) => Some(penalty),
                        _ => None,
                    },
                    ..AdamConfig::default()
                };
                hold_to_burn(&config.to_burn().build(), &rule, 1e-5);
            }
        }
    }
}

/// The hashes of the reference runs depend on the order and kind of the operations.
#[test]
fn adam_keeps_its_bits() {
    for (level, rule) in levels().flat_map(|level| rules().map(|rule| (level, rule))) {
        let fused = level > Level::Portable || cfg!(target_arch = "aarch64");
        let mul_add = |a: f32, b: f32, c: f32| if fused { a.mul_add(b, c) } else { a * b + c };
        let step = AdamStep::new(&rule, 0.01, 3);
        let (start, gradient) = (start(50), numbers(50, 5, 1.0));
        let count = if rule.amsgrad { 4 } else { 3 };
        let actual = stepped(level, &Step::Adam(step), None, &start[..count], &gradient);
        let [factor, epsilon] = step.corrections;
        for place in 0..50 {
            let [value, mean, square, largest] = start.each_ref().map(|part| part[place]);
            let penalty = match rule.decay {
                Decay::Penalty(penalty) => penalty,
                _ => 0.0,
            };
            let slope = mul_add(value, penalty, gradient[place]);
            let mean = mul_add(slope, 1.0 - rule.beta_1, mean * rule.beta_1);
            let square = mul_add(slope * slope, 1.0 - rule.beta_2, square * rule.beta_2);
            let used = if rule.amsgrad {
                largest.max(square)
            } else {
                square
            };
            let kept = match rule.decay {
                Decay::Decoupled { cautious, .. } if !cautious || (value > 0.0) == (mean > 0.0) => {
                    value - value * step.decay
                }
                _ => value,
            };
            let way = mean * factor / (used.sqrt() + epsilon);
            let expected = [mul_add(way, -step.learning_rate, kept), mean, square, used];
            for (actual, expected) in actual.iter().zip(expected) {
                assert_eq!(
                    actual[place].to_bits(),
                    expected.to_bits(),
                    "{level:?} {rule:?}"
                );
            }
        }
    }
}
