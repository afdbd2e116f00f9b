//! The formats below the compression, and values parsed from them.

use super::file::MAX_BYTES;
use super::item::{Dtype, Metadata};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::io::ErrorKind;

/// How the content of a record is laid out; its first bytes tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    MessagePack,
    Bincode,
    Json,
}

/// A record with the names of its fields in it.
#[derive(Deserialize)]
struct Named<'a, T> {
    #[serde(borrow)]
    metadata: Metadata<'a>,
    item: T,
}

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
        let named: Named<'a, T> = match self {
            Self::Bincode => {
                let (metadata, rest) = metadata(bytes)?;
                return Ok((metadata, positional(rest)?));
            }
            Self::MessagePack => message_pack(bytes)?,
            Self::Json => serde_json::from_slice(bytes).map_err(|error| error.to_string())?,
        };
        Ok((named.metadata, named.item))
    }
}

/// The metadata of a bincode record, and the bytes behind it.
pub(super) fn metadata(bytes: &[u8]) -> Parsed<(Metadata<'_>, &[u8])> {
    let (metadata, length) = bincode_prefix(bytes)?;
    Ok((metadata, bytes.get(length..).unwrap_or_default()))
}

/// A value in bincode that takes all of `bytes`.
pub(super) fn positional<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Parsed<T> {
    let (value, length) = bincode_prefix(bytes)?;
    match bytes.len() - length {
        0 => Ok(value),
        extra => Err(format!("{extra} bytes follow its end")),
    }
}

fn bincode_prefix<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Parsed<(T, usize)> {
    let config = bincode::config::standard().with_limit::<{ MAX_BYTES as usize }>();
    bincode::serde::borrow_decode_from_slice(bytes, config).map_err(|error| error.to_string())
}

fn message_pack<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Parsed<T> {
    use rmp_serde::decode::Error;

    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    let value = T::deserialize(&mut deserializer).map_err(|error| error.to_string())?;
    match IgnoredAny::deserialize(&mut deserializer) {
        Err(Error::InvalidMarkerRead(error)) if error.kind() == ErrorKind::UnexpectedEof => {
            Ok(value)
        }
        _ => Err("more bytes follow its end".into()),
    }
}
