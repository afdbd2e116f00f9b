use super::NetworkSettings;
use crate::config::{Fields, ImageShape, ModelConfig, Settings, impl_config};
use crate::error::Result;
use serde_json::{Map, Value, json};

/// A convolutional network of blocks.
///
/// Each block is a convolution, where asked a max pooling and a normalisation, and a ReLU. What leaves the last one is
/// averaged over the image, or flattened; then come the hidden linear layers, each with dropout and ReLU, and the output
/// layer.
#[derive(Clone, Debug, PartialEq)]
pub struct ConvNetConfig {
    /// The blocks, in their order.
    pub blocks: Vec<ConvBlock>,
    /// Whether the features of a channel are averaged over the image; otherwise all of them enter the linear layers.
    pub average: bool,
    /// Outputs of each hidden linear layer.
    pub hidden_sizes: Vec<usize>,
    /// Share of the hidden activations that a training forward sets to zero, in [0, 1).
    pub dropout: f64,
    /// Number of classes the model tells apart.
    pub num_classes: usize,
    /// Images the model takes; three keys of their own in JSON, `image_height`, `image_width` and `image_channels`.
    pub image: ImageShape,
    /// Mean of the pixels of each channel, in 0..1; `None` until training takes those of its images.
    pub pixel_mean: Option<Vec<f64>>,
    /// Their standard deviation.
    pub pixel_std: Option<Vec<f64>>,
}

/// A block of a [`ConvNetConfig`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvBlock {
    /// Channels that leave.
    pub channels: usize,
    /// Rows and columns of the kernel, 3 or 5.
    pub kernel_size: usize,
    /// Whether a border of zeros keeps the size of the image.
    pub padding: bool,
    /// Whether the largest of each 2 x 2 values is taken before the activation.
    pub pool: bool,
    /// What normalises the channels before the activation.
    pub norm: Option<Norm>,
    /// The block whose input is added before the activation: 0 for none, 1 for this block, 2 for the one before it, as in
    /// `ResNet`.
    pub residual: usize,
}

/// What normalises the channels of a [`ConvBlock`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Norm {
    /// `GroupNorm` of eight channels (Wu and He, 2018): within an image, alike in training and inference.
    Group,
    /// `BatchNorm` (Ioffe and Szegedy, 2015): over the batch in training, by the running statistics in inference.
    Batch,
}

impl Norm {
    const ALL: [Self; 2] = [Self::Group, Self::Batch];

    /// Its name in configurations.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Group => "group",
            Self::Batch => "batch",
        }
    }

    /// Configurations of earlier versions have `true` for the one that there was.
    fn read(fields: &mut Fields<'_>) -> Result<Option<Self>> {
        let Some(value) = fields.get_some("norm") else {
            return Ok(None);
        };
        match value {
            Value::Bool(norm) => Ok(norm.then_some(Self::Group)),
            value => {
                let named = |norm: &Self| value.as_str() == Some(norm.name());
                let found = Self::ALL.into_iter().find(named);
                found
                    .map(Some)
                    .ok_or_else(|| fields.broken("norm", "\"group\", \"batch\" or null", value))
            }
        }
    }
}

impl Default for ConvBlock {
    fn default() -> Self {
        Self {
            channels: 16,
            kernel_size: 3,
            padding: true,
            pool: false,
            norm: None,
            residual: 0,
        }
    }
}

impl Default for ConvNetConfig {
    fn default() -> Self {
        Self {
            blocks: Self::of_widths(&[16, 32, 64]),
            average: true,
            hidden_sizes: Vec::new(),
            dropout: 0.0,
            num_classes: 10,
            image: ImageShape::MNIST,
            pixel_mean: None,
            pixel_std: None,
        }
    }
}

impl ConvNetConfig {
    /// Most blocks.
    pub const MAX_BLOCKS: usize = 64;
    /// Most channels of a block.
    pub const MAX_CHANNELS: usize = 4096;
    /// Most hidden linear layers.
    pub const MAX_HIDDEN: usize = 8;
    /// The mean and standard deviation of a model that no images were looked at for.
    pub const ANY_PIXELS: (f64, f64) = (0.5, 0.25);

    /// Two blocks of 3 x 3 for each width, with a pooling between the widths.
    pub fn of_widths(widths: &[usize]) -> Vec<ConvBlock> {
        let last = widths.len().saturating_sub(1);
        widths
            .iter()
            .enumerate()
            .flat_map(|(stage, &channels)| {
                let block = ConvBlock {
                    channels,
                    ..ConvBlock::default()
                };
                let pooled = ConvBlock {
                    pool: stage < last,
                    ..block
                };
                [block, pooled]
            })
            .collect()
    }

    /// Mean and standard deviation of the pixels of each channel.
    pub fn normalisation(&self) -> (Vec<f64>, Vec<f64>) {
        let of_any = |value| vec![value; self.image.channels];
        let (mean, std) = Self::ANY_PIXELS;
        (
            self.pixel_mean.clone().unwrap_or_else(|| of_any(mean)),
            self.pixel_std.clone().unwrap_or_else(|| of_any(std)),
        )
    }

    /// Channels, height and width of what enters each block, and of what leaves the last one; `None` where an image is too
    /// small.
    pub fn shapes(&self) -> Option<Vec<[usize; 3]>> {
        let ImageShape {
            height,
            width,
            channels,
        } = self.image;
        let mut shapes = vec![[channels, height, width]];
        for block in &self.blocks {
            let [_, height, width] = *shapes.last()?;
            shapes.push([block.channels, block.side(height)?, block.side(width)?]);
        }
        Some(shapes)
    }

    /// Features that enter the first linear layer.
    pub fn num_features(&self) -> usize {
        let last = self.shapes().and_then(|shapes| shapes.last().copied());
        match last.unwrap_or_default() {
            [channels, _, _] if self.average => channels,
            shape => shape.iter().product(),
        }
    }

    fn check(&self, fields: &Fields<'_>) -> Result<()> {
        let Some(shapes) = self.shapes() else {
            return Err(fields.broken(
                "blocks",
                &format!(
                    "such that a pixel is left of images of {}: fewer poolings, or blocks with padding",
                    self.image
                ),
                &self.write_blocks(true),
            ));
        };
        for (index, block) in self.blocks.iter().enumerate() {
            let fits = match block.residual {
                0 => true,
                back => (index + 1)
                    .checked_sub(back)
                    .is_some_and(|first| shapes[first] == shapes[index + 1]),
            };
            if !fits {
                return Err(fields.broken(
                    &format!("blocks[{index}].residual"),
                    &format!(
                        "0, or a number of blocks that together keep the shape {:?} (channels, height, width)",
                        shapes[index + 1]
                    ),
                    &json!(block.residual),
                ));
            }
        }
        let mut inputs = self.image.channels;
        let mut weights = 0_usize;
        for block in &self.blocks {
            weights += inputs * block.channels * block.kernel_size * block.kernel_size;
            inputs = block.channels;
        }
        if weights > ModelConfig::MAX_WEIGHTS {
            return Err(fields.broken(
                "blocks",
                &format!("such that they hold at most 2^30 weights in all, and these would hold {weights}"),
                &self.write_blocks(false),
            ));
        }
        let mut inputs = self.num_features();
        for outputs in self.hidden_sizes.iter().copied().chain([self.num_classes]) {
            if inputs.saturating_mul(outputs) > ModelConfig::MAX_WEIGHTS {
                return Err(fields.broken(
                    "hidden_sizes",
                    &format!("such that a layer holds at most 2^30 weights, and one of {inputs} inputs would hold more"),
                    &json!(self.hidden_sizes),
                ));
            }
            inputs = outputs;
        }
        Ok(())
    }

    fn write_blocks(&self, complete: bool) -> Value {
        self.blocks
            .iter()
            .map(|block| Value::Object(block.write(complete)))
            .collect()
    }
}

impl ConvBlock {
    /// The side of what leaves where that of an image enters.
    fn side(&self, side: usize) -> Option<usize> {
        let side = if self.padding {
            side
        } else {
            (side + 1).checked_sub(self.kernel_size)?
        };
        let side = if self.pool { side / 2 } else { side };
        (side > 0).then_some(side)
    }
}

impl Settings for ConvBlock {
    const KIND: &'static str = "block";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let kernel_size = fields.whole("kernel_size", Some(default.kernel_size as u64), (3, 5))?;
        if kernel_size == 4 {
            return Err(fields.broken("kernel_size", "3 or 5", &json!(kernel_size)));
        }
        Ok(Self {
            channels: fields.whole("channels", None, (1, ConvNetConfig::MAX_CHANNELS as u64))?
                as usize,
            kernel_size: kernel_size as usize,
            padding: fields.flag("padding", default.padding)?,
            pool: fields.flag("pool", default.pool)?,
            norm: Norm::read(fields)?,
            residual: fields.whole(
                "residual",
                Some(default.residual as u64),
                (0, ConvNetConfig::MAX_BLOCKS as u64),
            )? as usize,
        })
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let default = Self::default();
        let mut object = Map::from_iter([("channels".to_owned(), json!(self.channels))]);
        let mut put = |key: &str, value: Value, differs: bool| {
            if complete || differs {
                object.insert(key.into(), value);
            }
        };
        put(
            "kernel_size",
            json!(self.kernel_size),
            self.kernel_size != default.kernel_size,
        );
        put(
            "padding",
            json!(self.padding),
            self.padding != default.padding,
        );
        put("pool", json!(self.pool), self.pool != default.pool);
        let norm = self.norm.map(Norm::name);
        put("norm", json!(norm), self.norm != default.norm);
        put(
            "residual",
            json!(self.residual),
            self.residual != default.residual,
        );
        object
    }
}

impl Settings for ConvNetConfig {
    const KIND: &'static str = "model";

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let default = Self::default();
        let widths = fields.get_some("widths");
        let blocks = match fields.get("blocks") {
            Some(blocks) if widths.is_some() => {
                let rule = "left out where there are widths, which stand for blocks";
                return Err(fields.broken("blocks", rule, blocks));
            }
            None => match widths {
                None => default.blocks,
                Some(widths) => Self::of_widths(&whole_numbers(
                    fields,
                    "widths",
                    widths,
                    (1, Self::MAX_BLOCKS / 2),
                    Self::MAX_CHANNELS,
                )?),
            },
            Some(Value::Array(blocks)) if (1..=Self::MAX_BLOCKS).contains(&blocks.len()) => blocks
                .iter()
                .enumerate()
                .map(|(index, block)| {
                    ConvBlock::from_value(block, &fields.name(&format!("blocks[{index}]")))
                })
                .collect::<Result<_>>()?,
            Some(other) => {
                let rule = format!("a list of 1 to {} blocks", Self::MAX_BLOCKS);
                return Err(fields.broken("blocks", &rule, other));
            }
        };
        let hidden_sizes = match fields.get("hidden_sizes") {
            None => default.hidden_sizes,
            Some(sizes) => whole_numbers(
                fields,
                "hidden_sizes",
                sizes,
                (0, Self::MAX_HIDDEN),
                ModelConfig::MAX_HIDDEN_SIZE,
            )?,
        };
        let image = ModelConfig::read_image(fields)?;
        let config = Self {
            blocks,
            average: fields.flag("average", default.average)?,
            hidden_sizes,
            dropout: fields.number(
                "dropout",
                Some(default.dropout),
                "a number of at least 0 and below 1",
                |share| (0.0..1.0).contains(&share),
            )?,
            num_classes: fields.whole(
                "num_classes",
                Some(default.num_classes as u64),
                (2, ModelConfig::MAX_CLASSES as u64),
            )? as usize,
            image,
            pixel_mean: pixels(fields, "pixel_mean", image.channels, |mean| {
                (0.0..=1.0).contains(&mean)
            })?,
            pixel_std: pixels(fields, "pixel_std", image.channels, |std| {
                std > 0.0 && std <= 1.0
            })?,
        };
        config.check(fields)?;
        Ok(config)
    }

    fn write(&self, complete: bool) -> Map<String, Value> {
        let mut object = Map::from_iter([
            ("blocks".to_owned(), self.write_blocks(complete)),
            ("average".to_owned(), json!(self.average)),
            ("hidden_sizes".to_owned(), json!(self.hidden_sizes)),
            ("dropout".to_owned(), json!(self.dropout)),
            ("num_classes".to_owned(), json!(self.num_classes)),
        ]);
        object.extend(ModelConfig::write_image(self.image));
        object.insert("pixel_mean".into(), json!(self.pixel_mean));
        object.insert("pixel_std".into(), json!(self.pixel_std));
        object
    }
}

/// A list of whole numbers from 1 to `largest`; its length is in `lengths`.
fn whole_numbers(
    fields: &Fields<'_>,
    key: &str,
    value: &Value,
    lengths: (usize, usize),
    largest: usize,
) -> Result<Vec<usize>> {
    let numbers: Option<Vec<usize>> = value.as_array().and_then(|numbers| {
        let number = |value: &Value| {
            value
                .as_u64()
                .filter(|number| (1..=largest as u64).contains(number))
        };
        numbers
            .iter()
            .map(|value| Some(number(value)? as usize))
            .collect()
    });
    let (least, most) = lengths;
    numbers
        .filter(|numbers| (least..=most).contains(&numbers.len()))
        .ok_or_else(|| {
            let rule = format!("a list of {least} to {most} whole numbers from 1 to {largest}");
            fields.broken(key, &rule, value)
        })
}

/// A number for each channel, or nothing.
fn pixels(
    fields: &mut Fields<'_>,
    key: &'static str,
    channels: usize,
    holds: impl Fn(f64) -> bool,
) -> Result<Option<Vec<f64>>> {
    let Some(value) = fields.get_some(key) else {
        return Ok(None);
    };
    let values = value.as_array().filter(|values| values.len() == channels);
    let values: Option<Vec<f64>> = values.and_then(|values| {
        let number = |value: &Value| value.as_f64().filter(|number| holds(*number));
        values.iter().map(number).collect()
    });
    let rule = format!("{channels} numbers in 0..1, one for each channel, or null");
    values
        .map(Some)
        .ok_or_else(|| fields.broken(key, &rule, value))
}

impl NetworkSettings for ConvNetConfig {
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
        let channels: Vec<usize> = self.blocks.iter().map(|block| block.channels).collect();
        format!(
            "num_classes {}, blocks of {channels:?} channels, hidden_sizes {:?} and images of {}",
            self.num_classes, self.hidden_sizes, self.image
        )
    }

    fn pixels(&self) -> Option<(&[f64], &[f64])> {
        Some((self.pixel_mean.as_deref()?, self.pixel_std.as_deref()?))
    }

    fn wants_pixels(&self) -> bool {
        self.pixel_mean.is_none() || self.pixel_std.is_none()
    }

    fn with_pixels(self, mean: &[f64], std: &[f64]) -> Self {
        Self {
            pixel_mean: self.pixel_mean.or_else(|| Some(mean.to_vec())),
            pixel_std: self.pixel_std.or_else(|| Some(std.to_vec())),
            ..self
        }
    }
}

impl_config!(ConvBlock);
impl_config!(ConvNetConfig);
