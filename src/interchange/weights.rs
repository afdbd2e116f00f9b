//! From the tensors of a file to a model: names, numbers, shapes and sizes are checked before anything is read.

use super::names::positions;
use super::source::{fault, quoted, reason};
use super::state::{ALL, Entry, LinearLayout, PRODUCER, check_finite, shapes, transposed};
use crate::config::{ImageShape, ModelConfig, Settings};
use crate::error::Result;
use crate::model::{PARAMETER_NAMES, Parameter};
use crate::record::{About, Number, Sizes, Stated, stated_beside};
use std::fmt::Display;
use std::path::Path;

/// A file whose description is read, and whose numbers are not yet.
pub(super) trait Weights {
    /// The tensors it says it holds.
    fn entries(&self) -> &[Entry];

    /// What it says about itself.
    fn metadata(&self) -> &[(String, String)];

    /// The order of a linear weight's dimensions, where the format says it.
    fn layout(&self) -> Option<LinearLayout> {
        None
    }

    /// The most bytes that its tensors may take together.
    fn limit(&self) -> u64;

    /// The bytes of one entry, little-endian, last dimension fastest: as many as its shape needs.
    fn read(&mut self, index: usize) -> Result<Vec<u8>>;
}

/// What a file holds, and the parameters, in Burn's layout.
pub(super) fn read(weights: &mut dyn Weights, path: &Path) -> Result<(Checked, Vec<Parameter>)> {
    let checked = check(weights, path)?;
    let parameters = PARAMETER_NAMES
        .into_iter()
        .zip(&checked.order)
        .map(|(name, &index)| {
            let bytes = weights.read(index)?;
            let entry = &weights.entries()[index];
            let number = Number::of_name(&entry.number);
            let values = number.map_or_else(Vec::new, |number| number.values(&bytes));
            if values.len() != entry.shape.iter().product::<usize>() {
                return Err(fault(
                    path,
                    &format!(
                        "{name} must have the bytes of its shape {:?}, found {}",
                        entry.shape,
                        bytes.len()
                    ),
                ));
            }
            check_finite(name, &values).map_err(|what| fault(path, &what))?;
            let (shape, values) = match entry.shape[..] {
                [outputs, inputs] if checked.layout == LinearLayout::OutputsFirst => {
                    (vec![inputs, outputs], transposed(&values, outputs, inputs))
                }
                _ => (entry.shape.clone(), values),
            };
            Ok(Parameter {
                name,
                shape,
                values,
            })
        })
        .collect::<Result<Vec<Parameter>>>()?;
    Ok((checked, parameters))
}

/// What a file holds, as far as its description tells.
pub(super) struct Checked {
    /// The configuration that the entries fit.
    pub config: ModelConfig,
    /// What is known of the model beside its parameters.
    pub about: About,
    layout: LinearLayout,
    /// Where in the entries each parameter is.
    order: Vec<usize>,
}

/// Checks that the entries are the parameters of a network.
pub(super) fn check(weights: &dyn Weights, path: &Path) -> Result<Checked> {
    let entries = weights.entries();
    let order = positions(entries, path)?;
    // The biases tell the sizes in either layout.
    let length = |place: usize| match entries[order[place]].shape[..] {
        [length] => Ok(length),
        _ => Err(fault(
            path,
            &format!(
                "{} must have one dimension, found {}",
                PARAMETER_NAMES[place],
                dimensions(&entries[order[place]].shape)
            ),
        )),
    };
    let (hidden_size, num_classes) = (length(5)?, length(7)?);
    let [_, channels, _, _] = entries[order[0]].shape[..] else {
        return Err(fault(
            path,
            &format!(
                "{} must have the shape [8, channels, 3, 3], found {}",
                PARAMETER_NAMES[0],
                dimensions(&entries[order[0]].shape)
            ),
        ));
    };
    let image = ImageShape {
        channels,
        ..ImageShape::MNIST
    };
    let config = ModelConfig {
        num_classes,
        hidden_size,
        image,
        ..ModelConfig::default()
    };
    config
        .validate()
        .map_err(|error| fault(path, &error.to_string()))?;
    let layout = layout(weights, &config, &order);
    let mut total = 0;
    for ((name, index), shape) in PARAMETER_NAMES
        .into_iter()
        .zip(&order)
        .zip(shapes(&config, layout))
    {
        let entry = &entries[*index];
        let Some(width) = width(&entry.number) else {
            return Err(fault(
                path,
                &format!(
                    "{name} must hold F16, BF16, F32 or F64 numbers, found {}",
                    quoted(&entry.number)
                ),
            ));
        };
        if entry.shape != shape {
            return Err(fault(
                path,
                &format!(
                    "{name} must have the shape {shape:?} of a network with hidden_size {hidden_size} and num_classes \
                     {num_classes} whose linear weights are {}, found {}",
                    layout.name(),
                    dimensions(&entry.shape)
                ),
            ));
        }
        total += (width * shape.iter().product::<usize>()) as u64;
    }
    if total > weights.limit() {
        return Err(fault(
            path,
            &format!(
                "the parameters must take at most {} bytes in a file of this size, found {total}",
                weights.limit()
            ),
        ));
    }
    let sizes = Sizes::of(&config);
    let stated = stated(weights.metadata(), sizes, path)?;
    let stated = stated.map_or_else(|| stated_beside(path, sizes), Ok)?;
    let config = stated.config_of(sizes);
    config
        .validate()
        .map_err(|error| fault(path, &error.to_string()))?;
    Ok(Checked {
        config,
        about: stated.about,
        layout,
        order,
    })
}

/// The layout of the linear weights: what the format says, else what their shapes say, else what the file says.
fn layout(weights: &dyn Weights, config: &ModelConfig, order: &[usize]) -> LinearLayout {
    let fits = |layout: LinearLayout| {
        let linear = |name: &str| name.starts_with("linear") && name.ends_with("weight");
        PARAMETER_NAMES
            .into_iter()
            .zip(order)
            .zip(shapes(config, layout))
            .filter(|((name, _), _)| linear(name))
            .all(|((_, index), shape)| weights.entries()[*index].shape == shape)
    };
    let stated = || {
        let (_, text) = weights
            .metadata()
            .iter()
            .find(|(key, _)| key == "linear_layout")?;
        LinearLayout::BOTH
            .into_iter()
            .find(|layout| layout.name() == text)
    };
    let [burn, torch] = LinearLayout::BOTH.map(fits);
    weights.layout().unwrap_or(match (burn, torch) {
        (true, false) => LinearLayout::InputsFirst,
        (false, true) => LinearLayout::OutputsFirst,
        _ => stated().unwrap_or(LinearLayout::OutputsFirst),
    })
}

/// What a file of this program states, which must be of a model of its shapes.
fn stated(metadata: &[(String, String)], sizes: Sizes, path: &Path) -> Result<Option<Stated>> {
    let text = |key: &str| {
        let found = metadata.iter().find(|(found, _)| found == key);
        found.map(|(_, text)| text)
    };
    let unreadable = |key: &str, error: &dyn Display| {
        fault(
            path,
            &format!(
                "what it says under {key:?} can't be read: {}",
                reason(error)
            ),
        )
    };
    // Files of older versions have it alone, and "config" of another program can mean anything.
    let own = text("producer").map(String::as_str) == Some(PRODUCER);
    let config = text("config").filter(|_| own);
    let config = config
        .map(|text| ModelConfig::from_json(text))
        .transpose()
        .map_err(|error| fault(path, &error.to_string()))?;
    let all = text(ALL)
        .map(|text| {
            let value = serde_json::from_str(text).map_err(|error| unreadable(ALL, &error))?;
            Stated::parse(&value).map_err(|reason| unreadable(ALL, &reason))
        })
        .transpose()?;
    for stated in config.iter().chain(all.as_ref().map(|all| &all.config)) {
        let expected = Sizes::of(stated);
        if expected != sizes {
            return Err(fault(
                path,
                &format!(
                    "the shapes must be those of the stated configuration, of {expected}, found {sizes}"
                ),
            ));
        }
    }
    let older = config.map(|config| Stated {
        config,
        about: About::default(),
    });
    Ok(all.or(older))
}

/// Bytes of a number, of those that weights are made of.
pub(super) fn width(number: &str) -> Option<usize> {
    Number::of_name(number).map(Number::width)
}

/// A shape as a message shows it: a hostile one may have thousands of dimensions.
fn dimensions(shape: &[usize]) -> String {
    let more = if shape.len() > 8 { " and more" } else { "" };
    format!("{:?}{more}", &shape[..shape.len().min(8)])
}
