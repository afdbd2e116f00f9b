//! Panics where a run calls others: an error each, the run as it was saved, and a process that trains on.

use crate::learner::{config, data, run};
use mnistburn::device::Device;
use mnistburn::learner::{Event, Observer, TrainOptions, Trained, WhichModel, load_run, train};
use mnistburn::network::Parameter;
use std::path::Path;

/// Whether an event is the one.
type At = fn(&Event) -> bool;

/// Panics at the first event for which `at` holds, or as it is dropped.
struct Broken {
    at: At,
    in_drop: bool,
}

impl Observer for Broken {
    fn notify(&mut self, event: Event) {
        assert!(!(self.at)(&event), "an observer of its own");
    }
}

impl Drop for Broken {
    fn drop(&mut self) {
        assert!(
            !self.in_drop || std::thread::panicking(),
            "a drop of its own"
        );
    }
}

fn trained(directory: &Path, resume: bool, observer: Broken) -> mnistburn::error::Result<Trained> {
    let options = TrainOptions {
        resume,
        observer: Box::new(observer),
        ..TrainOptions::default()
    };
    train(directory, Some(&config()), &[Device::Cpu], &data(), options)
}

fn weights(trained: &Trained) -> Vec<Parameter> {
    trained.model.state().unwrap()
}

fn silent(_: &Event) -> bool {
    false
}

#[test]
fn a_run_goes_on_after_a_panic_in_its_observer() {
    let place = tempfile::tempdir().unwrap();
    let expected = weights(&run(&place.path().join("whole"), &config()));
    let events: [(&str, At); 5] = [
        ("start", |event| matches!(event, Event::Start { .. })),
        ("step", |event| {
            matches!(
                event,
                Event::TrainStep {
                    epoch: 2,
                    step: 2,
                    ..
                }
            )
        }),
        // It is told of a checkpoint by the one that writes it.
        (
            "checkpoint",
            |event| matches!(event, Event::Log { message, .. } if message.starts_with("checkpoint")),
        ),
        (
            "epoch",
            |event| matches!(event, Event::EpochEnd(row) if row.epoch == 2),
        ),
        ("end", |event| matches!(event, Event::End { .. })),
    ];
    for (name, at) in events {
        let directory = place.path().join(name);
        let broken = Broken { at, in_drop: false };
        let error = trained(&directory, false, broken).err().unwrap();
        assert!(
            error.to_string().contains("an observer of its own"),
            "{error}"
        );
        let observer = Broken {
            at: silent,
            in_drop: false,
        };
        // One that panics before the first checkpoint starts over.
        let resumed = if directory.join("checkpoint").exists() {
            trained(&directory, true, observer)
        } else {
            trained(&directory, false, observer)
        };
        assert_eq!(
            weights(&resumed.unwrap()),
            expected,
            "after a panic at {name}"
        );
    }
}

#[test]
fn a_panic_as_an_observer_is_dropped_costs_no_work() {
    let place = tempfile::tempdir().unwrap();
    let expected = weights(&run(&place.path().join("whole"), &config()));
    let directory = place.path().join("run");
    let observer = Broken {
        at: silent,
        in_drop: true,
    };
    let error = trained(&directory, false, observer).err().unwrap();
    assert!(error.to_string().contains("a drop of its own"), "{error}");
    let (kept, _) = load_run(&directory, Device::Cpu, WhichModel::Last).unwrap();
    assert_eq!(kept.classifier.state().unwrap(), expected);
}
