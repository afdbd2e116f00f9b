//! The numbers of weights as files have them.

/// What a tensor of a file is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    F16,
    BF16,
    F32,
    F64,
}

impl Number {
    /// The number that a file calls so; `None` for any that weights are not made of.
    pub fn of_name(name: &str) -> Option<Self> {
        match name {
            "F16" => Some(Self::F16),
            "BF16" => Some(Self::BF16),
            "F32" => Some(Self::F32),
            "F64" => Some(Self::F64),
            _ => None,
        }
    }

    /// The bytes that one takes.
    pub const fn width(self) -> usize {
        match self {
            Self::F16 | Self::BF16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// The values of little-endian bytes; some at the end that make no number are left out.
    pub fn values(self, bytes: &[u8]) -> Vec<f32> {
        match self {
            Self::F16 => each(bytes, |number| half::f16::from_le_bytes(number).to_f32()),
            Self::BF16 => each(bytes, |number| half::bf16::from_le_bytes(number).to_f32()),
            Self::F32 => each(bytes, f32::from_le_bytes),
            Self::F64 => each(bytes, |number| f64::from_le_bytes(number) as f32),
        }
    }
}

fn each<const WIDTH: usize>(bytes: &[u8], read: impl Fn([u8; WIDTH]) -> f32) -> Vec<f32> {
    let (numbers, _) = bytes.as_chunks();
    numbers.iter().map(|number| read(*number)).collect()
}
