"""What the files of a known data set hold: the images and the classes of a part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from mnistburn.datasets import idx
from mnistburn.datasets.known import KnownDataset, KnownSplit
from mnistburn.errors import DataError

__all__ = ["images_and_classes"]

_LARGEST_PIXEL = 255


def images_and_classes(
    entry: KnownDataset, part: KnownSplit, files: Sequence[tuple[Path, bytes]]
) -> tuple[NDArray[numpy.uint8], NDArray[numpy.int64]]:
    """Return the images of a part, and their classes from 0 up.

    Args:
        entry: The data set.
        part: The part.
        files: The path and the content of each of the part's files.

    Returns:
        Raw pixels of shape ``[count, height, width]`` or ``[count, height, width, 3]``, and class
        numbers of shape ``[count]``.

    Raises:
        DataError: A file holds something else.
    """
    path, content = files[0]
    if entry.format == "idx":
        images = idx.images(path, content, entry, part.count)
        path, content = files[1]
        labels: NDArray[Any] = idx.labels(path, content, entry, part.count)
    elif entry.format == "cifar":
        from mnistburn.datasets import cifar  # noqa: PLC0415  archives cost import time

        images, labels = cifar.read_records(path, content, entry, part)
    elif entry.format == "mat":
        images, labels = _matlab(path, content, entry, part)
    else:
        from mnistburn.datasets import archive  # noqa: PLC0415  zip files cost import time

        images, labels = archive.read_content(path, content, (part.members[0], part.members[1]))
        _check_shape(path, part.members[0], images, (part.count, *entry.image_shape.sizes))
        _check_shape(path, part.members[1], labels, (part.count,))
    return _pixels(path, images), _classes(path, labels, entry)


def _matlab(
    path: Path, content: bytes, entry: KnownDataset, part: KnownSplit
) -> tuple[NDArray[Any], NDArray[Any]]:
    from mnistburn.datasets import matlab  # noqa: PLC0415  one data set needs it

    shape = (*entry.image_shape, part.count)
    arrays = matlab.read_arrays(path, content, part.members, numpy.prod(shape).item() * 8)
    images, labels = (arrays[name] for name in part.members)
    _check_shape(path, part.members[0], images, shape)
    _check_shape(path, part.members[1], labels, (part.count, 1))
    return images.transpose(3, 0, 1, 2), labels[:, 0]


def _check_shape(path: Path, name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        message = (
            f"{path}: {name} must have the shape {list(shape)}, got {list(array.shape)}; the file "
            "is another one"
        )
        raise DataError(message)


def _pixels(path: Path, images: NDArray[Any]) -> NDArray[numpy.uint8]:
    if images.dtype != numpy.uint8:
        bytes_ = images.astype(numpy.uint8)
        if not (bytes_ == images).all():
            message = f"{path} must hold pixels that are whole numbers in 0..{_LARGEST_PIXEL}"
            raise DataError(message)
        images = bytes_
    return numpy.ascontiguousarray(images)


def _classes(path: Path, labels: NDArray[Any], entry: KnownDataset) -> NDArray[numpy.int64]:
    numbers = labels.astype(numpy.int64) - entry.first_label
    count = len(entry.class_names)
    whole = bool((numbers + entry.first_label == labels).all())
    if not whole or (numbers.size and not 0 <= numbers.min() <= numbers.max() < count):
        message = (
            f"{path} must hold class numbers from {entry.first_label} to "
            f"{entry.first_label + count - 1}, got {labels.min()} to {labels.max()}"
        )
        raise DataError(message)
    return (numbers + 1) % count if entry.last_label_first else numbers
