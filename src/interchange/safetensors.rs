//! The safetensors format (huggingface.co/docs/safetensors): the length of a JSON header, the header, the numbers.

use super::source::{Source, quoted, reason};
use super::state::{Entry, State, too_long};
use super::weights::Weights;
use crate::error::{Error, Result};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::{Map, Value, json};

/// Largest header that is read: that of the network takes 1 KB.
pub(super) const MAX_HEADER_BYTES: u64 = 1 << 20;
const LENGTH_BYTES: u64 = 8;
const METADATA: &str = "__metadata__";

/// The bytes of a safetensors file.
pub(super) fn encode(state: &State<'_>) -> Result<Vec<u8>> {
    let mut header = Map::new();
    let metadata = state
        .metadata()
        .map(|(key, value)| (key.to_owned(), Value::from(value)));
    header.insert(METADATA.into(), Map::from_iter(metadata).into());
    let mut end = 0;
    for tensor in &state.tensors {
        let start = end;
        end += 4 * tensor.values.len();
        let entry = json!({"dtype": "F32", "shape": tensor.shape, "data_offsets": [start, end]});
        header.insert(tensor.name.clone(), entry);
    }
    let mut header = Value::Object(header).to_string().into_bytes();
    // Numbers start at a multiple of eight, as readers that map the file into memory want it.
    header.resize(header.len().next_multiple_of(8), b' ');
    if header.len() as u64 > MAX_HEADER_BYTES {
        return Err(too_long(
            "the header of a safetensors file",
            MAX_HEADER_BYTES,
            header.len(),
        ));
    }
    let mut bytes = Vec::with_capacity(8 + header.len() + end);
    bytes.extend((header.len() as u64).to_le_bytes());
    bytes.append(&mut header);
    for tensor in &state.tensors {
        bytes.extend(tensor.bytes());
    }
    Ok(bytes)
}

/// A safetensors file whose header has been read and found to fit its length.
pub(super) struct Safetensors {
    source: Source,
    entries: Vec<Entry>,
    metadata: Vec<(String, String)>,
    /// Where the numbers of each entry are: start and length.
    places: Vec<(u64, u64)>,
}

impl Safetensors {
    pub fn open(mut source: Source) -> Result<Self> {
        let length = source.read(0, LENGTH_BYTES)?;
        let length = length
            .iter()
            .rev()
            .fold(0, |all, byte| all << 8 | u64::from(*byte));
        if length > MAX_HEADER_BYTES {
            return Err(source.fault(&format!(
                "expected a safetensors header of at most {MAX_HEADER_BYTES} bytes, found {length}"
            )));
        }
        let text = source.read(LENGTH_BYTES, length)?;
        let header: Header = serde_json::from_slice(&text).map_err(|error| {
            source.fault(&format!(
                "expected the header of a safetensors file, found something else: {}",
                reason(&error)
            ))
        })?;
        let data = LENGTH_BYTES + length;
        check_offsets(&source, &header, source.length - data)?;
        let (entries, places) = header
            .tensors
            .into_iter()
            .map(|(name, tensor)| {
                let [start, end] = tensor.data_offsets;
                let entry = Entry {
                    name,
                    shape: tensor.shape,
                    number: tensor.dtype,
                };
                (entry, (data + start, end - start))
            })
            .unzip();
        Ok(Self {
            source,
            entries,
            metadata: header.metadata,
            places,
        })
    }
}

impl Weights for Safetensors {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn limit(&self) -> u64 {
        self.source.length
    }

    fn read(&mut self, index: usize) -> Result<Vec<u8>> {
        let (start, length) = self.places[index];
        self.source.read(start, length)
    }
}

/// Every tensor has the bytes of its shape, and they lie side by side up to the end of the file.
fn check_offsets(source: &Source, header: &Header, available: u64) -> Result<()> {
    let mut tensors: Vec<&(String, TensorHeader)> = header.tensors.iter().collect();
    tensors.sort_by_key(|(_, tensor)| tensor.data_offsets);
    let mut end = 0;
    for (name, tensor) in tensors {
        let [start, next] = tensor.data_offsets;
        let needed = width(&tensor.dtype).and_then(|width| {
            tensor
                .shape
                .iter()
                .try_fold(width, |bytes, size| bytes.checked_mul(*size as u64))
        });
        if start != end || needed.is_none() || start.checked_add(needed.unwrap_or(0)) != Some(next)
        {
            return Err(offset_fault(source, name, tensor, end));
        }
        end = next;
    }
    if end != available {
        return Err(source.fault(&format!(
            "expected {end} bytes of numbers, as the header says, found {available}"
        )));
    }
    Ok(())
}

fn offset_fault(source: &Source, name: &str, tensor: &TensorHeader, end: u64) -> Error {
    let shape: Vec<usize> = tensor.shape.iter().copied().take(8).collect();
    let [start, next] = tensor.data_offsets;
    source.fault(&format!(
        "{} must hold the bytes of {} numbers of shape {shape:?} from byte {end} on, found the bytes {start} to {next}",
        quoted(name),
        quoted(&tensor.dtype)
    ))
}

/// Bytes of a number.
fn width(dtype: &str) -> Option<u64> {
    match dtype {
        "BOOL" | "U8" | "I8" => Some(1),
        "F16" | "BF16" | "I16" | "U16" => Some(2),
        "F32" | "I32" | "U32" => Some(4),
        "F64" | "I64" | "U64" => Some(8),
        _ => None,
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TensorHeader {
    dtype: String,
    shape: Vec<usize>,
    data_offsets: [u64; 2],
}

/// The header in the order of the file, each name as often as it stands there.
#[derive(Default)]
struct Header {
    metadata: Vec<(String, String)>,
    tensors: Vec<(String, TensorHeader)>,
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = Header;

            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("a JSON object of tensors")
            }

            fn visit_map<A: MapAccess<'de>>(
                self,
                mut map: A,
            ) -> std::result::Result<Header, A::Error> {
                let mut header = Header::default();
                while let Some(name) = map.next_key::<String>()? {
                    if name == METADATA {
                        let texts: std::collections::BTreeMap<String, String> = map.next_value()?;
                        header.metadata.extend(texts);
                    } else {
                        header.tensors.push((name, map.next_value()?));
                    }
                }
                Ok(header)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}
