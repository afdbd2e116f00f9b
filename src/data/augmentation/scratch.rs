//! Memory that is used again for each image.

use crate::config::ImageShape;

/// Memory of the work on one image, used again for the next.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// The image with a border of background: one pixel before and two behind.
    pub(super) padded: Vec<f32>,
    /// Random numbers, wider than the image by the radius of the smoothing on each side.
    pub(super) field: Vec<f32>,
    /// The same smoothed in one direction, a single row.
    pub(super) smoothed: Vec<f32>,
    /// Displacements of rows and of columns.
    pub(super) displacements: [Vec<f32>; 2],
    /// Where the pixels of a row come from: rows and columns, then how far these are from the corner.
    pub(super) sources: [Vec<f32>; 2],
    /// The first of the four pixels that each is made from.
    pub(super) corners: Vec<u32>,
}

impl Scratch {
    /// For images of a shape that are moved or not, and for a smoothing of a radius if there is one.
    pub(super) fn new(shape: ImageShape, moves: bool, radius: Option<usize>) -> Self {
        let ImageShape {
            height,
            width,
            channels,
        } = shape;
        let border = radius.map(|radius| 2 * radius);
        let (rows, columns) = border.map_or((0, 0), |border| (height + border, width + border));
        let pixels = border.map_or(0, |_| height * width);
        let zeros = |count: usize| vec![0.0; count];
        Self {
            padded: zeros(if moves {
                (height + 3) * (width + 3) * channels
            } else {
                0
            }),
            field: zeros(rows * columns),
            smoothed: zeros(columns),
            displacements: [zeros(pixels), zeros(pixels)],
            sources: [zeros(width), zeros(width)],
            corners: vec![0; width],
        }
    }
}
