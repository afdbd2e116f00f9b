//! How an image moves as a whole, and where its pixels come from.

use super::series::sine_and_cosine;
use crate::config::{AugmentationConfig, ImageShape};
use crate::random::Stream;

/// How an image moves as a whole.
#[derive(Clone, Copy, Debug)]
pub(super) struct Movement {
    /// Downwards and to the right, in pixels.
    pub shift: [f64; 2],
    /// Anticlockwise, in radians.
    pub angle: f64,
    /// Times its size.
    pub factor: f64,
    /// The slant of its columns, in radians; the lower half goes to the right.
    pub shear: f64,
}

impl Movement {
    /// Five numbers whatever the strengths are, so that what is drawn for one does not depend on the others.
    #[inline]
    pub fn draw(config: &AugmentationConfig, shape: ImageShape, stream: &mut Stream) -> Self {
        let down = stream.symmetric() * config.shift * shape.height as f64;
        let right = stream.symmetric() * config.shift * shape.width as f64;
        Self {
            shift: [down, right],
            angle: stream.symmetric() * config.rotate.to_radians(),
            factor: 1.0 + stream.symmetric() * config.scale,
            shear: stream.symmetric() * config.shear.to_radians(),
        }
    }

    /// Where each pixel comes from: the inverse of the movement.
    #[inline]
    pub fn origin(&self, shape: ImageShape) -> Origin {
        let (sine, cosine) = sine_and_cosine(self.angle);
        let (shear_sine, shear_cosine) = sine_and_cosine(self.shear);
        let slant = shear_sine / shear_cosine;
        let row = [cosine / self.factor, sine / self.factor];
        let column = [
            (-sine - slant * cosine) / self.factor,
            (cosine - slant * sine) / self.factor,
        ];
        let centre = [
            (shape.height as f64 - 1.0) / 2.0,
            (shape.width as f64 - 1.0) / 2.0,
        ];
        let from = |matrix: [f64; 2], centre_of_old: f64| {
            let [down, right] = self.shift;
            let start =
                centre_of_old - matrix[0] * (down + centre[0]) - matrix[1] * (right + centre[1])
                    + 1.0;
            [matrix[0] as f32, matrix[1] as f32, start as f32]
        };
        Origin {
            row: from(row, centre[0]),
            column: from(column, centre[1]),
        }
    }
}

/// Where the pixel at a row and a column comes from, in the image with its border: each coordinate is the sum of the row times
/// the first number, the column times the second and the third.
#[derive(Clone, Copy, Debug)]
pub(super) struct Origin {
    pub row: [f32; 3],
    pub column: [f32; 3],
}
