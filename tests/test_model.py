"""Model: forward, evaluate, save, load."""

import json
import os
import resource
import threading
from pathlib import Path
from typing import Any, cast, get_args

import numpy
import pytest

from mnistburn import Dataset, Model, ModelConfig
from mnistburn.errors import DataError, RecordError, TrainingError
from mnistburn.model import Precision, Recorder

FIXTURES = Path(__file__).parent / "fixtures"
RECORDERS = get_args(Recorder)
PRECISIONS = get_args(Precision)


@pytest.fixture(scope="module")
def model() -> Model:
    return Model(ModelConfig(hidden_size=16), seed=1)


@pytest.fixture(scope="module")
def expected() -> dict[str, numpy.ndarray]:
    content = json.loads((FIXTURES / "expected.json").read_text())
    return {name: numpy.array(values, numpy.float32) for name, values in content.items()}


HALF_FILES = ["compact.mpk", "bin_half.bin"]
FULL_FILES = [
    "default.mpk",
    "double.mpk",
    "namedmpkgz.mpk.gz",
    "bin.bin",
    "bingz.bin.gz",
    "jsongz.json.gz",
]


@pytest.mark.parametrize("file", HALF_FILES + FULL_FILES)
@pytest.mark.parametrize("version", ["burn-0.16", "burn-0.21"])
def test_a_file_written_by_burn_gives_the_logits_of_burn(
    version: str, file: str, expected: dict[str, numpy.ndarray]
) -> None:
    model = Model.load(FIXTURES / version / file, image_size=(28, 28))
    pixels = expected["input"].reshape(4, 28, 28) * numpy.float32(0.3081) + numpy.float32(0.1307)
    assert model.config == ModelConfig(hidden_size=32)
    logits = expected["logits_compact" if file in HALF_FILES else "logits_f32"].reshape(4, 10)
    assert numpy.abs(model.forward(pixels) - logits).max() < 1e-5


def test_repr_and_properties(model: Model) -> None:
    assert repr(Model(seed=1)) == (
        "Model(num_classes=10, hidden_size=512, dropout=0.5, device='cpu', num_params=531178)"
    )
    assert (model.seed, model.device, model.config) == (1, "cpu", ModelConfig(hidden_size=16))
    assert model.num_params == sum(array.size for array in model.state_dict().values())
    assert "linear1" in model.summary()


def test_the_same_seed_gives_the_same_weights(model: Model) -> None:
    again = Model(ModelConfig(hidden_size=16), seed=1)
    other = Model(ModelConfig(hidden_size=16), seed=2)
    weights = model.state_dict()["linear1.weight"]
    assert (again.state_dict()["linear1.weight"] == weights).all()
    assert (other.state_dict()["linear1.weight"] != weights).any()
    assert Model(ModelConfig(hidden_size=16)).seed != Model(ModelConfig(hidden_size=16)).seed


def test_shapes_and_types_of_the_results(model: Model, test_data: Dataset) -> None:
    images = test_data.images[:5]
    logits, labels, shares = (
        model.forward(images),
        model.predict(images),
        model.predict_proba(images),
    )
    assert logits.shape == (5, 10)
    assert logits.dtype == numpy.float32
    assert labels.shape == (5,)
    assert labels.dtype == numpy.int64
    assert shares.shape == (5, 10)
    assert shares.dtype == numpy.float32
    assert numpy.allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    assert (shares.argmax(axis=1) == labels).all()
    assert model.forward(images[0]).shape == (1, 10)
    assert model.predict(images[0]).shape == (1,)
    assert model.predict(images[:0]).shape == (0,)
    assert model.predict_proba(images[:0]).shape == (0, 10)
    assert (model(images) == logits).all()


FORMS: dict[str, Any] = {
    "flat": lambda images: images.reshape(-1, 784),
    "channel": lambda images: images[:, None],
    "fortran": numpy.asfortranarray,
    "reversed twice": lambda images: images[::-1].copy()[::-1],
    "list": lambda images: [image for image in images],  # noqa: C416  a list of arrays
    "matrix rows": lambda images: numpy.asmatrix(images.reshape(-1, 784)),
    "not masked": numpy.ma.masked_array,
    "unaligned": lambda images: numpy.frombuffer(b"x" + images.tobytes(), numpy.uint8, offset=1)
    .reshape(-1, 28, 28),
    "buffer": memoryview,
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:the matrix subclass:PendingDeprecationWarning")
@pytest.mark.parametrize("form", FORMS)
def test_any_layout_gives_the_same_logits(model: Model, test_data: Dataset, form: str) -> None:
    images = test_data.images[:5]
    assert (model.forward(FORMS[form](images)) == model.forward(images)).all()


def test_a_memory_map_gives_the_same_logits(
    model: Model, test_data: Dataset, tmp_path: Path
) -> None:
    images = test_data.images[:5]
    numpy.save(tmp_path / "images.npy", images)
    mapped = numpy.load(tmp_path / "images.npy", mmap_mode="r")
    assert (model.forward(mapped) == model.forward(images)).all()


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_scaled_pixels_give_the_logits_of_raw_ones(
    model: Model, test_data: Dataset, dtype: str
) -> None:
    images = test_data.images[:5]
    scaled = (images / 255).astype(dtype)
    assert numpy.allclose(model.forward(scaled), model.forward(images), atol=1e-5)


def test_an_object_with_an_array_inside_is_taken(model: Model, test_data: Dataset) -> None:
    class Tensor:
        def __array__(self, dtype: Any = None, copy: Any = None) -> numpy.ndarray:
            return test_data.images[:2]

    assert (model.forward(cast("Any", Tensor())) == model.forward(test_data.images[:2])).all()


def test_a_batch_gives_the_bits_of_its_images_one_by_one(model: Model, test_data: Dataset) -> None:
    images = test_data.images[:65]
    single = numpy.concatenate([model.forward(image) for image in images])
    for count in (1, 2, 63, 64, 65):
        assert (model.forward(images[:count]) == single[:count]).all()


def test_evaluate_is_the_mean_over_images(model: Model, test_data: Dataset) -> None:
    evaluation = model.evaluate(test_data)
    labels = model.predict(test_data.images)
    shares = model.predict_proba(test_data.images).astype(numpy.float64)
    loss = -numpy.log(shares[numpy.arange(len(test_data)), test_data.targets]).mean()
    assert evaluation.accuracy == pytest.approx((labels == test_data.targets).mean(), abs=1e-9)
    assert evaluation.loss == pytest.approx(loss, rel=1e-5)
    ragged = model.evaluate(test_data, batch_size=50)
    assert ragged.accuracy == pytest.approx(evaluation.accuracy, abs=1e-9)
    assert ragged.loss == pytest.approx(evaluation.loss, rel=1e-6)


def test_forward_has_no_dropout_and_the_training_forward_has(
    model: Model, test_data: Dataset
) -> None:
    images, targets = test_data.images[:8], test_data.targets[:8]
    logits = model.forward(images)
    out = model.forward_classification(images, targets)
    assert (model.forward(images) == logits).all()
    assert (out.output != logits).any()
    assert (out.targets == targets).all()
    shares = numpy.exp(out.output) / numpy.exp(out.output).sum(axis=1, keepdims=True)
    assert float(out.loss) == pytest.approx(
        -numpy.log(shares[numpy.arange(8), targets]).mean(), rel=1e-5
    )


def test_dropout_masks_follow_from_the_seed_and_the_count_of_forwards(test_data: Dataset) -> None:
    images, targets = test_data.images[:8], test_data.targets[:8]

    def outputs() -> list[numpy.ndarray]:
        model = Model(ModelConfig(hidden_size=16), seed=5)
        return [model.forward_classification(images, targets).output for _ in range(2)]

    first, second = outputs()
    assert (first != second).any()
    assert all((a == b).all() for a, b in zip(outputs(), (first, second), strict=True))


def test_the_gradient_is_the_slope_of_the_loss(test_data: Dataset) -> None:
    images, targets = test_data.images[:8], test_data.targets[:8]
    model = Model(ModelConfig(hidden_size=16, dropout=0.0), seed=3)
    gradients = model.forward_classification(images, targets).loss.backward()
    assert sorted(gradients.names()) == sorted(model.state_dict())
    assert gradients.norm() == pytest.approx(
        numpy.sqrt(sum((gradients[name].astype(float) ** 2).sum() for name in gradients)), rel=1e-5
    )
    state = model.state_dict()
    for name in ("linear2.bias", "linear2.weight", "conv1.bias"):
        flat = int(numpy.abs(gradients[name]).argmax())
        losses = []
        for shift in (-1e-2, 1e-2):
            moved = {key: value.copy() for key, value in state.items()}
            moved[name].reshape(-1)[flat] += shift
            model.load_state_dict(moved)
            losses.append(model.evaluate(Dataset.from_numpy(images, targets)).loss)
        slope = (losses[1] - losses[0]) / 2e-2
        assert gradients[name].reshape(-1)[flat] == pytest.approx(slope, rel=2e-2)


def test_a_tape_is_used_once(model: Model, test_data: Dataset) -> None:
    loss = model.forward_classification(test_data.images[:2], test_data.targets[:2]).loss
    gradients = loss.backward()
    assert "linear1.weight" in gradients
    assert "linear9.weight" not in gradients
    assert len(gradients) == len(gradients.names())
    with pytest.raises(KeyError, match=r"linear1\.weight"):
        gradients["linear1.weigth"]
    with pytest.raises(TrainingError):
        loss.backward()


EXTENSIONS = {
    "compact": "mpk",
    "default": "mpk",
    "named-mpk": "mpk",
    "named-mpk-gz": "mpk.gz",
    "bin": "bin",
    "bin-gz": "bin.gz",
    "json": "json",
    "json-gz": "json.gz",
}


@pytest.mark.parametrize("recorder", RECORDERS)
@pytest.mark.parametrize("precision", [None, *PRECISIONS])
def test_every_recorder_is_read_back_in_every_precision(
    model: Model, tmp_path: Path, recorder: Recorder, precision: Precision | None
) -> None:
    path = model.save(tmp_path / "my.model.v2", recorder, precision)
    assert path.name == f"my.model.v2.{EXTENSIONS[recorder]}"
    companion = f"{path.name}.meta.json"
    assert sorted(item.name for item in tmp_path.iterdir()) == [path.name, companion]
    assert path.read_bytes().startswith(b"\x1f\x8b") == recorder.endswith("-gz")
    read = Model.load(path)
    assert read.config == model.config
    halved = precision == "half" or (precision is None and recorder == "compact")
    for name, values in model.state_dict().items():
        expected = values.astype(numpy.float16).astype(numpy.float32) if halved else values
        assert (read.state_dict()[name] == expected).all()


def test_the_content_and_not_the_name_says_what_a_file_is(model: Model, tmp_path: Path) -> None:
    for recorder in RECORDERS:
        misnamed = model.save(tmp_path / "model", recorder, "full").rename(tmp_path / "other.mpk")
        read = Model.load(misnamed).state_dict()
        assert all((read[name] == array).all() for name, array in model.state_dict().items())


def test_a_model_that_has_diverged_is_kept_as_it_is(model: Model, tmp_path: Path) -> None:
    diverged = Model(model.config, seed=1)
    state = model.state_dict()
    state["linear2.bias"][:3] = [numpy.nan, numpy.inf, -numpy.inf]
    diverged.load_state_dict(state)
    for recorder in RECORDERS:
        read = Model.load(diverged.save(tmp_path / "model", recorder)).state_dict()
        assert numpy.array_equal(
            read["linear2.bias"][:3], state["linear2.bias"][:3], equal_nan=True
        )


def test_a_known_extension_is_kept_and_an_older_file_replaced(model: Model, tmp_path: Path) -> None:
    path = tmp_path / "model.mpk"
    path.write_bytes(b"older")
    assert model.save(path, "compact") == path
    assert Model.load(path).num_params == model.num_params


@pytest.mark.parametrize("recorder", ["named-mpk", "bin"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_precision_sets_the_size(
    model: Model, tmp_path: Path, recorder: Recorder, precision: Precision
) -> None:
    path = model.save(tmp_path / "model", recorder, precision)
    width = {"half": 2, "full": 4, "double": 8}[precision]
    assert abs(path.stat().st_size / model.num_params - width) < 0.5
    numbers = {"half": b"half::binary16::f16", "full": b"f32", "double": b"f64"}
    integers = {"half": b"i16", "full": b"i32", "double": b"i64"}
    head = path.read_bytes()[:64]
    assert numbers[precision] in head
    assert integers[precision] in head


def test_dropout_comes_from_a_config_beside_the_file(model: Model, tmp_path: Path) -> None:
    path = model.save(tmp_path / "model")
    (tmp_path / "model.mpk.meta.json").unlink()
    ModelConfig(hidden_size=16, dropout=0.125).save(tmp_path / "model-config.json")
    assert Model.load(path).config.dropout == 0.5
    training = '{"model": {"num_classes": 10, "hidden_size": %d, "dropout": 0.125}}'
    (tmp_path / "config.json").write_text(training % 17)
    read = Model.load(path)
    assert (read.config.dropout, read.image_size) == (0.5, None)
    (tmp_path / "config.json").write_text(training % 16)
    read = Model.load(path)
    assert (read.config.dropout, read.image_size) == (0.125, (28, 28))


def test_a_state_is_a_copy_and_is_loaded_back(model: Model, test_data: Dataset) -> None:
    other = Model(ModelConfig(hidden_size=16), seed=9)
    logits = other.forward(test_data.images[:3])
    other.state_dict()["linear1.bias"][:] = 1.0
    assert (other.forward(test_data.images[:3]) == logits).all()
    other.load_state_dict(model.state_dict())
    assert (other.forward(test_data.images[:3]) == model.forward(test_data.images[:3])).all()
    doubles = {name: array.astype(">f8") for name, array in model.state_dict().items()}
    other.load_state_dict(doubles)
    assert (other.forward(test_data.images[:3]) == model.forward(test_data.images[:3])).all()


def test_linear_weights_have_the_layout_of_burn(model: Model) -> None:
    shapes = {name: array.shape for name, array in model.state_dict().items()}
    assert shapes["linear1.weight"] == (1024, 16)
    assert shapes["linear2.weight"] == (16, 10)
    assert shapes["conv2.weight"] == (16, 8, 3, 3)


def test_a_refused_state_leaves_the_model_as_it_was(model: Model, test_data: Dataset) -> None:
    logits = model.forward(test_data.images[:3])
    state = model.state_dict()
    state["linear1.bias"] += 1.0
    state["linear2.weight"] = state["linear2.weight"][:, :3]
    with pytest.raises(RecordError, match=r"linear2\.weight"):
        model.load_state_dict(state)
    assert (model.forward(test_data.images[:3]) == logits).all()


def test_to_keeps_the_weights(model: Model, test_data: Dataset) -> None:
    moved = model.to("cpu")
    assert moved is not model
    assert (moved.forward(test_data.images[:3]) == model.forward(test_data.images[:3])).all()


def test_threads_share_a_model(model: Model, test_data: Dataset) -> None:
    logits = model.forward(test_data.images)
    results: list[bool] = []

    def work() -> None:
        results.extend(bool((model.forward(test_data.images) == logits).all()) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [True] * 20


def test_a_large_broadcast_is_refused_before_it_is_copied(model: Model) -> None:
    huge = numpy.broadcast_to(numpy.zeros((28, 28), numpy.uint8), (10**9, 28, 28))
    with pytest.raises(DataError, match="GiB"):
        model.forward(huge)


def test_a_loss_that_is_only_looked_at_costs_no_memory(model: Model, test_data: Dataset) -> None:
    def resident() -> int:
        """Return the resident memory in bytes."""
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * resource.getpagesize()

    def look(times: int) -> None:
        for _ in range(times):
            float(model.forward_classification(test_data.images[:64], test_data.targets[:64]).loss)

    look(5)
    before = resident()
    look(20)
    # One tape holds about 10 MB.
    assert resident() - before < 50e6


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "model.mpk")
    with pytest.raises(RecordError, match="regular file"):
        Model.load(tmp_path / "model.mpk")
    with pytest.raises(RecordError, match="regular file"):
        Model(ModelConfig(hidden_size=4), seed=1).save(tmp_path / "model.mpk")


def test_a_path_that_is_no_text_is_answered_as_it_is(model: Model, tmp_path: Path) -> None:
    path = tmp_path / os.fsdecode(b"by\xff")
    written = model.save(path)
    assert written == path.with_name(path.name + ".mpk")
    assert written.is_file()
