"""What a training step computes forward, and what it takes beside images and targets."""

from dataclasses import dataclass

import numpy
from numpy.typing import NDArray

from mnistburn.arguments import LARGEST_SEED, as_integer, shown
from mnistburn.arrays import as_array, as_float32
from mnistburn.dropout import DropoutKey
from mnistburn.errors import DataError
from mnistburn.gradients import Loss

__all__ = [
    "ClassificationOutput",
    "RegressionOutput",
    "as_dropout_key",
    "as_values",
    "as_weights",
    "check_count",
]


@dataclass(frozen=True, eq=False)
class ClassificationOutput:
    """What a training step of a classification computes forward.

    Attributes:
        loss: The mean cross-entropy, from which the gradients follow.
        losses: The cross-entropy of each image, float32 of shape ``[batch]``.
        output: The logits, float32 of shape ``[batch, num_classes]``.
        targets: The class numbers, int64 of shape ``[batch]``.
    """

    loss: Loss
    losses: NDArray[numpy.float32]
    output: NDArray[numpy.float32]
    targets: NDArray[numpy.int64]


@dataclass(frozen=True, eq=False)
class RegressionOutput:
    """What a training step of a regression computes forward.

    Attributes:
        loss: The mean squared error, from which the gradients follow.
        losses: The mean squared error of each image, float32 of shape ``[batch]``.
        output: The outputs of the model, float32 of shape ``[batch, num_classes]``.
        targets: What they should be, float32 of shape ``[batch, num_classes]``.
    """

    loss: Loss
    losses: NDArray[numpy.float32]
    output: NDArray[numpy.float32]
    targets: NDArray[numpy.float32]


def check_count(count: int) -> None:
    """Refuse to compute the mean loss of no images."""
    if count == 0:
        message = "images must not be empty: the mean loss of no images does not exist"
        raise DataError(message)


def as_values(targets: object, count: int, num_classes: int) -> NDArray[numpy.float32]:
    """Return what the outputs for images should be as the Rust core takes it."""
    values = as_float32(targets, "targets", DataError)
    if values.shape != (count, num_classes):
        message = (
            "targets must have the shape [batch, num_classes], a number for each output: "
            f"{[count, num_classes]}, got {list(values.shape)}"
        )
        raise DataError(message)
    return values


def as_weights(weights: object) -> NDArray[numpy.float32] | None:
    """Return weights of images as the Rust core takes them."""
    if weights is None:
        return None
    array = as_float32(weights, "weights", DataError)
    if array.ndim != 1:
        message = f"weights must have the shape [batch], got the shape {list(array.shape)}"
        raise DataError(message)
    return array


def as_dropout_key(key: object) -> tuple[int, int, NDArray[numpy.int64]] | None:
    """Return what dropout masks follow from as the Rust core takes it."""
    if key is None:
        return None
    if not isinstance(key, DropoutKey):
        message = f"dropout must be a DropoutKey or None, got {shown(key)}; pass batch.dropout"
        raise DataError(message)
    indices = as_array(key.indices, "dropout.indices", DataError)
    if indices.dtype.kind not in "iu" or indices.ndim != 1 or (len(indices) and indices.min() < 0):
        message = (
            "dropout.indices must be positions in a data set, integers of at least 0 of shape "
            f"[batch], got {shown(key.indices)}"
        )
        raise DataError(message)
    seed = as_integer(key.seed, "dropout.seed", DataError, maximum=LARGEST_SEED)
    epoch = as_integer(key.epoch, "dropout.epoch", DataError)
    return seed, epoch, numpy.ascontiguousarray(indices, dtype=numpy.int64)
