//! The parsers of files as fuzzing and `cargo test` call them: the functions that users call, on a file in memory.
//!
//! Nothing on the way catches a panic. What is refused is an error; what is read must hold what it claims.

use mnistburn::config::{
    AdaGradConfig, AdamConfig, AdamWConfig, ImageShape, ModelConfig, MomentumConfig, MuonConfig,
    NetworkConfig, OptimizerConfig, Precision, Preprocessing, Recorder, RmsPropConfig, Settings,
    SgdConfig, TrainingConfig,
};
use mnistburn::data::{Picture, read_idx};
use mnistburn::device::Device;
use mnistburn::error::{Error, Result};
use mnistburn::model::Classifier;
use mnistburn::{interchange, learner, record};
use std::fs;
use std::path::Path;

/// Reads the bytes of a file, or refuses them.
pub type Parser = fn(&[u8]) -> Result<()>;

/// A parser for each directory of the corpus.
pub const PARSERS: [(&str, Parser); 17] = [
    ("record_mpk", record),
    ("record_bin", record),
    ("record_json", record),
    ("record_gz", record),
    ("safetensors", |bytes| exchanged(bytes, ".safetensors")),
    ("npz", |bytes| exchanged(bytes, ".npz")),
    ("pytorch", |bytes| exchanged(bytes, ".pt")),
    ("onnx", onnx),
    ("idx", idx),
    ("picture", picture),
    ("config", config),
    ("optimizer", optimizer),
    ("schedule", schedule),
    ("checkpoint", checkpoint),
    ("history_rows", history_rows),
    ("manifest", manifest),
    ("run_data", run_data),
];

/// Reads the bytes with the parser of that name.
pub fn parse(name: &str, bytes: &[u8]) -> Result<()> {
    let parser = PARSERS.iter().find(|(known, _)| *known == name);
    let (_, parser) = parser.expect("every target has its parser");
    parser(bytes)
}

/// A record of a model, in any format.
fn record(bytes: &[u8]) -> Result<()> {
    let model = with_file("", bytes, |path| record::load(path, Device::Cpu))?.classifier;
    let again = record::to_bytes(model.as_ref(), Recorder::Bin, Precision::Full)?;
    let again = with_file("", &again, |path| record::load(path, Device::Cpu))?.classifier;
    assert_equal(model.as_ref(), again.as_ref());
    Ok(())
}

/// A model in a format of another program.
fn exchanged(bytes: &[u8], ending: &str) -> Result<()> {
    let model = with_file(ending, bytes, |path| interchange::load(path, Device::Cpu))?.classifier;
    let again = interchange::to_bytes(
        model.as_ref(),
        interchange::Format::Safetensors,
        interchange::Input::Raw,
        // As if its images were of the size that is assumed.
        &record::About::default(),
    )?;
    let again = with_file(".safetensors", &again, |path| {
        interchange::load(path, Device::Cpu)
    })?
    .classifier;
    assert_equal(model.as_ref(), again.as_ref());
    Ok(())
}

/// An ONNX graph, of which only the description is read.
fn onnx(bytes: &[u8]) -> Result<()> {
    let found = with_file(".onnx", bytes, interchange::describe)?;
    assert!(found.config.is_some() != found.problem.is_some());
    Ok(())
}

fn idx(bytes: &[u8]) -> Result<()> {
    let array = with_file(".idx", bytes, |path| read_idx(path, None))?;
    assert_eq!(array.bytes.len(), array.shape.iter().product::<usize>());
    Ok(())
}

/// A picture of any format, which what begins it must tell.
fn picture(bytes: &[u8]) -> Result<()> {
    let picture = Picture::decode(bytes).map_err(Error::Data)?;
    assert_eq!(
        picture.pixels.len(),
        picture.width * picture.height * picture.channels
    );
    assert!(Picture::is_begun_by(&bytes[..bytes.len().min(32)]));
    let shape = ImageShape::from((5, 5, picture.channels));
    let image = picture.image(shape, Preprocessing::default())?;
    assert_eq!(image.len(), shape.len());
    Ok(())
}

/// The JSON of a run, or of a model alone.
fn config(bytes: &[u8]) -> Result<()> {
    let text = String::from_utf8_lossy(bytes);
    if let Ok(model) = NetworkConfig::from_json(&text) {
        assert_eq!(NetworkConfig::from_json(&model.to_json())?, model);
        model.validate()?;
    }
    let training = TrainingConfig::from_json(&text)?;
    assert_eq!(TrainingConfig::from_json(&training.to_json())?, training);
    assert_eq!(
        TrainingConfig::from_json(&training.complete_json())?,
        training
    );
    Ok(())
}

/// The state of an optimizer of any kind, which bincode does not say.
fn optimizer(bytes: &[u8]) -> Result<()> {
    let model = NetworkConfig::from(ModelConfig {
        num_classes: 2,
        hidden_size: 1,
        ..ModelConfig::default()
    });
    let amsgrad = AdamWConfig {
        amsgrad: true,
        ..AdamWConfig::default()
    };
    let momentum = SgdConfig {
        momentum: Some(MomentumConfig::default()),
        ..SgdConfig::default()
    };
    let centered = RmsPropConfig {
        centered: true,
        ..RmsPropConfig::default()
    };
    let optimizers: [OptimizerConfig; 7] = [
        AdamConfig::default().into(),
        amsgrad.into(),
        SgdConfig::default().into(),
        momentum.into(),
        centered.into(),
        AdaGradConfig::default().into(),
        MuonConfig::default().into(),
    ];
    any(&optimizers, bytes, |bytes, optimizer| {
        record::optimizer_again(bytes, optimizer, &model)
    })
}

/// The state of a learning-rate schedule of any kind.
fn schedule(bytes: &[u8]) -> Result<()> {
    let schedules = [
        "null",
        r#"{"Exponential": {"gamma": 0.5}}"#,
        r#"{"CosineAnnealing": {"num_iters": 9}}"#,
        r#"{"Linear": {"final_lr": 0.5, "num_iters": 9}}"#,
        r#"{"Noam": {}}"#,
        r#"{"Step": {"step_size": 9}}"#,
        r#"{"Sequential": {"schedules": [{"Exponential": {"gamma": 0.5}}, {"Noam": {}}], "milestones": [9]}}"#,
    ];
    let configs = schedules.map(|schedule| {
        let text = format!(r#"{{"lr_scheduler": {schedule}, "learning_rate": 1.0}}"#);
        TrainingConfig::from_json(&text).expect("a configuration")
    });
    any(&configs, bytes, record::schedule_again)
}

/// Reads the bytes as one of several kinds: what one of them writes again, it reads as the same.
fn any<T>(kinds: &[T], bytes: &[u8], again: impl Fn(&[u8], &T) -> Result<Vec<u8>>) -> Result<()> {
    let mut read = Ok(());
    let mut found = false;
    for kind in kinds {
        match again(bytes, kind) {
            Ok(written) => {
                assert_eq!(again(&written, kind).expect("its own bytes"), written);
                found = true;
            }
            Err(error) => read = Err(error),
        }
    }
    if found { Ok(()) } else { read }
}

/// What a checkpoint says of itself.
fn checkpoint(bytes: &[u8]) -> Result<()> {
    let written = learner::state_again(bytes, false)?;
    let again = learner::state_again(&written, true).expect("its hash is that of what was read");
    assert_eq!(again, written);
    Ok(())
}

/// The rows of a history.
fn history_rows(bytes: &[u8]) -> Result<()> {
    let written = learner::history_rows_again(bytes)?;
    let again = learner::history_rows_again(&written).expect("its own bytes");
    assert_eq!(again, written);
    Ok(())
}

/// Which files of a directory are those of a run: none but such as a run writes, whatever it says.
fn manifest(bytes: &[u8]) -> Result<()> {
    let written = learner::manifest_again(bytes)?;
    let text: serde_json::Value = serde_json::from_slice(&written).expect("it is JSON");
    for file in text["files"].as_array().expect("a list") {
        let name = file.as_str().expect("a name");
        assert!(learner::run_files().any(|known| known == name), "{name}");
    }
    let again = learner::manifest_again(&written).expect("its own bytes");
    assert_eq!(again, written);
    Ok(())
}

/// What a run was trained and validated on.
fn run_data(bytes: &[u8]) -> Result<()> {
    let written = learner::run_data_again(bytes)?;
    let again = learner::run_data_again(&written).expect("its own bytes");
    assert_eq!(again, written);
    Ok(())
}

/// Every bit is kept, also of a number that is none.
fn assert_equal(left: &dyn Classifier, right: &dyn Classifier) {
    let bits = |model: &dyn Classifier| -> Vec<(Vec<usize>, Vec<u32>)> {
        let parameters = model.state().expect("parameters on the CPU");
        parameters
            .into_iter()
            .map(|parameter| {
                let bits = parameter.values.iter().map(|value| value.to_bits());
                (parameter.shape, bits.collect())
            })
            .collect()
    };
    assert_eq!(bits(left), bits(right));
}

/// Calls `work` with a file of that ending and content; on Linux it is in memory.
fn with_file<T>(ending: &str, bytes: &[u8], work: impl FnOnce(&Path) -> Result<T>) -> Result<T> {
    let memory = Path::new("/dev/shm");
    let mut named = tempfile::Builder::new();
    named.suffix(ending);
    let file = if memory.is_dir() {
        named.tempfile_in(memory)
    } else {
        named.tempfile()
    }
    .expect("a temporary file");
    fs::write(file.path(), bytes).expect("room for it");
    work(file.path())
}
