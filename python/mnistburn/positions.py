"""Positions of images in a data set."""

from collections.abc import Sequence

import numpy
from numpy.typing import NDArray

from mnistburn.arrays import as_array
from mnistburn.errors import DataError

__all__ = ["as_positions"]


def as_positions(
    indices: Sequence[int] | NDArray[numpy.integer], count: int
) -> NDArray[numpy.integer]:
    """Return the positions that the caller passed, as an array.

    Args:
        indices: Positions from 0 up; one may occur more than once.
        count: The number of images.

    Returns:
        The positions, of shape ``[n]``.

    Raises:
        DataError: A position is none, or out of range; the first bad one is named.
    """
    positions = as_array(indices, "indices", DataError)
    if positions.ndim == 1 and positions.size == 0:
        positions = positions.astype(numpy.int64)
    if positions.ndim != 1 or positions.dtype.kind not in "iu":
        message = (
            "indices must be a sequence of integers, got an array of shape "
            f"{list(positions.shape)} and dtype {positions.dtype}; "
            "a mask is numpy.flatnonzero(mask)"
        )
        raise DataError(message)
    bad = (positions < 0) | (positions >= count)
    if bad.any():
        place = int(bad.argmax())
        message = (
            f"indices must be at least 0 and below {count}, the number of images, "
            f"got {int(positions[place])} at position {place}"
        )
        raise DataError(message)
    return positions
