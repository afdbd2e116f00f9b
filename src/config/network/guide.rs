use super::NetworkSettings;
use crate::config::{Fields, ImageShape, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// The guide network of the Burn book.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ModelConfig {
    /// Number of classes the model tells apart.
    pub num_classes: usize,
    /// Outputs of the first linear layer.
    pub hidden_size: usize,
    /// Share of activations that a training forward sets to zero, in [0, 1).
    pub dropout: f64,
    /// Images the model takes; three keys of their own in JSON, `image_height`, `image_width` and `image_channels`.
    pub image: ImageShape,
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            num_classes: 10,
            hidden_size: 512,
            dropout: 0.5,
            image: ImageShape::MNIST,
        }
    }
}

impl ModelConfig {
    /// Largest accepted layer: one weight matrix of 1024 x this many f32 values takes 4 GiB.
    pub const MAX_HIDDEN_SIZE: usize = 1 << 20;
    /// Largest accepted number of classes.
    pub const MAX_CLASSES: usize = 1 << 20;
    /// Smallest accepted side of an image: two convolutions of 3 x 3 leave one pixel of it.
    pub const MIN_SIDE: usize = 5;
    /// Largest accepted side of an image.
    pub const MAX_SIDE: usize = 4096;
    /// Largest accepted number of channels.
    pub const MAX_CHANNELS: usize = 64;
    /// Largest accepted number of weights in a layer: 4 GiB of f32 values.
    pub(super) const MAX_WEIGHTS: usize = 1 << 30;

    /// The keys of the images that a network takes.
    pub(super) fn read_image(fields: &mut Fields<'_>) -> Result<ImageShape> {
        let default = ImageShape::MNIST;
        let side = (Self::MIN_SIDE as u64, Self::MAX_SIDE as u64);
        Ok(ImageShape {
            height: fields.whole("image_height", Some(default.height as u64), side)? as usize,
            width: fields.whole("image_width", Some(default.width as u64), side)? as usize,
            channels: fields.whole(
                "image_channels",
                Some(default.channels as u64),
                (1, Self::MAX_CHANNELS as u64),
            )? as usize,
        })
    }

    /// The same keys of an image.
    pub(super) fn write_image(image: ImageShape) -> [(String, Value); 3] {
        [
            ("image_height".into(), json!(image.height)),
            ("image_width".into(), json!(image.width)),
            ("image_channels".into(), json!(image.channels)),
        ]
    }
}

impl Settings for ModelConfig {
    const KIND: &'static str = "model";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let num_classes = fields.whole(
            "num_classes",
            Some(default.num_classes as u64),
            (2, Self::MAX_CLASSES as u64),
        )? as usize;
        let hidden_size = fields.whole(
            "hidden_size",
            Some(default.hidden_size as u64),
            (1, Self::MAX_HIDDEN_SIZE as u64),
        )? as usize;
        if num_classes * hidden_size > Self::MAX_WEIGHTS {
            return Err(fields.broken(
                "hidden_size",
                &format!(
                    "at most {} with {num_classes} classes (a layer holds at most 2^30 weights)",
                    Self::MAX_WEIGHTS / num_classes
                ),
                &json!(hidden_size),
            ));
        }
        let image = Self::read_image(fields)?;
        Ok(Self {
            num_classes,
            hidden_size,
            image,
            dropout: fields.number(
                "dropout",
                Some(default.dropout),
                "a number of at least 0 and below 1",
                |share| (0.0..1.0).contains(&share),
            )?,
        })
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("num_classes".into(), json!(self.num_classes));
        object.insert("hidden_size".into(), json!(self.hidden_size));
        object.insert("dropout".into(), json!(self.dropout));
        let default = Self::write_image(Self::default().image);
        for ((key, value), (_, default)) in Self::write_image(self.image).into_iter().zip(default) {
            if complete || value != default {
                object.insert(key, value);
            }
        }
        object
    }
}

impl NetworkSettings for ModelConfig {
    fn image(&self) -> ImageShape {
        self.image
    }

    fn with_image(self, image: ImageShape) -> Self {
        Self { image, ..self }
    }

    fn num_classes(&self) -> usize {
        self.num_classes
    }

    fn sizes(&self) -> String {
        format!(
            "num_classes {}, hidden_size {} and image_channels {}",
            self.num_classes, self.hidden_size, self.image.channels
        )
    }
}

impl_config!(ModelConfig);
