//! The table of layers that `summary()` shows.

use super::parameter_shapes;
use crate::config::ModelConfig;
use std::fmt::Write;

/// Layers, the shapes of their outputs and their parameters, as a table.
pub fn summary(config: &ModelConfig) -> String {
    let ModelConfig {
        num_classes,
        hidden_size,
        dropout,
        image,
    } = *config;
    let sizes = parameter_shapes(config).map(|shape| shape.iter().product::<usize>());
    let drop = format!("Dropout (p = {dropout})");
    let conv1 = format!("Conv2d {} -> 8, 3 x 3", image.channels);
    // Each convolution takes a pixel from every side.
    let output = |channels: usize, taken: usize| {
        let (height, width) = (image.height - taken, image.width - taken);
        format!("[n, {channels}, {height}, {width}]")
    };
    let layers: [(&str, &str, String, usize); 11] = [
        ("conv1", &conv1, output(8, 2), sizes[0] + sizes[1]),
        ("dropout", &drop, output(8, 2), 0),
        (
            "conv2",
            "Conv2d 8 -> 16, 3 x 3",
            output(16, 4),
            sizes[2] + sizes[3],
        ),
        ("dropout", &drop, output(16, 4), 0),
        ("activation", "Relu", output(16, 4), 0),
        ("pool", "AdaptiveAvgPool2d", "[n, 16, 8, 8]".into(), 0),
        (
            "linear1",
            "Linear 1024 -> hidden_size",
            format!("[n, {hidden_size}]"),
            sizes[4] + sizes[5],
        ),
        ("dropout", &drop, format!("[n, {hidden_size}]"), 0),
        ("activation", "Relu", format!("[n, {hidden_size}]"), 0),
        (
            "linear2",
            "Linear hidden_size -> num_classes",
            format!("[n, {num_classes}]"),
            sizes[6] + sizes[7],
        ),
        ("total", "", String::new(), sizes.iter().sum()),
    ];
    let mut table = format!(
        "{:<12}{:<36}{:<20}{:>12}\n",
        "name", "layer", "output", "parameters"
    );
    for (name, layer, output, parameters) in layers {
        if name == "total" {
            let _ = writeln!(table, "{}", "-".repeat(80));
        }
        let _ = writeln!(
            table,
            "{name:<12}{layer:<36}{output:<20}{:>12}",
            grouped(parameters)
        );
    }
    table
}

/// A count with commas between thousands.
fn grouped(count: usize) -> String {
    let digits = count.to_string();
    let mut text = String::new();
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_model_has_the_books_number_of_parameters() {
        let table = summary(&ModelConfig::default());
        assert!(
            table.lines().last().unwrap().ends_with("531,178"),
            "{table}"
        );
        assert!(table.lines().all(|line| line.chars().count() <= 80));
    }
}
