use crate::book;
use crate::learner::{config, data, refused, result, run, run_on, stopping_at};
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::config::Config;
use burn::optim::adaptor::OptimizerAdaptor;
use burn::optim::record::{AdaptorRecord, AdaptorRecordV1};
use burn::optim::{AdaGrad, Adam, AdamW, Optimizer, RmsProp, Sgd, SimpleOptimizer};
use burn::record::{DefaultRecorder, Recorder as _};
use mnistburn::config::{
    AdaGradConfig, AdamConfig, AdamWConfig, AdjustLrFn, GradientClippingConfig, MomentumConfig,
    MuonConfig, OptimizerConfig, Recorder, RmsPropConfig, Settings, SgdConfig, TrainingConfig,
};
use mnistburn::device::Device;
use mnistburn::learner::{Ended, TrainOptions, train};
use std::fs;

/// Every kind, with and without the parts of its state that are optional.
fn optimizers() -> Vec<OptimizerConfig> {
    let amsgrad = AdamConfig {
        amsgrad: true,
        ..AdamConfig::default()
    };
    vec![
        AdamConfig::default().into(),
        amsgrad.into(),
        AdamWConfig::default().into(),
        full_adamw().into(),
        SgdConfig::default().into(),
        full_sgd().into(),
        RmsPropConfig::default().into(),
        full_rmsprop().into(),
        AdaGradConfig::default().into(),
        full_adagrad().into(),
        full_muon().into(),
    ]
}

pub fn full_adamw() -> AdamWConfig {
    AdamWConfig {
        beta_1: 0.8,
        beta_2: 0.9,
        epsilon: 1e-3,
        weight_decay: 0.1,
        cautious_weight_decay: true,
        amsgrad: true,
        grad_clipping: Some(GradientClippingConfig::Value(0.5)),
    }
}

pub fn full_sgd() -> SgdConfig {
    SgdConfig {
        weight_decay: Some(1e-3),
        momentum: Some(MomentumConfig {
            momentum: 0.8,
            dampening: 0.25,
            nesterov: true,
        }),
        gradient_clipping: Some(GradientClippingConfig::Norm(1.5)),
    }
}

/// Without momentum, whose state the default has.
fn full_rmsprop() -> RmsPropConfig {
    RmsPropConfig {
        alpha: 0.8,
        momentum: 0.0,
        epsilon: 1e-3,
        centered: true,
        weight_decay: Some(1e-3),
        grad_clipping: Some(GradientClippingConfig::Norm(1.5)),
    }
}

fn full_adagrad() -> AdaGradConfig {
    AdaGradConfig {
        lr_decay: 0.25,
        epsilon: 1e-3,
        weight_decay: Some(1e-3),
        grad_clipping: Some(GradientClippingConfig::Value(0.5)),
    }
}

fn full_muon() -> MuonConfig {
    MuonConfig {
        weight_decay: Some(0.1),
        momentum: MomentumConfig {
            momentum: 0.8,
            dampening: 0.25,
            nesterov: false,
        },
        ns_coefficients: [2.0, -1.5, 0.5],
        epsilon: 1e-6,
        ns_steps: 3,
        adjust_lr_fn: AdjustLrFn::MatchRmsAdamW,
        adamw: AdamWConfig::default(),
    }
}

fn with(optimizer: impl Into<OptimizerConfig>) -> TrainingConfig {
    TrainingConfig {
        optimizer: optimizer.into(),
        ..config()
    }
}

#[test]
fn configurations_cross_to_burn_and_back() {
    for ours in [AdamWConfig::default(), full_adamw()] {
        let theirs = burn::optim::AdamWConfig::load_binary(ours.to_json().as_bytes()).unwrap();
        assert_eq!(theirs.to_string(), ours.to_burn().to_string());
        assert_eq!(AdamWConfig::from_json(&theirs.to_string()).unwrap(), ours);
    }
    for ours in [SgdConfig::default(), full_sgd()] {
        let theirs = burn::optim::SgdConfig::load_binary(ours.to_json().as_bytes()).unwrap();
        assert_eq!(theirs.to_string(), ours.to_burn().to_string());
        assert_eq!(SgdConfig::from_json(&theirs.to_string()).unwrap(), ours);
    }
    for ours in [RmsPropConfig::default(), full_rmsprop()] {
        let theirs = burn::optim::RmsPropConfig::load_binary(ours.to_json().as_bytes()).unwrap();
        assert_eq!(theirs.to_string(), ours.to_burn().to_string());
        assert_eq!(RmsPropConfig::from_json(&theirs.to_string()).unwrap(), ours);
    }
    for ours in [AdaGradConfig::default(), full_adagrad()] {
        let theirs = burn::optim::AdaGradConfig::load_binary(ours.to_json().as_bytes()).unwrap();
        assert_eq!(theirs.to_string(), ours.to_burn().to_string());
        assert_eq!(AdaGradConfig::from_json(&theirs.to_string()).unwrap(), ours);
    }
}

#[test]
fn the_configuration_of_muon_crosses_to_burn_and_back() {
    for ours in [MuonConfig::default(), full_muon()] {
        let theirs = burn::optim::MuonConfig::load_binary(ours.to_json().as_bytes()).unwrap();
        assert_eq!(theirs.to_string(), ours.to_burn().to_string());
        assert_eq!(MuonConfig::from_json(&theirs.to_string()).unwrap(), ours);
    }
    let beside = MuonConfig {
        adamw: full_adamw(),
        ..full_muon()
    };
    assert_eq!(MuonConfig::from_json(&beside.to_json()).unwrap(), beside);
}

#[test]
fn the_defaults_are_burns() {
    let theirs = [
        burn::optim::AdamWConfig::new().to_string(),
        burn::optim::SgdConfig::new().to_string(),
        burn::optim::RmsPropConfig::new().to_string(),
        burn::optim::AdaGradConfig::new().to_string(),
        burn::optim::MuonConfig::new().to_string(),
        burn::optim::momentum::MomentumConfig::new().to_string(),
    ];
    let ours = [
        AdamWConfig::default().to_burn().to_string(),
        SgdConfig::default().to_burn().to_string(),
        RmsPropConfig::default().to_burn().to_string(),
        AdaGradConfig::default().to_burn().to_string(),
        MuonConfig::default().to_burn().to_string(),
        MomentumConfig::default().to_json(),
    ];
    assert_eq!(
        ours.map(|text| parsed(&text)),
        theirs.map(|text| parsed(&text))
    );
}

fn parsed(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn only_adam_is_written_without_its_name() {
    let written = |optimizer: OptimizerConfig| {
        let config = with(optimizer);
        assert_eq!(
            TrainingConfig::from_json(&config.to_json()).unwrap(),
            config
        );
        assert_eq!(
            TrainingConfig::from_json(&config.complete_json()).unwrap(),
            config
        );
        parsed(&config.to_json())["optimizer"].take()
    };
    assert!(written(AdamConfig::default().into())["beta_1"].is_number());
    for (optimizer, name, inner) in [
        (full_adamw().into(), "AdamW", full_adamw().to_json()),
        (full_sgd().into(), "Sgd", full_sgd().to_json()),
        (full_rmsprop().into(), "RmsProp", full_rmsprop().to_json()),
        (full_adagrad().into(), "AdaGrad", full_adagrad().to_json()),
    ] {
        assert_eq!(
            written(optimizer),
            serde_json::json!({ name: parsed(&inner) })
        );
    }
    let named = r#"{"optimizer": {"Adam": {"beta_1": 0.5}}}"#;
    let plain = r#"{"optimizer": {"beta_1": 0.5}}"#;
    assert_eq!(
        TrainingConfig::from_json(named).unwrap(),
        TrainingConfig::from_json(plain).unwrap()
    );
}

#[test]
fn messages_name_the_key_the_rule_and_the_value() {
    let cases = [
        (
            r#"{"Adamw": {}}"#,
            "unknown optimizer \"Adamw\" in optimizer: did you mean AdamW? the optimizers are Adam, AdamW, Sgd, RmsProp, AdaGrad, Muon",
        ),
        (
            r#"{"Sgd": {}, "AdamW": {}}"#,
            "optimizer must have one key alone where that is one of Adam, AdamW, Sgd, RmsProp, AdaGrad, Muon, got the keys [\"Sgd\",\"AdamW\"]",
        ),
        (
            r#"{"Sgd": 3}"#,
            "optimizer.Sgd must be a JSON object, got 3",
        ),
        (r#""sgd""#, "optimizer must be a JSON object, got \"sgd\""),
        (
            r#"{"Beta_1": 0.5}"#,
            "unknown key \"Beta_1\" (value 0.5) in optimizer: did you mean \"beta_1\"?",
        ),
        (
            r#"{"Sgd": {"momentum": 0.9}}"#,
            "optimizer.Sgd.momentum must be a JSON object, got 0.9",
        ),
        (
            r#"{"Sgd": {"momentum": {"momentum": 1}}}"#,
            "optimizer.Sgd.momentum.momentum must be a number of at least 0 and below 1, got 1",
        ),
        (
            r#"{"Sgd": {"momentum": {"dampening": 1.5}}}"#,
            "optimizer.Sgd.momentum.dampening must be a number from 0 to 1, got 1.5",
        ),
        (
            r#"{"Sgd": {"momentum": {"nesterow": true}}}"#,
            "did you mean \"nesterov\"?",
        ),
        (
            r#"{"Sgd": {"grad_clipping": null}}"#,
            "unknown key \"grad_clipping\" (value null) in optimizer.Sgd: did you mean \"gradient_clipping\"?",
        ),
        (
            r#"{"Sgd": {"weight_decay": {"penalty": -1}}}"#,
            "optimizer.Sgd.weight_decay.penalty must be a number of at least 0, got -1",
        ),
        (
            r#"{"RmsProp": {"alpha": 1}}"#,
            "optimizer.RmsProp.alpha must be a number of at least 0 and below 1, got 1",
        ),
        (
            r#"{"RmsProp": {"momentum": null}}"#,
            "optimizer.RmsProp.momentum must be a number of at least 0 and below 1, got null",
        ),
        (
            r#"{"AdaGrad": {"lr_decay": -0.5}}"#,
            "optimizer.AdaGrad.lr_decay must be a number of at least 0, got -0.5",
        ),
        (
            r#"{"AdaGrad": {"epsilon": 0}}"#,
            "optimizer.AdaGrad.epsilon must be a number above 0, got 0",
        ),
        (
            r#"{"Muon": {"ns_coefficients": [1, 2]}}"#,
            "optimizer.Muon.ns_coefficients must be a list of three numbers, got [1,2]",
        ),
        (
            r#"{"Muon": {"adjust_lr_fn": "original"}}"#,
            "optimizer.Muon.adjust_lr_fn must be one of Original, MatchRmsAdamW, got \"original\"; did you mean Original?",
        ),
        (
            r#"{"Muon": {"ns_steps": 0}}"#,
            "optimizer.Muon.ns_steps must be a whole number from 1 to 100, got 0",
        ),
        (
            r#"{"Muon": {"adamw": {"beta_1": 1}}}"#,
            "optimizer.Muon.adamw.beta_1 must be a number of at least 0 and below 1, got 1",
        ),
        (
            r#"{"AdamW": {"weight_decay": null}}"#,
            "optimizer.AdamW.weight_decay must be a number of at least 0, got null",
        ),
        (
            r#"{"AdamW": {"cautious_weight_decay": 1}}"#,
            "optimizer.AdamW.cautious_weight_decay must be true or false, got 1",
        ),
    ];
    for (text, message) in cases {
        let text = format!(r#"{{"optimizer": {text}}}"#);
        let error = TrainingConfig::from_json(&text).unwrap_err().to_string();
        assert!(error.contains(message), "{error:?} lacks {message:?}");
    }
}

#[test]
fn a_run_stopped_anywhere_and_resumed_equals_one_never_stopped() {
    for optimizer in optimizers() {
        let directory = tempfile::tempdir().unwrap();
        let whole = directory.path().join("whole");
        let config = with(optimizer);
        let expected = result(run(&whole, &config));
        // In the first step, in a later one, in a validation, and in the second epoch.
        for count in [3, 5, 8, 13] {
            let path = directory.path().join("stopped");
            let (options, _) = stopping_at(count, false);
            let stopped = train(&path, Some(&config), &[Device::Cpu], &data(), options).unwrap();
            assert_eq!(stopped.ended, Ended::Stopped);
            let options = TrainOptions {
                resume: true,
                ..TrainOptions::default()
            };
            let resumed = train(&path, None, &[Device::Cpu], &data(), options).unwrap();
            assert_eq!(result(resumed), expected, "{optimizer:?} at event {count}");
            let state = "checkpoint/epoch-0002/optim.mpk";
            assert_eq!(
                fs::read(path.join(state)).unwrap(),
                fs::read(whole.join(state)).unwrap(),
                "{optimizer:?} at event {count}"
            );
        }
    }
}

#[test]
fn every_format_of_checkpoint_resumes() {
    for (optimizer, recorder) in [
        (OptimizerConfig::from(full_sgd()), Recorder::Json),
        (SgdConfig::default().into(), Recorder::JsonGz),
        (SgdConfig::default().into(), Recorder::NamedMpkGz),
        (full_adamw().into(), Recorder::Json),
        (full_adamw().into(), Recorder::NamedMpk),
        (full_rmsprop().into(), Recorder::Json),
        (RmsPropConfig::default().into(), Recorder::NamedMpkGz),
        (full_adagrad().into(), Recorder::JsonGz),
        (full_muon().into(), Recorder::Json),
        (MuonConfig::default().into(), Recorder::NamedMpkGz),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let config = TrainingConfig {
            recorder,
            ..with(optimizer)
        };
        let expected = result(run(&directory.path().join("whole"), &config));
        let path = directory.path().join("stopped");
        let (options, _) = stopping_at(8, false);
        train(&path, Some(&config), &[Device::Cpu], &data(), options).unwrap();
        let options = TrainOptions {
            resume: true,
            ..TrainOptions::default()
        };
        let resumed = train(&path, None, &[Device::Cpu], &data(), options).unwrap();
        assert_eq!(result(resumed), expected, "{optimizer:?}");
    }
}

#[test]
fn several_devices_share_the_steps_of_every_optimizer() {
    for optimizer in optimizers() {
        let directory = tempfile::tempdir().unwrap();
        let config = with(optimizer);
        let one = run(&directory.path().join("one"), &config).history;
        let two = run_on(&directory.path().join("two"), &[Device::Cpu; 2], &config).history;
        let pairs = one.train_steps.loss.iter().zip(&two.train_steps.loss);
        for (one, two) in pairs {
            assert!((one - two).abs() < 1e-5, "{optimizer:?}: {one} and {two}");
        }
    }
}

#[test]
fn a_resumed_run_keeps_its_optimizer() {
    let directory = tempfile::tempdir().unwrap();
    let refusal = |first: OptimizerConfig, second: OptimizerConfig| {
        run(directory.path(), &with(first));
        let error = refused(directory.path(), Some(&with(second)), &data());
        let rule = "a resumed run may change only num_epochs, learning_rate, num_workers, threads, max_seconds, recorder, checkpoint_every";
        assert!(
            error.contains(rule) && error.contains("leave config out"),
            "{error}"
        );
        assert!(error.len() < 400, "{error}");
        error
    };
    let error = refusal(AdamConfig::default().into(), SgdConfig::default().into());
    assert!(error.contains("optimizer was {\"beta_1\":0.9"), "{error}");
    assert!(error.contains("got {\"Sgd\":"), "{error}");
    let error = refusal(full_sgd().into(), full_adamw().into());
    assert!(error.contains("optimizer was {\"Sgd\":"), "{error}");
    let other = SgdConfig {
        weight_decay: Some(0.5),
        ..full_sgd()
    };
    let error = refusal(full_sgd().into(), other.into());
    let difference = "optimizer.Sgd.weight_decay.penalty was 0.001 at its start, got 0.5";
    assert!(error.contains(difference), "{error}");
}

type Training = Autodiff<Flex>;
type Adaptor<O> = OptimizerAdaptor<O, book::Model<Training>, Training>;

/// What is said of each state in a checkpoint of one epoch, as a plain Burn program reads it.
fn burns_states<O: SimpleOptimizer<Flex>>(
    optimizer: impl Into<OptimizerConfig>,
    describe: impl Fn(AdaptorRecordV1<O, Flex>) -> String,
) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let config = TrainingConfig {
        num_epochs: 1,
        ..with(optimizer)
    };
    run(directory.path(), &config);
    let path = directory.path().join("checkpoint/epoch-0001/optim");
    let states: <Adaptor<O> as Optimizer<_, Training>>::Record =
        DefaultRecorder::new().load(path, &FlexDevice).unwrap();
    let mut described: Vec<String> = states
        .into_values()
        .map(|AdaptorRecord::V1(state)| describe(state))
        .collect();
    described.sort();
    described
}

#[test]
fn a_plain_burn_program_reads_the_states() {
    let ranks = |what: &str| -> Vec<String> {
        [1, 1, 1, 1, 2, 2, 4, 4]
            .map(|rank| format!("rank {rank}: {what}"))
            .to_vec()
    };
    let adam = |state: AdaptorRecordV1<Adam, Flex>| match state {
        AdaptorRecordV1::Rank1(state) => format!("rank 1: time {}", state.momentum.time),
        AdaptorRecordV1::Rank2(state) => format!("rank 2: time {}", state.momentum.time),
        AdaptorRecordV1::Rank4(state) => format!("rank 4: time {}", state.momentum.time),
        _ => String::new(),
    };
    assert_eq!(burns_states(AdamConfig::default(), adam), ranks("time 4"));
    let adamw = |state: AdaptorRecordV1<AdamW, Flex>| match state {
        AdaptorRecordV1::Rank1(state) => format!("rank 1: time {}", state.momentum.time),
        AdaptorRecordV1::Rank2(state) => format!("rank 2: time {}", state.momentum.time),
        AdaptorRecordV1::Rank4(state) => format!("rank 4: time {}", state.momentum.time),
        _ => String::new(),
    };
    assert_eq!(burns_states(full_adamw(), adamw), ranks("time 4"));
    let sgd = |state: AdaptorRecordV1<Sgd<Flex>, Flex>| match state {
        AdaptorRecordV1::Rank1(state) => format!("rank 1: {}", state.momentum.is_some()),
        AdaptorRecordV1::Rank2(state) => format!("rank 2: {}", state.momentum.is_some()),
        AdaptorRecordV1::Rank4(state) => format!("rank 4: {}", state.momentum.is_some()),
        _ => String::new(),
    };
    assert_eq!(burns_states(full_sgd(), sgd), ranks("true"));
    assert_eq!(burns_states(SgdConfig::default(), sgd), ranks("false"));
    let rmsprop = |state: AdaptorRecordV1<RmsProp, Flex>| match state {
        AdaptorRecordV1::Rank1(state) => format!("rank 1: {}", state.momentum.is_some()),
        AdaptorRecordV1::Rank2(state) => format!("rank 2: {}", state.momentum.is_some()),
        AdaptorRecordV1::Rank4(state) => format!("rank 4: {}", state.momentum.is_some()),
        _ => String::new(),
    };
    assert_eq!(
        burns_states(RmsPropConfig::default(), rmsprop),
        ranks("true")
    );
    assert_eq!(burns_states(full_rmsprop(), rmsprop), ranks("false"));
    // What Burn has in this state is private.
    let adagrad = |state: AdaptorRecordV1<AdaGrad, Flex>| match state {
        AdaptorRecordV1::Rank1(_) => "rank 1: sums".into(),
        AdaptorRecordV1::Rank2(_) => "rank 2: sums".into(),
        AdaptorRecordV1::Rank4(_) => "rank 4: sums".into(),
        _ => String::new(),
    };
    assert_eq!(burns_states(full_adagrad(), adagrad), ranks("sums"));
}
