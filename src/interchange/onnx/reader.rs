//! What a file says of its weights.

use super::messages::{CONSTANT, MAX_BYTES};
use crate::error::Result;
use crate::interchange::protobuf::{Fields, Value};
use crate::interchange::source::{Source, quoted};
use crate::interchange::state::{Entry, LinearLayout};
use crate::interchange::weights::{Weights, width};

/// More tensors, properties or dimensions than any network of ours has.
const MAX_COUNT: usize = 4096;

/// What an ONNX file says of its weights.
pub struct Onnx {
    source: Source,
    entries: Vec<Entry>,
    metadata: Vec<(String, String)>,
}

impl Onnx {
    pub fn open(mut source: Source) -> Result<Self> {
        if source.length > MAX_BYTES as u64 {
            return Err(source.fault(&format!(
                "an ONNX file must have at most {MAX_BYTES} bytes, found {}",
                source.length
            )));
        }
        let bytes = source.read(0, source.length)?;
        let (entries, metadata) = describe(&bytes).map_err(|what| {
            source.fault(&format!(
                "expected an ONNX model, found something else: {what}"
            ))
        })?;
        Ok(Self {
            source,
            entries,
            metadata,
        })
    }
}

impl Weights for Onnx {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn metadata(&self) -> &[(String, String)] {
        &self.metadata
    }

    fn layout(&self) -> Option<LinearLayout> {
        Some(LinearLayout::OutputsFirst)
    }

    fn limit(&self) -> u64 {
        self.source.length
    }

    fn read(&mut self, _index: usize) -> Result<Vec<u8>> {
        Err(self.source.fault(
            "a model must be loaded from a record, a safetensors, npz or PyTorch file, and this is an ONNX file, whose graph can \
             be any",
        ))
    }
}

type Described = (Vec<Entry>, Vec<(String, String)>);

fn describe(model: &[u8]) -> std::result::Result<Described, String> {
    let (mut entries, mut metadata) = (Vec::new(), Vec::new());
    let mut graph = None;
    let mut fields = Fields::new(model);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Integer(version)) => {
                metadata.push(("onnx_format".into(), version.to_string()));
            }
            (7, Value::Bytes(bytes)) if graph.is_none() => graph = Some(bytes),
            (7, _) => return Err("its graph is there twice".into()),
            (8, Value::Bytes(bytes)) => {
                metadata.extend(opset(bytes)?.map(|version| ("opset".into(), version)));
            }
            (14, Value::Bytes(bytes)) => metadata.push(property(bytes)?),
            _ => {}
        }
        if metadata.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} properties"));
        }
    }
    let mut fields = Fields::new(graph.ok_or("it has no graph")?);
    while let Some((field, value)) = fields.next()? {
        if let (5, Value::Bytes(bytes)) = (field, value) {
            entries.push(initializer(bytes)?);
        }
        if entries.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} initializers"));
        }
    }
    // The constants of the normalisation and the pooling are no parameters.
    entries.retain(|entry| {
        !["pixels.", "pool.", CONSTANT]
            .iter()
            .any(|prefix| entry.name.starts_with(prefix))
    });
    Ok((entries, metadata))
}

/// The version of ONNX's own operators; `None` for those of another domain.
fn opset(bytes: &[u8]) -> std::result::Result<Option<String>, String> {
    let (mut own, mut version) = (true, None);
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(domain)) => own = domain.is_empty() || domain == b"ai.onnx",
            (2, Value::Integer(number)) => version = Some(number.to_string()),
            _ => {}
        }
    }
    Ok(version.filter(|_| own))
}

fn property(bytes: &[u8]) -> std::result::Result<(String, String), String> {
    let (mut key, mut text) = (String::new(), String::new());
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Bytes(bytes)) => key = String::from_utf8_lossy(bytes).into_owned(),
            (2, Value::Bytes(bytes)) => text = String::from_utf8_lossy(bytes).into_owned(),
            _ => {}
        }
    }
    Ok((key, text))
}

fn initializer(bytes: &[u8]) -> std::result::Result<Entry, String> {
    let (mut name, mut shape, mut number, mut raw) = (String::new(), Vec::new(), 0, None);
    let mut fields = Fields::new(bytes);
    while let Some((field, value)) = fields.next()? {
        match (field, value) {
            (1, Value::Integer(size)) => shape.push(size as usize),
            // Newer writers pack the dimensions.
            (1, Value::Bytes(sizes)) => {
                let mut sizes = Fields::new(sizes);
                while !sizes.is_empty() && shape.len() <= MAX_COUNT {
                    shape.push(sizes.varint()? as usize);
                }
            }
            (2, Value::Integer(kind)) => number = kind,
            (8, Value::Bytes(text)) => name = String::from_utf8_lossy(text).into_owned(),
            (9, Value::Bytes(bytes)) => raw = Some(bytes.len()),
            _ => {}
        }
        if shape.len() > MAX_COUNT {
            return Err(format!("more than {MAX_COUNT} dimensions"));
        }
    }
    let number = match number {
        1 => "F32".to_owned(),
        10 => "F16".to_owned(),
        11 => "F64".to_owned(),
        16 => "BF16".to_owned(),
        other => format!("type {other} of ONNX"),
    };
    let needed = width(&number).and_then(|width| {
        shape
            .iter()
            .try_fold(width, |bytes, size| bytes.checked_mul(*size))
    });
    if let (Some(_), Some(found)) = (width(&number), raw.filter(|raw| Some(*raw) != needed)) {
        return Err(format!(
            "{} must hold the bytes of {number} numbers of shape {:?}, found {found}",
            quoted(&name),
            &shape[..shape.len().min(8)]
        ));
    }
    Ok(Entry {
        name,
        shape,
        number,
    })
}
