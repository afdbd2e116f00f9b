//! The table of layers that `summary()` shows.

use crate::config::NetworkConfig;
use crate::network::{Node, ParameterSpec};
use std::fmt::Write;

/// Layers, the shapes of their outputs and their parameters, as a table.
pub fn summary(config: &NetworkConfig) -> String {
    let graph = config.graph();
    let longest = graph
        .nodes
        .iter()
        .filter_map(|node| Some(node.path.as_ref()?.len()));
    let width = longest.max().unwrap_or_default().max(10) + 2;
    let line = |name: &str, layer: &str, output: &str, parameters: &str| {
        format!("{name:<width$}{layer:<28}{output:<20}{parameters:>12}\n")
    };
    let row = |name: &str, layer: &str, output: &str, parameters: usize| {
        line(name, layer, output, &grouped(parameters))
    };
    let mut table = line("name", "layer", "output", "parameters");
    // What is no module of the network only orders values anew.
    let modules = |node: &Node| node.path.clone().map(|path| (path, node.clone()));
    for (path, node) in graph.nodes.iter().filter_map(modules) {
        let shape: Vec<String> = node.shape.iter().map(usize::to_string).collect();
        let output = format!("[n, {}]", shape.join(", "));
        let parameters = node.parameters().iter().map(ParameterSpec::len).sum();
        table += &row(&path, &node.layer.to_string(), &output, parameters);
    }
    let _ = writeln!(table, "{}", "-".repeat(width + 60));
    table + &row("total", "", "", graph.num_parameters())
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
        let table = summary(&NetworkConfig::default());
        assert!(
            table.lines().last().unwrap().ends_with("531,178"),
            "{table}"
        );
        assert!(table.lines().all(|line| line.chars().count() <= 80));
    }
}
