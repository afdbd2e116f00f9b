use super::{Fields, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// Which checkpoints of a run are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckpointConfig {
    /// How many of the last ones; `None` keeps all of them.
    pub keep_last: Option<usize>,
    /// Those of how many of the best epochs.
    pub keep_best: usize,
}

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self {
            keep_last: Some(2),
            keep_best: 1,
        }
    }
}

impl Settings for CheckpointConfig {
    const KIND: &'static str = "checkpoint";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let most = u64::from(u32::MAX >> 1);
        let default = Self::default();
        let keep_last = match fields.get("keep_last") {
            None => default.keep_last,
            Some(Value::Null) => None,
            Some(_) => Some(fields.whole("keep_last", None, (1, most))? as usize),
        };
        let keep_best = fields.whole("keep_best", Some(default.keep_best as u64), (1, most))?;
        Ok(Self {
            keep_last,
            keep_best: keep_best as usize,
        })
    }

    fn write(&self, _complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("keep_last".into(), json!(self.keep_last));
        object.insert("keep_best".into(), json!(self.keep_best));
        object
    }
}

impl_config!(CheckpointConfig);
