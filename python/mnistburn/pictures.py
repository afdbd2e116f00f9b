"""Pictures in folders, as arrays."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import as_class_names, shown
from mnistburn.arrays import ImageShape, as_image_size
from mnistburn.errors import DataError
from mnistburn.progress import CountProgress, start_count

__all__ = ["read", "read_one"]

_logger: Final = logging.getLogger("mnistburn")

# Broken pictures that the log names; the data set lists all.
_NAMED: Final = 5


def read(
    path: Path,
    *,
    image_size: tuple[int, int],
    channels: int,
    class_names: Sequence[str] | None,
    strict: bool,
    progress: bool,
) -> tuple[list[str], NDArray[numpy.uint8], NDArray[numpy.int64], list[tuple[Path, str]]]:
    """Read the pictures of a folder that has a sub-folder for each class.

    Args:
        path: The folder.
        image_size: Height and width of the images.
        channels: 1 for grey images, 3 for colours.
        class_names: The classes; None for the sub-folders.
        strict: Whether a picture that cannot be read is an error.
        progress: Whether the progress is shown.

    Returns:
        Class names, images, targets, and the pictures that cannot be read with the reasons.

    Raises:
        DataError: An argument breaks its rule, or there is no whole picture.
        OSError: A folder cannot be read.
    """
    height, width = as_image_size(image_size)
    if not isinstance(channels, int) or isinstance(channels, bool) or channels not in (1, 3):
        message = f"channels must be 1 (grey) or 3 (colour), got {shown(channels)}"
        raise DataError(message)
    for argument, value in (("strict", strict), ("progress", progress)):
        if not isinstance(value, bool):
            message = f"{argument} must be True or False, got {shown(value)}"
            raise DataError(message)
    given = None if class_names is None else list(as_class_names(class_names))
    display: CountProgress | None = None

    def show(done: int, total: int) -> None:
        nonlocal display
        if display is None:
            display = start_count(progress, str(path), total, "pictures")
        if display is not None:
            display.show(done)

    try:
        names, pixels, targets, broken = _native.read_folder(
            str(path),
            (height, width, channels),
            given,
            show if progress else None,
        )
    finally:
        if display is not None:
            display.close()
    if broken:
        _tell(path, broken, strict=strict, whole=len(targets) // 8)
    sizes = (height, width) if channels == 1 else (height, width, channels)
    images = numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(-1, *sizes)
    return names, images, numpy.frombuffer(targets, dtype="<i8"), list(broken)


def read_one(path: Path, shape: ImageShape) -> NDArray[numpy.uint8]:
    """Read a single picture, as `read` does those of a folder.

    Args:
        path: The file.
        shape: What the picture is made to.

    Returns:
        The image, of the shape's sizes.

    Raises:
        DataError: The file is no picture, or a broken one.
        OSError: The file cannot be read.
    """
    pixels = _native.read_picture(str(path), (shape.height, shape.width, shape.channels))
    return numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(shape.sizes)


def _tell(path: Path, broken: list[tuple[Path, str]], *, strict: bool, whole: int) -> None:
    files = "; ".join(f"{file}: {reason}" for file, reason in broken[:_NAMED])
    more = f"; and {len(broken) - _NAMED} more" if len(broken) > _NAMED else ""
    text = (
        f"{len(broken)} of the {whole + len(broken)} pictures in {path} cannot be read: "
        f"{files}{more}"
    )
    if whole == 0:
        raise DataError(text)
    if strict:
        message = f"{text}; remove them, or leave strict=True out"
        raise DataError(message)
    _logger.warning("%s; they are left out", text)
