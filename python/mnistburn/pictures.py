"""Pictures, one by one: files and images of Pillow, as arrays.

Example:
    >>> import mnistburn
    >>> mnistburn.read_picture(b"P2 3 1 15 0 8 15")  # a path, or what is in a file
    array([[  0, 136, 255]], dtype=uint8)
    >>> mnistburn.read_picture(b"P2 3 1 15 0 8 15", size=(28, 28), channels=3).shape
    (28, 28, 3)
"""

import io
import logging
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, TypeGuard

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import as_path, shown
from mnistburn.arrays import MNIST, ImageShape, as_image_size
from mnistburn.errors import DataError
from mnistburn.pillow_images import is_pillow_image, picture_of
from mnistburn.preprocessing import (
    STRETCHED,
    Fit,
    Prepare,
    Preprocessing,
    as_fit,
    as_prepare,
)

__all__ = [
    "as_channels",
    "expanded",
    "is_picture",
    "read_one",
    "read_picture",
    "read_pictures",
]

_logger: Final = logging.getLogger("mnistburn")

# No path is longer: more bytes are what is in a file.
_LONGEST_PATH: Final = 4096


def read_picture(
    source: Any,  # noqa: ANN401  an image of Pillow, among others
    *,
    size: tuple[int, int] | None = None,
    channels: int | None = None,
    fit: Fit = "stretch",
    prepare: Prepare | None = None,
) -> NDArray[numpy.uint8]:
    """Read one picture, as training, `Model.predict` and the command line do.

    PNG, JPEG, BMP, WebP, TIFF (the first page), GIF (the first frame) and PNM are read; what a file
    is, its first bytes tell. The picture is turned as its EXIF orientation says; 16 bits and
    palettes count by their real range. Transparency is put over white where what is visible is
    darker than mid grey on average, and over black otherwise. A picture that is not whole is an
    error.

    Args:
        source: A path (``~`` is the home directory), a file open in binary mode, the bytes of one,
            or an image of Pillow of any mode.
        size: Height and width; None for those of the picture, or 28 x 28 where it is prepared.
        channels: 1 for grey (0.2126 red + 0.7152 green + 0.0722 blue), 3 for colours; None for 1
            where all pixels are grey, and 3 otherwise.
        fit: What happens to pictures of other proportions: ``"stretch"`` scales each side by
            itself, ``"pad"`` keeps the whole picture in the middle and fills the rest with the mean
            colour of its border, ``"crop"`` fills the image and cuts off what overhangs, alike on
            both sides.
        prepare: ``"digit"`` makes a picture of a digit as MNIST was made; None leaves it.

    Returns:
        The picture, uint8 of shape ``[height, width]`` or ``[height, width, 3]``.

    Raises:
        DataError: The source is no picture or a broken one, or an argument breaks its rule.
        OSError: The file cannot be read.
    """
    wanted = None if size is None else as_image_size(size, "size")
    number = None if channels is None else as_channels(channels)
    preprocessing = Preprocessing(as_fit(fit), as_prepare(prepare))
    picture = _opened(source)
    height, width, own = picture.shape
    if wanted is not None:
        height, width = wanted
    elif preprocessing.prepare == "digit":
        height, width, own = MNIST
    return _image(picture, ImageShape(height, width, number or own), preprocessing)


def is_picture(value: object) -> bool:
    """Tell whether a value is one picture: a path, an open file or an image of Pillow.

    Args:
        value: Anything.

    Returns:
        Whether it is; False for arrays, and for lists.
    """
    if isinstance(value, str | bytes | bytearray | os.PathLike) or is_pillow_image(value):
        return True
    return callable(getattr(value, "read", None))


def read_pictures(
    value: object, shape: ImageShape, preprocessing: Preprocessing = STRETCHED
) -> NDArray[numpy.uint8] | None:
    """Read one picture or several, as a model takes them.

    Args:
        value: A picture, see `is_picture`, or a list, a tuple, an array or a column of a table of
            them, of several kinds or one.
        shape: What they are made to.
        preprocessing: How they become images.

    Returns:
        The images, uint8 of shape ``[n, *shape.sizes]``; None where the value is something else.

    Raises:
        DataError: One is no picture, or a broken one; the message says which.
        OSError: A file cannot be read.
    """
    if is_picture(value):
        return read_one(value, shape, preprocessing)[None]
    if _is_column(value):
        value = list(value)
    if not isinstance(value, list | tuple) or not any(map(is_picture, value)):
        return None
    images = numpy.empty((len(value), *shape.sizes), dtype=numpy.uint8)
    for place, item in enumerate(value):
        if not is_picture(item):
            message = (
                f"a list of pictures holds paths, open files and Pillow images, got {shown(item)} "
                f"at place {place}; pass arrays by themselves"
            )
            raise DataError(message)
        try:
            images[place] = read_one(item, shape, preprocessing)
        except DataError as error:
            message = f"picture {place} of {len(value)}: {error}"
            raise DataError(message) from None
    return images


def _is_column(value: object) -> TypeGuard[Iterable[object]]:
    """Tell whether a value is an array of text or of objects with one axis, or one of pandas."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    return kind in {"U", "S", "T", "O"} and getattr(value, "ndim", None) == 1


def read_one(
    source: Any,  # noqa: ANN401  an image of Pillow, among others
    shape: ImageShape,
    preprocessing: Preprocessing = STRETCHED,
) -> NDArray[numpy.uint8]:
    """Read a single picture, as `Dataset.from_folder` does those of a folder.

    Args:
        source: As `read_picture` takes it.
        shape: What the picture is made to.
        preprocessing: How it becomes an image.

    Returns:
        The image, of the shape's sizes.

    Raises:
        DataError: The source is no picture, or a broken one.
        OSError: The file cannot be read.
    """
    return _image(_opened(source), shape, preprocessing)


def as_channels(value: object) -> int:
    """Return the number of channels of pictures.

    Args:
        value: 1 or 3.

    Returns:
        The same.

    Raises:
        DataError: The value is something else.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value not in (1, 3):
        message = f"channels must be 1 (grey) or 3 (colour), got {shown(value)}"
        raise DataError(message)
    return value


def expanded(path: Path) -> Path:
    """Return a path with the home directory in place of a leading ``~``."""
    return Path(os.path.expanduser(path))  # noqa: PTH111  Path's own raises where there is no home


def _image(
    picture: _native.Picture, shape: ImageShape, preprocessing: Preprocessing
) -> NDArray[numpy.uint8]:
    pixels = picture.image((shape.height, shape.width, shape.channels), preprocessing)
    return numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(shape.sizes)


def _opened(source: Any) -> _native.Picture:  # noqa: ANN401  an image of Pillow, among others
    if is_pillow_image(source):
        return picture_of(source)
    if isinstance(source, bytearray | memoryview) or _is_content(source):
        return _decoded(bytes(source), "the content that was passed")
    if isinstance(source, str | bytes | os.PathLike):
        if not os.fspath(source):
            message = f"a picture must have a path that is not empty, got {shown(source)}"
            raise DataError(message)
        path = expanded(as_path(source, "source", DataError))
        if path.is_dir():
            message = (
                f"no picture can be read of {path}: it is a folder; the paths in it are "
                f"sorted(pathlib.Path({str(path)!r}).rglob('*.*'))"
            )
            raise DataError(message)
        return _told(_native.Picture.open(str(path)), str(path))
    if not callable(getattr(source, "read", None)):
        message = (
            "a picture is a path, a file open in binary mode, the bytes of one or an image of "
            f"Pillow, got {shown(source)}"
        )
        if isinstance(source, numpy.ndarray):
            message += "; an array needs no reading"
        raise DataError(message)
    name = getattr(source, "name", None)
    name = str(name) if isinstance(name, str | os.PathLike) else "the file that was passed"
    content = "" if isinstance(source, io.TextIOBase) else source.read()
    if not isinstance(content, bytes | bytearray | memoryview):
        message = f"{name} must be open in binary mode: open(path, 'rb')"
        raise DataError(message)
    if len(content) == 0:
        message = f"{name} has no more bytes; rewind it first: file.seek(0)"
        raise DataError(message)
    return _decoded(bytes(content), name)


def _is_content(source: object) -> bool:
    """Tell whether bytes are what is in a file; else they are its path."""
    if not isinstance(source, bytes):
        return False
    return len(source) > _LONGEST_PATH or b"\0" in source or _native.Picture.is_picture(source)


def _decoded(content: bytes, name: str) -> _native.Picture:
    try:
        return _told(_native.Picture.decode(content), name)
    except DataError as error:
        message = f"{name}: it is no picture that can be read: {error}"
        raise DataError(message) from None


def _told(picture: _native.Picture, name: str) -> _native.Picture:
    if picture.frames > 1:
        _logger.warning("%s has %d frames or pages; the first is read", name, picture.frames)
    return picture
