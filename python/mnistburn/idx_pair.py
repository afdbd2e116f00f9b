"""Images and their classes in two IDX files, the format of MNIST."""

import os
from pathlib import Path
from typing import Final

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.arrays import as_images
from mnistburn.disk import ImagesOnDisk
from mnistburn.errors import DataError
from mnistburn.read_only import read_only

__all__ = ["read"]

# An uncompressed file of images that is larger stays on disk.
_LARGEST_IN_MEMORY: Final = 1 << 30


def read(
    images: str | os.PathLike[str], labels: str | os.PathLike[str], *, in_memory: bool | None
) -> tuple[NDArray[numpy.uint8] | ImagesOnDisk, NDArray[numpy.uint8]]:
    """Read images and classes from two files, plain or gzip.

    Args:
        images: The file of the images.
        labels: The file of the class numbers.
        in_memory: Whether the images are read at once; None for all but large ones.

    Returns:
        The images, read-only, and their classes.

    Raises:
        DataError: A file is damaged or holds another shape; the message names it.
        OSError: A file cannot be read.
    """
    path = as_path(images, "images", DataError)
    if in_memory is None:
        in_memory = not _is_large(path)
    elif not isinstance(in_memory, bool):
        message = f"in_memory must be True, False or None, got {shown(in_memory)}"
        raise DataError(message)
    if not in_memory:
        on_disk = ImagesOnDisk(path)
        return on_disk, _read_labels(labels, len(on_disk), path)
    shape, pixels = _native.read_idx(str(path))
    try:
        array, count = as_images(numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(shape))
    except DataError as error:
        message = f"{path}: {error}"
        raise DataError(message) from None
    return read_only(array.view(numpy.uint8)), _read_labels(labels, count, path)


def _is_large(path: Path) -> bool:
    """Whether a file is an uncompressed one that would fill the memory."""
    try:
        # Before it is opened: opening a pipe waits for somebody to write to it.
        if not path.is_file() or path.stat().st_size <= _LARGEST_IN_MEMORY:
            return False
        with path.open("rb") as file:
            return file.read(2) == b"\0\0"
    except OSError:
        return False  # the reader says why


def _read_labels(labels: str | os.PathLike[str], count: int, images: Path) -> NDArray[numpy.uint8]:
    path = as_path(labels, "labels", DataError)
    shape, classes = _native.read_idx(str(path))
    if shape != [count]:
        message = (
            f"{path} must hold one label for each of the {count} images of {images}, "
            f"got the shape {shape}"
        )
        raise DataError(message)
    return numpy.frombuffer(classes, dtype=numpy.uint8)
