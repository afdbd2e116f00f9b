use super::*;
use crate::config::{
    AdaGradConfig, AdamConfig, AdamWConfig, ImageShape, ModelConfig, MomentumConfig, MuonConfig,
    NetworkConfig, RmsPropConfig, SgdConfig,
};
use crate::model::{ModelOptimizer, send_gradients};
use crate::network::AnyNetwork;
use burn::backend::flex::FlexDevice;
use burn::backend::{Autodiff, Flex};
use burn::optim::Optimizer;
use serde_json::{Value, json};

type Training = Autodiff<Flex>;

const SMALL: ModelConfig = ModelConfig {
    num_classes: 3,
    hidden_size: 2,
    dropout: 0.0,
    image: ImageShape::MNIST,
};

fn optimizers() -> [OptimizerConfig; 9] {
    [
        AdamConfig::default().into(),
        AdamWConfig {
            amsgrad: true,
            ..AdamWConfig::default()
        }
        .into(),
        AdamWConfig::default().into(),
        SgdConfig::default().into(),
        SgdConfig {
            momentum: Some(MomentumConfig::default()),
            ..SgdConfig::default()
        }
        .into(),
        RmsPropConfig::default().into(),
        RmsPropConfig {
            centered: true,
            momentum: 0.0,
            ..RmsPropConfig::default()
        }
        .into(),
        AdaGradConfig::default().into(),
        MuonConfig::default().into(),
    ]
}

#[test]
fn every_optimizer_is_tested_here() {
    let kinds = |optimizers: &[OptimizerConfig]| -> std::collections::BTreeSet<&'static str> {
        optimizers.iter().map(OptimizerConfig::kind).collect()
    };
    assert_eq!(kinds(&optimizers()), kinds(&OptimizerConfig::defaults()));
}

/// The state after one step.
fn written(optimizer: &OptimizerConfig, recorder: Recorder) -> Vec<u8> {
    let model = AnyNetwork::<Training>::init_seeded(&SMALL.into(), 1, &FlexDevice).unwrap();
    // Any gradients will do: the parameters themselves.
    let gradients = send_gradients::<Flex>(model.state().unwrap(), &FlexDevice).unwrap();
    let mut optimizer: ModelOptimizer<Training> = optimizer.init();
    let _ = optimizer.step(0.1, model, gradients);
    encode_optimizer(optimizer.to_record(), recorder, Precision::Full).unwrap()
}

fn read(bytes: &[u8], optimizer: &OptimizerConfig) -> Result<OptimizerRecord<Training>> {
    decode_optimizer(
        bytes,
        Path::new("optim"),
        optimizer,
        &NetworkConfig::from(SMALL).parameters(),
        &FlexDevice,
    )
}

fn changed(optimizer: &OptimizerConfig, change: impl FnOnce(&mut Value)) -> String {
    let mut record: Value = serde_json::from_slice(&written(optimizer, Recorder::Json)).unwrap();
    change(&mut record["item"]);
    let bytes = serde_json::to_vec(&record).unwrap();
    let error = read(&bytes, optimizer).err().expect("it must be refused");
    let text = error.to_string();
    assert!(text.contains("optim: "), "{text}");
    text
}

fn key(name: &str) -> String {
    parameter_id(name).serialize()
}

#[test]
fn a_state_is_read_back_as_it_was() {
    for optimizer in &optimizers() {
        for recorder in Recorder::ALL {
            let bytes = written(optimizer, recorder);
            let record = read(&bytes, optimizer).unwrap();
            let again = encode_optimizer(record, recorder, Precision::Full).unwrap();
            assert!(again == bytes, "{optimizer:?} as {}", recorder.name());
        }
    }
}

#[test]
fn the_state_of_another_optimizer_is_refused() {
    for (first, optimizer) in optimizers().iter().enumerate() {
        let bytes = written(optimizer, Recorder::Default);
        for (second, other) in optimizers().iter().enumerate() {
            let adaptive = |index: usize| index == 0 || index == 2;
            // AdamW keeps just what Adam keeps; which it was is in the run's configuration.
            let same = first == second || adaptive(first) && adaptive(second);
            assert_eq!(
                read(&bytes, other).is_ok(),
                same,
                "{optimizer:?} as {other:?}"
            );
        }
    }
}

#[test]
fn a_state_of_other_parameters_is_refused() {
    for optimizer in &optimizers() {
        let error = changed(optimizer, |states| {
            states.as_object_mut().unwrap().remove(&key("conv2.bias"));
        });
        assert!(
            error.contains("must include conv2.bias: it is missing"),
            "{error}"
        );
        let error = changed(optimizer, |states| {
            states["stranger"] = states[key("conv2.bias")].clone();
        });
        assert!(error.contains("frozen: \"stranger\""), "{error}");
        let error = changed(optimizer, |states| {
            states[key("conv2.bias")] = states[key("conv2.weight")].clone();
        });
        assert!(
            error.contains("state of conv2.bias must have the rank"),
            "{error}"
        );
    }
}

#[test]
fn parts_of_another_shape_are_refused_in_sgd() {
    let (momentum, sgd) = (&optimizers()[4], &optimizers()[3]);
    let error = changed(momentum, |states| {
        states[key("linear1.bias")] = states[key("linear2.bias")].clone();
    });
    assert!(
        error.contains("the velocity of linear1.bias must have the shape [2], found [3]"),
        "{error}"
    );
    let error = changed(momentum, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"]["velocity"]["shape"] = json!([9]);
    });
    assert!(
        error.contains("conv1.bias must hold 4 bytes for each"),
        "{error}"
    );
    let error = changed(momentum, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"] = Value::Null;
    });
    assert!(
        error.contains("the state of conv1.bias must have a velocity with momentum"),
        "{error}"
    );
    let error = changed(sgd, |states| {
        let velocity = json!({"bytes": [0, 0, 0, 0], "shape": [1], "dtype": "F32"});
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"] = json!({ "velocity": velocity });
    });
    assert!(
        error.contains("the state of conv1.bias must have no velocity without momentum"),
        "{error}"
    );
}

#[test]
fn parts_of_another_shape_are_refused_in_rmsprop_and_adagrad() {
    let (rmsprop, centered, adagrad) = (&optimizers()[5], &optimizers()[6], &optimizers()[7]);
    let error = changed(rmsprop, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"] = Value::Null;
    });
    assert!(
        error.contains("the state of conv1.bias must have a buf with momentum"),
        "{error}"
    );
    let error = changed(rmsprop, |states| {
        let state = &mut states[key("conv1.bias")]["V1"]["Rank1"];
        state["centered"]["grad_avg"] = state["centered"]["avg"].clone();
    });
    assert!(
        error.contains("the state of conv1.bias must have no grad_avg without centered"),
        "{error}"
    );
    for (optimizer, path, part) in [
        (rmsprop, "/square_avg/square_avg", "square_avg"),
        (rmsprop, "/centered/avg", "avg"),
        (rmsprop, "/momentum/buf", "buf"),
        (centered, "/centered/grad_avg", "grad_avg"),
        (adagrad, "/lr_decay/sum", "sum"),
    ] {
        let error = changed(optimizer, |states| {
            let state = |name: &str| format!("/{}/V1/Rank1{path}", key(name));
            let other = states.pointer(&state("conv2.bias")).unwrap().clone();
            *states.pointer_mut(&state("conv1.bias")).unwrap() = other;
        });
        let rule = format!("the {part} of conv1.bias must have the shape [8], found [16]");
        assert!(error.contains(&rule), "{error}");
    }
    let error = changed(adagrad, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["lr_decay"]["time"] = json!(1_u64 << 31);
    });
    assert!(
        error.contains("the steps of conv1.bias must be below 2^31"),
        "{error}"
    );
}

#[test]
fn parts_of_another_shape_are_refused_in_muon() {
    let muon = &optimizers()[8];
    let error = changed(muon, |states| {
        let vector = states[key("linear1.bias")]["V1"]["Rank1"].clone();
        states[key("linear1.weight")] = json!({"V1": {"Rank2": vector}});
    });
    assert!(
        error.contains("must have a velocity with two dimensions or more"),
        "{error}"
    );
    let error = changed(muon, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["vector"] = Value::Null;
    });
    assert!(
        error.contains("the state of conv1.bias must have a moment_1 with one dimension"),
        "{error}"
    );
    // A convolution's is that of its matrix.
    let error = changed(muon, |states| {
        let state = &mut states[key("conv1.weight")]["V1"]["Rank4"]["matrix"]["velocity"];
        assert_eq!(state["shape"], json!([8, 9]));
        state["shape"] = json!([9, 8]);
    });
    assert!(
        error.contains("the velocity of conv1.weight must have the shape [8, 9], found [9, 8]"),
        "{error}"
    );
}

#[test]
fn parts_of_another_shape_are_refused_in_adam() {
    let amsgrad = &optimizers()[1];
    for part in ["moment_1", "moment_2", "max_moment_2"] {
        let error = changed(amsgrad, |states| {
            let other = states[key("conv2.bias")]["V1"]["Rank1"]["momentum"][part].clone();
            states[key("conv1.bias")]["V1"]["Rank1"]["momentum"][part] = other;
        });
        assert!(
            error.contains("the moments of conv1.bias must have the shape [8], found [16]"),
            "{error}"
        );
    }
    let error = changed(amsgrad, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"]["max_moment_2"] = Value::Null;
    });
    assert!(
        error.contains("must have a max_moment_2 with amsgrad"),
        "{error}"
    );
    let error = changed(amsgrad, |states| {
        states[key("conv1.bias")]["V1"]["Rank1"]["momentum"]["time"] = json!(1_u64 << 31);
    });
    assert!(
        error.contains("must be below 2^31, found 2147483648"),
        "{error}"
    );
}

/// No fault in a file may panic.
#[test]
fn damaged_states_are_errors() {
    for optimizer in &optimizers() {
        for recorder in [Recorder::Default, Recorder::Bin] {
            let whole = written(optimizer, recorder);
            for length in (0..whole.len()).step_by(101) {
                assert!(read(&whole[..length], optimizer).is_err());
            }
            for position in (0..whole.len()).step_by(7) {
                let mut bytes = whole.clone();
                bytes[position] ^= 0x55;
                // A flipped number is a number; all else is refused.
                let _ = read(&bytes, optimizer);
            }
        }
    }
}

/// Each is read as far as it goes, and nothing is reserved for the rest: 2^40 names, and a name of 2^40 bytes.
#[test]
fn lengths_beyond_the_file_are_errors() {
    let empty =
        encode_item::<Flex, FullPrecisionSettings>(BTreeMap::<String, u8>::new(), Recorder::Bin)
            .unwrap();
    let (head, count) = empty.split_at(empty.len() - 1);
    assert_eq!(count, [0]);
    let long = [0xfd, 0, 0, 0, 0, 0, 1, 0, 0];
    for tail in [long.to_vec(), [[1].as_slice(), &long].concat()] {
        for optimizer in &optimizers() {
            let error = read(&[head, &tail].concat(), optimizer).err().unwrap();
            assert!(
                error
                    .to_string()
                    .contains("expected a record of an optimizer"),
                "{error}"
            );
        }
    }
}
