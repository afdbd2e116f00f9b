//! What Burn writes, as types of our own: strings and bytes are borrowed from the content, nothing is allocated by a
//! length that a file claims, and tensors come out checked.
//!
//! bincode writes fields by their order and variants by their number, so both are Burn's. The numbers of the types `D` of a
//! tensor's values differ between versions.

use super::fault::fault;
use super::number::Number;
use crate::error::Result as Checked;
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::{Borrow, Cow};
use std::fmt;
use std::path::Path;

#[derive(Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub float: Cow<'a, str>,
    #[serde(borrow)]
    pub int: Cow<'a, str>,
    #[serde(borrow)]
    pub format: Cow<'a, str>,
    #[serde(borrow)]
    pub version: Cow<'a, str>,
    #[serde(borrow)]
    pub settings: Cow<'a, str>,
}

#[derive(Deserialize)]
pub(super) struct ParamItem<'a, D> {
    #[serde(borrow, rename = "id")]
    _id: Cow<'a, str>,
    #[serde(borrow)]
    param: TensorItem<'a, D>,
}

/// A tensor as Burn writes it.
#[derive(Deserialize)]
pub(super) struct TensorItem<'a, D = Dtype> {
    #[serde(borrow, with = "serde_bytes")]
    bytes: Cow<'a, [u8]>,
    pub shape: Vec<usize>,
    dtype: D,
}

/// The number types of a tensor of floats, in the order of Burn from 0.17 on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(super) enum Dtype {
    F64,
    F32,
    Flex32,
    F16,
    BF16,
}

/// The same up to Burn 0.16.
#[derive(Clone, Copy, Deserialize)]
pub(super) enum OldDtype {
    F64,
    F32,
    F16,
    BF16,
}

/// A string borrowed also where serde's own types would copy it, by the length that the file claims.
#[derive(PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(transparent)]
pub(super) struct Name<'a>(#[serde(borrow)] pub Cow<'a, str>);

/// The record of what has no state.
#[derive(Default)]
pub(super) struct Nothing;

/// The record of settings in a format with names: nothing, or, up to Burn 0.16, a list of nothings.
#[derive(Default)]
pub(super) struct NoSettings;

impl Borrow<str> for Name<'_> {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl<'de> Deserialize<'de> for Nothing {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        deserializer.deserialize_option(NothingVisitor { list: false })?;
        Ok(Self)
    }
}

impl<'de> Deserialize<'de> for NoSettings {
    fn deserialize<De: Deserializer<'de>>(deserializer: De) -> Result<Self, De::Error> {
        deserializer.deserialize_option(NothingVisitor { list: true })?;
        Ok(Self)
    }
}

struct NothingVisitor {
    list: bool,
}

impl<'de> Visitor<'de> for NothingVisitor {
    type Value = ();

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nothing, as for a part without parameters")
    }

    fn visit_none<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_some<De: Deserializer<'de>>(self, deserializer: De) -> Result<(), De::Error> {
        if self.list {
            deserializer.deserialize_seq(self)
        } else {
            Err(De::Error::custom("a part without parameters must be empty"))
        }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        while items.next_element::<Nothing>()?.is_some() {}
        Ok(())
    }
}

impl Dtype {
    /// The names of the types in the metadata, which are Rust's.
    pub const RUST_NAMES: [(&'static str, Self); 4] = [
        ("f32", Self::F32),
        ("f64", Self::F64),
        ("half::binary16::f16", Self::F16),
        ("half::bfloat::bf16", Self::BF16),
    ];

    const fn number(self) -> Number {
        match self {
            Self::F16 => Number::F16,
            Self::BF16 => Number::BF16,
            Self::F32 | Self::Flex32 => Number::F32,
            Self::F64 => Number::F64,
        }
    }
}

impl From<OldDtype> for Dtype {
    fn from(old: OldDtype) -> Self {
        match old {
            OldDtype::F64 => Self::F64,
            OldDtype::F32 => Self::F32,
            OldDtype::F16 => Self::F16,
            OldDtype::BF16 => Self::BF16,
        }
    }
}

impl<'a, D: Into<Dtype>> ParamItem<'a, D> {
    /// The tensor, its type that of Burn from 0.17 on.
    pub fn tensor(self) -> TensorItem<'a> {
        let TensorItem {
            bytes,
            shape,
            dtype,
        } = self.param;
        TensorItem {
            bytes,
            shape,
            dtype: dtype.into(),
        }
    }
}

impl TensorItem<'_> {
    /// Checks that there are as many bytes as the shape and the type of the numbers say.
    pub fn check(&self, name: &str, path: &Path) -> Checked<()> {
        let width = self.dtype.number().width();
        let length = self
            .shape
            .iter()
            .try_fold(width, |product, size| product.checked_mul(*size));
        if self.shape.len() <= 4 && length == Some(self.bytes.len()) {
            return Ok(());
        }
        let shape: Vec<usize> = self.shape.iter().copied().take(8).collect();
        Err(fault(
            path,
            &format!(
                "{name} must hold {width} bytes for each number of its shape {shape:?}, found {}",
                self.bytes.len()
            ),
        ))
    }

    /// Checks that the type of the numbers is the one in the metadata.
    pub fn check_type(&self, metadata: &Metadata<'_>, name: &str, path: &Path) -> Checked<()> {
        let expected = Dtype::RUST_NAMES
            .iter()
            .find(|(rust_name, _)| *rust_name == metadata.float)
            .map(|(_, dtype)| *dtype);
        if expected == Some(self.dtype) {
            return Ok(());
        }
        let float: String = metadata.float.chars().take(40).collect();
        Err(fault(
            path,
            &format!(
                "{name} must hold numbers of the record's type {float:?}, found {:?}",
                self.dtype
            ),
        ))
    }

    /// The numbers, of a tensor that has been checked.
    pub fn values(&self) -> Vec<f32> {
        self.dtype.number().values(&self.bytes)
    }
}
