"""What the rows of bad arguments work on, and how they are written.

A row is (id, what is done, expected class, parts of the message): the rule, the value, the way out.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy

import mnistburn
from mnistburn import (
    Callback,
    Dataset,
    Model,
    ModelConfig,
    TrainingConfig,
)
from mnistburn.errors import (
    ConfigError,
    DataError,
    DeviceError,
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
