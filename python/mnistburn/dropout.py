"""What the dropout masks of a training step follow from."""

from typing import NamedTuple

import numpy
from numpy.typing import NDArray

__all__ = ["DropoutKey"]


class DropoutKey(NamedTuple):
    """What the dropout masks of a batch follow from: the same key, the same masks.

    Attributes:
        seed: The seed of the training.
        epoch: The number of the epoch, from 1.
        indices: The position of each image in its data set, int64 of shape ``[batch]``.
    """

    seed: int
    epoch: int
    indices: NDArray[numpy.int64]
