"""Models of images of other sizes and of colours: training, records, files of other programs."""

import json
from pathlib import Path
from typing import Any

import numpy
import onnx
import onnxruntime
import pytest
import safetensors
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.errors import ConfigError, DataError, RecordError
from mnistburn.training_data import fitting_model

# Sizes whose pooling has windows of one size, of several, and overlapping ones that repeat pixels.
SHAPES = [(28, 28, 1), (36, 20, 3), (32, 32, 3), (5, 5, 1), (9, 31, 3), (64, 48, 1), (20, 30, 1)]


def config(shape: tuple[int, int, int], **values: Any) -> ModelConfig:
    height, width, channels = shape
    given = {"num_classes": 3, "hidden_size": 6} | values
    return ModelConfig(image_height=height, image_width=width, image_channels=channels, **given)


def dataset(shape: tuple[int, int, int], count: int = 60) -> Dataset:
    """Noise with a bright patch in a place and a channel that the class says."""
    random = numpy.random.default_rng(3)
    images = random.integers(0, 60, (count, *shape), dtype=numpy.uint8)
    targets = numpy.arange(count) % 3
    height, width, channels = shape
    for image, target in zip(images, targets, strict=True):
        row = int(target) * (height // 3)
        image[row : row + height // 3 + 1, : width // 2, int(target) % channels] = 250
    return Dataset(images, targets)


def reference(model: Model, images: NDArray[numpy.uint8]) -> NDArray[numpy.float64]:
    """The network in NumPy, in double precision, straight from its definition."""
    state = {name: value.astype(float) for name, value in model.state_dict().items()}
    x = (images.astype(float) / 255 - 0.1307) / 0.3081
    x = x[:, None] if x.ndim == 3 else x.transpose(0, 3, 1, 2)
    for layer in ("conv1", "conv2"):
        windows = numpy.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))
        weight, bias = state[f"{layer}.weight"], state[f"{layer}.bias"]
        x = numpy.einsum("nchwij,ocij->nohw", windows, weight) + bias[:, None, None]
    x = numpy.maximum(x, 0)
    height, width = x.shape[2:]

    def window(index: int, length: int) -> slice:
        return slice(index * length // 8, -(-(index + 1) * length // 8))

    pooled = numpy.array(
        [
            [x[:, :, window(i, height), window(j, width)].mean((2, 3)) for j in range(8)]
            for i in range(8)
        ]
    )
    x = pooled.transpose(2, 3, 0, 1).reshape(len(x), -1)
    x = numpy.maximum(x @ state["linear1.weight"] + state["linear1.bias"], 0)
    logits: NDArray[numpy.float64] = x @ state["linear2.weight"] + state["linear2.bias"]
    return logits


@pytest.mark.parametrize("shape", SHAPES)
def test_logits_are_those_of_the_definition(shape: tuple[int, int, int]) -> None:
    model = Model(config(shape), seed=5)
    images = dataset(shape, 7).images
    expected = reference(model, images)
    assert numpy.abs(model.forward(images) - expected).max() < 1e-4 * numpy.abs(expected).max()
    # In every layout that the documentation names.
    sizes = (7, *shape)
    whole = images.reshape(sizes)
    for other in (whole, whole.reshape(7, -1), whole.transpose(0, 3, 1, 2)):
        assert numpy.array_equal(model.forward(other), model.forward(images))
        if shape[2] in (1, 3) and other.ndim == 4:
            assert numpy.array_equal(Dataset(other, [0] * 7).images, images)
    assert numpy.array_equal(model.forward(images[2]), model.forward(images)[2:3])
    floats = images.astype(numpy.float32) / 255
    assert numpy.abs(model.forward(floats) - expected).max() < 1e-4 * numpy.abs(expected).max()


@pytest.mark.parametrize("shape", SHAPES[1:4])
def test_gradients_are_the_slopes_of_the_loss(shape: tuple[int, int, int]) -> None:
    model = Model(config(shape, dropout=0.0), seed=5)
    data = dataset(shape, 6)
    gradients = model.forward_classification(data.images, data.targets).loss.backward()
    state = model.state_dict()

    def loss(name: str, place: int, step: float) -> float:
        changed = {key: value.copy() for key, value in state.items()}
        changed[name].reshape(-1)[place] += step
        model.load_state_dict(changed)
        logits = reference(model, data.images)
        logits -= logits.max(axis=1, keepdims=True)
        logarithms = logits - numpy.log(numpy.exp(logits).sum(axis=1, keepdims=True))
        return float(-logarithms[numpy.arange(6), data.targets].mean())

    for name in ("conv1.weight", "conv2.bias", "linear1.weight"):
        flat = gradients[name].reshape(-1)
        place = int(numpy.abs(flat).argmax())
        slope = (loss(name, place, 1e-2) - loss(name, place, -1e-2)) / 2e-2
        assert flat[place] == pytest.approx(slope, rel=2e-2)


@pytest.mark.parametrize("shape", SHAPES[1:4])
def test_a_model_of_other_images_learns_and_lasts(
    shape: tuple[int, int, int], tmp_path: Path
) -> None:
    data = dataset(shape)
    training = TrainingConfig(
        model=config(shape, dropout=0.1), num_epochs=12, batch_size=8, learning_rate=5e-3
    )
    run = mnistburn.train(tmp_path / "run", training, "cpu", data=(data, data), progress=False)
    assert run.history["valid_accuracy"][-1] > 0.9
    stored = json.loads((tmp_path / "run" / "config.json").read_text())["model"]
    assert [stored.get("image_height", 28), stored.get("image_channels", 1)] == [shape[0], shape[2]]
    expected = run.model.forward(data.images)
    assert numpy.array_equal(
        mnistburn.load_run(tmp_path / "run").model.forward(data.images), expected
    )
    # A record says the channels; the sizes come from its companion.
    loaded = Model.load(run.model.save(tmp_path / "run" / "again", "default"))
    assert loaded.config == run.model.config
    assert numpy.array_equal(loaded.forward(data.images), expected)
    for extension in ("safetensors", "npz"):
        loaded = Model.load(run.model.export(tmp_path / f"model.{extension}"))
        assert loaded.config == run.model.config
        assert numpy.array_equal(loaded.forward(data.images), expected)


def test_a_record_alone_is_of_no_known_size(tmp_path: Path) -> None:
    model = Model(config((32, 32, 3)), seed=1)
    loaded = Model.load(model.save(tmp_path / "alone"))
    assert (loaded.config, loaded.image_size) == (model.config, (32, 32))
    (tmp_path / "alone.mpk.meta.json").unlink()
    assert Model.load(tmp_path / "alone.mpk").image_size is None
    loaded = Model.load(tmp_path / "alone.mpk", image_size=(32, 32))
    assert loaded.config == model.config
    images = dataset((32, 32, 3), 5).images
    assert numpy.abs(loaded.forward(images) - model.forward(images)).max() < 1e-2  # half precision
    for size, text in ((32, "pair"), ((32, 4), r"image_size\[1\]"), ((32.5, 32), "image_size")):
        with pytest.raises(DataError, match=text):
            Model.load(tmp_path / "alone.mpk", image_size=size)  # type: ignore[arg-type]


def test_a_checkpoint_has_the_sizes_of_its_run(tmp_path: Path) -> None:
    data = dataset((12, 16, 3), 12)
    named = Dataset(data.images, data.targets, ["a", "b", "c"])
    mnistburn.train(tmp_path / "run", None, "cpu", data=(named, named), progress=False)
    (newest, *_) = sorted((tmp_path / "run" / "checkpoint").iterdir(), reverse=True)
    assert Model.load(newest / "model.mpk").config.image_shape == (12, 16, 3)


def test_a_stated_configuration_has_the_channels_of_the_weights(tmp_path: Path) -> None:
    path = Model(config((9, 31, 3)), seed=1).export(tmp_path / "model.safetensors")
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata() | {"config": config((9, 31, 1)).to_json()}
    save_file(load_file(path), path, metadata)
    with pytest.raises(
        RecordError, match=r"image_channels 1, found another with num_classes 3, .*image_channels 3"
    ):
        Model.load(path)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("normalise", [True, False])
def test_onnx_gives_the_same_logits(
    shape: tuple[int, int, int],
    normalise: bool,
    tmp_path: Path,
) -> None:
    model = Model(config(shape), seed=5)
    path = model.export(tmp_path / "model.onnx", normalise=normalise)
    onnx.checker.check_model(str(path), full_check=True)
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    images = dataset(shape, 7).images
    (given,) = session.get_inputs()
    fed: Any = images
    if not normalise:
        scaled = (images.reshape(7, *shape).astype(numpy.float32) / 255 - 0.1307) / 0.3081
        fed = scaled.transpose(0, 3, 1, 2).astype(numpy.float32)
    assert given.shape[1:] == list(fed.shape[1:])
    (logits,) = session.run(None, {given.name: fed})
    found = mnistburn.describe(path)
    assert (found.problem, found.num_params) == (None, model.num_params)
    assert numpy.abs(logits - model.forward(images)).max() < 1e-5
    found = mnistburn.describe(path)
    assert (found.config, found.problem) == (model.config, None)
    assert found.num_params == model.num_params


def test_a_default_run_fits_the_data(tmp_path: Path) -> None:
    data = dataset((12, 16, 3), 12)
    named = Dataset(data.images, data.targets, ["a", "b", "c"])
    for config in (None, TrainingConfig(num_epochs=1)):
        run = mnistburn.train(tmp_path / "run", config, "cpu", data=(named, named), progress=False)
        model = run.model.config
        assert run.config.model == model
        assert (model.num_classes, model.image_shape) == (3, (12, 16, 3))
    assert fitting_model(data, data).num_classes == 3


def test_data_and_model_that_do_not_fit_are_both_named(tmp_path: Path) -> None:
    data = dataset((12, 16, 3))
    with pytest.raises(DataError, match=r"12 x 16 x 3 .*28 x 28.*image_height=12") as error:
        mnistburn.train(tmp_path / "run", TrainingConfig(model=ModelConfig()), data=(data, data))
    assert "training" in str(error.value)
    assert not (tmp_path / "run").exists()
    with pytest.raises(DataError, match="model's 28 x 28, got 12 x 16 x 3"):
        Model(ModelConfig(num_classes=3, hidden_size=2)).evaluate(data)
    with pytest.raises(DataError, match=r"\[batch, 28, 28\].*\[60, 12, 16, 3\]"):
        Model(ModelConfig(hidden_size=2)).predict(data.images)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"image_height": 4}, "image_height.*5 to 4096.*4"),
        ({"image_width": 5000}, "image_width.*5 to 4096"),
        ({"image_channels": 0}, "image_channels.*1 to 64"),
        ({"image_channels": 1.5}, "image_channels"),
    ],
)
def test_sizes_have_bounds(values: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError, match=text):
        ModelConfig(**values)


def test_images_say_their_shape() -> None:
    assert repr(dataset((9, 31, 3))) == "Dataset(60 images of 9 x 31 x 3, 3 classes)"
    assert repr(dataset((9, 31, 1))) == "Dataset(60 images of 9 x 31, 3 classes)"
    assert Dataset(numpy.zeros((28, 28), numpy.uint8), [3]).images.shape == (1, 28, 28)
    for sizes in ((2, 28, 4), (2, 4, 28), (2, 28, 28, 4), (2, 4, 28, 28), (2, 28, 4, 3)):
        with pytest.raises(DataError, match="images must"):
            Dataset(numpy.zeros(sizes, numpy.uint8), [0, 1])


def test_the_book_s_json_is_unchanged() -> None:
    assert "image" not in ModelConfig().to_json()
    text = ModelConfig(image_channels=3).to_json()
    assert json.loads(text) == {
        "num_classes": 10,
        "hidden_size": 512,
        "dropout": 0.5,
        "image_channels": 3,
    }
    assert ModelConfig.from_json(text).image_shape == (28, 28, 3)
