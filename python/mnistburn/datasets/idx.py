"""What the files of the known data sets hold, as arrays.

The core's reader of IDX files takes unsigned bytes; here are what QMNIST and EMNIST have besides:
integers, and columns for rows.
"""

from pathlib import Path
from typing import Final

import numpy
from numpy.typing import NDArray

from mnistburn.arrays import MNIST
from mnistburn.datasets.known import KnownDataset
from mnistburn.errors import DataError

__all__ = ["images", "labels"]

_BYTES: Final = 0x08
_INTEGERS: Final = 0x0C


def images(path: Path, content: bytes, entry: KnownDataset, count: int) -> NDArray[numpy.uint8]:
    """Return the images of a file, upright.

    Args:
        path: The file, for the message.
        content: Its content, decompressed.
        entry: The data set.
        count: The number of images.

    Returns:
        Raw pixels of shape ``[count, 28, 28]``.

    Raises:
        DataError: The content is something else.
    """
    pixels = _array(path, content, _BYTES, (count, *MNIST.sizes))
    if entry.transposed:
        pixels = pixels.transpose(0, 2, 1)
    return numpy.ascontiguousarray(pixels, dtype=numpy.uint8)


def labels(
    path: Path, content: bytes, entry: KnownDataset, count: int
) -> NDArray[numpy.uint8] | NDArray[numpy.int32]:
    """Return the labels of a file, as they are.

    Args:
        path: The file, for the message.
        content: Its content, decompressed.
        entry: The data set.
        count: The number of images.

    Returns:
        Labels of shape ``[count]``.

    Raises:
        DataError: The content is something else.
    """
    if entry.label_columns:
        return _array(path, content, _INTEGERS, (count, entry.label_columns))[:, 0]
    return _array(path, content, _BYTES, (count,))


def _array(
    path: Path, content: bytes, kind: int, shape: tuple[int, ...]
) -> NDArray[numpy.uint8] | NDArray[numpy.int32]:
    header = bytes([0, 0, kind, len(shape)]) + b"".join(size.to_bytes(4, "big") for size in shape)
    if not content.startswith(header):
        message = (
            f"{path} must hold IDX data of the shape {list(shape)}: its header must be "
            f"{header.hex()}, got {content[: len(header)].hex()}"
        )
        raise DataError(message)
    dtype = ">i4" if kind == _INTEGERS else "u1"
    return numpy.frombuffer(content, dtype=dtype, offset=len(header)).reshape(shape)
