use super::{assert_close, numbers};
use crate::kernels::cpu::cross_entropy::cross_entropy;

const ROWS: usize = 5;
const CLASSES: usize = 7;
const TARGETS: [i32; ROWS] = [0, 6, 3, 3, 1];
const WEIGHTS: [f32; ROWS] = [0.5, 2.0, 0.0, 1.0, 3.0];

/// By the definition: the cross-entropy with targets of which a share is spread over all classes.
fn defined(logits: &[f64], weights: [f32; ROWS], label_smoothing: f64) -> f64 {
    let rows = logits.chunks_exact(CLASSES).zip(TARGETS).zip(weights);
    let sum: f64 = rows
        .map(|((row, target), weight)| {
            let total = row.iter().map(|logit| logit.exp()).sum::<f64>().ln();
            let of_class = |(class, logit): (usize, &f64)| {
                let hit = f64::from(u8::from(class == target as usize));
                let share = hit * (1.0 - label_smoothing) + label_smoothing / CLASSES as f64;
                share * (total - logit)
            };
            f64::from(weight) * row.iter().enumerate().map(of_class).sum::<f64>()
        })
        .sum();
    sum / ROWS as f64
}

#[test]
fn the_loss_and_its_gradient_are_those_of_the_definition() {
    let logits = numbers(ROWS * CLASSES, 1, 30.0);
    let double: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
    for label_smoothing in [0.0, 0.1, 0.75] {
        for weights in [None, Some(WEIGHTS)] {
            let loss =
                |logits: &[f64]| defined(logits, weights.unwrap_or([1.0; ROWS]), label_smoothing);
            let given = weights.as_ref().map(<[f32; ROWS]>::as_slice);
            let (actual, gradient) =
                cross_entropy(&logits, &TARGETS, given, label_smoothing as f32);
            assert!((f64::from(actual) - loss(&double)).abs() < 1e-6 * loss(&double));
            let differences: Vec<f64> = (0..logits.len())
                .map(|place| {
                    let moved = |by: f64| {
                        let mut moved = double.clone();
                        moved[place] += by;
                        loss(&moved)
                    };
                    (moved(1e-5) - moved(-1e-5)) / 2e-5
                })
                .collect();
            assert_close(&gradient, &differences, 1e-6, "gradient");
        }
    }
}

/// `(cross_entropy(logits, targets, reduction="none", label_smoothing=0.1) * weights).mean()` of PyTorch 2 in float64.
#[test]
fn smoothed_and_weighted_it_is_pytorchs() {
    let logits = [1.0, -2.0, 0.5, 0.0, 3.0, -1.0, 2.0, 2.0, -4.0];
    let (loss, gradient) = cross_entropy(&logits, &[0, 2, 1], Some(&[0.5, 2.0, 1.0]), 0.1);
    assert!((f64::from(loss) - 3.001_150_683).abs() < 1e-6, "{loss}");
    let expected = [
        -0.054_930_740,
        -0.000_545_741,
        0.055_476_480,
        0.008_852_859,
        0.601_937_479,
        -0.610_790_339,
        0.155_349_249,
        -0.144_650_751,
        -0.010_698_497,
    ];
    assert_close(&gradient, &expected, 1e-6, "gradient");
}

#[test]
fn a_target_that_is_no_class_gives_no_number() {
    for label_smoothing in [0.0, 0.1] {
        assert!(
            cross_entropy(&[0.0, 1.0], &[2], None, label_smoothing)
                .0
                .is_nan()
        );
        assert!(
            cross_entropy(&[0.0, 1.0], &[-1], None, label_smoothing)
                .0
                .is_nan()
        );
    }
}
