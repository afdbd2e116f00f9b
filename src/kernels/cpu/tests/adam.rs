use super::{assert_close, levels, numbers};
use crate::kernels::adam::{AdamRule, AdamStep, Clipping, Decay, Moments};
use crate::kernels::cpu::adam;

/// One step of Adam on one number, in double precision, as the papers have it.
fn plain_adam(step: &AdamStep, factor: f64, state: [f64; 4], gradient: f64) -> [f64; 4] {
    let [value, mean, square, largest] = state;
    let rule = &step.rule;
    let mut gradient = gradient * factor;
    if let Some(Clipping::Value(bound)) = rule.clipping {
        gradient = gradient.clamp(-f64::from(bound), bound.into());
    }
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
    for clipping in [None, Some(Clipping::Value(0.3))] {
        let rule = AdamRule {
            beta_1: 0.9,
            beta_2: 0.999,
            epsilon: 1e-5,
            amsgrad: false,
            decay: Decay::None,
            clipping,
        };
        for level in levels() {
            let [mut value, mut mean, mut square] = [[1.0; 20], [0.0; 20], [0.0; 20]];
            let mut gradient = [0.5; 20];
            gradient[3] = f32::NAN;
            gradient[19] = f32::NAN;
            let moments = Moments {
                mean: &mut mean[..],
                square: &mut square[..],
                largest: None,
            };
            let step = AdamStep::new(&rule, 0.01, 1);
            adam::adam(level, &step, &mut value, &gradient, moments);
            for place in 0..20 {
                let numbers = [value[place], mean[place], square[place]];
                let expected = gradient[place].is_nan();
                assert_eq!(numbers.map(f32::is_nan), [expected; 3], "{}", level.name());
            }
        }
    }
}

#[test]
fn a_step_of_adam_is_that_of_the_papers_at_any_size() {
    let plain = AdamRule {
        beta_1: 0.9,
        beta_2: 0.999,
        epsilon: 1e-5,
        amsgrad: false,
        decay: Decay::None,
        clipping: None,
    };
    let rules = [
        plain,
        AdamRule {
            amsgrad: true,
            ..plain
        },
        AdamRule {
            decay: Decay::Penalty(0.1),
            ..plain
        },
        AdamRule {
            decay: Decay::Decoupled {
                rate: 0.5,
                cautious: false,
            },
            ..plain
        },
        AdamRule {
            decay: Decay::Decoupled {
                rate: 0.5,
                cautious: true,
            },
            ..plain
        },
        AdamRule {
            clipping: Some(Clipping::Value(0.3)),
            ..plain
        },
        AdamRule {
            clipping: Some(Clipping::Norm(1.5)),
            ..plain
        },
        AdamRule {
            clipping: Some(Clipping::Norm(1e6)),
            ..plain
        },
    ];
    for (rule, size) in rules
        .iter()
        .flat_map(|rule| [1, 15, 16, 33, 20_001].map(|size| (rule, size)))
    {
        let step = AdamStep::new(rule, 0.01, 3);
        let start = [
            numbers(size, 1, 1.0),
            numbers(size, 2, 0.1),
            numbers(size, 3, 0.1)
                .iter()
                .map(|value| value.abs())
                .collect(),
            numbers(size, 4, 0.1)
                .iter()
                .map(|value| value.abs())
                .collect(),
        ];
        let gradient = numbers(size, 5, 1.0);
        let norm: f64 = gradient
            .iter()
            .map(|value| f64::from(value * value))
            .sum::<f64>()
            .sqrt();
        let factor = match rule.clipping {
            Some(Clipping::Norm(bound)) => (f64::from(bound) / norm).min(1.0),
            _ => 1.0,
        };
        let expected: Vec<[f64; 4]> = (0..size)
            .map(|place| {
                let state = [0, 1, 2, 3].map(|part| f64::from(start[part][place]));
                plain_adam(&step, factor, state, gradient[place].into())
            })
            .collect();
        for level in levels() {
            let what = format!("{} {size} {rule:?}", level.name());
            let [mut value, mut mean, mut square, mut largest] = start.clone();
            let moments = Moments {
                mean: &mut mean[..],
                square: &mut square[..],
                largest: rule.amsgrad.then_some(&mut largest[..]),
            };
            adam::adam(level, &step, &mut value, &gradient, moments);
            let part =
                |part: usize| -> Vec<f64> { expected.iter().map(|each| each[part]).collect() };
            assert_close(&value, &part(0), 1e-5, &what);
            assert_close(&mean, &part(1), 1e-5, &what);
            assert_close(&square, &part(2), 1e-5, &what);
            if rule.amsgrad {
                assert_close(&largest, &part(3), 1e-5, &what);
            }
        }
    }
}
