use super::History;
use std::fmt::Write;

/// The table that Burn's learner prints at the end of a training: for each metric and split the lowest and the highest
/// epoch. Accuracy is in percent, as there.
pub fn summary_table(history: &History, model: &str) -> String {
    let epochs = &history.epochs;
    let percent = |accuracy: &[f64]| {
        accuracy
            .iter()
            .map(|share| share * 100.0)
            .collect::<Vec<f64>>()
    };
    let rows = [
        ("Train", "Accuracy", percent(&epochs.train_accuracy)),
        ("Train", "Loss", epochs.train_loss.clone()),
        ("Valid", "Accuracy", percent(&epochs.valid_accuracy)),
        ("Valid", "Loss", epochs.valid_loss.clone()),
    ];
    let line = "=".repeat(24);
    let mut table = format!("{line} Learner Summary {line}\n");
    if !model.is_empty() {
        let _ = writeln!(table, "Model:\n{model}");
    }
    let _ = writeln!(table, "Total Epochs: {}\n\n", epochs.epoch.len());
    table.push_str("| Split | Metric   | Min.     | Epoch    | Max.     | Epoch    |\n");
    table.push_str("|-------|----------|----------|----------|----------|----------|\n");
    for (split, metric, values) in rows {
        let entries = || epochs.epoch.iter().zip(&values);
        // Of equal values Burn names the first as lowest and the last as highest.
        let lowest = entries().min_by(|left, right| left.1.total_cmp(right.1));
        let highest = entries().max_by(|left, right| left.1.total_cmp(right.1));
        if let (Some((low_epoch, low)), Some((high_epoch, high))) = (lowest, highest) {
            let (low, high) = (shown(*low), shown(*high));
            let _ = writeln!(
                table,
                "| {split} | {metric:<8} | {low}| {low_epoch:<9}| {high}| {high_epoch:<9}|"
            );
        }
    }
    table
}

/// A value in nine columns; small ones in scientific notation.
fn shown(value: f64) -> String {
    if value < 1e-2 {
        format!("{value:<9.3e}")
    } else {
        format!("{value:<9.3}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::learner::EpochRow;
    use burn::train::LearnerSummary;
    use std::fs;

    /// What Burn says of the log files that its learner would have written.
    fn burns_table(history: &History) -> String {
        let directory = tempfile::tempdir().unwrap();
        let epochs = &history.epochs;
        for (row, epoch) in epochs.epoch.iter().enumerate() {
            for (split, loss, accuracy) in [
                ("train", epochs.train_loss[row], epochs.train_accuracy[row]),
                ("valid", epochs.valid_loss[row], epochs.valid_accuracy[row]),
            ] {
                let folder = directory.path().join(split).join(format!("epoch-{epoch}"));
                fs::create_dir_all(&folder).unwrap();
                fs::write(folder.join("Loss.log"), format!("{loss}\n")).unwrap();
                fs::write(
                    folder.join("Accuracy.log"),
                    format!("{}\n", accuracy * 100.0),
                )
                .unwrap();
            }
        }
        LearnerSummary::new(directory.path(), &["Accuracy", "Loss"])
            .unwrap()
            .to_string()
    }

    #[test]
    fn the_table_is_burns() {
        let mut history = History::default();
        let rows = [
            (0.7, 0.75, 0.3, 0.92),
            (0.4, 0.875, 0.009, 0.95),
            (0.4, 0.875, 12.5, 0.005),
            (1234.5, 0.0, 0.3, 1.0),
        ];
        for (epoch, row) in (1..).zip(rows) {
            let (train_loss, train_accuracy, valid_loss, valid_accuracy) = row;
            history.epochs.push(EpochRow {
                epoch,
                train_loss,
                train_accuracy,
                valid_loss,
                valid_accuracy,
                learning_rate: 1e-4,
                seconds: 1.0,
                images_per_second: 1.0,
                metrics: std::collections::BTreeMap::new(),
            });
        }
        assert_eq!(summary_table(&history, ""), burns_table(&history));
    }

    #[test]
    fn the_model_stands_above_the_table() {
        let table = summary_table(&History::default(), "Model {}");
        assert!(
            table.contains("=\nModel:\nModel {}\nTotal Epochs: 0\n"),
            "{table}"
        );
    }
}
