//! Training images that are moved, bent and disturbed at random.

use crate::config::{AugmentationConfig, ImageShape, Settings};
use crate::error::{Error, Result};
use crate::random::{Purpose, Stream};
#[cfg(any(feature = "cpu", feature = "python"))]
use rayon::prelude::*;

/// Images that a thread takes at a time.
#[cfg(any(feature = "cpu", feature = "python"))]
const TASK: usize = 8;

/// Coordinates are f32 numbers, which must have digits behind the point left.
const LARGEST_SIDE: usize = 1 << 16;

/// A pixel of the background.
const BACKGROUND: u8 = 0;

/// Changes images as an [`AugmentationConfig`] says: bytes in, bytes out.
///
/// An image is shifted, turned, sized, slanted and bent in one go, then noise is added, then a square is cut out. What becomes of
/// it follows from (seed, epoch, index of the image in its data set) alone, and is the same on every machine: no number comes
/// from the system's mathematical library, and no sum depends on threads or on vector instructions.
///
/// - Movement: the value at a place of the new image is taken, bilinearly, from the place in the old one that goes there when
///   the image is slanted, turned (anticlockwise) and sized about its centre and then shifted, plus the displacement of the
///   elastic field. Outside of the image is the background, 0.
/// - Elastic field: uniform random numbers in -1..1 for rows and for columns, drawn beyond the borders as well so that the field is
///   equally strong everywhere, smoothed by a Gaussian of `elastic_sigma` that is cut off at three of its deviations, times
///   `elastic` (P. Simard, D. Steinkraus and J. Platt, "Best practices for convolutional neural networks applied to visual
///   document analysis", 2003).
/// - Noise: normal, for each value on its own. A sum of twelve uniform numbers stands for a normal one, which takes integers
///   alone: mean, deviation and skewness are the same, the kurtosis is 2.9 instead of 3.
/// - Cutout: a square about a pixel drawn from all, so that a part of it may lie outside (T. DeVries and G. Taylor, "Improved
///   regularization of convolutional neural networks with cutout", 2017).
///
/// What is drawn for one of these does not depend on the strengths of the others.
#[derive(Clone, Debug)]
pub struct Augmentation {
    config: AugmentationConfig,
    shape: ImageShape,
    seed: u64,
    smoothing: Option<Smoothing>,
}

/// What random numbers are for; the last word of their key.
#[derive(Clone, Copy, Debug)]
enum Part {
    Movement = 1,
    Elastic = 2,
    Noise = 3,
    Cutout = 4,
}

/// Memory of the work on one image, used again for the next.
#[derive(Clone, Debug)]
pub struct Scratch {
    /// The image with a border of background: one pixel before and two behind.
    padded: Vec<f32>,
    /// Random numbers, wider than the image by the radius of the smoothing on each side.
    field: Vec<f32>,
    /// The same smoothed in one direction, a single row.
    smoothed: Vec<f32>,
    /// Displacements of rows and of columns.
    displacements: [Vec<f32>; 2],
    /// Where the pixels of a row come from: rows and columns, then how far these are from the corner.
    sources: [Vec<f32>; 2],
    /// The first of the four pixels that each is made from.
    corners: Vec<u32>,
}

impl Augmentation {
    /// Prepares the changes of images of a shape.
    pub fn new(config: &AugmentationConfig, shape: ImageShape, seed: u64) -> Result<Self> {
        config.validate()?;
        let padded = |side: usize| side.saturating_add(3);
        let values = padded(shape.height)
            .saturating_mul(padded(shape.width))
            .saturating_mul(shape.channels);
        if shape.height.max(shape.width) > LARGEST_SIDE || u32::try_from(values).is_err() {
            return Err(Error::Data(format!(
                "images to be augmented must have at most {LARGEST_SIDE} rows and columns and 2^32 values, got {} x {} x {}",
                shape.height, shape.width, shape.channels
            )));
        }
        let smoothing =
            (config.elastic > 0.0).then(|| Smoothing::new(config.elastic, config.elastic_sigma));
        Ok(Self {
            config: *config,
            shape,
            seed,
            smoothing,
        })
    }

    /// Memory for [`apply`](Self::apply).
    pub fn scratch(&self) -> Scratch {
        let ImageShape {
            height,
            width,
            channels,
        } = self.shape;
        let moves = self.config.moves() || self.smoothing.is_some();
        let border = self
            .smoothing
            .as_ref()
            .map(|smoothing| 2 * smoothing.radius);
        let (rows, columns) = border.map_or((0, 0), |border| (height + border, width + border));
        let pixels = border.map_or(0, |_| height * width);
        let zeros = |count: usize| vec![0.0; count];
        Scratch {
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

    /// Changes an image in its place.
    ///
    /// `index` is that of the image in its data set, `image` has the bytes of one image, and `scratch` is this augmentation's own.
    pub fn apply(&self, epoch: u64, index: u64, image: &mut [u8], scratch: &mut Scratch) {
        debug_assert_eq!(image.len(), self.shape.len());
        if self.shape.is_empty() {
            return;
        }
        let stream = |part: Part| {
            Stream::new(
                Purpose::Augmentation,
                &[self.seed, epoch, index, part as u64],
            )
        };
        if let Some(smoothing) = &self.smoothing {
            smoothing.draw(self.shape, &mut stream(Part::Elastic), scratch);
        }
        if self.config.moves() || self.smoothing.is_some() {
            let movement = Movement::draw(&self.config, self.shape, &mut stream(Part::Movement));
            let origin = movement.origin(self.shape);
            resample(
                &origin,
                self.shape,
                self.smoothing.is_some(),
                image,
                scratch,
            );
        }
        if self.config.noise > 0.0 {
            add_noise(self.config.noise, &mut stream(Part::Noise), image);
        }
        if self.config.cutout > 0.0 {
            cut_out(
                self.config.cutout,
                self.shape,
                &mut stream(Part::Cutout),
                image,
            );
        }
    }

    /// Changes a batch in its place: `images` has the bytes of the images at `indices` of the data set, in that order.
    ///
    /// On a thread of a Rayon pool its threads share the work, which changes nothing but the time. Elsewhere it is done by the
    /// caller alone: Rayon would start a pool for the whole process, which does not survive a fork.
    pub fn apply_batch(&self, epoch: u64, indices: &[usize], images: &mut [u8]) {
        let length = self.shape.len();
        if self.config.is_off() || length == 0 {
            return;
        }
        debug_assert_eq!(images.len(), indices.len() * length);
        let some = |indices: &[usize], images: &mut [u8], scratch: &mut Scratch| {
            for (index, image) in indices.iter().zip(images.chunks_exact_mut(length)) {
                self.apply(epoch, *index as u64, image, scratch);
            }
        };
        #[cfg(any(feature = "cpu", feature = "python"))]
        if rayon::current_num_threads() > 1 && rayon::current_thread_index().is_some() {
            images
                .par_chunks_mut(TASK * length)
                .zip(indices.par_chunks(TASK))
                .for_each_init(
                    || self.scratch(),
                    |scratch, (images, indices)| some(indices, images, scratch),
                );
            return;
        }
        some(indices, images, &mut self.scratch());
    }
}

/// A number in -1..1 with 24 random bits.
fn symmetric(stream: &mut Stream) -> f64 {
    f64::from(stream.unit()) * 2.0 - 1.0
}

/// How an image moves as a whole.
#[derive(Clone, Copy, Debug)]
struct Movement {
    /// Downwards and to the right, in pixels.
    shift: [f64; 2],
    /// Anticlockwise, in radians.
    angle: f64,
    /// Times its size.
    factor: f64,
    /// The slant of its columns, in radians; the lower half goes to the right.
    shear: f64,
}

impl Movement {
    /// Five numbers whatever the strengths are, so that what is drawn for one does not depend on the others.
    fn draw(config: &AugmentationConfig, shape: ImageShape, stream: &mut Stream) -> Self {
        let down = symmetric(stream) * config.shift * shape.height as f64;
        let right = symmetric(stream) * config.shift * shape.width as f64;
        Self {
            shift: [down, right],
            angle: symmetric(stream) * config.rotate.to_radians(),
            factor: 1.0 + symmetric(stream) * config.scale,
            shear: symmetric(stream) * config.shear.to_radians(),
        }
    }

    /// Where each pixel comes from: the inverse of the movement.
    fn origin(&self, shape: ImageShape) -> Origin {
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
struct Origin {
    row: [f32; 3],
    column: [f32; 3],
}

/// The sine and the cosine of an angle of at most half a turn, by their series: sums, products and quotients are the same on
/// every machine, the system's functions are not.
fn sine_and_cosine(angle: f64) -> (f64, f64) {
    let square = angle * angle;
    let (mut sine, mut cosine) = (1.0, 1.0);
    for term in (1..=16).rev() {
        let even = f64::from(2 * term);
        cosine = 1.0 - square / (even * (even - 1.0)) * cosine;
        sine = 1.0 - square / (even * (even + 1.0)) * sine;
    }
    (angle * sine, cosine)
}

/// The exponential of a number of at most 0, for the same reason.
fn exponential(exponent: f64) -> f64 {
    if exponent < -40.0 {
        return 0.0;
    }
    let small = exponent / 1024.0;
    let mut power = 1.0;
    for term in (1..=12).rev() {
        power = 1.0 + small / f64::from(term) * power;
    }
    for _ in 0..10 {
        power *= power;
    }
    power
}

/// The smoothing of an elastic field.
#[derive(Clone, Debug)]
struct Smoothing {
    radius: usize,
    /// The Gaussian, from edge to edge, times the strength.
    vertical: Vec<f32>,
    /// The Gaussian.
    horizontal: Vec<f32>,
}

impl Smoothing {
    fn new(strength: f64, sigma: f64) -> Self {
        let radius = (3.0 * sigma).ceil();
        let weights: Vec<f64> = (0..=2 * radius as usize)
            .map(|place| {
                let distance = (place as f64 - radius) / sigma;
                exponential(-0.5 * distance * distance)
            })
            .collect();
        let sum: f64 = weights.iter().sum();
        let times = |factor: f64| {
            let scaled = weights.iter().map(|weight| (weight / sum * factor) as f32);
            scaled.collect()
        };
        Self {
            radius: radius as usize,
            vertical: times(strength),
            horizontal: times(1.0),
        }
    }

    /// The displacements of an image.
    fn draw(&self, shape: ImageShape, stream: &mut Stream, scratch: &mut Scratch) {
        let width = shape.width + 2 * self.radius;
        for displacements in &mut scratch.displacements {
            fill(&mut scratch.field, stream);
            let rows = displacements.chunks_exact_mut(shape.width);
            for (row, displacements) in rows.enumerate() {
                let field = &scratch.field[row * width..];
                weighted_sums(field, width, &self.vertical, &mut scratch.smoothed);
                weighted_sums(&scratch.smoothed, 1, &self.horizontal, displacements);
            }
        }
    }
}

/// Random numbers in -1..1 with 16 bits each, four of a draw.
fn fill(numbers: &mut [f32], stream: &mut Stream) {
    let number = |word: u64, place: usize| {
        let bits = (word >> (16 * place)) as u16;
        (f32::from(bits) - 32_767.5) / 32_768.0
    };
    let (fours, rest) = numbers.as_chunks_mut::<4>();
    for four in fours {
        let word = stream.next_u64();
        for (place, value) in four.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
    if !rest.is_empty() {
        let word = stream.next_u64();
        for (place, value) in rest.iter_mut().enumerate() {
            *value = number(word, place);
        }
    }
}

/// Sums of every `step`th of the numbers from each place on, each times its weight.
#[allow(clippy::needless_range_loop, reason = "a zip is not vectorised here")]
fn weighted_sums(numbers: &[f32], step: usize, weights: &[f32], sums: &mut [f32]) {
    /// As many as fit the registers, and the number that is left.
    fn blocks<'a, const LANES: usize>(
        numbers: &[f32],
        step: usize,
        weights: &[f32],
        sums: &'a mut [f32],
    ) -> (usize, &'a mut [f32]) {
        let (blocks, rest) = sums.as_chunks_mut::<LANES>();
        let done = blocks.len() * LANES;
        for (number, block) in blocks.iter_mut().enumerate() {
            let mut total = [0.0; LANES];
            for (place, weight) in weights.iter().enumerate() {
                let numbers = &numbers[number * LANES + place * step..];
                let Some((numbers, _)) = numbers.split_first_chunk::<LANES>() else {
                    break;
                };
                // By their places: in this form the compiler keeps the sums in vector registers.
                for lane in 0..LANES {
                    total[lane] += weight * numbers[lane];
                }
            }
            *block = total;
        }
        (done, rest)
    }

    let (many, rest) = blocks::<16>(numbers, step, weights, sums);
    let numbers = &numbers[many..];
    let (few, rest) = blocks::<4>(numbers, step, weights, rest);
    blocks::<1>(&numbers[few..], step, weights, rest);
}

/// Takes the pixels of an image from where they come from.
fn resample(
    origin: &Origin,
    shape: ImageShape,
    elastic: bool,
    image: &mut [u8],
    scratch: &mut Scratch,
) {
    let ImageShape {
        height,
        width,
        channels,
    } = shape;
    let stride = (width + 3) * channels;
    let row_length = width * channels;
    for (padded, image) in scratch.padded[stride..]
        .chunks_exact_mut(stride)
        .zip(image.chunks_exact(row_length))
    {
        for (padded, pixel) in padded[channels..].iter_mut().zip(image) {
            *padded = f32::from(*pixel);
        }
    }
    let [rows, columns] = &mut scratch.sources;
    for (row, image) in image.chunks_exact_mut(row_length).enumerate() {
        for (sources, [by_row, by_column, start]) in
            [(&mut *rows, origin.row), (&mut *columns, origin.column)]
        {
            let start = by_row * row as f32 + start;
            for (column, source) in sources.iter_mut().enumerate() {
                *source = by_column * column as f32 + start;
            }
        }
        if elastic {
            for (sources, displacements) in [&mut *rows, &mut *columns]
                .into_iter()
                .zip(&scratch.displacements)
            {
                let displacements = &displacements[row * width..];
                for (source, displacement) in sources.iter_mut().zip(displacements) {
                    *source += displacement;
                }
            }
        }
        // All that lies farther out than the border is background, as the border is.
        let (last_row, last_column) = ((height + 1) as f32, (width + 1) as f32);
        let places = rows.iter_mut().zip(columns.iter_mut());
        for ((row, column), corner) in places.zip(&mut scratch.corners) {
            *corner =
                split(row, last_row) * stride as u32 + split(column, last_column) * channels as u32;
        }
        let sources = (&*scratch.corners, &**rows, &**columns);
        match channels {
            1 => blend::<1>(&scratch.padded, stride, sources, image),
            3 => blend::<3>(&scratch.padded, stride, sources, image),
            _ => blend_any(&scratch.padded, stride, channels, sources, image),
        }
    }
}

/// Brings a coordinate into 0..=`last`, and splits it into its whole part, which is returned, and the rest, which it becomes.
#[inline]
fn split(coordinate: &mut f32, last: f32) -> u32 {
    /// From here to its double f32 numbers are whole, and the low bits of one are its distance from here. To add this is to round,
    /// in vectors as well, which a cast to an integer is not.
    const WHOLE: f32 = 8_388_608.0;

    let inside = coordinate.max(0.0).min(last);
    let nearest = inside + WHOLE;
    let below = if nearest - WHOLE > inside {
        nearest - 1.0
    } else {
        nearest
    };
    *coordinate = inside - (below - WHOLE);
    below.to_bits() & 0x007f_ffff
}

/// Makes each pixel of a row from the four about its source: the first of these, and how far down and to the right of it.
fn blend<const CHANNELS: usize>(
    padded: &[f32],
    stride: usize,
    (corners, down, right): (&[u32], &[f32], &[f32]),
    image: &mut [u8],
) {
    blend_any(padded, stride, CHANNELS, (corners, down, right), image);
}

/// The same where the number of channels is known at run time only.
#[inline(always)]
#[allow(
    clippy::inline_always,
    reason = "a number of channels that is known leaves no inner loop"
)]
fn blend_any(
    padded: &[f32],
    stride: usize,
    channels: usize,
    (corners, down, right): (&[u32], &[f32], &[f32]),
    image: &mut [u8],
) {
    for (place, pixel) in image.chunks_exact_mut(channels).enumerate() {
        let (down, right) = (down[place], right[place]);
        let near = &padded[corners[place] as usize..][..stride + 2 * channels];
        for (channel, value) in pixel.iter_mut().enumerate() {
            let mix = |first: usize| {
                let left = near[first + channel];
                left + (near[first + channels + channel] - left) * right
            };
            let (upper, lower) = (mix(0), mix(stride));
            // A number between 0 and 255: the cast rounds to the nearest.
            *value = (upper + (lower - upper) * down + 0.5) as u8;
        }
    }
}

/// Adds noise of a standard deviation.
fn add_noise(deviation: f64, stream: &mut Stream, image: &mut [u8]) {
    /// Every second number of 16 bits.
    const LOW: u64 = 0x0000_ffff_0000_ffff;
    /// Twelve times the mean of a number of 16 bits. The deviation of their sum is 2^16.
    const MEAN: i32 = 12 * 0xffff / 2;

    let factor = (deviation * 255.0 / 65_536.0) as f32;
    for value in image {
        let mut pairs = 0;
        for _ in 0..3 {
            let word = stream.next_u64();
            pairs += (word & LOW) + (word >> 16 & LOW);
        }
        let sum = (pairs as u32 + (pairs >> 32) as u32) as i32;
        // The cast rounds to the nearest, and what is below 0 or above 255 to these.
        *value = (f32::from(*value) + factor * (sum - MEAN) as f32 + 0.5) as u8;
    }
}

/// Puts the background over a square.
fn cut_out(part: f64, shape: ImageShape, stream: &mut Stream, image: &mut [u8]) {
    let shorter = shape.height.min(shape.width) as f64;
    let side = (part * shorter).round().max(1.0) as usize;
    let mut range = |length: usize| {
        let centre = stream.below(length as u64) as usize;
        let first = centre.saturating_sub(side / 2);
        first..(centre + side - side / 2).min(length)
    };
    let (rows, columns) = (range(shape.height), range(shape.width));
    for row in rows {
        let start = row * shape.width;
        let bytes =
            (start + columns.start) * shape.channels..(start + columns.end) * shape.channels;
        image[bytes].fill(BACKGROUND);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OFF: AugmentationConfig = AugmentationConfig {
        shift: 0.0,
        rotate: 0.0,
        scale: 0.0,
        shear: 0.0,
        elastic: 0.0,
        elastic_sigma: 4.0,
        noise: 0.0,
        cutout: 0.0,
    };

    fn everything() -> AugmentationConfig {
        AugmentationConfig {
            shift: 0.1,
            rotate: 15.0,
            scale: 0.1,
            shear: 5.0,
            elastic: 34.0,
            noise: 0.1,
            cutout: 0.25,
            ..OFF
        }
    }

    fn square(side: usize, channels: usize) -> ImageShape {
        ImageShape {
            height: side,
            width: side,
            channels,
        }
    }

    /// Bytes without a pattern.
    fn bytes(count: usize) -> Vec<u8> {
        let mut stream = Stream::new(Purpose::Split, &[1]);
        (0..count).map(|_| stream.next_u64() as u8).collect()
    }

    fn changed(
        config: &AugmentationConfig,
        shape: ImageShape,
        key: [u64; 3],
        image: &[u8],
    ) -> Vec<u8> {
        let [seed, epoch, index] = key;
        let augmentation = Augmentation::new(config, shape, seed).unwrap();
        let mut image = image.to_vec();
        augmentation.apply(epoch, index, &mut image, &mut augmentation.scratch());
        image
    }

    /// An image after a movement that is not drawn.
    fn moved(movement: Movement, shape: ImageShape, image: &[u8]) -> Vec<u8> {
        let config = AugmentationConfig { shift: 1.0, ..OFF };
        let augmentation = Augmentation::new(&config, shape, 0).unwrap();
        let mut image = image.to_vec();
        let mut scratch = augmentation.scratch();
        resample(
            &movement.origin(shape),
            shape,
            false,
            &mut image,
            &mut scratch,
        );
        image
    }

    const STILL: Movement = Movement {
        shift: [0.0, 0.0],
        angle: 0.0,
        factor: 1.0,
        shear: 0.0,
    };

    #[test]
    fn strengths_of_0_leave_an_image_as_it_is() {
        let image = bytes(3 * 28 * 28);
        assert!(OFF.is_off() && OFF == AugmentationConfig::default());
        assert_eq!(changed(&OFF, square(28, 3), [1, 2, 3], &image), image);
        let augmentation = Augmentation::new(&OFF, square(28, 1), 1).unwrap();
        let mut batch = image.clone();
        augmentation.apply_batch(1, &[5, 6, 7], &mut batch);
        assert_eq!(batch, image);
        // The way through the resampling as well.
        assert_eq!(moved(STILL, square(28, 3), &image), image);
    }

    #[test]
    fn every_strength_changes_an_image() {
        let image = bytes(28 * 28);
        let each = [
            AugmentationConfig { shift: 0.1, ..OFF },
            AugmentationConfig { rotate: 9.0, ..OFF },
            AugmentationConfig { scale: 0.1, ..OFF },
            AugmentationConfig { shear: 9.0, ..OFF },
            AugmentationConfig {
                elastic: 9.0,
                ..OFF
            },
            AugmentationConfig { noise: 0.1, ..OFF },
            AugmentationConfig { cutout: 0.1, ..OFF },
        ];
        let results = each.map(|config| {
            assert!(!config.is_off());
            changed(&config, ImageShape::MNIST, [1, 2, 3], &image)
        });
        for (number, result) in results.iter().enumerate() {
            assert_ne!(*result, image, "{:?}", each[number]);
            assert!(!results[..number].contains(result), "{:?}", each[number]);
        }
    }

    #[test]
    fn the_result_is_a_function_of_seed_epoch_and_index() {
        let image = bytes(28 * 28);
        let of = |key| changed(&everything(), ImageShape::MNIST, key, &image);
        let first = of([1, 2, 3]);
        assert_eq!(of([1, 2, 3]), first);
        for key in [[2, 2, 3], [1, 3, 3], [1, 2, 4], [2, 1, 3]] {
            assert_ne!(of(key), first, "{key:?}");
        }
    }

    #[test]
    fn neither_the_batch_nor_the_threads_change_an_image() {
        let shape = ImageShape {
            height: 9,
            width: 13,
            channels: 3,
        };
        let augmentation = Augmentation::new(&everything(), shape, 7).unwrap();
        let indices: Vec<usize> = (0..50).map(|place| place * 31 % 97).collect();
        let images = bytes(indices.len() * shape.len());
        let mut expected = images.clone();
        for (index, image) in indices.iter().zip(expected.chunks_exact_mut(shape.len())) {
            // Memory that nobody has used.
            augmentation.apply(4, *index as u64, image, &mut augmentation.scratch());
        }
        let mut batch = images.clone();
        augmentation.apply_batch(4, &indices, &mut batch);
        assert_eq!(batch, expected);
        #[cfg(feature = "cpu")]
        for threads in [1, 2, 5] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let mut batch = images.clone();
            pool.unwrap()
                .install(|| augmentation.apply_batch(4, &indices, &mut batch));
            assert_eq!(batch, expected, "{threads} threads");
        }
    }

    #[test]
    fn what_is_drawn_for_one_does_not_depend_on_the_others() {
        let image = bytes(28 * 28);
        let of = |config| changed(&config, ImageShape::MNIST, [1, 2, 3], &image);
        let cutout = AugmentationConfig {
            cutout: 0.25,
            ..OFF
        };
        let with_cutout = of(everything());
        let without = of(AugmentationConfig {
            cutout: 0.0,
            ..everything()
        });
        let hole = changed(&cutout, ImageShape::MNIST, [1, 2, 3], &[255; 28 * 28]);
        assert!(hole.contains(&0));
        for (place, covered) in hole.iter().enumerate() {
            let expected = if *covered == 0 { 0 } else { without[place] };
            assert_eq!(with_cutout[place], expected);
        }
        let shift = AugmentationConfig { shift: 0.1, ..OFF };
        let draw = |config: &AugmentationConfig| {
            let mut stream = Stream::new(Purpose::Augmentation, &[1, 2, 3, Part::Movement as u64]);
            Movement::draw(config, ImageShape::MNIST, &mut stream).shift
        };
        assert_eq!(
            draw(&shift).map(f64::to_bits),
            draw(&everything()).map(f64::to_bits)
        );
    }

    #[test]
    fn a_shift_by_whole_pixels_is_exact() {
        let shape = ImageShape {
            height: 5,
            width: 7,
            channels: 3,
        };
        let image = bytes(shape.len());
        let at = |row: isize, column: isize, channel: usize| {
            let inside = (0..5).contains(&row) && (0..7).contains(&column);
            let place = (row * 7 + column) * 3 + channel as isize;
            if inside { image[place as usize] } else { 0 }
        };
        for (down, right) in [(0, 0), (1, 0), (0, -1), (2, -3), (-4, 6), (5, 0), (0, 90)] {
            let movement = Movement {
                shift: [down as f64, right as f64],
                ..STILL
            };
            let result = moved(movement, shape, &image);
            for (place, value) in result.iter().enumerate() {
                let (row, column) = (place / 21, place / 3 % 7);
                let expected = at(row as isize - down, column as isize - right, place % 3);
                assert_eq!(*value, expected, "{down}, {right}: {row}, {column}");
            }
        }
    }

    #[test]
    fn a_shift_by_half_a_pixel_is_the_mean_of_two() {
        let shape = ImageShape {
            height: 1,
            width: 4,
            channels: 1,
        };
        let movement = Movement {
            shift: [0.0, 0.5],
            ..STILL
        };
        assert_eq!(moved(movement, shape, &[10, 21, 40, 100]), [5, 16, 31, 70]);
    }

    #[test]
    fn a_quarter_turn_is_exact() {
        for side in [6, 7] {
            let image = bytes(side * side);
            let quarter = |angle: f64| {
                let movement = Movement { angle, ..STILL };
                moved(movement, square(side, 1), &image)
            };
            let left = quarter(std::f64::consts::FRAC_PI_2);
            let right = quarter(-std::f64::consts::FRAC_PI_2);
            for row in 0..side {
                for column in 0..side {
                    let value = i32::from(left[row * side + column]);
                    let expected = i32::from(image[column * side + side - 1 - row]);
                    assert!((value - expected).abs() <= 1, "{value}, not {expected}");
                    let value = i32::from(right[row * side + column]);
                    let expected = i32::from(image[(side - 1 - column) * side + row]);
                    assert!((value - expected).abs() <= 1, "{value}, not {expected}");
                }
            }
        }
    }

    #[test]
    fn channels_move_together() {
        let config = AugmentationConfig {
            noise: 0.0,
            ..everything()
        };
        let image = bytes(28 * 28);
        let grey = changed(&config, square(28, 1), [1, 2, 3], &image);
        let colours: Vec<u8> = image
            .iter()
            .flat_map(|pixel| [*pixel, 255 - *pixel, *pixel / 2])
            .collect();
        let channel = |number: usize, of: fn(u8) -> u8| {
            let result = changed(&config, square(28, 3), [1, 2, 3], &colours);
            let one: Vec<u8> = image.iter().map(|pixel| of(*pixel)).collect();
            let alone = changed(&config, square(28, 1), [1, 2, 3], &one);
            assert_eq!(
                result
                    .into_iter()
                    .skip(number)
                    .step_by(3)
                    .collect::<Vec<u8>>(),
                alone
            );
            alone
        };
        assert_eq!(channel(0, |pixel| pixel), grey);
        channel(1, |pixel| 255 - pixel);
        channel(2, |pixel| pixel / 2);
    }

    #[test]
    fn series_are_the_functions() {
        for step in -180..=180 {
            let angle = f64::from(step).to_radians();
            let (sine, cosine) = sine_and_cosine(angle);
            assert!((sine - angle.sin()).abs() < 1e-14, "{step}");
            assert!((cosine - angle.cos()).abs() < 1e-14, "{step}");
        }
        for step in 0..=1000 {
            let exponent = -f64::from(step) * 0.02;
            let relative = exponential(exponent) / exponent.exp() - 1.0;
            assert!(relative.abs() < 1e-12, "{exponent}: {relative}");
        }
        assert_eq!(exponential(-1e9).to_bits(), 0);
    }

    #[test]
    fn an_elastic_field_is_as_strong_at_the_border_as_in_the_middle() {
        let config = AugmentationConfig {
            elastic: 34.0,
            ..OFF
        };
        let augmentation = Augmentation::new(&config, ImageShape::MNIST, 1).unwrap();
        let smoothing = augmentation.smoothing.as_ref().unwrap();
        let mut scratch = augmentation.scratch();
        let draws = 2_000;
        let places = [0, 27, 14 * 28 + 14, 27 * 28, 28 * 28 - 1];
        let mut squares = [[0.0; 5]; 2];
        for number in 0..draws {
            let mut stream = Stream::new(Purpose::Augmentation, &[number]);
            smoothing.draw(ImageShape::MNIST, &mut stream, &mut scratch);
            for (squares, displacements) in squares.iter_mut().zip(&scratch.displacements) {
                for (square, place) in squares.iter_mut().zip(places) {
                    *square += f64::from(displacements[place]).powi(2);
                }
            }
        }
        // A uniform number has the variance 1/3, and the squares of a Gaussian's weights in two dimensions add up to
        // 1 / (4 pi sigma^2).
        let expected = 34.0 * (1.0 / (3.0 * 4.0 * std::f64::consts::PI * 16.0)).sqrt();
        for square in squares.as_flattened() {
            let deviation = (square / draws as f64).sqrt();
            assert!(
                (deviation / expected - 1.0).abs() < 0.07,
                "{deviation}, not {expected}"
            );
        }
    }

    #[test]
    fn noise_is_normal_and_stays_within_a_byte() {
        let config = AugmentationConfig { noise: 0.1, ..OFF };
        let noisy = changed(&config, square(400, 1), [1, 2, 3], &vec![128; 400 * 400]);
        let count = noisy.len() as f64;
        let mean = noisy.iter().map(|value| f64::from(*value)).sum::<f64>() / count;
        let squares = noisy.iter().map(|value| (f64::from(*value) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / count).sqrt();
        assert!((mean - 128.0).abs() < 0.3, "{mean}");
        // Rounding adds a twelfth to the variance.
        let expected = (25.5_f64.powi(2) + 1.0 / 12.0).sqrt();
        assert!((deviation / expected - 1.0).abs() < 0.01, "{deviation}");
        let share = |bound: f64| {
            let within = |value: &&u8| (f64::from(**value) - 128.0).abs() < bound * 25.5;
            noisy.iter().filter(within).count() as f64 / count
        };
        for (bound, expected) in [(1.0, 0.683), (2.0, 0.954), (3.0, 0.997)] {
            assert!(
                (share(bound) - expected).abs() < 0.01,
                "{bound}: {}",
                share(bound)
            );
        }
        for (level, within) in [(0, 0.5), (255, 0.5)] {
            let noisy = changed(&config, square(400, 1), [1, 2, 3], &vec![level; 400 * 400]);
            let kept: usize = noisy.iter().map(|value| usize::from(*value == level)).sum();
            assert!(
                (kept as f64 / count - within).abs() < 0.02,
                "{kept} at {level}"
            );
        }
    }

    #[test]
    fn a_square_of_the_given_side_is_cut_out_about_any_pixel() {
        let shape = ImageShape {
            height: 12,
            width: 20,
            channels: 3,
        };
        for (cutout, side) in [(0.25, 3), (0.5, 6), (1.0, 12), (0.001, 1)] {
            let config = AugmentationConfig { cutout, ..OFF };
            let mut sizes = std::collections::BTreeSet::new();
            let mut covered = vec![false; shape.len()];
            for index in 0..4_000 {
                let image = changed(&config, shape, [1, 1, index], &vec![255; shape.len()]);
                let black = |place: &usize| image[*place] == 0;
                let places: Vec<usize> = (0..shape.len()).filter(black).collect();
                for place in &places {
                    covered[*place] = true;
                }
                let pixels: Vec<usize> = places.iter().map(|place| place / 3).collect();
                let extent = |of: &dyn Fn(&usize) -> usize| {
                    let range = (pixels.iter().map(of).min(), pixels.iter().map(of).max());
                    range.1.unwrap() - range.0.unwrap() + 1
                };
                let size = (extent(&|pixel| pixel / 20), extent(&|pixel| pixel % 20));
                assert_eq!(places.len(), size.0 * size.1 * 3, "a full rectangle");
                sizes.insert(size);
            }
            assert!(
                sizes.contains(&(side.min(12), side)) || side == 12,
                "{sizes:?}"
            );
            assert!(sizes.iter().all(|size| size.0 <= side && size.1 <= side));
            // At a corner a quarter of the square is left.
            assert!(
                sizes.contains(&(side.div_ceil(2), side.div_ceil(2))),
                "{sizes:?}"
            );
            assert!(covered.iter().all(|covered| *covered));
        }
    }

    #[test]
    fn images_of_any_shape_are_changed() {
        for (height, width, channels) in [(1, 1, 1), (1, 9, 4), (9, 1, 2), (2, 3, 1), (0, 3, 1)] {
            let shape = ImageShape {
                height,
                width,
                channels,
            };
            let config = AugmentationConfig {
                elastic_sigma: 0.01,
                ..everything()
            };
            let image = changed(&config, shape, [1, 2, 3], &bytes(shape.len()));
            assert_eq!(image.len(), shape.len());
        }
    }

    #[test]
    fn a_strength_out_of_range_is_refused() {
        let config = AugmentationConfig { scale: 1.0, ..OFF };
        let error = Augmentation::new(&config, ImageShape::MNIST, 1).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("scale must be a number of at least 0 and below 1, got 1"),
            "{text}"
        );
    }
}
