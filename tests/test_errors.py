"""Every bad argument of the public functions: its error class, and what the message says.

A row is (id, what is done, expected class, parts of the message): the rule, the value, the way out.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdamConfig,
    Callback,
    CosineAnnealingLrSchedulerConfig,
    DataLoader,
    Dataset,
    ExponentialLrSchedulerConfig,
    GradientClippingConfig,
    Model,
    ModelConfig,
    StepLrSchedulerConfig,
    TrainingConfig,
    datasets,
)
from mnistburn.errors import (
    ArtifactError,
    ConfigError,
    DataError,
    DeviceError,
    InternalError,
    MnistburnError,
    RecordError,
    TrainingError,
)

nan, inf = float("nan"), float("inf")
untyped: Any = mnistburn  # the rows break the types on purpose


class Bench:
    """What the rows work on."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.model: Any = Model(ModelConfig(hidden_size=8), seed=1)
        self.images = numpy.zeros((3, 28, 28), numpy.uint8)
        self.dataset: Any = Dataset.from_numpy(self.images, [0, 1, 2])
        self.config: Any = TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=8))

    def file(self, name: str, content: bytes) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        return path

    def train(self, **changes: Any) -> Any:
        directory = changes.pop("artifact_dir", self.folder / "artifacts")
        given = {"config": self.config, "device": "cpu", "data": (self.dataset, self.dataset)}
        return untyped.train(directory, **{**given, "progress": False, **changes})

    def gradients(self) -> Any:
        return self.model.forward_classification(self.images, [0, 1, 2]).loss.backward()


class Broken:
    """An object that cannot be made an array."""

    def __array__(self, dtype: object = None, copy: object = None) -> numpy.ndarray:
        message = "the tensor is on another device"
        raise RuntimeError(message)


class Asynchronous(Callback):
    """What a training cannot await."""

    async def on_step_end(self, event: object) -> bool:  # type: ignore[override]
        return False


Act = Callable[[Bench], object]
Expectation = tuple[Act, type[Exception], tuple[str, ...]]
Row = tuple[str, Act, type[Exception], tuple[str, ...]]


def images(make: Callable[[], Any], *parts: str) -> Expectation:
    return lambda bench: bench.model.predict(make()), DataError, parts


def masked() -> Any:
    return numpy.ma.masked_equal(numpy.zeros((2, 28, 28), numpy.uint8), 0)


def scaled(value: float, dtype: Any = numpy.float32) -> Any:
    array = numpy.zeros((2, 28, 28), dtype)
    array[1, 2, 3] = value
    return array


def zeros(shape: tuple[int, ...], dtype: Any = numpy.uint8) -> Any:
    return numpy.zeros(shape, dtype)


def repeated(count: int, dtype: Any) -> Any:
    return numpy.broadcast_to(numpy.zeros((28, 28), dtype), (count, 28, 28))


def targets(make: Callable[[], Any], *parts: str) -> Expectation:
    return (
        lambda bench: bench.model.forward_classification(bench.images, make()),
        DataError,
        parts,
    )


def training(*parts: str, **values: Any) -> Expectation:
    return lambda _: TrainingConfig(**values), ConfigError, parts


def device(value: Any, *parts: str) -> Expectation:
    return lambda _: untyped.Model(device=value), DeviceError, parts


SHAPES = "[batch, 28, 28]"
SCALED = "pixels in 0..1"
CAST = ".astype(numpy.uint8)"

TABLE: list[Row] = [
    # Shapes of images.
    ("images: 27 rows", *images(lambda: zeros((2, 27, 28)), SHAPES, "[2, 27, 28]")),
    ("images: one flat image", *images(lambda: zeros((784,)), SHAPES, "[784]", "reshape(28, 28)")),
    ("images: a row", *images(lambda: zeros((28,)), SHAPES, "[28]")),
    ("images: a number", *images(lambda: 7, SHAPES, "[]")),
    ("images: channels last", *images(lambda: zeros((2, 28, 28, 3)), SHAPES, "[2, 28, 28, 3]")),
    ("images: three channels", *images(lambda: zeros((2, 3, 28, 28)), SHAPES, "[2, 3, 28, 28]")),
    ("images: five axes", *images(lambda: zeros((1, 1, 1, 28, 28)), SHAPES, "[1, 1, 1, 28, 28]")),
    ("images: no pixels", *images(lambda: zeros((2, 0)), SHAPES, "[2, 0]")),
    # Types of images.
    ("images: int64", *images(lambda: zeros((2, 28, 28), "i8"), "uint8", "int64", CAST)),
    ("images: int8", *images(lambda: zeros((2, 28, 28), "i1"), "uint8", "int8", CAST)),
    ("images: uint16", *images(lambda: zeros((2, 28, 28), ">u2"), "uint8", "u2", CAST)),
    ("images: lists", *images(lambda: zeros((2, 28, 28)).tolist(), "uint8", "int64", CAST)),
    ("images: bool", *images(lambda: zeros((2, 28, 28), bool), "uint8", "bool", "* 255")),
    ("images: complex", *images(lambda: zeros((2, 28, 28), "c8"), "uint8", "complex64")),
    ("images: objects", *images(lambda: zeros((2, 28, 28), object), "uint8", "object")),
    ("images: text", *images(lambda: zeros((2, 28, 28), "U1"), "numbers", "<U1")),
    ("images: dates", *images(lambda: zeros((2, 28, 28), "M8[s]"), "uint8", "datetime64")),
    ("images: records", *images(lambda: zeros((2, 28, 28), [("a", "u1")]), "uint8", "'a'")),
    ("images: None", *images(lambda: None, "must be an array", "None")),
    ("images: a generator", *images(lambda: iter([]), "must be an array", "list(images)")),
    ("images: a set", *images(lambda: frozenset([1]), "must be an array", "frozenset")),
    ("images: a data set", *images(lambda: Dataset(zeros((2, 28, 28)), [0, 1]), ".images")),
    ("images: ragged lists", *images(lambda: [[1, 2], [3]], "must be an array")),
    ("images: a broken tensor", *images(Broken, "must be an array", "another device")),
    ("images: masked", *images(masked, "must not be masked", "filled(0)")),
    # Values of images.
    ("images: above 1", *images(lambda: scaled(255.0), SCALED, "255", CAST)),
    ("images: slightly above 1", *images(lambda: scaled(1.5, "f2"), SCALED, "1.5")),
    ("images: barely above 1", *images(lambda: scaled(1.0000001), SCALED, "1.0000001")),
    ("images: negative", *images(lambda: scaled(-0.5), SCALED, "-0.5", "do not normalise")),
    ("images: NaN", *images(lambda: scaled(nan), "finite", "NaN", "[1, 2, 3]")),
    ("images: infinite", *images(lambda: scaled(inf), "finite", "inf")),
    ("images: minus infinite", *images(lambda: scaled(-inf, ">f8"), "finite", "-inf")),
    ("images: 1e38", *images(lambda: scaled(1e38), SCALED, "1e+38")),
    ("images: huge view", *images(lambda: repeated(10**9, "u1"), "GiB", "smaller batches")),
    ("images: huge float view", *images(lambda: repeated(10**8, "f2"), "GiB", "smaller batches")),
    # Targets.
    ("targets: too few", *targets(lambda: [0, 1], "one for each of the 3 images", "[2]")),
    ("targets: a column", *targets(lambda: [[0], [1], [2]], "shape [batch]", "[3, 1]")),
    ("targets: a number", *targets(lambda: 1, "shape [batch]", "[]")),
    ("targets: floats", *targets(lambda: [0.0, 1.0, 2.0], "integers", "astype(numpy.int64)")),
    ("targets: halves", *targets(lambda: [0, 3.5, 1], "integers", "float64")),
    ("targets: bool", *targets(lambda: [True, False, True], "integers", "bool")),
    ("targets: text", *targets(lambda: ["1", "2", "3"], "integers", "<U1")),
    ("targets: None", *targets(lambda: None, "must be an array", "None")),
    ("targets: negative", *targets(lambda: [0, -1, 2], "at least 0", "-1", "index 1")),
    ("targets: a class too many", *targets(lambda: [0, 1, 10], "below", "10", "index 2")),
    (
        "targets: beyond int64",
        *targets(lambda: numpy.array([0, 1, 2**64 - 1], numpy.uint64), "below", str(2**64 - 1)),
    ),
    (
        "training forward: no images",
        lambda b: b.model.forward_classification(b.images[:0], []),
        DataError,
        ("must not be empty",),
    ),
    # Dataset, DataLoader, data sets by name.
    (
        "dataset: floats",
        lambda _: Dataset.from_numpy(scaled(0.5), [0, 1]),
        DataError,
        ("uint8", "(images * 255)"),
    ),
    (
        "dataset: lengths differ",
        lambda b: Dataset.from_numpy(b.images, [0, 1]),
        DataError,
        ("one for each of the 3 images", "[2]"),
    ),
    ("dataset: index", lambda b: b.dataset[3], IndexError, ("3", "out of range")),
    ("dataset: index by text", lambda b: b.dataset["a"], DataError, ("integer", "'a'", "subset")),
    ("subset: out of range", lambda b: b.dataset.subset([0, 3]), DataError, ("below 3", "got 3")),
    ("subset: negative", lambda b: b.dataset.subset([-1]), DataError, ("at least 0", "-1")),
    ("subset: of nothing", lambda b: b.dataset[:0].subset([0]), DataError, ("below 0", "got 0")),
    (
        "subset: a generator",
        lambda b: b.dataset.subset(i for i in range(3)),
        DataError,
        ("list(indices)", "generator"),
    ),
    ("subset: None", lambda b: b.dataset.subset(None), DataError, ("indices", "None")),
    (
        "subset: a mask",
        lambda b: b.dataset.subset([True, False, True]),
        DataError,
        ("integers", "bool", "flatnonzero"),
    ),
    ("split: 0", lambda b: b.dataset.split(0.0), DataError, ("above 0 and below 1", "0.0")),
    ("split: 1", lambda b: b.dataset.split(1), DataError, ("above 0 and below 1", "1")),
    ("split: NaN", lambda b: b.dataset.split(nan), DataError, ("above 0 and below 1", "nan")),
    ("split: text", lambda b: b.dataset.split("0.1"), DataError, ("above 0 and below 1", "'0.1'")),
    ("split: seed", lambda b: b.dataset.split(0.5, -1), DataError, ("seed", "-1")),
    ("loader: an array", lambda b: DataLoader(b.images), DataError, ("Dataset", "from_numpy")),  # type: ignore[arg-type]
    ("loader: batch size 0", lambda b: DataLoader(b.dataset, 0), DataError, ("batch_size", "0")),
    (
        "loader: shuffle True",
        lambda b: DataLoader(b.dataset, shuffle=True),
        DataError,
        ("shuffle", "seed", "True"),
    ),
    (
        "loader: workers",
        lambda b: DataLoader(b.dataset, num_workers=-1),
        DataError,
        ("num_workers", "-1"),
    ),
    (
        "datasets: unknown name",
        lambda _: datasets.load("mnits"),
        DataError,
        ("'mnits'", "did you mean 'mnist'"),
    ),
    (
        "datasets: a family",
        lambda _: datasets.load("EMNIST"),
        DataError,
        ("did you mean one of 'emnist-balanced', 'emnist-digits', 'emnist-letters'?",),
    ),
    (
        "datasets: root",
        lambda _: untyped.datasets.load("mnist", root=3),
        DataError,
        ("root must be a path", "3"),
    ),
    (
        "datasets: download",
        lambda _: untyped.datasets.load("mnist", download="no"),
        DataError,
        ("download must be True or False", "'no'"),
    ),
    ("datasets: no name", lambda _: untyped.datasets.load(None), DataError, ("None", "mnist")),
    (
        "datasets: unknown split",
        lambda _: untyped.datasets.load("mnist", "valid"),
        DataError,
        ("'train' or 'test'", "'valid'"),
    ),
    (
        "datasets: validation of the test images",
        lambda _: untyped.datasets.load("mnist", "test", validation=0.1),
        DataError,
        ("split='train'", "'test'"),
    ),
    (
        "datasets: validation of everything",
        lambda _: datasets.load("mnist", validation=1.0),
        DataError,
        ("validation", "above 0 and below 1", "1.0"),
    ),
    (
        "datasets: seed",
        lambda _: datasets.load("mnist", seed=-1),
        DataError,
        ("seed", "-1"),
    ),
    (
        "idx: no such file",
        lambda b: Dataset.from_idx(b.folder / "a", b.folder / "b"),
        FileNotFoundError,
        ("a",),
    ),
    (
        "idx: another format",
        lambda b: Dataset.from_idx(b.file("digits.png", b"\x89PNG"), b.folder / "b"),
        DataError,
        ("digits.png",),
    ),
    (
        "idx: an empty file",
        lambda b: Dataset.from_idx(b.file("empty.idx", b""), b.folder / "b"),
        DataError,
        ("empty.idx",),
    ),
    (
        "idx: labels for images",
        lambda b: Dataset.from_idx(b.file("labels.idx", b"\0\0\x08\x01\0\0\0\x02\1\2"), "b"),
        DataError,
        ("labels.idx", "[n, height, width]", "[2]"),
    ),
    # Configurations.
    ("config: positional", lambda _: untyped.TrainingConfig(3), TypeError, ("positional",)),
    (
        "config: unknown field",
        lambda _: untyped.TrainingConfig(dropout=0.1),
        TypeError,
        ("dropout",),
    ),
    ("config: no epochs", *training("num_epochs", "got 0", num_epochs=0)),
    ("config: epochs 1.5", *training("num_epochs", "got 1.5", num_epochs=1.5)),
    ("config: epochs True", *training("num_epochs", "got true", num_epochs=True)),
    ("config: epochs None", *training("num_epochs", "got null", num_epochs=None)),
    ("config: epochs in text", *training("num_epochs", "3", num_epochs="3")),
    ("config: batch size 0", *training("batch_size", "got 0", batch_size=0)),
    ("config: batch size 2**63", *training("batch_size", "9223372036854775808", batch_size=2**63)),
    ("config: workers -1", *training("num_workers", "got -1", num_workers=-1)),
    ("config: a million workers", *training("num_workers", "1000000", num_workers=10**6)),
    ("config: seed -1", *training("seed", "got -1", seed=-1)),
    ("config: seed 2**64", *training("seed", "18446744073709551616", seed=2**64)),
    ("config: seed 10**5000", *training("seed", seed=10**5000)),
    ("config: rate 0", *training("learning_rate", "above 0", "got 0", learning_rate=0)),
    ("config: rate -1", *training("learning_rate", "above 0", "-1", learning_rate=-1.0)),
    ("config: rate NaN", *training("learning_rate", "finite", "nan", learning_rate=nan)),
    ("config: rate infinite", *training("learning_rate", "finite", "inf", learning_rate=inf)),
    ("config: rate a list", *training("learning_rate", "[0.1]", learning_rate=[0.1])),
    ("config: recorder", *training("compcat", "compact", recorder="compcat")),
    ("config: model a number", *training("ModelConfig", "3 (int)", model=3)),
    ("config: optimizer a name", *training("AdamConfig", "'adam'", optimizer="adam")),
    ("config: scheduler a name", *training("lr_scheduler", "'cosine'", lr_scheduler="cosine")),
    (
        "config: dropout 1",
        lambda _: ModelConfig(dropout=1.0),
        ConfigError,
        ("dropout", "below 1", "1.0"),
    ),
    ("config: dropout -0.1", lambda _: ModelConfig(dropout=-0.1), ConfigError, ("dropout", "-0.1")),
    ("config: dropout NaN", lambda _: ModelConfig(dropout=nan), ConfigError, ("dropout", "nan")),
    (
        "config: hidden size 2**40",
        lambda _: ModelConfig(hidden_size=2**40),
        ConfigError,
        ("hidden_size", str(2**40)),
    ),
    (
        "config: no classes",
        lambda _: ModelConfig(num_classes=0),
        ConfigError,
        ("num_classes", "got 0"),
    ),
    ("adam: beta 1", lambda _: AdamConfig(beta_1=1.0), ConfigError, ("beta_1", "below 1", "1.0")),
    ("adam: epsilon 0", lambda _: AdamConfig(epsilon=0.0), ConfigError, ("epsilon", "above 0")),
    (
        "adam: decay -1",
        lambda _: AdamConfig(weight_decay=-1.0),
        ConfigError,
        ("weight_decay", "-1"),
    ),
    (
        "adam: amsgrad a number",
        lambda _: AdamConfig(amsgrad=1),  # type: ignore[arg-type]
        ConfigError,
        ("amsgrad", "true or false", "1"),
    ),
    (
        "adam: clipping a number",
        lambda _: AdamConfig(grad_clipping=1.0),  # type: ignore[arg-type]
        ConfigError,
        ("grad_clipping", "GradientClippingConfig", "1.0"),
    ),
    ("clipping: neither", lambda _: GradientClippingConfig(), ConfigError, ("exactly one",)),
    (
        "clipping: both",
        lambda _: GradientClippingConfig(value=1.0, norm=1.0),
        ConfigError,
        ("exactly one", "value=1.0"),
    ),
    ("clipping: 0", lambda _: GradientClippingConfig(norm=0.0), ConfigError, ("Norm", "above 0")),
    (
        "schedule: gamma 2",
        lambda _: ExponentialLrSchedulerConfig(gamma=2.0),
        ConfigError,
        ("gamma", "at most 1", "2.0"),
    ),
    (
        "schedule: no steps",
        lambda _: StepLrSchedulerConfig(step_size=0),
        ConfigError,
        ("step_size", "got 0"),
    ),
    (
        "schedule: lowest above the rate",
        *training(
            "lr_scheduler",
            "learning_rate of 0.0001",
            lr_scheduler=CosineAnnealingLrSchedulerConfig(num_iters=5, min_lr=0.5),
        ),
    ),
    (
        "json: unknown key",
        lambda _: TrainingConfig.from_json('{"learning_rat": 1}'),
        ConfigError,
        ("learning_rat", "did you mean", "learning_rate"),
    ),
    ("json: no object", lambda _: ModelConfig.from_json("[1]"), ConfigError, ("object", "[1]")),
    ("json: broken", lambda _: ModelConfig.from_json("{"), ConfigError, ("JSON",)),
    ("json: bytes", lambda _: untyped.ModelConfig.from_json(b"{}"), ConfigError, ("str", "b'{}'")),
    ("json: a surrogate", lambda _: ModelConfig.from_json("\ud800"), ConfigError, ("surrogate",)),
    # Paths.
    (
        "config file: missing",
        lambda b: TrainingConfig.load(b.folder / "no.json"),
        FileNotFoundError,
        ("no.json",),
    ),
    (
        "config file: a directory",
        lambda b: TrainingConfig.load(b.folder),
        IsADirectoryError,
        ("directory",),
    ),
    (
        "config file: endless",
        lambda _: TrainingConfig.load("/dev/zero"),
        ConfigError,
        ("/dev/zero", "regular file"),
    ),
    ("config file: a number", lambda _: untyped.ModelConfig.load(3), ConfigError, ("path", "3")),
    ("config file: empty path", lambda _: ModelConfig.load(""), ConfigError, ("empty",)),
    ("config file: NUL", lambda _: ModelConfig.load("a\0b"), ConfigError, ("NUL",)),
    (
        "save config: no directory",
        lambda b: ModelConfig().save(b.folder / "no" / "config.json"),
        FileNotFoundError,
        ("config.json",),
    ),
    (
        "model file: missing",
        lambda b: Model.load(b.folder / "no.mpk"),
        FileNotFoundError,
        ("no.mpk",),
    ),
    (
        "model file: no model",
        lambda b: Model.load(b.file("a.mpk", b"\x81\xa1a\x01")),
        RecordError,
        ("a.mpk",),
    ),
    ("model file: empty", lambda b: Model.load(b.file("b.mpk", b"")), RecordError, ("b.mpk",)),
    (
        "model file: random bytes",
        lambda b: Model.load(b.file("c.bin", bytes(range(256)) * 8)),
        RecordError,
        ("c.bin",),
    ),
    ("model file: a directory", lambda b: Model.load(b.folder), RecordError, ("load_run",)),
    ("model file: NUL", lambda _: Model.load("a\0b"), RecordError, ("NUL",)),
    ("model file: a surrogate", lambda _: Model.load("a\ud800"), RecordError, ("ud800",)),
    ("model file: a number", lambda _: untyped.Model.load(3), RecordError, ("path", "3")),
    (
        "save model: recorder",
        lambda b: b.model.save(b.folder / "model", "mpk"),
        ConfigError,
        ("mpk", "compact"),
    ),
    (
        "save model: recorder a number",
        lambda b: b.model.save(b.folder / "model", 3),
        ConfigError,
        ("recorder", "3"),
    ),
    (
        "save model: precision",
        lambda b: b.model.save(b.folder / "model", "json", "single"),
        ConfigError,
        ("single", "half"),
    ),
    (
        "save model: another extension",
        lambda b: b.model.save(b.folder / "model.json", "compact"),
        RecordError,
        (".mpk", "model.json", "change"),
    ),
    (
        "save model: no directory",
        lambda b: b.model.save(b.folder / "no" / "model"),
        FileNotFoundError,
        ("model",),
    ),
    (
        "run: no directory",
        lambda b: mnistburn.load_run(b.folder / "no"),
        ArtifactError,
        ("no", "directory"),
    ),
    (
        "run: an empty directory",
        lambda b: mnistburn.load_run(b.folder),
        ArtifactError,
        ("config.json",),
    ),
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


@pytest.mark.parametrize(
    ("act", "error", "parts"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE]
)
def test_bad_arguments_are_named(
    act: Act,
    error: type[Exception],
    parts: tuple[str, ...],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    bench = Bench(tmp_path)
    with pytest.raises(error) as caught:
        act(bench)
    message = str(caught.value)
    for part in parts:
        assert part in message, message
    assert len(message) < 1000
    assert not isinstance(caught.value, InternalError)
    output = capfd.readouterr()
    assert (output.out, output.err) == ("", "")
    # Nothing was made, and what follows works.
    assert not (tmp_path / "artifacts" / "config.json").exists()
    assert bench.model.predict(bench.images).shape == (3,)


def test_the_table_is_long_and_its_rows_differ() -> None:
    assert len(TABLE) >= 60
    assert len({row[0] for row in TABLE}) == len(TABLE)


@pytest.mark.parametrize(
    ("error", "builtin"),
    [
        (ConfigError, ValueError),
        (DataError, ValueError),
        (DeviceError, RuntimeError),
        (RecordError, ValueError),
        (ArtifactError, OSError),
        (TrainingError, RuntimeError),
        (InternalError, RuntimeError),
    ],
)
def test_each_error_is_also_a_builtin_one(error: type[Exception], builtin: type[Exception]) -> None:
    assert issubclass(error, MnistburnError)
    assert issubclass(error, builtin)
    assert str(error("what happened")) == "what happened"


def test_a_leading_tilde_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    path = Model(ModelConfig(hidden_size=2), seed=1).save("~/model")
    assert path == home / "model.mpk"
    assert Model.load("~/model.mpk", image_size=(28, 28)).num_params > 0
    assert not (tmp_path / "~").exists()
    with pytest.raises(RecordError, match=r"home directory.* \./~nobody-of-this-name"):
        Model.load("~nobody-of-this-name/model.mpk")
