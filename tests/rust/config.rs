use crate::book;
use burn::config::Config;
use mnistburn::config::{
    AdamConfig, AugmentationConfig, GradientClippingConfig, ModelConfig, Settings, TrainingConfig,
};

fn books() -> book::TrainingConfig {
    book::TrainingConfig::new(
        book::ModelConfig::new(10, 512),
        burn::optim::AdamConfig::new(),
    )
}

#[test]
fn the_books_configuration_and_ours_read_each_other() {
    let ours = TrainingConfig::from_json(&books().to_string()).unwrap();
    assert_eq!(ours, TrainingConfig::default());
    let theirs = book::TrainingConfig::load_binary(ours.to_json().as_bytes()).unwrap();
    assert_eq!(theirs.to_string(), books().to_string());
}

#[test]
fn the_defaults_are_the_books_and_burns() {
    let theirs: serde_json::Value = serde_json::from_str(&books().to_string()).unwrap();
    let ours: serde_json::Value =
        serde_json::from_str(&TrainingConfig::default().to_json()).unwrap();
    assert_eq!(ours["num_epochs"], theirs["num_epochs"]);
    assert_eq!(ours["model"], theirs["model"]);
    // Burn writes f32 values as they are in f64: the same number to the last bit of an f32.
    for (key, value) in theirs["optimizer"].as_object().unwrap() {
        match value.as_f64() {
            Some(number) => {
                let ours = ours["optimizer"][key].as_f64().unwrap() as f32;
                assert_eq!(ours.to_bits(), (number as f32).to_bits(), "{key}");
            }
            None => assert_eq!(&ours["optimizer"][key], value, "{key}"),
        }
    }
}

#[test]
fn weight_decay_and_clipping_cross_both_ways() {
    let ours = AdamConfig {
        weight_decay: Some(5e-5),
        grad_clipping: Some(GradientClippingConfig::Norm(1.5)),
        ..AdamConfig::default()
    };
    let theirs = burn::optim::AdamConfig::load_binary(ours.to_json().as_bytes()).unwrap();
    assert_eq!(theirs.to_string(), ours.to_burn().to_string());
    assert_eq!(AdamConfig::from_json(&theirs.to_string()).unwrap(), ours);
}

#[test]
fn files_of_burn_programs_load_through_burns_own_trait() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    books().save(&path).unwrap();
    assert_eq!(
        TrainingConfig::load(&path).unwrap(),
        TrainingConfig::default()
    );
}

#[test]
fn keys_that_burn_lacks_are_written_only_when_they_say_something() {
    let text = TrainingConfig::default().to_json();
    assert!(!text.contains("recorder") && !text.contains("lr_scheduler"));
    assert!(!text.contains("augmentation"));
    let config = TrainingConfig::from_json(
        r#"{"recorder": "json", "lr_scheduler": {"Linear": {"final_lr": 0, "num_iters": 5}},
            "augmentation": {"rotate": 10}}"#,
    )
    .unwrap();
    assert_eq!(
        TrainingConfig::from_json(&config.to_json()).unwrap(),
        config
    );
    assert_eq!(
        TrainingConfig::from_json(&config.complete_json()).unwrap(),
        config
    );
}

#[test]
fn an_augmentation_that_changes_nothing_is_none() {
    for text in [
        r#"{"augmentation": null}"#,
        r#"{"augmentation": {}}"#,
        r#"{"augmentation": {"elastic": 0, "elastic_sigma": 8}}"#,
    ] {
        let config = TrainingConfig::from_json(text).unwrap();
        assert_eq!(config, TrainingConfig::default(), "{text}");
    }
    let off = TrainingConfig {
        augmentation: Some(AugmentationConfig::default()),
        ..TrainingConfig::default()
    };
    assert_eq!(off.to_json(), TrainingConfig::default().to_json());
    let text = r#"{"augmentation": {"cutout": 0.5}}"#;
    let config = TrainingConfig::from_json(text).unwrap();
    let expected = AugmentationConfig {
        cutout: 0.5,
        ..AugmentationConfig::default()
    };
    assert_eq!(config.augmentation, Some(expected));
}

#[test]
fn messages_name_the_key_the_rule_and_the_value() {
    let cases = [
        (
            r#"{"model": {"hiden_size": 3}}"#,
            "unknown key \"hiden_size\" (value 3) in model: did you mean \"hidden_size\"?",
        ),
        (
            r#"{"batch_size": 0}"#,
            "batch_size must be a whole number from 1 to 2147483647, got 0",
        ),
        (
            r#"{"batch_size": 1.5}"#,
            "batch_size must be a whole number from 1 to 2147483647, got 1.5",
        ),
        (
            r#"{"learning_rate": "nan"}"#,
            "learning_rate must be a finite number above 0, got nan",
        ),
        (
            r#"{"learning_rate": true}"#,
            "learning_rate must be a finite number above 0, got true",
        ),
        (
            r#"{"model": {"dropout": 1}}"#,
            "model.dropout must be a number of at least 0 and below 1, got 1",
        ),
        (
            r#"{"optimizer": {"weight_decay": {"penalty": -1}}}"#,
            "optimizer.weight_decay.penalty must be a number of at least 0, got -1",
        ),
        (
            r#"{"optimizer": {"grad_clipping": {}}}"#,
            "optimizer.grad_clipping must have exactly one of the keys Value and Norm",
        ),
        (
            r#"{"lr_scheduler": {"Cosine": {}}}"#,
            "unknown schedule \"Cosine\" in lr_scheduler",
        ),
        (
            r#"{"lr_scheduler": {"Step": {}}}"#,
            "lr_scheduler.Step.step_size must be given",
        ),
        (
            r#"{"augmentation": {"rotation": 10}}"#,
            "unknown key \"rotation\" (value 10) in augmentation: did you mean \"rotate\"?",
        ),
        (
            r#"{"augmentation": {"shift": 2}}"#,
            "augmentation.shift must be a number from 0 to 1, got 2",
        ),
        (
            r#"{"augmentation": {"rotate": -10}}"#,
            "augmentation.rotate must be a number of degrees from 0 to 180, got -10",
        ),
        (
            r#"{"augmentation": {"scale": 1}}"#,
            "augmentation.scale must be a number of at least 0 and below 1, got 1",
        ),
        (
            r#"{"augmentation": {"shear": 90}}"#,
            "augmentation.shear must be a number of degrees from 0 to 80, got 90",
        ),
        (
            r#"{"augmentation": {"elastic": "nan"}}"#,
            "augmentation.elastic must be a number of pixels from 0 to 1000, got nan",
        ),
        (
            r#"{"augmentation": {"elastic_sigma": 0}}"#,
            "augmentation.elastic_sigma must be a number of pixels above 0 and at most 64, got 0",
        ),
        (
            r#"{"augmentation": {"noise": true}}"#,
            "augmentation.noise must be a number from 0 to 1, got true",
        ),
        (
            r#"{"augmentation": {"cutout": 1.5}}"#,
            "augmentation.cutout must be a number from 0 to 1, got 1.5",
        ),
        (
            r#"{"recorder": "pickle"}"#,
            "recorder must be one of compact, default",
        ),
        (
            r#"{"seed": -1}"#,
            "seed must be a whole number from 0 to 18446744073709551615, got -1",
        ),
        (
            "[1]",
            "the training configuration must be a JSON object, got [1]",
        ),
        ("{", "the training configuration must be a JSON object: "),
    ];
    for (text, message) in cases {
        let error = TrainingConfig::from_json(text).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
    }
}

#[test]
fn a_layer_too_large_for_memory_is_refused_before_it_is_made() {
    let text = r#"{"num_classes": 1048576, "hidden_size": 1048576}"#;
    let error = ModelConfig::from_json(text).unwrap_err().to_string();
    assert!(
        error.contains("hidden_size must be at most 1024 with 1048576 classes"),
        "{error}"
    );
}
