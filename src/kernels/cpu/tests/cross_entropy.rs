use super::{assert_close, numbers};
use crate::kernels::cpu::cross_entropy::cross_entropy;

#[test]
fn the_loss_and_its_gradient_are_those_of_plain_softmax() {
    let (rows, classes) = (5, 7);
    let logits = numbers(rows * classes, 1, 30.0);
    let targets = [0, 6, 3, 3, 1];
    let loss = |logits: &[f64]| -> f64 {
        let rows_of = logits.chunks_exact(classes).zip(targets);
        let sum: f64 = rows_of
            .map(|(row, target)| {
                row.iter().map(|logit| logit.exp()).sum::<f64>().ln() - row[target as usize]
            })
            .sum();
        sum / rows as f64
    };
    let double: Vec<f64> = logits.iter().map(|logit| f64::from(*logit)).collect();
    let (actual, gradient) = cross_entropy(&logits, &targets);
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

#[test]
fn a_target_that_is_no_class_gives_no_number() {
    assert!(cross_entropy(&[0.0, 1.0], &[2]).0.is_nan());
    assert!(cross_entropy(&[0.0, 1.0], &[-1]).0.is_nan());
}
