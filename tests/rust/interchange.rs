use mnistburn::config::ModelConfig;
use mnistburn::device::Device;
use mnistburn::interchange::{Format, Input, describe, export, load, to_bytes};
use mnistburn::model::{Classifier, init};
use mnistburn::record::About;

fn model() -> Box<dyn Classifier> {
    let config = ModelConfig {
        num_classes: 3,
        hidden_size: 5,
        dropout: 0.25,
        ..ModelConfig::default()
    };
    init(&config.into(), 4, Device::Cpu).unwrap()
}

#[test]
fn what_is_exported_loads_with_every_bit() {
    let directory = tempfile::tempdir().unwrap();
    let model = model();
    for name in ["model.safetensors", "model.npz"] {
        let path = directory.path().join(name);
        assert_eq!(
            export(model.as_ref(), &path, None, Input::Raw, &About::default()).unwrap(),
            path
        );
        let read = load(&path, Device::Cpu).unwrap().classifier;
        assert_eq!(read.config(), model.config());
        assert_eq!(read.state().unwrap(), model.state().unwrap());
    }
}

#[test]
fn equal_models_give_equal_bytes_that_say_what_they_hold() {
    let directory = tempfile::tempdir().unwrap();
    for format in Format::EXPORTED {
        let bytes = to_bytes(model().as_ref(), format, Input::Raw, &About::default()).unwrap();
        assert_eq!(
            bytes,
            to_bytes(model().as_ref(), format, Input::Raw, &About::default()).unwrap()
        );
        let path = directory
            .path()
            .join("weights")
            .with_extension(format.name());
        std::fs::write(&path, bytes).unwrap();
        let found = describe(&path).unwrap();
        assert_eq!(found.format, format.name());
        assert_eq!(found.config.as_ref(), Some(model().config()));
    }
}
