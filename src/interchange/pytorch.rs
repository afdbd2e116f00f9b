//! A PyTorch `state_dict`, read without running any of its pickle.

use super::archive;
use super::source::{Source, reason};
use super::state::{Entry, LinearLayout};
use super::weights::Weights;
use crate::error::Result;
use pytorch_reader::{PytorchReader, Tensor};

/// Largest pickle that is read: that of the network takes 1 KB.
const MAX_PICKLE_BYTES: u64 = 1 << 20;

/// A checkpoint whose tensors have been described, and not yet read.
pub(super) struct StateDict {
    source: Source,
    tensors: Vec<Tensor>,
    entries: Vec<Entry>,
}

impl StateDict {
    pub fn open(source: Source) -> Result<Self> {
        check_archive(&source)?;
        let reader = PytorchReader::new(&source.path).map_err(|error| {
            source.fault(&format!(
                "expected a PyTorch state_dict, found something else: {}",
                reason(&error)
            ))
        })?;
        let mut tensors: Vec<Tensor> = reader.into_tensors().into_values().collect();
        tensors.sort_by(|left, right| left.name.cmp(&right.name));
        let entries = tensors
            .iter()
            .map(|tensor| Entry {
                name: tensor.name.clone(),
                shape: tensor.shape().to_vec(),
                number: format!("{:?}", tensor.dtype()),
            })
            .collect();
        Ok(Self {
            source,
            tensors,
            entries,
        })
    }
}

/// The archive of a file of PyTorch 1.6 or newer, with a pickle of the size that a state of eight tensors has.
fn check_archive(source: &Source) -> Result<()> {
    let mut archive = archive::open(source, "a file of PyTorch 1.6 or newer")?;
    let mut pickles = 0;
    for index in 0..archive.len() {
        let entry = archive
            .by_index_raw(index)
            .map_err(|error| source.fault(&reason(&error)))?;
        if entry.name().is_ok_and(|name| name.ends_with(".pkl")) {
            pickles += 1;
            if entry.size() > MAX_PICKLE_BYTES {
                return Err(source.fault(&format!(
                    "expected the pickle of a state_dict, of at most {MAX_PICKLE_BYTES} bytes, found {}",
                    entry.size()
                )));
            }
        }
    }
    if pickles == 0 {
        return Err(
            source.fault("expected a PyTorch state_dict, found an archive without data.pkl")
        );
    }
    Ok(())
}

impl Weights for StateDict {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn metadata(&self) -> &[(String, String)] {
        &[]
    }

    fn layout(&self) -> Option<LinearLayout> {
        Some(LinearLayout::OutputsFirst)
    }

    fn limit(&self) -> u64 {
        self.source.limit()
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let tensor = &self.tensors[index];
        tensor.read().map_err(|error| {
            self.source.fault(&format!(
                "{} can't be read: {}",
                tensor.name,
                reason(&error)
            ))
        })
    }
}
