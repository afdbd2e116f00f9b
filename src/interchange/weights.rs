//! From the tensors of a file to a model: names, numbers, shapes and sizes are checked before anything is read.

use super::names::positions;
use super::source::{fault, quoted, reason};
use super::state::{ALL, Entry, LinearLayout, PRODUCER, check_finite, shape, transposed};
use crate::config::{NetworkConfig, Settings};
use crate::error::Result;
use crate::network::{Parameter, ParameterSpec, Shapes, shown};
use crate::record::{About, Found, Number, Stated, stated_beside, unstated};
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
    let parameters = checked
        .config
        .state()
        .into_iter()
        .zip(&checked.order)
        .map(|(ParameterSpec { name, .. }, &index)| {
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
            check_finite(&name, &values).map_err(|what| fault(path, &what))?;
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
    pub config: NetworkConfig,
    /// What is known of the model beside its parameters.
    pub about: About,
    layout: LinearLayout,
    /// Where in the entries each parameter is.
    order: Vec<usize>,
}

/// Checks that the entries are the parameters of a network.
pub(super) fn check(weights: &dyn Weights, path: &Path) -> Result<Checked> {
    let entries = weights.entries();
    let of_file = stated(weights.metadata(), path)?;
    // A file that says nothing of its network is taken for the default one; what is beside it may name another.
    let named = of_file.as_ref().map(|stated| stated.config.clone());
    let recognised = recognise(entries, &named.unwrap_or_default().state(), path);
    let fits = |config: &NetworkConfig| fits(entries, &config.state(), path);
    let found = Found {
        config: recognised.as_ref().ok().cloned().flatten(),
        tensors: entries.len(),
        fits: &fits,
    };
    let Stated { config, about } = match of_file {
        Some(stated) => {
            if !fits(&stated.config) {
                let known = recognised.map(|_| stated.config.sizes())?;
                return Err(fault(
                    path,
                    &format!(
                        "the shapes must be those of the stated configuration, with {known}, found {found}"
                    ),
                ));
            }
            stated
        }
        None => match stated_beside(path, &found)? {
            Some(stated) => stated,
            None => recognised?
                .map(Stated::of_parameters)
                .ok_or_else(|| unstated(path))?,
        },
    };
    config
        .validate()
        .map_err(|error| fault(path, &error.to_string()))?;
    let parameters = config.state();
    let order = positions(entries, &parameters, path)?;
    let layout = layout(weights, &parameters, &order);
    let mut total = 0;
    for (parameter, index) in parameters.iter().zip(&order) {
        let (name, entry) = (&parameter.name, &entries[*index]);
        let shape = shape(parameter, layout);
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
                    "{name} must have the shape {shape:?} of a network with {} whose linear weights are {}, found {}",
                    config.sizes(),
                    layout.name(),
                    shown(&entry.shape)
                ),
            ));
        }
        total += (width * parameter.len()) as u64;
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
    Ok(Checked {
        config,
        about,
        layout,
        order,
    })
}

/// The configuration that the shapes of these parameters say; `None` where they don't.
fn recognise(
    entries: &[Entry],
    parameters: &[ParameterSpec],
    path: &Path,
) -> Result<Option<NetworkConfig>> {
    let order = positions(entries, parameters, path)?;
    let shape = |(parameter, index): (&'_ ParameterSpec, &usize)| {
        (parameter.name.clone(), entries[*index].shape.clone())
    };
    let shapes: Vec<(String, Vec<usize>)> = parameters.iter().zip(&order).map(shape).collect();
    let shapes = shapes
        .iter()
        .map(|(name, shape)| (name.as_str(), shape.as_slice()));
    NetworkConfig::of_shapes(&Shapes(shapes.collect())).map_err(|reason| fault(path, &reason))
}

/// Whether the entries are these parameters, with linear weights in one of the layouts.
fn fits(entries: &[Entry], parameters: &[ParameterSpec], path: &Path) -> bool {
    positions(entries, parameters, path).is_ok_and(|order| {
        LinearLayout::BOTH.into_iter().any(|layout| {
            let mut both = parameters.iter().zip(&order);
            both.all(|(parameter, index)| entries[*index].shape == shape(parameter, layout))
        })
    })
}

/// The layout of the linear weights: what the format says, else what their shapes say, else what the file says.
fn layout(weights: &dyn Weights, parameters: &[ParameterSpec], order: &[usize]) -> LinearLayout {
    let fits = |layout: LinearLayout| {
        parameters
            .iter()
            .zip(order)
            .filter(|(parameter, _)| parameter.shape.len() == 2)
            .all(|(parameter, index)| weights.entries()[*index].shape == shape(parameter, layout))
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

/// What a file of this program states of its model.
fn stated(metadata: &[(String, String)], path: &Path) -> Result<Option<Stated>> {
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
        .map(|text| NetworkConfig::from_json(text))
        .transpose()
        .map_err(|error| fault(path, &error.to_string()))?;
    let all = text(ALL)
        .map(|text| {
            let value = serde_json::from_str(text).map_err(|error| unreadable(ALL, &error))?;
            Stated::parse(&value).map_err(|reason| unreadable(ALL, &reason))
        })
        .transpose()?;
    if let (Some(config), Some(all)) = (&config, &all)
        && !all.config.has_parameters_of(config)
    {
        return Err(fault(
            path,
            &format!(
                "its two configurations must be the same, one with {}, found another with {}",
                config.sizes(),
                all.config.sizes()
            ),
        ));
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
