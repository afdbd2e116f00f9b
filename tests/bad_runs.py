"""Bad models, optimizers, devices and trainings."""

from dataclasses import replace

from bad_arguments import Asynchronous, Row, device, nan, untyped

import mnistburn
from mnistburn import (
    AdamConfig,
    Callback,
    Dataset,
    Model,
    ModelConfig,
)
from mnistburn.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DeviceError,
    MnistburnError,
    RecordError,
)

ROWS: list[Row] = [
    # Models and optimizers.
    ("model: config a dict", lambda _: untyped.Model({}), ConfigError, ("ModelConfig", "{}")),
    ("model: seed -1", lambda _: Model(seed=-1), ConfigError, ("seed", "-1")),
    ("model: seed a text", lambda _: untyped.Model(seed="1"), ConfigError, ("seed", "'1'")),
    ("evaluate: an array", lambda b: b.model.evaluate(b.images), DataError, ("from_numpy",)),
    ("evaluate: nothing", lambda b: b.model.evaluate(b.dataset[:0]), DataError, ("empty",)),
    (
        "evaluate: batch size 0",
        lambda b: b.model.evaluate(b.dataset, 0),
        ConfigError,
        ("batch_size", "at least 1", "0"),
    ),
    (
        "evaluate: a class too many",
        lambda b: b.model.evaluate(Dataset.from_numpy(b.images, [0, 1, 77])),
        DataError,
        ("number of classes, 10", "77"),
    ),
    ("state: a list", lambda b: b.model.load_state_dict([]), RecordError, ("dict", "[]")),
    ("state: empty", lambda b: b.model.load_state_dict({}), RecordError, ("conv1",)),
    (
        "state: unknown name",
        lambda b: b.model.load_state_dict({**b.model.state_dict(), "linear3.bias": [1.0]}),
        RecordError,
        ("linear3.bias",),
    ),
    (
        "state: shape",
        lambda b: b.model.load_state_dict({**b.model.state_dict(), "linear2.bias": [1.0]}),
        RecordError,
        ("linear2.bias", "[10]", "[1]"),
    ),
    (
        "state: a number",
        lambda b: b.model.load_state_dict({**b.model.state_dict(), "linear2.bias": 1.0}),
        RecordError,
        ("linear2.bias", "array of numbers", "shape []"),
    ),
    (
        "state: a surrogate for a name",
        lambda b: b.model.load_state_dict({**b.model.state_dict(), "\ud800": [1.0]}),
        RecordError,
        ("state_dict()", "ud800"),
    ),
    (
        "state: text",
        lambda b: b.model.load_state_dict({**b.model.state_dict(), "linear2.bias": ["a"]}),
        RecordError,
        ("linear2.bias", "numbers"),
    ),
    (
        "state: beyond float32",
        lambda b: b.model.load_state_dict({"linear2.bias": [1e300] * 10}),
        RecordError,
        ("linear2.bias", "float32"),
    ),
    (
        "step: rate -1",
        lambda b: AdamConfig().init().step(-1.0, b.model, b.gradients()),
        ConfigError,
        ("learning_rate", "-1"),
    ),
    (
        "step: rate NaN",
        lambda b: AdamConfig().init().step(nan, b.model, b.gradients()),
        ConfigError,
        ("learning_rate", "finite", "nan"),
    ),
    (
        "step: model first",
        lambda b: AdamConfig().init().step(b.model, 0.1, b.gradients()),  # type: ignore[arg-type]
        ConfigError,
        ("learning_rate", "Model"),
    ),
    (
        "step: gradients a dict",
        lambda b: AdamConfig().init().step(0.1, b.model, {}),  # type: ignore[arg-type]
        ConfigError,
        ("Gradients", "backward"),
    ),
    (
        "step: gradients of another model",
        lambda b: AdamConfig().init().step(0.1, Model(ModelConfig(hidden_size=9)), b.gradients()),
        MnistburnError,
        (),
    ),
    ("gradient: name", lambda b: b.gradients()["conv3.weight"], KeyError, ("conv3.weight",)),
    # Devices.
    ("device: empty", *device("")),
    ("device: spaces", *device("CPU ", "CPU ")),
    ("device: gpu", *device("gpu", "gpu", "cpu")),
    ("device: mps", *device("mps", "mps", "cpu")),
    ("device: cuda:-1", *device("cuda:-1", "cuda")),
    ("device: cuda:99", *device("cuda:99", "cuda")),
    ("device: cuda:x", *device("cuda:x", "cuda")),
    ("device: cpu:1", *device("cpu:1", "cpu")),
    ("device: unicode", *device("ｃｐｕ", "cpu")),
    ("device: a surrogate", *device("cpu\udc80", "udc80")),
    ("device: ten megabytes", *device("a" * 10**7, "short string")),
    ("device: None", *device(None, "must be", "None")),
    ("device: a Device", *device(mnistburn.devices()[0], "pass its .device")),
    ("device: a number", *device(0, "must be", "0 (int)")),
    ("to: unknown device", lambda b: b.model.to("tpu"), DeviceError, ("tpu",)),
    # Training.
    ("train: directory a number", lambda b: b.train(artifact_dir=3), ArtifactError, ("path", "3")),
    ("train: directory empty", lambda b: b.train(artifact_dir=""), ArtifactError, ("empty",)),
    (
        "train: directory with NUL",
        lambda b: b.train(artifact_dir="a\0"),
        ArtifactError,
        ("NUL",),
    ),
    (
        "train: directory is a file",
        lambda b: b.train(artifact_dir=b.file("artifacts", b"mine")),
        OSError,
        ("artifacts",),
    ),
    ("train: config a dict", lambda b: b.train(config={}), ConfigError, ("TrainingConfig", "{}")),
    ("train: config a model's", lambda b: b.train(config=ModelConfig()), ConfigError, ("Model",)),
    ("train: device", lambda b: b.train(device="gpu"), DeviceError, ("gpu", "cpu")),
    ("train: data a name", lambda b: b.train(data="mnits"), DataError, ("did you mean 'mnist'",)),
    ("train: one data set", lambda b: b.train(data=b.dataset), DataError, ("pair", "split(0.1)")),
    (
        "train: arrays",
        lambda b: b.train(data=(b.images, b.images)),
        DataError,
        ("pair", "Dataset"),
    ),
    (
        "train: no training images",
        lambda b: b.train(data=(b.dataset[:0], b.dataset)),
        DataError,
        ("training data", "empty"),
    ),
    (
        "train: no validation images",
        lambda b: b.train(data=(b.dataset, b.dataset[:0])),
        DataError,
        ("validation data", "empty"),
    ),
    (
        "train: a class too many",
        lambda b: b.train(config=replace(b.config, model=ModelConfig(num_classes=2))),
        DataError,
        ("training data", "number of classes, 2", "index 2"),
    ),
    (
        "train: callback class",
        lambda b: b.train(callbacks=[Callback]),
        ConfigError,
        ("class Callback", "Callback()"),
    ),
    (
        "train: async callback",
        lambda b: b.train(callbacks=[Asynchronous()]),
        ConfigError,
        ("async def on_step_end", "plain methods"),
    ),
    ("train: callback a number", lambda b: b.train(callbacks=[3]), ConfigError, ("3", "on_step")),
    (
        "train: one callback",
        lambda b: b.train(callbacks=Callback()),
        ConfigError,
        ("sequence", "[callback]"),
    ),
    ("train: resume a text", lambda b: b.train(resume="yes"), ConfigError, ("resume", "'yes'")),
    ("train: progress a number", lambda b: b.train(progress=1), ConfigError, ("progress", "1")),
    ("train: nothing to resume", lambda b: b.train(resume=True), ArtifactError, ("artifacts",)),
]
