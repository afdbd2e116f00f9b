use crate::images;
use burn::train::Interrupter;
use mnistburn::config::{
    AdamConfig, ImageShape, LrSchedulerConfig, ModelConfig, Recorder, TrainingConfig,
};
use mnistburn::data::Dataset;
use mnistburn::device::Device;
use mnistburn::error::{Error, Result};
use mnistburn::learner::{
    Data, Ended, Event, History, Observer, TrainOptions, Trained, WhichModel, load_run,
    state_again, train,
};
use mnistburn::network::Parameter;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex};

pub fn config() -> TrainingConfig {
    TrainingConfig {
        model: ModelConfig {
            hidden_size: 8,
            ..ModelConfig::default()
        }
        .into(),
        num_epochs: 2,
        batch_size: 10,
        num_workers: 2,
        learning_rate: 1e-3,
        lr_scheduler: Some(LrSchedulerConfig::CosineAnnealing {
            min_lr: 1e-4,
            num_iters: Some(7),
        }),
        ..TrainingConfig::default()
    }
}

/// Four steps and two validation steps an epoch; the last batches are not full.
pub fn data() -> Data {
    let all = images(52);
    let indices: Vec<usize> = (0..52).collect();
    Data {
        train: all.subset(&indices[..36]),
        valid: all.subset(&indices[36..]),
    }
}

pub fn run(directory: &Path, config: &TrainingConfig) -> Trained {
    train(
        directory,
        Some(config),
        &[Device::Cpu],
        &data(),
        TrainOptions::default(),
    )
    .unwrap()
}

/// A history without what depends on the clock.
fn untimed(mut history: History) -> History {
    history.seconds = 0.0;
    history.warm_up_seconds = 0.0;
    history.epochs.seconds.clear();
    history.epochs.images_per_second.clear();
    history.train_steps.seconds.clear();
    history.train_steps.images_per_second.clear();
    history.valid_steps.seconds.clear();
    history
}

pub fn result(trained: Trained) -> (Vec<Parameter>, History) {
    (trained.model.state().unwrap(), untimed(trained.history))
}

/// Stops the run at the n-th event, and keeps them all.
struct StopAt {
    count: usize,
    interrupter: Interrupter,
    seen: Arc<Mutex<Vec<Event>>>,
}

impl Observer for StopAt {
    fn notify(&mut self, event: Event) {
        let mut seen = self.seen.lock().unwrap();
        seen.push(event);
        if seen.len() == self.count {
            self.interrupter.stop(None);
        }
    }
}

pub fn stopping_at(count: usize, resume: bool) -> (TrainOptions, Arc<Mutex<Vec<Event>>>) {
    let (interrupter, seen) = (Interrupter::new(), Arc::new(Mutex::new(Vec::new())));
    let observer = Box::new(StopAt {
        count,
        interrupter: interrupter.clone(),
        seen: Arc::clone(&seen),
    });
    (
        TrainOptions {
            resume,
            interrupter,
            observer,
            ..TrainOptions::default()
        },
        seen,
    )
}

/// Whether a message with that text was logged.
fn logged(seen: &Mutex<Vec<Event>>, text: &str) -> bool {
    let logs =
        |event: &Event| matches!(event, Event::Log { message, .. } if message.contains(text));
    seen.lock().unwrap().iter().any(logs)
}

#[test]
fn workers_threads_and_other_trainings_change_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let expected = result(run(&directory.path().join("a"), &config()));
    for num_workers in [0, 1, 5] {
        let config = TrainingConfig {
            num_workers,
            ..config()
        };
        assert_eq!(
            result(run(&directory.path().join("a"), &config)),
            expected,
            "{num_workers} workers"
        );
    }
    let paths: Vec<_> = (0..3)
        .map(|number| directory.path().join(format!("b{number}")))
        .collect();
    std::thread::scope(|scope| {
        let runs: Vec<_> = paths
            .iter()
            .map(|path| scope.spawn(|| result(run(path, &config()))))
            .collect();
        for other in runs {
            assert_eq!(other.join().unwrap(), expected);
        }
    });
    let other = TrainingConfig {
        seed: 1,
        ..config()
    };
    assert_ne!(result(run(&directory.path().join("a"), &other)), expected);
}

#[test]
fn a_run_stopped_anywhere_and_resumed_equals_one_never_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let whole = directory.path().join("whole");
    let expected = result(run(&whole, &config()));
    let read =
        |root: &Path, name: &str| fs::read(root.join("checkpoint/epoch-0002").join(name)).unwrap();

    let (options, seen) = stopping_at(usize::MAX, false);
    train(
        &directory.path().join("count"),
        Some(&config()),
        &[Device::Cpu],
        &data(),
        options,
    )
    .unwrap();
    let events = seen.lock().unwrap().len();
    let mut stopped_runs = 0;
    for count in 1..=events {
        let path = directory.path().join(format!("stopped {count}"));
        let (options, _) = stopping_at(count, false);
        let stopped = train(&path, Some(&config()), &[Device::Cpu], &data(), options).unwrap();
        stopped_runs += usize::from(stopped.ended != Ended::Completed);
        let options = TrainOptions {
            resume: true,
            ..TrainOptions::default()
        };
        let resumed = train(&path, None, &[Device::Cpu], &data(), options).unwrap();
        assert_eq!(resumed.ended, Ended::Completed);
        assert_eq!(result(resumed), expected, "stopped at event {count}");
        for name in ["model.mpk", "optim.mpk", "scheduler.mpk"] {
            assert_eq!(
                read(&path, name),
                read(&whole, name),
                "{name}, stopped at event {count}"
            );
        }
        assert_eq!(
            fs::read(path.join("model.mpk")).unwrap(),
            fs::read(whole.join("model.mpk")).unwrap()
        );
    }
    assert!(
        stopped_runs >= 12,
        "only {stopped_runs} of {events} runs were stopped"
    );
}

#[test]
fn a_run_stopped_again_and_again_equals_one_never_stopped() {
    let directory = tempfile::tempdir().unwrap();
    let expected = result(run(&directory.path().join("whole"), &config()));
    let path = directory.path().join("stopped");
    let mut trained = {
        let (options, _) = stopping_at(3, false);
        train(&path, Some(&config()), &[Device::Cpu], &data(), options).unwrap()
    };
    let mut parts = 1;
    while trained.ended != Ended::Completed {
        // Log, Start, EpochStart, and then two steps; a validation of two steps starts over if it is stopped.
        let (options, _) = stopping_at(5, true);
        trained = train(&path, None, &[Device::Cpu], &data(), options).unwrap();
        parts += 1;
        assert!(parts < 40);
    }
    assert!(parts > 4, "{parts} parts");
    assert_eq!(result(trained), expected);
}

#[test]
fn events_come_in_their_order() {
    let directory = tempfile::tempdir().unwrap();
    let (options, seen) = stopping_at(usize::MAX, false);
    train(
        directory.path(),
        Some(&config()),
        &[Device::Cpu],
        &data(),
        options,
    )
    .unwrap();
    let letters: String = seen
        .lock()
        .unwrap()
        .iter()
        .filter_map(|event| match event {
            Event::Start { .. } => Some('s'),
            Event::EpochStart { .. } => Some('e'),
            Event::TrainStep { .. } => Some('t'),
            Event::ValidStep { .. } => Some('v'),
            Event::EpochEnd(_) => Some('E'),
            Event::End { .. } => Some('.'),
            Event::Failed { .. } => Some('!'),
            // Those that only callbacks ask for have tests of their own.
            Event::StepStart { .. }
            | Event::ValidStart { .. }
            | Event::ValidEnd { .. }
            | Event::Log { .. } => None,
        })
        .collect();
    assert_eq!(letters, "settttvvEettttvvE.");
}

#[test]
fn more_epochs_go_on_where_the_run_ended() {
    let directory = tempfile::tempdir().unwrap();
    let longer = TrainingConfig {
        num_epochs: 3,
        ..config()
    };
    let expected = result(run(&directory.path().join("whole"), &longer));
    let path = directory.path().join("short");
    run(&path, &config());
    let options = || TrainOptions {
        resume: true,
        ..TrainOptions::default()
    };
    let resumed = train(&path, Some(&longer), &[Device::Cpu], &data(), options()).unwrap();
    assert_eq!(result(resumed), expected);
    // A complete run has nothing left to do, and gives its model and history again.
    let again = train(&path, None, &[Device::Cpu], &data(), options()).unwrap();
    assert_eq!(result(again), expected);
    let loaded = load_run(&path, Device::Cpu, WhichModel::Last)
        .unwrap()
        .0
        .classifier;
    assert_eq!(loaded.state().unwrap(), expected.0);
}

pub fn refused(directory: &Path, config: Option<&TrainingConfig>, data: &Data) -> String {
    let options = TrainOptions {
        resume: true,
        ..TrainOptions::default()
    };
    let result: Result<Trained> = train(directory, config, &[Device::Cpu], data, options);
    result.err().expect("it must be refused").to_string()
}

#[test]
fn a_resumed_run_must_be_the_same_run() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    assert!(refused(&path, None, &data()).contains("must be a run to resume"));
    run(&path, &config());

    let other = TrainingConfig {
        seed: 7,
        ..config()
    };
    assert!(refused(&path, Some(&other), &data()).contains("seed was 42 at its start, got 7"));
    let optimizer = AdamConfig {
        beta_1: 0.5,
        ..AdamConfig::default()
    };
    let other = TrainingConfig {
        optimizer: optimizer.into(),
        ..config()
    };
    assert!(
        refused(&path, Some(&other), &data())
            .contains("optimizer.beta_1 was 0.9 at its start, got 0.5")
    );
    let fewer = TrainingConfig {
        num_epochs: 1,
        ..config()
    };
    assert!(
        refused(&path, Some(&fewer), &data()).contains("num_epochs must be at least the 2 epochs")
    );
    let mut other: Data = data();
    other.valid = images(3);
    assert!(refused(&path, None, &other).contains("the validation set is another"));
}

/// The fingerprint in older runs: SHA-256 of images and targets, without the shape.
fn older_fingerprint(dataset: &Dataset) -> String {
    let mut hash = Sha256::new();
    let samples: Vec<_> = (0..dataset.len())
        .map(|index| dataset.sample(index).unwrap())
        .collect();
    for sample in &samples {
        hash.update(&sample.pixels);
    }
    for target in dataset.targets() {
        hash.update(target.to_le_bytes());
    }
    format!("{:x}", hash.finalize())
}

#[test]
fn a_run_whose_fingerprints_lack_the_shape_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let expected = result(run(&directory.path().join("whole"), &config()));
    let path = directory.path().join("stopped");
    let (options, _) = stopping_at(5, false);
    train(&path, Some(&config()), &[Device::Cpu], &data(), options).unwrap();
    for entry in fs::read_dir(path.join("checkpoint")).unwrap() {
        let state = entry.unwrap().path().join("state.json");
        let mut text = fs::read_to_string(&state).unwrap();
        for dataset in [data().train, data().valid] {
            let fingerprint = dataset.fingerprint().unwrap();
            assert!(text.contains(&fingerprint));
            text = text.replace(&fingerprint, &older_fingerprint(&dataset));
        }
        fs::write(&state, state_again(text.as_bytes(), false).unwrap()).unwrap();
    }
    let mut other = data();
    other.valid = images(3);
    assert!(refused(&path, None, &other).contains("the validation set is another"));
    let options = TrainOptions {
        resume: true,
        ..TrainOptions::default()
    };
    let resumed = train(&path, None, &[Device::Cpu], &data(), options).unwrap();
    assert_eq!(result(resumed), expected);
}

#[test]
fn a_damaged_checkpoint_is_left_out_with_a_warning() {
    let directory = tempfile::tempdir().unwrap();
    let expected = result(run(directory.path(), &config()));
    let model = directory.path().join("checkpoint/epoch-0002/model.mpk");
    let mut bytes = fs::read(&model).unwrap();
    let last = bytes.len() - 40;
    bytes[last] ^= 1;
    fs::write(&model, bytes).unwrap();
    let (options, seen) = stopping_at(usize::MAX, true);
    let resumed = train(directory.path(), None, &[Device::Cpu], &data(), options).unwrap();
    assert_eq!(result(resumed), expected);
    let warned = logged(&seen, "is not as it was written");
    assert!(warned);
}

#[test]
fn every_format_of_checkpoint_resumes() {
    for recorder in Recorder::ALL {
        let directory = tempfile::tempdir().unwrap();
        let config = TrainingConfig {
            recorder,
            ..config()
        };
        let expected = result(run(&directory.path().join("whole"), &config));
        let path = directory.path().join("stopped");
        let (options, _) = stopping_at(8, false);
        let stopped = train(&path, Some(&config), &[Device::Cpu], &data(), options).unwrap();
        assert_eq!(stopped.ended, Ended::Stopped);
        let options = TrainOptions {
            resume: true,
            ..TrainOptions::default()
        };
        let resumed = result(train(&path, None, &[Device::Cpu], &data(), options).unwrap());
        // Half precision gives the bits up, and only that.
        assert_eq!(
            resumed == expected,
            recorder != Recorder::Compact,
            "{}",
            recorder.name()
        );
    }
}

#[test]
fn data_that_do_not_fit_are_refused_before_the_directory_is_touched() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    let two_classes = TrainingConfig {
        model: ModelConfig {
            num_classes: 2,
            hidden_size: 8,
            ..ModelConfig::default()
        }
        .into(),
        ..config()
    };
    let error = train(
        &path,
        Some(&two_classes),
        &[Device::Cpu],
        &data(),
        TrainOptions::default(),
    )
    .err()
    .unwrap();
    assert!(
        matches!(&error, Error::Data(text) if text.contains("num_classes of 2")),
        "{error}"
    );
    let empty = Data {
        valid: Dataset::new([], ImageShape::MNIST, &[]).unwrap(),
        ..data()
    };
    let error = train(
        &path,
        Some(&config()),
        &[Device::Cpu],
        &empty,
        TrainOptions::default(),
    )
    .err()
    .unwrap();
    assert!(error.to_string().contains("at least one image"), "{error}");
    assert!(!path.exists());
}

#[test]
fn a_loss_that_is_not_finite_ends_the_run() {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        learning_rate: 3e38,
        lr_scheduler: None,
        num_epochs: 9,
        ..config()
    };
    let error = train(
        directory.path(),
        Some(&config),
        &[Device::Cpu],
        &data(),
        TrainOptions::default(),
    )
    .err()
    .unwrap();
    assert!(
        matches!(&error, Error::Training(text) if text.contains("must stay finite")),
        "{error}"
    );
}

#[test]
fn a_model_loaded_from_a_run_is_that_of_its_history() {
    let directory = tempfile::tempdir().unwrap();
    let trained = run(directory.path(), &config());
    let newest = directory.path().join("checkpoint/epoch-0002");
    let bits = |model: &dyn mnistburn::model::Classifier| model.state().unwrap();
    let loaded = || {
        load_run(directory.path(), Device::Cpu, WhichModel::Last)
            .unwrap()
            .0
            .classifier
    };
    assert_eq!(bits(loaded().as_ref()), bits(trained.model.as_ref()));

    // Not the model of the epoch before: the one that was written at the end, in half precision.
    fs::remove_dir_all(&newest).unwrap();
    let path = directory.path().join("model.mpk");
    let at_the_end = mnistburn::record::load(&path, Device::Cpu)
        .unwrap()
        .classifier;
    assert_eq!(bits(loaded().as_ref()), bits(at_the_end.as_ref()));
}

#[test]
fn an_edited_state_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &config());
    let path = directory.path().join("checkpoint/epoch-0002/state.json");
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains("\"step\":4"));
    fs::write(&path, text.replacen("\"step\":4", "\"step\":3", 1)).unwrap();
    let (options, seen) = stopping_at(usize::MAX, true);
    train(directory.path(), None, &[Device::Cpu], &data(), options).unwrap();
    let warned = logged(&seen, "state.json is not as it was written");
    assert!(warned);
}

#[test]
fn an_edited_configuration_is_found_out() {
    let directory = tempfile::tempdir().unwrap();
    run(directory.path(), &config());
    let path = directory.path().join("config.json");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace("\"seed\": 42", "\"seed\": 43")).unwrap();
    assert!(refused(directory.path(), None, &data()).contains("seed was 42 at its start, got 43"));
}

#[test]
fn a_run_that_fell_back_keeps_what_it_saves() {
    let directory = tempfile::tempdir().unwrap();
    let longer = TrainingConfig {
        num_epochs: 4,
        ..config()
    };
    let expected = result(run(directory.path(), &longer));
    // Left are epoch 3, which is damaged, and epoch 4, which is too.
    for epoch in [3, 4] {
        let path = directory
            .path()
            .join(format!("checkpoint/epoch-000{epoch}/optim.mpk"));
        fs::write(path, "damaged").unwrap();
    }
    let (options, _) = stopping_at(6, true);
    let stopped = train(directory.path(), None, &[Device::Cpu], &data(), options).unwrap();
    assert_eq!(stopped.ended, Ended::Stopped);
    let (options, seen) = stopping_at(usize::MAX, true);
    let resumed = train(directory.path(), None, &[Device::Cpu], &data(), options).unwrap();
    assert_eq!(result(resumed), expected);
    let started_over = logged(&seen, "starts over");
    assert!(!started_over, "what the stopped run saved is gone");
}

pub fn run_on(directory: &Path, devices: &[Device], config: &TrainingConfig) -> Trained {
    train(
        directory,
        Some(config),
        devices,
        &data(),
        TrainOptions::default(),
    )
    .unwrap()
}

/// Whether two lists are equal but for rounding.
fn close(left: &[f64], right: &[f64]) -> bool {
    let near = |(one, other): (&f64, &f64)| (one - other).abs() < 1e-5;
    left.len() == right.len() && left.iter().zip(right).all(near)
}

#[test]
fn devices_that_share_the_steps_train_as_one_does() {
    let directory = tempfile::tempdir().unwrap();
    let one = run(&directory.path().join("one"), &config());
    let (expected, steps) = (one.model.state().unwrap(), &one.history.train_steps);
    // Of the last batch, of six images, seven devices leave one without work.
    for count in [2, 3, 7] {
        let path = directory.path().join(format!("{count}"));
        let several = run_on(&path, &vec![Device::Cpu; count], &config());
        let other = &several.history.train_steps;
        assert_eq!(other.images, steps.images);
        assert!(close(&other.loss, &steps.loss), "{count} devices");
        assert_eq!(other.accuracy, steps.accuracy);
        for (parameter, expected) in several.model.state().unwrap().iter().zip(&expected) {
            let pairs = parameter.values.iter().zip(&expected.values);
            let furthest = pairs.map(|(one, other)| (one - other).abs());
            // Adam's first steps are as long for the smallest gradient as for the largest.
            assert!(
                furthest.fold(0.0, f32::max) < 1e-4,
                "{} on {count} devices",
                parameter.name
            );
        }
        let log = fs::read_to_string(path.join("train.log")).unwrap();
        assert!(log.contains(&vec!["cpu"; count].join(", ")), "{log}");
    }
}

#[test]
fn several_devices_stop_and_resume() {
    let directory = tempfile::tempdir().unwrap();
    let devices = [Device::Cpu, Device::Cpu];
    let expected = run_on(&directory.path().join("whole"), &devices, &config());
    let path = directory.path().join("stopped");
    let (options, _) = stopping_at(5, false);
    let stopped = train(&path, Some(&config()), &devices, &data(), options).unwrap();
    assert_eq!(stopped.ended, Ended::Stopped);
    let options = TrainOptions {
        resume: true,
        ..TrainOptions::default()
    };
    let resumed = train(&path, None, &devices, &data(), options).unwrap();
    // The parts are added up in a fixed order: also several devices that keep their bits, keep them.
    assert_eq!(result(resumed), result(expected));
}

#[test]
fn a_list_of_devices_that_cannot_share_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("run");
    let refuse = |devices: &[Device], config: &TrainingConfig| {
        let result = train(
            &path,
            Some(config),
            devices,
            &data(),
            TrainOptions::default(),
        );
        result.err().expect("it must be refused").to_string()
    };
    assert!(refuse(&[], &config()).contains("at least one device"));
    let small = TrainingConfig {
        batch_size: 2,
        ..config()
    };
    let error = refuse(&[Device::Cpu; 3], &small);
    assert!(
        error.contains("batch_size must be at least the number of devices, 3, got 2"),
        "{error}"
    );
    let error = refuse(&[Device::Cpu, Device::Cuda(0)], &config());
    assert!(error.contains("of one back end"), "{error}");
    assert!(!path.exists());
}
