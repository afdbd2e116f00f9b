use super::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// The guide network of the Burn book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelConfig {
    /// Number of classes the model tells apart.
    pub num_classes: usize,
    /// Outputs of the first linear layer.
    pub hidden_size: usize,
    /// Share of activations that a training forward sets to zero, in [0, 1).
    pub dropout: f64,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            num_classes: 10,
            hidden_size: 512,
            dropout: 0.5,
        }
    }
}

impl ModelConfig {
    /// Largest accepted layer: one weight matrix of 1024 x this many f32 values takes 4 GiB.
    pub const MAX_HIDDEN_SIZE: usize = 1 << 20;
    /// Largest accepted number of classes.
    pub const MAX_CLASSES: usize = 1 << 20;
    /// Largest accepted number of weights in a layer: 4 GiB of f32 values.
    const MAX_WEIGHTS: usize = 1 << 30;
}

impl Settings for ModelConfig {
    const KIND: &'static str = "model";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let num_classes = fields.whole(
            "num_classes",
            Some(default.num_classes as u64),
            (2, Self::MAX_CLASSES as u64),
        )? as usize;
        let hidden_size = fields.whole(
            "hidden_size",
            Some(default.hidden_size as u64),
            (1, Self::MAX_HIDDEN_SIZE as u64),
        )? as usize;
        if num_classes * hidden_size > Self::MAX_WEIGHTS {
            return Err(fields.broken(
                "hidden_size",
                &format!(
                    "at most {} with {num_classes} classes (a layer holds at most 2^30 weights)",
                    Self::MAX_WEIGHTS / num_classes
                ),
                &json!(hidden_size),
            ));
        }
        Ok(Self {
            num_classes,
            hidden_size,
            dropout: fields.number(
                "dropout",
                Some(default.dropout),
                "a number of at least 0 and below 1",
                |share| (0.0..1.0).contains(&share),
            )?,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("num_classes".into(), json!(self.num_classes));
        object.insert("hidden_size".into(), json!(self.hidden_size));
        object.insert("dropout".into(), json!(self.dropout));
        object
    }
}

impl_config!(ModelConfig);
