"""Copies of models, optimizers and runs: the same bits, in this process and in others."""

import copy
import io
import pickle
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import (
    AdaGradConfig,
    AdamConfig,
    AdamWConfig,
    Dataset,
    Model,
    ModelConfig,
    MomentumConfig,
    MuonConfig,
    Optimizer,
    RmsPropConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.errors import DeviceError, MnistburnError, RecordError


def pickled(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))  # noqa: S301  of our own


def dumped(value: Any) -> Any:
    joblib = pytest.importorskip("joblib")
    file = io.BytesIO()
    joblib.dump(value, file, compress=3)
    file.seek(0)
    return joblib.load(file)


COPIES = [copy.copy, copy.deepcopy, pickled, dumped]
CONFIG = ModelConfig(num_classes=3, hidden_size=6, image_height=12, image_width=16)


@pytest.fixture
def data() -> Dataset:
    generator = numpy.random.default_rng(5)
    images = generator.integers(0, 256, (48, 12, 16), dtype=numpy.uint8)
    return Dataset(images, numpy.arange(48) % 3, class_names=["a", "b", "c"])


def stepped(
    model: Model, optimizer: Optimizer, data: Dataset, steps: int
) -> tuple[Model, list[float]]:
    losses = []
    for _ in range(steps):
        out = model.forward_classification(data.images, data.targets)
        losses.append(float(out.loss))
        model = optimizer.step(1e-2, model, out.loss.backward())
    return model, losses


def same_bits(one: Model, other: Model) -> bool:
    state = other.state_dict()
    return all(
        (values.view("u4") == state[name].view("u4")).all()
        for name, values in one.state_dict().items()
    )


@pytest.mark.parametrize("act", COPIES)
def test_a_copy_of_a_model_is_the_same_and_stands_alone(
    act: Callable[[Model], Model], data: Dataset
) -> None:
    model = Model(CONFIG, seed=7, class_names=["x", "y", "z"])
    state = model.state_dict()
    state["linear2.bias"][:] = [numpy.nan, numpy.inf, 1e-42]
    model.load_state_dict(state)
    other = act(model)
    assert same_bits(model, other)
    assert (other.config, other.device, other.seed) == (CONFIG, "cpu", 7)
    assert (other.class_names, other.image_size) == (("x", "y", "z"), (12, 16))
    other.load_state_dict(Model(CONFIG, seed=8).state_dict())
    assert same_bits(model, act(model))
    assert not same_bits(model, other)


@pytest.mark.parametrize("act", COPIES)
@pytest.mark.parametrize(
    "config",
    [
        AdamConfig(amsgrad=True),
        AdamWConfig(),
        SgdConfig(),
        SgdConfig(momentum=MomentumConfig()),
        RmsPropConfig(centered=True),
        AdaGradConfig(),
        MuonConfig(),
    ],
)
@pytest.mark.parametrize("before", [0, 3])
def test_a_copied_loop_goes_on_to_the_same_bits(
    act: Callable[[Any], Any], config: Any, before: int, data: Dataset
) -> None:
    model, optimizer = Model(CONFIG, seed=7), config.init()
    model, _ = stepped(model, optimizer, data, before)
    other_model, other_optimizer = act(model), act(optimizer)
    assert other_optimizer.config == config
    model, losses = stepped(model, optimizer, data, 3)
    other_model, others = stepped(other_model, other_optimizer, data, 3)
    # Also the masks of dropout, which follow from the number of forwards.
    assert losses == others
    assert same_bits(model, other_model)


def test_a_copied_optimizer_has_a_state_of_its_own(data: Dataset) -> None:
    model, optimizer = Model(CONFIG, seed=7), AdamConfig().init()
    model, _ = stepped(model, optimizer, data, 2)
    one, other = copy.copy(optimizer), copy.deepcopy(optimizer)
    first, _ = stepped(copy.copy(model), one, data, 4)
    second, _ = stepped(copy.copy(model), other, data, 4)
    assert same_bits(first, second)


@pytest.mark.parametrize("act", COPIES)
def test_a_run_is_copied(act: Callable[[Any], Any], data: Dataset, tmp_path: Path) -> None:
    config = TrainingConfig(model=CONFIG, num_epochs=1)
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(data, data), progress=False)
    other = act(run)
    assert same_bits(run.model, other.model)
    assert other.model.class_names == ("a", "b", "c")
    assert (other.history, other.config, other.artifact_dir) == (
        run.history,
        run.config,
        run.artifact_dir,
    )
    assert other.summary() == run.summary()


def test_a_process_that_was_spawned_predicts_alike(data: Dataset) -> None:
    model = Model(CONFIG, seed=7)
    parts = [data.images[:20], data.images[20:]]
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        found = numpy.concatenate(list(pool.map(model.predict, parts)))
    assert (found == model.predict(data.images)).all()


class Listing(pickle.Unpickler):
    """Notes what a pickle asks for by name."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content))
        self.asked: set[str] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.asked.add(module.split(".", maxsplit=1)[0])
        return super().find_class(module, name)


def test_a_pickle_names_this_package_alone(data: Dataset) -> None:
    model, optimizer = Model(CONFIG, seed=7), AdamConfig().init()
    model, _ = stepped(model, optimizer, data, 1)
    listing = Listing(pickle.dumps((model, optimizer)))
    listing.load()
    assert listing.asked == {"mnistburn"}


def test_damaged_bytes_are_refused(data: Dataset) -> None:
    model, optimizer = Model(CONFIG, seed=7), AdamConfig().init()
    model, _ = stepped(model, optimizer, data, 1)
    restore, arguments = model.__reduce__()
    assert same_bits(restore(*arguments), model)
    state, about, device, seed, forwards = arguments
    assert isinstance(state, bytes)
    for bad in (state[:-9], b"", state + b"x", b"\x80" * 100):
        with pytest.raises(RecordError, match="a pickled Model: "):
            restore(bad, about, device, seed, forwards)
    with pytest.raises(RecordError, match="a pickled Model: "):
        restore(state, "[]", device, seed, forwards)
    with pytest.raises(DeviceError, match="tpu"):
        restore(state, about, "tpu", seed, forwards)
    rebuild, (config, parts) = optimizer.__reduce__()
    assert isinstance(parts, tuple)
    for bad in (parts[0][:-9], b"", b"\x80" * 100):
        with pytest.raises(MnistburnError, match="a pickled Optimizer: "):
            rebuild(config, (bad, *parts[1:]))
