use super::about::{About, Found, Loaded, Stated};
use super::beside::stated_beside;
use super::content::Content;
use super::fault::{about, fault};
use super::format::{self, Format};
use super::item::{Metadata, TensorItem};
use super::module_item::{self, Dialect, ModuleItem};
use crate::config::{LrScheduleRecord, NetworkConfig, Settings};
use crate::device::{Backend, Device, OnBackend, on_backend};
use crate::error::{Error, Result};
use crate::model::{Classifier, boxed, from_state};
use crate::network::{AnyNetwork, Layout, Parameter, Shapes, shown};
use std::path::Path;

const MODEL: &str = "a model of this package";
/// The last version of Burn in whose bincode a convolution's settings and the types of numbers take other bytes.
const LAST_OLD_MINOR: u64 = 16;

/// Loads a model; the file says format, precision and sizes.
///
/// What no record holds, the dropout rate, the height and width of images, the names of classes and more, comes from the
/// file's companion, or else from a `config.json` beside the file: a model's or a training run's.
pub fn load(path: &Path, device: Device) -> Result<Loaded> {
    load_stated(path, device, |found| stated_beside(path, found))
}

/// Loads a model of which `stated` says what no record holds.
pub(crate) fn load_as(path: &Path, stated: Stated, device: Device) -> Result<Loaded> {
    load_stated(path, device, |found| {
        if (found.fits)(&stated.config) {
            return Ok(Some(stated));
        }
        Err(fault(
            path,
            &format!(
                "the model must be of its configuration, with {}, found one with {found}",
                stated.config.sizes()
            ),
        ))
    })
}

fn load_stated(
    path: &Path,
    device: Device,
    stated: impl FnOnce(&Found<'_>) -> Result<Option<Stated>>,
) -> Result<Loaded> {
    let content = Content::of_file(path)?;
    let (_, tensors) = tensors(&content)?;
    let stated = checked(&tensors, stated, path)?;
    let parameters = parameters(&tensors, &stated.config, path)?;
    drop(tensors);
    drop(content);
    let classifier = from_state(&stated.config, parameters, device);
    Ok(Loaded {
        classifier: classifier.map_err(|error| about(path, &error))?,
        about: stated.about,
    })
}

/// The model that [`to_bytes`](super::to_bytes) wrote, with the JSON of [`About::to_json`]; `path` is what messages call it.
pub fn from_bytes(bytes: &[u8], about: &str, path: &Path, device: Device) -> Result<Loaded> {
    struct Decode<'a>(&'a [u8], &'a Path, &'a NetworkConfig);

    impl OnBackend for Decode<'_> {
        type Output = Box<dyn Classifier>;

        fn run<B: Backend>(self, device: Device, burn_device: &B::Device) -> Result<Self::Output> {
            let Self(bytes, path, config) = self;
            let model = decode_model::<B>(bytes, path, config, burn_device)?;
            Ok(boxed(model, config.clone(), device, burn_device))
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
    config: &NetworkConfig,
    device: &B::Device,
) -> Result<AnyNetwork<B>> {
    let content = Content::of_bytes(bytes, path, config.graph().num_parameters())?;
    let parameters = parameters(&tensors(&content)?.1, config, path)?;
    AnyNetwork::from_state(config, parameters, device).map_err(|error| about(path, &error))
}

/// What a model's record says about itself.
pub(crate) struct Description {
    pub config: NetworkConfig,
    /// What is known of the model beside its parameters.
    pub about: About,
    /// Keys and texts of Burn's metadata.
    pub metadata: [(&'static str, String); 5],
}

/// Describes the record of a model, of which everything is checked.
pub(crate) fn describe(path: &Path) -> Result<Description> {
    let content = Content::of_file(path)?;
    let (metadata, tensors) = tensors(&content)?;
    let stated = checked(&tensors, |found| stated_beside(path, found), path)?;
    parameters(&tensors, &stated.config, path)?;
    let metadata = [
        ("float", metadata.float),
        ("int", metadata.int),
        ("format", metadata.format),
        ("version", metadata.version),
        ("settings", metadata.settings),
    ];
    Ok(Description {
        config: stated.config,
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

type Tensors<'a> = Vec<(String, TensorItem<'a>)>;

/// The metadata and the tensors of a model's record, as many bytes in each as its shape says.
fn tensors<'a>(content: &'a Content<'_>) -> Result<(Metadata<'a>, Tensors<'a>)> {
    let path = content.path;
    // The reason of the network that is most often in a file is the one to tell.
    let mut reason = None;
    let found = NetworkConfig::LAYOUTS
        .iter()
        .copied()
        .flatten()
        .find_map(|layout| {
            let parsed = parse(content, *layout);
            parsed.map_err(|error| reason.get_or_insert(error)).ok()
        });
    let (metadata, found) =
        found.ok_or_else(|| content.other(MODEL, &reason.unwrap_or_default()))?;
    let tensors = found
        .into_iter()
        .map(|(name, tensor)| match tensor {
            Some(tensor) => Ok((name, tensor)),
            None => Err(fault(
                path,
                &format!("{name} must be in the record: it is missing"),
            )),
        })
        .collect::<Result<Tensors<'_>>>()?;
    for (name, tensor) in &tensors {
        tensor.check_type(&metadata, name, path)?;
        tensor.check(name, path)?;
    }
    Ok((metadata, tensors))
}

/// The metadata of a record, and what is in its item if that is a network of this layout.
fn parse<'a>(
    content: &'a Content<'_>,
    layout: Layout,
) -> std::result::Result<(Metadata<'a>, module_item::Found<'a>), String> {
    let item = |dialect| ModuleItem { layout, dialect };
    if content.format != Format::Bincode {
        return content
            .format
            .record_of(&content.bytes, item(Dialect::Named));
    }
    let (metadata, bytes) = format::metadata(&content.bytes)?;
    let read = |dialect| format::positional(bytes, item(dialect));
    let found = if is_old(&metadata.version) {
        read(Dialect::PositionalOld)?
    } else {
        // The versions in between have one or the other.
        read(Dialect::Positional)
            .or_else(|error| read(Dialect::PositionalWithSettings).map_err(|_| error))?
    };
    Ok((metadata, found))
}

fn is_old(version: &str) -> bool {
    let mut parts = version.split('.').map(str::parse::<u64>);
    matches!((parts.next(), parts.next()), (Some(Ok(0)), Some(Ok(minor))) if minor <= LAST_OLD_MINOR)
}

/// The parameters of a model of `config`, in its order, once every shape has been found to be that of the model.
fn parameters(
    tensors: &Tensors<'_>,
    config: &NetworkConfig,
    path: &Path,
) -> Result<Vec<Parameter>> {
    config
        .state()
        .into_iter()
        .map(|parameter| {
            let (name, shape) = (parameter.name, parameter.shape);
            let found = tensors.iter().find(|(found, _)| *found == name);
            match found {
                Some((_, tensor)) if tensor.shape == shape => Ok((name, shape, tensor)),
                found => Err(fault(
                    path,
                    &format!(
                        "{name} must have the shape {shape:?} in a model with {}, found {}",
                        config.sizes(),
                        found.map_or_else(|| "none".into(), |(_, tensor)| shown(&tensor.shape))
                    ),
                )),
            }
        })
        // Every shape is checked before the first number is read.
        .collect::<Result<Vec<_>>>()
        .map(|checked| {
            let parameters = checked.into_iter();
            parameters
                .map(|(name, shape, tensor)| Parameter {
                    name,
                    shape,
                    values: tensor.values(),
                })
                .collect()
        })
}

/// What is known of a record's model, its configuration as it is stated, or else as the shapes of its tensors say.
fn checked(
    tensors: &Tensors<'_>,
    stated: impl FnOnce(&Found<'_>) -> Result<Option<Stated>>,
    path: &Path,
) -> Result<Stated> {
    let shapes = tensors
        .iter()
        .map(|(name, tensor)| (name.as_str(), tensor.shape.as_slice()));
    let shapes = Shapes(shapes.collect());
    let fits = |config: &NetworkConfig| {
        let parameters = config.state();
        parameters.len() == tensors.len()
            && parameters
                .iter()
                .all(|parameter| shapes.get(&parameter.name) == Some(&parameter.shape[..]))
    };
    let found = Found {
        config: NetworkConfig::of_shapes(&shapes).map_err(|reason| fault(path, &reason))?,
        tensors: tensors.len(),
        fits: &fits,
    };
    let stated = match stated(&found)? {
        Some(stated) => stated,
        None => found
            .config
            .map(Stated::of_parameters)
            .ok_or_else(|| unstated(path))?,
    };
    stated
        .config
        .validate()
        .map_err(|error| about(path, &error))?;
    Ok(stated)
}

/// The error for parameters that don't say what network they are of.
pub(crate) fn unstated(path: &Path) -> Error {
    fault(
        path,
        "the configuration of its network must be in the file or beside it, as mnistburn writes both, and is not known; keep the \
         companion that ends in .meta.json, or the run's config.json, beside the file",
    )
}

#[cfg(test)]
#[cfg(feature = "cpu")]
mod tests {
    use super::*;
    use crate::config::{ImageShape, ModelConfig, Precision, Recorder};
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
        decode_model::<Flex>(bytes, Path::new("model"), &SMALL.into(), &FlexDevice)
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
            let model = AnyNetwork::<Flex>::init_seeded(&other.into(), 1, &FlexDevice).unwrap();
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

    #[test]
    fn every_network_comes_back_from_every_record() {
        for config in NetworkConfig::defaults() {
            let network = AnyNetwork::<Flex>::init_seeded(&config, 7, &FlexDevice).unwrap();
            let parameters = network.state().unwrap();
            for recorder in Recorder::ALL {
                let bytes = encode(network.clone(), recorder, Precision::Full).unwrap();
                let path = Path::new("model");
                let read = decode_model::<Flex>(&bytes, path, &config, &FlexDevice).unwrap();
                let name = recorder.name();
                assert_eq!(
                    read.state().unwrap(),
                    parameters,
                    "{} {name}",
                    config.kind()
                );
            }
        }
    }
}
