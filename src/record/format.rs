//! The formats below the compression, and values parsed from them.

use super::file::MAX_BYTES;
use super::item::{Dtype, Metadata, Name};
use serde::de::{DeserializeSeed, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::io::ErrorKind;
use std::marker::PhantomData;

/// How the content of a record is laid out; its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    MessagePack,
    Bincode,
    Json,
}

/// Reads a record with the names of its fields in it.
struct Named<S>(S);

type Parsed<T> = Result<T, String>;

impl Format {
    /// Bytes that are enough to tell.
    pub const HEAD: u64 = 64;

    pub fn of(head: &[u8]) -> Option<Self> {
        // Burn's metadata comes first, and in it the name of the numbers' type, behind its length.
        let positional = |length: u8, rest: &[u8]| {
            Dtype::RUST_NAMES.iter().any(|(name, _)| {
                name.len() == usize::from(length) && rest.starts_with(name.as_bytes())
            })
        };
        match head {
            // A map of at most 15, 2^16 or 2^32 entries.
            [0x80..=0x8f | 0xde | 0xdf, ..] => Some(Self::MessagePack),
            [length, rest @ ..] if positional(*length, rest) => Some(Self::Bincode),
            _ if head.trim_ascii_start().starts_with(b"{") => Some(Self::Json),
            _ => None,
        }
    }

    /// Most bytes that one byte of a tensor takes.
    pub const fn bytes_per_byte(self) -> u64 {
        match self {
            Self::MessagePack | Self::Bincode => 1,
            // In indented JSON it is a line of its own.
            Self::Json => 24,
        }
    }

    pub const fn name(self) -> &'static str {
        match self {
            Self::MessagePack => "MessagePack",
            Self::Bincode => "bincode",
            Self::Json => "JSON",
        }
    }

    /// Metadata and item of a record whose layout does not depend on Burn's version.
    pub fn record<'a, T: Deserialize<'a>>(self, bytes: &'a [u8]) -> Parsed<(Metadata<'a>, T)> {
        self.record_of(bytes, PhantomData)
    }

    /// The same, its item read by `seed`.
    pub fn record_of<'a, S: DeserializeSeed<'a>>(
        self,
        bytes: &'a [u8],
        seed: S,
    ) -> Parsed<(Metadata<'a>, S::Value)> {
        match self {
            Self::Bincode => {
                let (metadata, rest) = metadata(bytes)?;
                Ok((metadata, positional(rest, seed)?))
            }
            Self::MessagePack => message_pack(bytes, Named(seed)),
            Self::Json => json(bytes, Named(seed)),
        }
    }
}

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Named<S> {
    type Value = (Metadata<'de>, S::Value);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Named<S> {
    type Value = (Metadata<'de>, S::Value);

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("metadata and an item")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let (mut seed, mut metadata, mut item) = (Some(self.0), None, None);
        while let Some(Name(key)) = map.next_key()? {
            match (key.as_ref(), seed.take()) {
                ("item", Some(seed)) => item = Some(map.next_value_seed(seed)?),
                ("item", None) => return Err(A::Error::duplicate_field("item")),
                ("metadata", _) if metadata.is_some() => {
                    return Err(A::Error::duplicate_field("metadata"));
                }
                ("metadata", left) => {
                    seed = left;
                    metadata = Some(map.next_value()?);
                }
                (_, left) => {
                    seed = left;
                    map.next_value::<IgnoredAny>()?;
                }
            }
        }
        Ok((
            metadata.ok_or_else(|| A::Error::missing_field("metadata"))?,
            item.ok_or_else(|| A::Error::missing_field("item"))?,
        ))
    }
}

/// The metadata of a bincode record, and the bytes behind it.
pub(super) fn metadata(bytes: &[u8]) -> Parsed<(Metadata<'_>, &[u8])> {
    let (metadata, length) = bincode_prefix(bytes, PhantomData)?;
    Ok((metadata, bytes.get(length..).unwrap_or_default()))
}

/// A value in bincode that takes all of `bytes`.
pub(super) fn positional<'a, S: DeserializeSeed<'a>>(bytes: &'a [u8], seed: S) -> Parsed<S::Value> {
    let (value, length) = bincode_prefix(bytes, seed)?;
    match bytes.len() - length {
        0 => Ok(value),
        extra => Err(format!("{extra} bytes follow its end")),
    }
}

fn bincode_prefix<'a, S: DeserializeSeed<'a>>(
    bytes: &'a [u8],
    seed: S,
) -> Parsed<(S::Value, usize)> {
    let config = bincode::config::standard().with_limit::<{ MAX_BYTES as usize }>();
    bincode::serde::seed_decode_from_slice(seed, bytes, config).map_err(|error| error.to_string())
}

fn message_pack<'a, S: DeserializeSeed<'a>>(bytes: &'a [u8], seed: S) -> Parsed<S::Value> {
    use rmp_serde::decode::Error;

    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = seed
        .deserialize(&mut deserializer)
        .map_err(|error| error.to_string())?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(value)
        }
        _ => Err("more bytes follow its end".into()),
    }
}

fn json<'a, S: DeserializeSeed<'a>>(bytes: &'a [u8], seed: S) -> Parsed<S::Value> {
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    seed.deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| error.to_string())
}
