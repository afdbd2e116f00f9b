/// Rows, columns and channels of an image; its values lie row by row, the channels of a pixel side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ImageShape {
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
    /// 1 for grey images, 3 for colours.
    pub channels: usize,
}

impl ImageShape {
    /// MNIST's: 28 x 28 grey pixels.
    pub const MNIST: Self = Self {
        height: 28,
        width: 28,
        channels: 1,
    };

    /// Values of an image.
    pub const fn len(&self) -> usize {
        self.height * self.width * self.channels
    }

    /// Whether an image has no value.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Height, width and channels.
impl From<(usize, usize, usize)> for ImageShape {
    fn from((height, width, channels): (usize, usize, usize)) -> Self {
        Self {
            height,
            width,
            channels,
        }
    }
}

/// As in "28 x 28 x 1".
impl std::fmt::Display for ImageShape {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} x {} x {}",
            self.height, self.width, self.channels
        )
    }
}
