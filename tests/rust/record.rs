use crate::{book, fixture, images};
use burn::backend::Flex;
use burn::backend::flex::FlexDevice;
use burn::prelude::*;
use burn::record::{
    BinFileRecorder, BinGzFileRecorder, CompactRecorder, DefaultRecorder, DoublePrecisionSettings,
    FullPrecisionSettings, HalfPrecisionSettings, JsonGzFileRecorder, NamedMpkFileRecorder,
    NamedMpkGzFileRecorder, PrettyJsonFileRecorder,
};
use mnistburn::config::{ImageShape, ModelConfig, NetworkConfig, Precision, Recorder};
use mnistburn::data::{IMAGE_SIZE, normalise};
use mnistburn::device::Device;
use mnistburn::model::{Classifier, Pixels, init};
use mnistburn::record::{About, load, save, to_bytes};
use serde::Deserialize;
use std::fs;

#[derive(Deserialize)]
struct Expected {
    input: Vec<f32>,
    logits_f32: Vec<f32>,
    logits_compact: Vec<f32>,
}

fn flat(value: &serde_json::Value) -> Vec<f32> {
    match value {
        serde_json::Value::Array(values) => values.iter().flat_map(flat).collect(),
        number => vec![number.as_f64().unwrap() as f32],
    }
}

fn expected() -> Expected {
    let text = fs::read_to_string(fixture("expected.json")).unwrap();
    let value: serde_json::Value = serde_json::from_str(&text).unwrap();
    Expected {
        input: flat(&value["input"]),
        logits_f32: flat(&value["logits_f32"]),
        logits_compact: flat(&value["logits_compact"]),
    }
}

fn logits(model: &dyn Classifier, pixels: &[f32]) -> Vec<f32> {
    model
        .forward(
            Pixels::unit(pixels, ImageShape::MNIST).unwrap(),
            &false.into(),
        )
        .unwrap()
}

fn assert_near(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    for (found, expected) in found.iter().zip(expected) {
        assert!(
            (found - expected).abs() < tolerance,
            "{found} is not {expected}"
        );
    }
}

#[test]
fn files_of_burn_programs_load_and_give_their_logits() {
    let expected = expected();
    let pixels: Vec<f32> = expected
        .input
        .iter()
        .map(|value| value * 0.3081 + 0.1307)
        .collect();
    let files = [
        ("compact.mpk", &expected.logits_compact),
        ("default.mpk", &expected.logits_f32),
        ("double.mpk", &expected.logits_f32),
        ("namedmpkgz.mpk.gz", &expected.logits_f32),
        ("bin.bin", &expected.logits_f32),
        ("bin_half.bin", &expected.logits_compact),
        ("bingz.bin.gz", &expected.logits_f32),
        ("jsongz.json.gz", &expected.logits_f32),
    ];
    for version in ["burn-0.16", "burn-0.21"] {
        for (name, logits_of_file) in files {
            let model = load(&fixture(version).join(name), Device::Cpu)
                .unwrap()
                .classifier;
            assert_eq!(guide(model.config()).hidden_size, 32);
            assert_near(&logits(model.as_ref(), &pixels), logits_of_file, 1e-5);
        }
    }
}

fn guide(config: &NetworkConfig) -> ModelConfig {
    let NetworkConfig::Guide(config) = config else {
        panic!("expected the guide network, got {config:?}");
    };
    *config
}

const CONFIG: ModelConfig = ModelConfig {
    hidden_size: 12,
    num_classes: 5,
    dropout: 0.25,
    image: ImageShape::MNIST,
};

/// Some images as pixels in 0..1.
fn pixels() -> Vec<f32> {
    images(7)
        .pixels()
        .unwrap()
        .iter()
        .map(|pixel| f32::from(*pixel) / 255.0)
        .collect()
}

/// The logits of a model of Burn alone.
fn logits_of_burn(model: &book::Model<Flex>, pixels: &[f32]) -> Vec<f32> {
    let input: Vec<f32> = pixels.iter().map(|pixel| normalise(*pixel)).collect();
    let input = TensorData::new(input, [7, IMAGE_SIZE, IMAGE_SIZE]);
    model
        .forward(Tensor::from_data(input, &FlexDevice))
        .into_data()
        .into_vec::<f32>()
        .unwrap()
}

/// Loads a file with Burn alone, and compares its logits with those of the model that was saved.
fn assert_burn_reads<R>(recorder: Recorder, precision: Precision, tolerance: f32)
where
    R: burn::record::FileRecorder<Flex>,
{
    let directory = tempfile::tempdir().unwrap();
    let model = init(&CONFIG.into(), 3, Device::Cpu).unwrap();
    let path = save(
        model.as_ref(),
        &directory.path().join("model"),
        recorder,
        Some(precision),
        &About::default(),
    )
    .unwrap();
    assert_eq!(
        path.file_name().unwrap().to_str().unwrap(),
        format!("model.{}", recorder.extension())
    );

    let theirs = book::ModelConfig::new(5, 12).init::<Flex>(&FlexDevice);
    let record = R::default()
        .load(directory.path().join("model"), &FlexDevice)
        .unwrap();
    let pixels = pixels();
    let found = logits_of_burn(&theirs.load_record(record), &pixels);
    assert_near(&found, &logits(model.as_ref(), &pixels), tolerance);

    let again = load(&path, Device::Cpu).unwrap().classifier;
    assert_near(&logits(again.as_ref(), &pixels), &found, 1e-6);
}

/// Loads a file that Burn alone has written, and compares its logits with those of the model there.
fn assert_reads_burn<R>(recorder: Recorder, tolerance: f32)
where
    R: burn::record::FileRecorder<Flex>,
{
    let directory = tempfile::tempdir().unwrap();
    let theirs = book::ModelConfig::new(5, 12).init::<Flex>(&FlexDevice);
    let pixels = pixels();
    let expected = logits_of_burn(&theirs, &pixels);
    R::default()
        .record(theirs.into_record(), directory.path().join("model"))
        .unwrap();
    let path = directory
        .path()
        .join(format!("model.{}", recorder.extension()));
    let model = load(&path, Device::Cpu).unwrap().classifier;
    assert_eq!(guide(model.config()).hidden_size, 12);
    assert_near(&logits(model.as_ref(), &pixels), &expected, tolerance);
}

#[test]
fn a_plain_burn_program_reads_every_format() {
    use DoublePrecisionSettings as Double;
    use FullPrecisionSettings as Full;
    use HalfPrecisionSettings as Half;
    assert_burn_reads::<CompactRecorder>(Recorder::Compact, Precision::Half, 1e-2);
    assert_burn_reads::<DefaultRecorder>(Recorder::Default, Precision::Full, 1e-6);
    macro_rules! assert_burn_reads_each_precision {
        ($($theirs:ident as $ours:ident),*) => {$(
            assert_burn_reads::<$theirs<Half>>(Recorder::$ours, Precision::Half, 1e-2);
            assert_burn_reads::<$theirs<Full>>(Recorder::$ours, Precision::Full, 1e-6);
            assert_burn_reads::<$theirs<Double>>(Recorder::$ours, Precision::Double, 1e-6);
        )*};
    }
    assert_burn_reads_each_precision!(
        NamedMpkFileRecorder as NamedMpk,
        NamedMpkGzFileRecorder as NamedMpkGz,
        BinFileRecorder as Bin,
        BinGzFileRecorder as BinGz,
        PrettyJsonFileRecorder as Json,
        JsonGzFileRecorder as JsonGz
    );
}

#[test]
fn every_format_of_a_plain_burn_program_is_read() {
    use DoublePrecisionSettings as Double;
    use FullPrecisionSettings as Full;
    use HalfPrecisionSettings as Half;
    assert_reads_burn::<CompactRecorder>(Recorder::Compact, 1e-2);
    assert_reads_burn::<DefaultRecorder>(Recorder::Default, 1e-6);
    macro_rules! assert_reads_each_precision {
        ($($theirs:ident as $ours:ident),*) => {$(
            assert_reads_burn::<$theirs<Half>>(Recorder::$ours, 1e-2);
            assert_reads_burn::<$theirs<Full>>(Recorder::$ours, 1e-6);
            assert_reads_burn::<$theirs<Double>>(Recorder::$ours, 1e-6);
        )*};
    }
    assert_reads_each_precision!(
        NamedMpkFileRecorder as NamedMpk,
        NamedMpkGzFileRecorder as NamedMpkGz,
        BinFileRecorder as Bin,
        BinGzFileRecorder as BinGz,
        PrettyJsonFileRecorder as Json,
        JsonGzFileRecorder as JsonGz
    );
}

#[test]
fn equal_models_give_equal_files() {
    for recorder in Recorder::ALL {
        let encode = |seed| {
            let model = init(
                &ModelConfig {
                    hidden_size: 4,
                    ..ModelConfig::default()
                }
                .into(),
                seed,
                Device::Cpu,
            )
            .unwrap();
            to_bytes(model.as_ref(), recorder, Precision::Full).unwrap()
        };
        assert_eq!(encode(1), encode(1), "{}", recorder.name());
        assert_ne!(encode(1), encode(2), "{}", recorder.name());
    }
}

#[test]
fn full_and_double_precision_keep_every_bit() {
    let directory = tempfile::tempdir().unwrap();
    let model = init(
        &ModelConfig {
            hidden_size: 4,
            ..ModelConfig::default()
        }
        .into(),
        1,
        Device::Cpu,
    )
    .unwrap();
    for recorder in Recorder::ALL {
        for precision in [Precision::Full, Precision::Double] {
            let path = save(
                model.as_ref(),
                &directory.path().join("m"),
                recorder,
                Some(precision),
                &About::default(),
            )
            .unwrap();
            let loaded = load(&path, Device::Cpu).unwrap().classifier;
            assert_eq!(
                loaded.state().unwrap(),
                model.state().unwrap(),
                "{}",
                recorder.name()
            );
        }
    }
}

#[test]
fn the_dropout_rate_comes_from_a_configuration_beside_the_file() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("compact.mpk");
    fs::copy(fixture("burn-0.21/compact.mpk"), &path).unwrap();
    let dropout = || {
        let loaded = load(&path, Device::Cpu).unwrap();
        guide(loaded.classifier.config()).dropout
    };
    assert!((dropout() - 0.5).abs() < 1e-12);
    fs::write(
        directory.path().join("config.json"),
        r#"{"model": {"num_classes": 10, "hidden_size": 32, "dropout": 0.2}}"#,
    )
    .unwrap();
    assert!((dropout() - 0.2).abs() < 1e-12);
}

/// No fault in a file may panic: each is an error that names the file.
#[test]
fn damaged_files_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("damaged.mpk");
    let whole = fs::read(fixture("burn-0.21/compact.mpk")).unwrap();
    let refuse = |bytes: &[u8], what: &str| {
        fs::write(&path, bytes).unwrap();
        let error = load(&path, Device::Cpu)
            .err()
            .unwrap_or_else(|| panic!("{what} was read"))
            .to_string();
        assert!(error.contains("damaged.mpk"), "{error}");
    };
    for length in (0..whole.len())
        .step_by(997)
        .chain([1, 2, 3, 100, whole.len() - 1])
    {
        refuse(&whole[..length], "a truncated file");
    }
    refuse(b"{\"item\": 3}", "other JSON");
    refuse(&[0x1f, 0x8b, 0, 0], "broken gzip");
    // Every header byte in turn: what still parses must have the right shapes, or be refused.
    for position in 0..1500 {
        let mut bytes = whole.clone();
        bytes[position] ^= 0x55;
        fs::write(&path, &bytes).unwrap();
        if let Ok(model) = load(&path, Device::Cpu) {
            assert_eq!(guide(model.classifier.config()).hidden_size, 32);
        }
    }
}
