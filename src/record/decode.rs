use super::about::{About, Loaded, Sizes, Stated};
use super::beside::stated_beside;
use super::content::{Content, about, fault};
use super::format::{self, Format};
use super::item::{Dtype, Metadata, ModelItem, NoSettings, Nothing, OldDtype, TensorItem};
use crate::config::{LrScheduleRecord, ModelConfig, Settings};
use crate::device::{Backend as DeviceBackend, Device, OnBackend, on_backend};
use crate::error::Result;
use crate::model::{
    Classifier, Model, PARAMETER_NAMES, Parameter, boxed, from_parameters, parameter_shapes,
};
use burn::tensor::backend::Backend;
use serde::Deserialize;
use std::path::Path;

const GUIDE_MODEL: &str = "the guide model";
/// The last version of Burn in whose bincode a convolution's settings and the types of numbers take other bytes.
const LAST_OLD_MINOR: u64 = 16;

/// Loads a model; the file says format, precision and sizes.
///
/// What no record holds, the dropout rate, the height and width of images, the names of classes and more, comes from the
/// file's companion, or else from a `config.json` beside the file: a model's or a training run's.
pub fn load(path: &Path, device: Device) -> Result<Loaded> {
    load_stated(path, device, |sizes| stated_beside(path, sizes))
}

/// Loads a model of which `stated` says what no record holds.
pub(crate) fn load_as(path: &Path, stated: Stated, device: Device) -> Result<Loaded> {
    load_stated(path, device, |sizes| {
        if Sizes::of(&stated.config) == sizes {
            return Ok(stated);
        }
        Err(fault(
            path,
            &format!(
                "the model must be of its configuration, of {}, found one of {sizes}",
                Sizes::of(&stated.config)
            ),
        ))
    })
}

fn load_stated(
    path: &Path,
    device: Device,
    stated: impl FnOnce(Sizes) -> Result<Stated>,
) -> Result<Loaded> {
    let content = Content::of_file(path)?;
    let (_, tensors) = tensors(&content)?;
    let stated = stated(stored_sizes(&tensors, path)?)?;
    let config = stored_config(&tensors, &stated, path)?;
    let parameters = parameters(&tensors, &config, path)?;
    drop(tensors);
    drop(content);
    let classifier = from_parameters(&config, parameters, device);
    Ok(Loaded {
        classifier: classifier.map_err(|error| about(path, &error))?,
        about: stated.about,
    })
}

/// The model that [`to_bytes`](super::to_bytes) wrote, with the JSON of [`About::to_json`]; `path` is what messages call it.
pub fn from_bytes(bytes: &[u8], about: &str, path: &Path, device: Device) -> Result<Loaded> {
    struct Decode<'a>(&'a [u8], &'a Path, &'a ModelConfig);

    impl OnBackend for Decode<'_> {
        type Output = Box<dyn Classifier>;

        fn run<B: DeviceBackend>(
            self,
            device: Device,
            burn_device: &B::Device,
        ) -> Result<Self::Output> {
            let Self(bytes, path, config) = self;
            let model = decode_model::<B>(bytes, path, config, burn_device)?;
            boxed(model, *config, device, burn_device)
        }
    }

    let value = serde_json::from_str(about).map_err(|error| fault(path, &error.to_string()))?;
    let stated = Stated::parse(&value).map_err(|reason| fault(path, &reason))?;
    Ok(Loaded {
        classifier: on_backend(device, Decode(bytes, path, &stated.config))?,
        about: stated.about,
    })
}

/// Parses the record of a model of `config`, onto `device`.
pub(crate) fn decode_model<B: Backend>(
    bytes: &[u8],
    path: &Path,
    config: &ModelConfig,
    device: &B::Device,
) -> Result<Model<B>> {
    let content = Content::of_bytes(bytes, path, num_parameters(config))?;
    let parameters = parameters(&tensors(&content)?.1, config, path)?;
    Model::from_parameters(config, parameters, device).map_err(|error| about(path, &error))
}

/// What a model's record says about itself.
pub(crate) struct Description {
    pub config: ModelConfig,
    /// What is known of the model beside its parameters.
    pub about: About,
    /// Keys and texts of Burn's metadata.
    pub metadata: [(&'static str, String); 5],
}

/// Describes the record of a model, of which everything is checked.
pub(crate) fn describe(path: &Path) -> Result<Description> {
    let content = Content::of_file(path)?;
    let (metadata, tensors) = tensors(&content)?;
    let stated = stated_beside(path, stored_sizes(&tensors, path)?)?;
    let config = stored_config(&tensors, &stated, path)?;
    parameters(&tensors, &config, path)?;
    let metadata = [
        ("float", metadata.float),
        ("int", metadata.int),
        ("format", metadata.format),
        ("version", metadata.version),
        ("settings", metadata.settings),
    ];
    Ok(Description {
        config,
        about: stated.about,
        metadata: metadata.map(|(key, text)| (key, text.into_owned())),
    })
}

/// Parses the state of a learning-rate schedule that is of the kind of `like`, which bincode does not say.
pub(crate) fn decode_scheduler(
    bytes: &[u8],
    path: &Path,
    like: LrScheduleRecord,
) -> Result<LrScheduleRecord> {
    let content = Content::of_bytes(bytes, path, 1)?;
    let of = "a learning-rate schedule";
    match (content.format, like) {
        (Format::MessagePack | Format::Json, _) => content.item(of),
        (Format::Bincode, LrScheduleRecord::Constant(())) => {
            content.item(of).map(LrScheduleRecord::Constant)
        }
        (Format::Bincode, LrScheduleRecord::Count(_)) => {
            content.item(of).map(LrScheduleRecord::Count)
        }
        (Format::Bincode, LrScheduleRecord::SignedCount(_)) => {
            content.item(of).map(LrScheduleRecord::SignedCount)
        }
        (Format::Bincode, LrScheduleRecord::Rate(_)) => {
            content.item(of).map(LrScheduleRecord::Rate)
        }
    }
}

/// The numbers that a record of the model's parameters holds.
pub(super) fn num_parameters(config: &ModelConfig) -> usize {
    parameter_shapes(config)
        .iter()
        .map(|shape| shape.iter().product::<usize>())
        .sum()
}

type Tensors<'a> = Vec<(&'static str, TensorItem<'a>)>;

/// The metadata and the tensors of a model's record, as many bytes in each as its shape says.
fn tensors<'a>(content: &'a Content<'_>) -> Result<(Metadata<'a>, Tensors<'a>)> {
    let path = content.path;
    let (metadata, tensors) = if content.format == Format::Bincode {
        let (metadata, item) = format::metadata(&content.bytes)
            .map_err(|reason| content.other(GUIDE_MODEL, &reason))?;
        let tensors = if is_old(&metadata.version) {
            positional::<OldDtype, [Nothing; 2]>(item, content)?
        } else {
            // The versions in between have one or the other.
            positional::<Dtype, Nothing>(item, content).or_else(|error| {
                positional::<Dtype, [Nothing; 2]>(item, content).map_err(|_| error)
            })?
        };
        (metadata, tensors)
    } else {
        let (metadata, item): (Metadata<'_>, ModelItem<'_, Dtype, NoSettings>) = content
            .format
            .record(&content.bytes)
            .map_err(|reason| content.other(GUIDE_MODEL, &reason))?;
        (metadata, item.tensors(PARAMETER_NAMES, path)?)
    };
    for (name, tensor) in &tensors {
        tensor.check_type(&metadata, name, path)?;
        tensor.check(name, path)?;
    }
    Ok((metadata, tensors))
}

fn positional<'a, D, S>(item: &'a [u8], content: &Content<'_>) -> Result<Tensors<'a>>
where
    D: Deserialize<'a> + Into<Dtype>,
    S: Deserialize<'a> + Default,
{
    format::positional::<ModelItem<'a, D, S>>(item)
        .map_err(|reason| content.other(GUIDE_MODEL, &reason))?
        .tensors(PARAMETER_NAMES, content.path)
}

fn is_old(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u64>);
    matches!((parts.next(), parts.next()), (Some(Ok(0)), Some(Ok(minor))) if minor <= LAST_OLD_MINOR)
}

/// The parameters of a model of `config`, once every shape has been found to be that of the model.
fn parameters(tensors: &Tensors<'_>, config: &ModelConfig, path: &Path) -> Result<Vec<Parameter>> {
    let shapes = parameter_shapes(config);
    if let Some(((name, tensor), shape)) = tensors
        .iter()
        .zip(&shapes)
        .find(|((_, tensor), shape)| tensor.shape != **shape)
    {
        return Err(fault(
            path,
            &format!(
                "{name} must have the shape {shape:?} in a model with num_classes {} and hidden_size {}, found {:?}",
                config.num_classes, config.hidden_size, tensor.shape
            ),
        ));
    }
    Ok(tensors
        .iter()
        .zip(shapes)
        .map(|((name, tensor), shape)| Parameter {
            name,
            shape,
            values: tensor.values(),
        })
        .collect())
}

/// The sizes of a record's model, from the shapes of its tensors.
fn stored_sizes(tensors: &Tensors<'_>, path: &Path) -> Result<Sizes> {
    let shape = |name: &str, rule: &str| {
        let found = tensors.iter().find(|(found, _)| *found == name);
        let shape = found.map(|(_, tensor)| tensor.shape.as_slice());
        let text = format!("{name} must have the shape {rule}, found {shape:?}");
        (shape, fault(path, &text))
    };
    let (linear2, no_sizes) = shape("linear2.weight", "[hidden_size, num_classes]");
    let (conv1, no_channels) = shape("conv1.weight", "[8, channels, 3, 3]");
    let Some([hidden_size, num_classes]) = linear2 else {
        return Err(no_sizes);
    };
    let Some([_, channels, _, _]) = conv1 else {
        return Err(no_channels);
    };
    Ok(Sizes {
        num_classes: *num_classes,
        hidden_size: *hidden_size,
        channels: *channels,
    })
}

/// The configuration of a record: sizes from the shapes of its tensors, the rest as it is stated.
fn stored_config(tensors: &Tensors<'_>, stated: &Stated, path: &Path) -> Result<ModelConfig> {
    let config = stated.config_of(stored_sizes(tensors, path)?);
    config.validate().map_err(|error| about(path, &error))?;
    Ok(config)
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::config::{ImageShape, Precision, Recorder};
    use crate::record::encode::{encode, encode_scheduler};
    use burn::backend::Flex;
    use burn::backend::flex::FlexDevice;
    use std::io::Write;

    const SMALL: ModelConfig = ModelConfig {
        num_classes: 3,
        hidden_size: 2,
        dropout: 0.0,
        image: ImageShape::MNIST,
    };

    #[test]
    fn the_state_of_every_schedule_is_read_back() {
        let states = [
            LrScheduleRecord::Constant(()),
            LrScheduleRecord::Count(70_000),
            LrScheduleRecord::Count(u64::MAX),
            LrScheduleRecord::SignedCount(-1),
            LrScheduleRecord::Rate(0.125),
        ];
        for recorder in Recorder::ALL {
            for state in states {
                let bytes = encode_scheduler::<Flex>(state, recorder).unwrap();
                let read = decode_scheduler(&bytes, Path::new("scheduler"), state).unwrap();
                assert_eq!(read, state, "{}", recorder.name());
            }
        }
        let bytes = encode_scheduler::<Flex>(states[1], Recorder::Bin).unwrap();
        let error = decode_scheduler(&bytes, Path::new("scheduler"), states[4]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("scheduler: expected a record of"),
            "{error}"
        );
    }

    fn refusal(bytes: &[u8]) -> String {
        decode_model::<Flex>(bytes, Path::new("model"), &SMALL, &FlexDevice)
            .expect_err("it must be refused")
            .to_string()
    }

    #[test]
    fn a_checkpoint_of_another_model_or_beyond_its_size_is_refused() {
        let other = ModelConfig {
            hidden_size: 3,
            ..SMALL
        };
        for recorder in Recorder::ALL {
            let model = other.init_seeded::<Flex>(1, &FlexDevice).unwrap();
            let error = refusal(&encode(model, recorder, Precision::Full).unwrap());
            assert!(
                error.contains("linear1.weight must have the shape [1024, 2]"),
                "{error}"
            );
        }
        // A map whose first value is longer than the whole model may be, and its gzip form, a thousandth of that.
        let mut bomb = vec![0x81, 0xc6, 0x04, 0, 0, 0];
        bomb.resize(1 << 26, 0);
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&bomb).unwrap();
        for bytes in [bomb, encoder.finish().unwrap()] {
            let error = refusal(&bytes);
            assert!(error.contains("must hold at most 91992 bytes"), "{error}");
        }
    }
}
