"""Whether images look like those that a model was trained with."""

import json
import logging
from collections.abc import Mapping
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn import _native

__all__ = ["LOOKED_AT", "warn_of_unlike"]

_LOGGER: Final = logging.getLogger("mnistburn")

# So many, evenly spaced, tell what all look like; looking at more would take memory and time.
LOOKED_AT: Final = 10_000


def warn_of_unlike(
    statistics: object,
    images: NDArray[Any],
    shape: tuple[int, int, int],
    *,
    pictures: bool = False,
    told: dict[str, object] | None = None,
    ways_out: Mapping[str, str] | None = None,
) -> list[str]:
    """Warn where images are unlike those that a model was trained with.

    Told are images that are inverted, of another scale, of a single value, or even at the border
    otherwise than the training images, each with the numbers and the way out. Of more than 10,000
    images as many are looked at, evenly spaced.

    Args:
        statistics: What the training images looked like: an object or a mapping with the fields of
            the core's `ImageStatistics`; None where that is not known, and then nothing is told.
        images: The images, uint8, or floats in 0..1; the first axis counts them.
        shape: Height, width and channels of each.
        pictures: Whether they were read from pictures; the ways out for arrays are others.
        told: By the kinds that were told before and are not told again; what is told is added.
        ways_out: By their kinds, the ways out where they are not those of Python.

    Returns:
        The warnings, which also went to the logger ``mnistburn``.
    """
    if statistics is None or len(images) == 0:
        return []
    if isinstance(statistics, Mapping):
        fields = {name: statistics[name] for name in _FIELDS}
    else:
        fields = {name: getattr(statistics, name) for name in _FIELDS}
    step = -(-len(images) // LOOKED_AT)
    some = images[::step]
    if some.dtype != numpy.uint8:
        some = numpy.rint(numpy.clip(some, 0, 1) * 255).astype(numpy.uint8)
    found = _native.unlike(json.dumps(fields), numpy.ascontiguousarray(some), shape, pictures)
    told, by_this_call = {} if told is None else told, object()
    warnings = [
        message.rpartition("; ")[0] + f"; {ways_out[kind]}"
        if ways_out and kind in ways_out
        else message
        for kind, message in found
        # Of several threads the first one tells.
        if told.setdefault(kind, by_this_call) is by_this_call
    ]
    for message in warnings:
        _LOGGER.warning("%s", message)
    return warnings


_FIELDS: Final = (
    *("pixel_min", "pixel_max", "pixel_mean", "pixel_std"),
    *("border_mean", "border_std", "foreground"),
)
