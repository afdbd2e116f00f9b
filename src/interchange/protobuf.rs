//! The wire format of Protocol Buffers (protobuf.dev, "Encoding"), as far as ONNX needs it.

/// A field that holds a number.
const VARINT: u64 = 0;
/// A field that holds four bytes.
const FIXED32: u64 = 5;
/// A field that holds bytes, text or another message.
const LENGTH_DELIMITED: u64 = 2;

/// A message that is being written, field by field.
#[derive(Default)]
pub(super) struct Message(Vec<u8>);

impl Message {
    pub fn integer(mut self, field: u64, value: i64) -> Self {
        self.varint(field << 3 | VARINT);
        // Negative numbers take ten bytes, in two's complement.
        self.varint(value as u64);
        self
    }

    pub fn bytes(mut self, field: u64, value: &[u8]) -> Self {
        self.varint(field << 3 | LENGTH_DELIMITED);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
        self
    }

    /// A number of single precision.
    pub fn float(mut self, field: u64, value: f32) -> Self {
        self.varint(field << 3 | FIXED32);
        self.0.extend(value.to_le_bytes());
        self
    }

    pub fn text(self, field: u64, value: &str) -> Self {
        self.bytes(field, value.as_bytes())
    }

    pub fn message(self, field: u64, value: &Self) -> Self {
        self.bytes(field, &value.0)
    }

    /// A repeated field.
    pub fn each<T>(
        self,
        values: impl IntoIterator<Item = T>,
        add: impl Fn(Self, T) -> Self,
    ) -> Self {
        values.into_iter().fold(self, add)
    }

    pub fn into_bytes(self) -> Vec<u8> {
        self.0
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
    }
}

/// What a field holds.
pub(super) enum Value<'a> {
    Integer(u64),
    Bytes(&'a [u8]),
    /// Four or eight bytes, which nothing here needs.
    Fixed,
}

/// The fields of a message, in the order of the file.
pub(super) struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Fields<'a> {
    pub fn new(message: &'a [u8]) -> Self {
        Self { rest: message }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next field's number and value; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u64, Value<'a>)>, String> {
        const FIXED64: u64 = 1;
        const FIXED32: u64 = 5;

        if self.rest.is_empty() {
            return Ok(None);
        }
        let tag = self.varint()?;
        let value = match tag & 7 {
            VARINT => Value::Integer(self.varint()?),
            LENGTH_DELIMITED => {
                let length = self.varint()?;
                Value::Bytes(self.take(length)?)
            }
            FIXED64 => self.take(8).map(|_| Value::Fixed)?,
            FIXED32 => self.take(4).map(|_| Value::Fixed)?,
            kind => return Err(format!("a field of the unknown kind {kind}")),
        };
        Ok(Some((tag >> 3, value)))
    }

    pub fn varint(&mut self) -> Result<u64, String> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.take(1)?[0];
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err("a number of more than 64 bits".into())
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], String> {
        let split = usize::try_from(length)
            .ok()
            .and_then(|length| self.rest.split_at_checked(length));
        let (taken, rest) = split.ok_or_else(|| {
            format!(
                "a field of {length} bytes where {} are left",
                self.rest.len()
            )
        })?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_documentation_are_encoded_as_there() {
        assert_eq!(
            Message::default().integer(1, 150).into_bytes(),
            [0x08, 0x96, 0x01]
        );
        assert_eq!(
            Message::default().text(2, "testing").into_bytes(),
            b"\x12\x07testing"
        );
        let inner = Message::default().integer(1, 150);
        assert_eq!(
            Message::default().message(3, &inner).into_bytes(),
            [0x1a, 0x03, 0x08, 0x96, 0x01]
        );
        assert_eq!(Message::default().integer(1, -2).into_bytes().len(), 11);
    }
}
