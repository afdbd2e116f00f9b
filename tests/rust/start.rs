//! Runs that start from a model, and frozen parameters.

use crate::learner::{config, data, result, run, run_on, stopping_at};
use crate::optimizer::{full_adamw, full_sgd};
use mnistburn::config::{
    AdamConfig, ConvBlock, ConvNetConfig, GradientClippingConfig, ImageShape, ModelConfig,
    NetworkConfig, Norm, OptimizerConfig, TrainingConfig,
};
use mnistburn::device::Device;
use mnistburn::error::Result;
use mnistburn::learner::{
    Ended, OutputLayer, RunStart, START_FILE, START_MODEL_FILE, Start, TrainOptions, Trained, train,
};
use mnistburn::model;
use mnistburn::network::Parameter;
use mnistburn::record::{self, About};
use std::fs;
use std::path::Path;

/// A start with random parameters, which are returned too.
fn start_of(config: &NetworkConfig, names: Option<Vec<String>>) -> (Start, Vec<Parameter>) {
    let model = model::init(config, 7, Device::Cpu).unwrap();
    let mut about = About::default();
    about.metadata.class_names = names;
    let start = Start::of(model.as_ref(), &about, Some("runs/base".into())).unwrap();
    (start, model.state().unwrap())
}

fn from(start: Start) -> TrainOptions {
    TrainOptions {
        start: Some(start),
        ..TrainOptions::default()
    }
}

fn resuming() -> TrainOptions {
    TrainOptions {
        resume: true,
        ..TrainOptions::default()
    }
}

fn trained(path: &Path, config: Option<&TrainingConfig>, options: TrainOptions) -> Result<Trained> {
    train(path, config, &[Device::Cpu], &data(), options)
}

fn refused(path: &Path, config: Option<&TrainingConfig>, options: TrainOptions) -> String {
    trained(path, config, options).err().unwrap().to_string()
}

/// The model before the first step.
fn before_first_step(path: &Path) -> Vec<Parameter> {
    let loaded = record::load(&path.join(START_MODEL_FILE), Device::Cpu).unwrap();
    loaded.classifier.state().unwrap()
}

fn read_start(path: &Path) -> RunStart {
    serde_json::from_slice(&fs::read(path.join(START_FILE)).unwrap()).unwrap()
}

fn freezing(names: &[&str]) -> TrainingConfig {
    TrainingConfig {
        freeze: names.iter().map(ToString::to_string).collect(),
        ..config()
    }
}

/// What a process that is killed before its first checkpoint leaves.
fn lose_checkpoints(path: &Path) {
    fs::remove_dir_all(path.join("checkpoint")).unwrap();
    for name in [
        "history.json",
        "model.mpk",
        "model.mpk.meta.json",
        "summary.txt",
    ] {
        fs::remove_file(path.join(name)).unwrap();
    }
}

fn small_conv_net() -> ConvNetConfig {
    let block = ConvBlock {
        channels: 8,
        pool: true,
        norm: Some(Norm::Group),
        ..ConvBlock::default()
    };
    ConvNetConfig {
        blocks: vec![block; 2],
        hidden_sizes: vec![8],
        ..ConvNetConfig::default()
    }
}

#[test]
fn frozen_parameters_keep_their_bits_and_the_others_learn() {
    let directory = tempfile::tempdir().unwrap();
    let optimizers: [OptimizerConfig; 4] = [
        AdamConfig {
            weight_decay: Some(0.1),
            grad_clipping: Some(GradientClippingConfig::Norm(0.1)),
            ..AdamConfig::default()
        }
        .into(),
        AdamConfig::default().into(),
        full_adamw().into(),
        full_sgd().into(),
    ];
    let guide = (
        config().model,
        vec!["conv1", "conv2.weight", "linear1.bias"],
    );
    let conv_net = (
        small_conv_net().into(),
        vec!["blocks.0", "blocks.1.norm.gamma", "hidden.0.weight"],
    );
    for (network, names) in [guide, conv_net] {
        for optimizer in &optimizers {
            for devices in 1..=2 {
                let config = TrainingConfig {
                    model: network.clone(),
                    optimizer: *optimizer,
                    ..freezing(&names)
                };
                let before = model::init(&network, config.seed, Device::Cpu).unwrap();
                let path = directory.path().join("run");
                let after = run_on(&path, &vec![Device::Cpu; devices], &config).model;
                let pairs = before.state().unwrap();
                for (before, after) in pairs.iter().zip(after.state().unwrap()) {
                    let frozen = names.iter().any(|name| {
                        before.name == *name || before.name.starts_with(&format!("{name}."))
                    });
                    let same = before.values == after.values;
                    assert_eq!(same, frozen, "{} with {optimizer:?}", before.name);
                }
            }
        }
    }
}

#[test]
fn the_first_step_of_the_others_is_that_of_a_run_without_frozen_ones() {
    let directory = tempfile::tempdir().unwrap();
    let networks: [(NetworkConfig, &[&str]); 2] = [
        (config().model, &["conv1", "conv2"]),
        (small_conv_net().into(), &["blocks.0", "blocks.1.conv"]),
    ];
    for (model, names) in networks {
        let one_step = |names: &[&str]| {
            let config = TrainingConfig {
                model: model.clone(),
                num_epochs: 1,
                batch_size: 36,
                ..freezing(names)
            };
            let trained = run(&directory.path().join("run"), &config);
            trained.model.state().unwrap()
        };
        let (whole, part) = (one_step(&[]), one_step(names));
        let mut compared = 0;
        for (whole, part) in whole.iter().zip(&part) {
            if names.iter().all(|name| !whole.name.starts_with(name)) {
                assert_eq!(whole, part);
                compared += 1;
            }
        }
        assert!(compared >= 4);
    }
}

#[test]
fn a_run_begins_with_the_parameters_of_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let names: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let (start, parameters) = start_of(&config().model, Some(names));
    trained(directory.path(), Some(&config()), from(start)).unwrap();
    assert_eq!(before_first_step(directory.path()), parameters);
    let kept = read_start(directory.path());
    assert_eq!(kept.output_layer, OutputLayer::Kept);
    assert_eq!(kept.path.as_deref(), Some("runs/base"));
    let log = fs::read_to_string(directory.path().join("train.log")).unwrap();
    assert!(
        log.contains("starts from runs/base, all its parameters"),
        "{log}"
    );
}

#[test]
fn other_classes_take_an_output_layer_from_the_seed() {
    let directory = tempfile::tempdir().unwrap();
    let twelve = ModelConfig {
        num_classes: 12,
        hidden_size: 8,
        ..ModelConfig::default()
    };
    let names: Vec<String> = ('a'..='j').map(String::from).collect();
    let random = model::init(&config().model, config().seed, Device::Cpu).unwrap();
    let random = random.state().unwrap();
    for (start, reason) in [
        (
            start_of(&twelve.into(), None),
            "start has 12 classes and the run 10",
        ),
        (
            start_of(&config().model, Some(names)),
            "the classes of start are a, b, c, d, e, f, g, h, i, j, and those of the run 0, 1",
        ),
    ] {
        let (start, parameters) = start;
        let digits = (0..10).map(|number| number.to_string()).collect();
        let mut data = data();
        data.train = data.train.with_class_names(Some(digits));
        let path = directory.path();
        train(path, Some(&config()), &[Device::Cpu], &data, from(start)).unwrap();
        let found = before_first_step(directory.path());
        assert_eq!(found[..6], parameters[..6]);
        assert_eq!(found[6..], random[6..]);
        assert_eq!(
            read_start(directory.path()).output_layer,
            OutputLayer::Initialised
        );
        let log = fs::read_to_string(directory.path().join("train.log")).unwrap();
        assert!(
            log.contains("the output layer, linear2, is initialised anew"),
            "{log}"
        );
        assert!(log.contains(reason), "{log}");
    }
}

#[test]
fn a_random_output_layer_can_not_be_frozen() {
    let directory = tempfile::tempdir().unwrap();
    let twelve = ModelConfig {
        num_classes: 12,
        hidden_size: 8,
        ..ModelConfig::default()
    };
    let (start, _) = start_of(&twelve.into(), None);
    let error = refused(
        directory.path(),
        Some(&freezing(&["linear2.bias"])),
        from(start),
    );
    assert!(
        error.contains("leave linear2.bias out of freeze"),
        "{error}"
    );
    assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
}

#[test]
fn the_normalisation_of_a_start_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let start_network = ConvNetConfig {
        pixel_mean: Some(vec![0.25]),
        pixel_std: Some(vec![0.5]),
        ..small_conv_net()
    };
    let own = ConvNetConfig {
        pixel_mean: Some(vec![0.125]),
        pixel_std: Some(vec![0.375]),
        ..small_conv_net()
    };
    for (network, expected) in [(small_conv_net(), 0.25), (own, 0.125)] {
        let config = TrainingConfig {
            model: network.into(),
            num_epochs: 1,
            ..config()
        };
        let (start, _) = start_of(&start_network.clone().into(), None);
        let trained = trained(directory.path(), Some(&config), from(start)).unwrap();
        let (mean, _) = trained.model.config().pixels().unwrap();
        assert_eq!(mean, [expected]);
    }
}

#[test]
fn images_of_another_size_fit_where_the_parameters_do() {
    let directory = tempfile::tempdir().unwrap();
    let network = |image| ConvNetConfig {
        image,
        ..small_conv_net()
    };
    let larger = ImageShape {
        height: 40,
        ..ImageShape::MNIST
    };
    let config = TrainingConfig {
        model: network(ImageShape::MNIST).into(),
        num_epochs: 1,
        ..config()
    };
    let (start, _) = start_of(&network(larger).into(), None);
    trained(directory.path(), Some(&config), from(start)).unwrap();
}

#[test]
fn a_start_of_another_network_is_refused_with_both() {
    let directory = tempfile::tempdir().unwrap();
    let mut pooled_later = small_conv_net();
    pooled_later.blocks[0].pool = false;
    let flat = |height| ConvNetConfig {
        average: false,
        image: ImageShape {
            height,
            ..ImageShape::MNIST
        },
        ..small_conv_net()
    };
    let wide = ModelConfig {
        hidden_size: 16,
        ..ModelConfig::default()
    };
    let cases: [(NetworkConfig, NetworkConfig, &str); 4] = [
        (wide.into(), config().model, "linear1"),
        (small_conv_net().into(), config().model, "blocks.0"),
        (pooled_later.into(), small_conv_net().into(), "blocks.0"),
        (flat(40).into(), flat(28).into(), "hidden.0"),
    ];
    for (begin, network, layer) in cases {
        let config = TrainingConfig {
            model: network.clone(),
            ..config()
        };
        let error = refused(
            directory.path(),
            Some(&config),
            from(start_of(&begin, None).0),
        );
        for part in [layer, &begin.sizes(), &network.sizes(), "leave model out"] {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        assert!(fs::read_dir(directory.path()).unwrap().next().is_none());
    }
}

#[test]
fn a_run_with_a_start_and_frozen_parameters_resumes_bit_for_bit() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        optimizer: full_sgd().into(),
        ..freezing(&["conv1", "linear1.weight"])
    };
    let begin = || start_of(&config.model, None).0;
    let whole = directory.path().join("whole");
    let expected = result(trained(&whole, Some(&config), from(begin())).unwrap());
    for count in [2, 7, 12, 17] {
        let path = directory.path().join(format!("stopped {count}"));
        let (mut options, _) = stopping_at(count, false);
        options.start = Some(begin());
        let stopped = trained(&path, Some(&config), options).unwrap();
        assert_ne!(stopped.ended, Ended::Completed);
        // Once there is a checkpoint nothing else is needed.
        fs::remove_file(path.join(START_FILE)).unwrap();
        fs::remove_file(path.join(START_MODEL_FILE)).unwrap();
        let resumed = trained(&path, None, resuming()).unwrap();
        assert_eq!(resumed.ended, Ended::Completed);
        assert_eq!(result(resumed), expected, "stopped at event {count}");
    }
}

#[test]
fn a_run_without_a_checkpoint_starts_over_from_its_start() {
    let directory = tempfile::tempdir().unwrap();
    let expected = trained(
        directory.path(),
        Some(&config()),
        from(start_of(&config().model, None).0),
    );
    let expected = result(expected.unwrap());
    lose_checkpoints(directory.path());
    assert_eq!(
        result(trained(directory.path(), None, resuming()).unwrap()),
        expected
    );

    // From nothing else than that.
    lose_checkpoints(directory.path());
    let path = directory.path().join(START_MODEL_FILE);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = refused(directory.path(), None, resuming());
    assert!(error.contains("is not as it was written"), "{error}");
    assert!(error.contains("with start=\"runs/base\""), "{error}");
    fs::remove_file(directory.path().join(START_FILE)).unwrap();
    let error = refused(directory.path(), None, resuming());
    assert!(error.contains(START_FILE), "{error}");
}

#[test]
fn a_resumed_run_takes_no_other_start() {
    let directory = tempfile::tempdir().unwrap();
    let network = config().model;
    trained(
        directory.path(),
        Some(&config()),
        from(start_of(&network, None).0),
    )
    .unwrap();
    let with = |start| TrainOptions {
        start: Some(start),
        ..resuming()
    };
    trained(directory.path(), None, with(start_of(&network, None).0)).unwrap();
    let other = model::init(&network, 8, Device::Cpu).unwrap();
    let other = || Start::of(other.as_ref(), &About::default(), None).unwrap();
    let error = refused(directory.path(), None, with(other()));
    assert!(
        error.contains("another model, runs/base (SHA-256 "),
        "{error}"
    );
    run(directory.path(), &config());
    let error = refused(directory.path(), None, with(other()));
    assert!(error.contains("began with random parameters"), "{error}");
}

#[test]
fn a_run_keeps_what_it_froze() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &freezing(&["conv1"]));
    let error = refused(directory.path(), Some(&config()), resuming());
    assert!(
        error.contains("freeze was [\"conv1\"] at its start, got []"),
        "{error}"
    );
}
