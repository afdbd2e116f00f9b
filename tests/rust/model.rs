use crate::images;
use mnistburn::config::{ImageShape, ModelConfig, OptimizerConfig};
use mnistburn::data::DropoutKey;
use mnistburn::device::Device;
use mnistburn::model::{Classifier, Pixels, Targets, init};

fn small(seed: u64) -> Box<dyn Classifier> {
    init(
        &ModelConfig {
            hidden_size: 8,
            ..ModelConfig::default()
        }
        .into(),
        seed,
        Device::Cpu,
    )
    .unwrap()
}

fn raw(pixels: &[u8]) -> Pixels<'_> {
    Pixels::raw(pixels, ImageShape::MNIST).unwrap()
}

fn key(count: u64) -> DropoutKey {
    DropoutKey {
        seed: 1,
        epoch: 1,
        indices: (0..count).collect(),
    }
}

#[test]
fn a_seed_decides_the_parameters() {
    assert_eq!(small(1).state().unwrap(), small(1).state().unwrap());
    assert_ne!(small(1).state().unwrap(), small(2).state().unwrap());
}

#[test]
fn an_image_has_the_same_logits_in_every_batch() {
    let (model, sample) = (small(1), images(70));
    let all = model
        .forward(raw(sample.pixels().unwrap()), &false.into())
        .unwrap();
    for count in [1, 2, 63, 64, 65, 70] {
        let pixels = &sample.pixels().unwrap()[..count * 784];
        let some = model.forward(raw(pixels), &false.into()).unwrap();
        assert_eq!(some, all[..count * 10], "{count} images");
    }
}

#[test]
fn evaluation_does_not_depend_on_the_batch_size() {
    let (model, sample) = (small(1), images(70));
    let whole = model.evaluate(&sample, 70, None, &false.into()).unwrap();
    for batch_size in [1, 7, 64, usize::MAX] {
        let batched = model
            .evaluate(&sample, batch_size, None, &false.into())
            .unwrap();
        assert!((batched.loss - whole.loss).abs() < 1e-6);
        assert!((batched.accuracy - whole.accuracy).abs() < 1e-12);
    }
}

#[test]
fn a_step_lowers_the_loss_and_leaves_the_old_model_as_it_was() {
    let (model, sample) = (small(1), images(16));
    let targets: Vec<i64> = sample
        .targets()
        .iter()
        .map(|target| i64::from(*target))
        .collect();
    let before = model.state().unwrap();
    let loss = |model: &dyn Classifier| {
        model
            .evaluate(&sample, 16, None, &false.into())
            .unwrap()
            .loss
    };

    let forward = model
        .forward_training(
            raw(sample.pixels().unwrap()),
            Targets::Classes(&targets),
            None,
            &key(16),
        )
        .unwrap();
    let gradients = (forward.backward)().unwrap();
    let stepped = model
        .optimizer(&OptimizerConfig::default())
        .step(1e-3, model.as_ref(), &gradients)
        .unwrap();
    assert_eq!(model.state().unwrap(), before);
    assert!(loss(stepped.as_ref()) < loss(model.as_ref()));
}

#[test]
fn work_that_is_told_to_stop_stops() {
    let (model, sample) = (small(1), images(70));
    assert!(
        model
            .forward(raw(sample.pixels().unwrap()), &true.into())
            .is_err()
    );
    assert!(model.evaluate(&sample, 7, None, &true.into()).is_err());
}
