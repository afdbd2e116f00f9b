//! Frozen parameters: those that training leaves as they are.

use super::{AnyNetwork, ParameterSpec, parameter_id};
use crate::config::{NetworkConfig, nearest, shown};
use crate::error::{Error, Result};
use burn::module::{Module, ModuleMapper, Param, ParamId};
use burn::tensor::Tensor;
use burn::tensor::backend::Backend as BurnBackend;
use serde_json::json;

impl NetworkConfig {
    /// The parameters that are trained where `freeze` names those that are not: by their names, as in `conv1.weight`, or by what
    /// the names begin with, as in `conv1`.
    pub fn trainable(&self, freeze: &[String]) -> Result<Vec<ParameterSpec>> {
        let parameters = self.parameters();
        if let Some(unknown) = freeze
            .iter()
            .find(|name| !parameters.iter().any(|spec| is_named(spec, name)))
        {
            return Err(unknown_name(unknown, &parameters));
        }
        let is_frozen = |spec: &ParameterSpec| freeze.iter().any(|name| is_named(spec, name));
        let trainable: Vec<ParameterSpec> = parameters
            .into_iter()
            .filter(|spec| !is_frozen(spec))
            .collect();
        if trainable.is_empty() {
            return Err(Error::Config(format!(
                "freeze must leave parameters to train, and {} are all of them; leave out the output layer, {:?}",
                shown(&json!(freeze)),
                self.graph().output_layer()
            )));
        }
        Ok(trainable)
    }
}

fn is_named(spec: &ParameterSpec, name: &str) -> bool {
    spec.name
        .strip_prefix(name)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn unknown_name(unknown: &str, parameters: &[ParameterSpec]) -> Error {
    let names: Vec<&str> = parameters.iter().map(|spec| spec.name.as_str()).collect();
    let mut candidates = names.clone();
    for name in &names {
        candidates.extend(name.match_indices('.').map(|(end, _)| &name[..end]));
    }
    let advice = nearest(unknown, &candidates)
        .map_or_else(String::new, |near| format!("did you mean {near:?}? "));
    Error::Config(format!(
        "freeze must name parameters of the model, or what their names begin with, got {}; {advice}the parameters are {}",
        shown(&json!(unknown)),
        names.join(", ")
    ))
}

impl<B: BurnBackend> AnyNetwork<B> {
    /// The network with no gradient for any but these parameters, so that optimizers leave the others as they are.
    #[must_use]
    pub fn training_only(self, trainable: &[ParameterSpec]) -> Self {
        struct Freeze(Vec<ParamId>);

        impl<B: BurnBackend> ModuleMapper<B> for Freeze {
            fn map_float<const D: usize>(
                &mut self,
                param: Param<Tensor<B, D>>,
            ) -> Param<Tensor<B, D>> {
                if self.0.contains(&param.id) {
                    return param;
                }
                let (id, tensor, mapper) = param.consume();
                Param::from_mapped_value(id, tensor.set_require_grad(false), mapper)
            }
        }

        let ids = trainable.iter().map(|spec| parameter_id(&spec.name));
        self.map(&mut Freeze(ids.collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trainable(freeze: &[&str]) -> Result<Vec<String>> {
        let freeze: Vec<String> = freeze.iter().map(ToString::to_string).collect();
        let trainable = NetworkConfig::default().trainable(&freeze)?;
        Ok(trainable.into_iter().map(|spec| spec.name).collect())
    }

    #[test]
    fn a_name_freezes_one_parameter_and_its_beginning_a_layer() {
        assert_eq!(trainable(&[]).unwrap().len(), 8);
        let left = trainable(&["conv1", "conv2.bias", "linear1"]).unwrap();
        assert_eq!(left, ["conv2.weight", "linear2.weight", "linear2.bias"]);
    }

    #[test]
    fn part_of_a_name_is_none() {
        let message = trainable(&["conv"]).unwrap_err().to_string();
        assert!(message.contains(r#"did you mean "conv1"?"#), "{message}");
        assert!(message.contains("linear2.bias"), "{message}");
        assert!(trainable(&["conv1."]).is_err() && trainable(&[""]).is_err());
    }

    #[test]
    fn something_must_be_left_to_train() {
        let all = ["conv1", "conv2", "linear1", "linear2"];
        let message = trainable(&all).unwrap_err().to_string();
        assert!(
            message.contains(r#"the output layer, "linear2""#),
            "{message}"
        );
    }
}
