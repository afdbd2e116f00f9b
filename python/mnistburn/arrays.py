"""What the caller passes as images and targets, as the arrays the Rust core takes."""

import os
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import as_integer, shown
from mnistburn.errors import DataError, MnistburnError
from mnistburn.hints import (
    float_hint,
    images_hint,
    integer_hint,
    pairs_hint,
    range_hint,
    targets_hint,
    text_hint,
)
from mnistburn.pillow_images import has_colour_mode, is_pillow_image, picture_of
from mnistburn.preprocessing import STRETCHED

__all__ = [
    "MNIST",
    "ImageShape",
    "Images",
    "as_array",
    "as_float32",
    "as_image_size",
    "as_images",
    "as_targets",
    "shape_of",
    "stated_shape",
]


class ImageShape(NamedTuple):
    """The sizes of an image, in pixels, and its channels: 1 for grey, 3 for colours."""

    height: int
    width: int
    channels: int

    @property
    def sizes(self) -> tuple[int, ...]:
        """Those that an array of such an image has: without channels where there is one."""
        return self[:2] if self.channels == 1 else tuple(self)

    def __str__(self) -> str:
        return " x ".join(map(str, self.sizes))


MNIST: Final = ImageShape(28, 28, 1)
"""The shape of MNIST's images."""

Images = NDArray[numpy.uint8] | NDArray[numpy.float32]
"""Raw pixels (uint8, 0..255) or scaled ones (float32, 0..1)."""

# Sides that a ModelConfig takes, and channels that an array says by itself.
_SIDES: Final = range(5, 4097)
_CHANNELS: Final = (1, 3)
# A broadcast view can claim any size at no cost: refuse before copying it.
_LARGEST_BYTES: Final = 8 << 30
# The largest num_classes that a ModelConfig takes.
_MOST_CLASSES: Final = 1 << 20


def as_images(images: object, shape: ImageShape | None = None) -> tuple[Images, int]:
    """Return images as a C-contiguous array of a kind the Rust core takes.

    Args:
        images: An array, or what NumPy makes one of, of shape ``[batch, height, width]`` for one
            channel, ``[batch, height, width, channels]``, ``[batch, channels, height, width]`` or
            ``[batch, height * width * channels]``, or a single image without the batch: uint8 raw
            pixels, or floats that are pixels in 0..1. Any memory layout and byte order.
        shape: The shape of each image. None takes any that the array says by itself: 1 or 3
            channels, flat ones and single ones of 28 x 28.

    Returns:
        The array of shape ``[batch, height, width]``, or ``[batch, height, width, channels]`` for
        more than one channel, uint8 or float32, and the batch size. An array that is already right
        is not copied.

    Raises:
        DataError: The shape, the type or a value is another.
    """
    array = as_array(_without_pillow(images, shape), "images", DataError)
    name = _array_name(images)
    if _is_text(array):
        message = f"images must be numbers, got text: {shown(array)}"
        raise DataError(message + text_hint(array, name, shape))
    arranged = _arranged(array, shape, name)
    converted: Images
    if array.dtype == numpy.uint8:
        _check_size(arranged, itemsize=1)
        converted = numpy.ascontiguousarray(arranged, dtype=numpy.uint8)
    elif array.dtype.kind == "f":
        _check_size(arranged, itemsize=4)
        _check_scaled(array, name)
        with numpy.errstate(under="ignore"):
            converted = numpy.ascontiguousarray(arranged, dtype=numpy.float32)
    else:
        raise DataError(_image_type_message(array, name))
    return converted, len(converted)


def _without_pillow(images: object, shape: ImageShape | None) -> object:
    """Return images of Pillow as an array: NumPy would take places in a palette for pixels."""
    alone = is_pillow_image(images)
    items = [images] if alone else images
    if not isinstance(items, list | tuple) or not any(map(is_pillow_image, items)):
        return images
    if not all(map(is_pillow_image, items)):
        message = (
            "images must be Pillow images or arrays, got both in one list; "
            "mnistburn.read_picture(image) makes an array of a Pillow image"
        )
        raise DataError(message)
    pictures = [picture_of(item) for item in items]
    sizes = {picture.shape[:2] for picture in pictures}
    if len(sizes) > 1:
        message = (
            f"the images must be of one size, got {' and '.join(map(str, sorted(sizes)[:2]))}; "
            "mnistburn.read_picture(image, size=(height, width)) resizes them"
        )
        raise DataError(message)
    colour = any(
        picture.shape[2] == _CHANNELS[1] or has_colour_mode(item)
        for item, picture in zip(items, pictures, strict=True)
    )
    channels = shape.channels if shape is not None else _CHANNELS[colour]
    own = ImageShape(*sizes.pop(), channels)
    pixels = [
        numpy.frombuffer(
            picture.image((own.height, own.width, own.channels), STRETCHED), dtype=numpy.uint8
        )
        for picture in pictures
    ]
    return numpy.stack(pixels).reshape(len(items), *own.sizes)


def as_image_size(value: object, name: str = "image_size") -> tuple[int, int]:
    """Return the height and the width of images.

    Args:
        value: A pair of integers.
        name: The argument's name, for the message.

    Returns:
        The pair.

    Raises:
        DataError: The value is something else, or a side is none that a model takes.
    """
    match value:
        case (height, width):
            sides = [
                as_integer(
                    side,
                    f"{name}[{place}]",
                    DataError,
                    minimum=_SIDES.start,
                    maximum=_SIDES.stop - 1,
                )
                for place, side in enumerate((height, width))
            ]
            return sides[0], sides[1]
    message = f"{name} must be a pair (height, width), got {shown(value)}"
    raise DataError(message)


def shape_of(images: Images) -> ImageShape:
    """Return the shape of each of the images that `as_images` gave."""
    return ImageShape(*images.shape[1:], *(1,) * (4 - images.ndim))


def as_targets(targets: object, count: int, num_classes: int | None = None) -> NDArray[numpy.int64]:
    """Return targets as a C-contiguous int64 array.

    Args:
        targets: Class numbers of any integer type, shape ``[batch]``.
        count: The number of images they belong to.
        num_classes: The number of classes; None when not known yet.

    Returns:
        The array of shape ``[batch]``.

    Raises:
        DataError: The shape, the type or a value is another; the first bad one is named.
    """
    array = as_array(targets, "targets", DataError)
    if array.ndim != 1 or array.shape[0] != count:
        message = (
            f"targets must have the shape [batch], one for each of the {count} images, "
            f"got the shape {list(array.shape)}{targets_hint(array, count)}"
        )
        raise DataError(message)
    if count == 0:
        return numpy.zeros(0, dtype=numpy.int64)
    if array.dtype.kind not in "iu":
        message = (
            f"targets must be integers (class numbers), got the dtype {array.dtype}"
            f"{targets_hint(array, count)}"
        )
        raise DataError(message)
    if count * 8 > _LARGEST_BYTES:
        message = f"targets of {count} items are more than the {_LARGEST_BYTES >> 30} GiB allowed"
        raise DataError(message)
    limit = _MOST_CLASSES if num_classes is None else num_classes
    bad = (array < 0) | (array >= limit)
    if bad.any():
        index = int(bad.argmax())
        value = int(array[index])
        rule = "at least 0"
        if value >= 0:
            rule = (
                f"below {limit}" if num_classes is None else f"below the number of classes, {limit}"
            )
        hint = range_hint(array, num_classes, _MOST_CLASSES)
        message = f"targets must be {rule}, got {value} at index {index}{hint}"
        raise DataError(message)
    return numpy.ascontiguousarray(array, dtype=numpy.int64)


def as_image_weights(weights: object, count: int) -> NDArray[numpy.float32]:
    """Return the weights of images as a C-contiguous float32 array.

    Args:
        weights: Numbers of at least 0, shape ``[n]``.
        count: The number of images they belong to.

    Returns:
        The array of shape ``[n]``.

    Raises:
        DataError: The shape, the type or a value is another; the first bad one is named.
    """
    array = as_float32(weights, "weights", DataError)
    if array.ndim != 1:
        message = f"weights must have the shape [n], got the shape {list(array.shape)}"
        raise DataError(message)
    _native.check_weights(array, count)
    return array


def as_float32(value: object, name: str, error: type[MnistburnError]) -> NDArray[numpy.float32]:
    """Return numbers as a C-contiguous float32 array of the same shape, at least one-dimensional.

    Args:
        value: An array, or what NumPy makes one of.
        name: What messages call it.
        error: The class to raise.

    Returns:
        The array, not copied where it is right.

    Raises:
        MnistburnError: The value is no array of numbers, or one is beyond float32.
    """
    array = as_array(value, name, error)
    if array.dtype.kind not in "fiu" or array.ndim == 0:
        message = f"{name} must be an array of numbers, got {shown(array)}"
        raise error(message)
    try:
        with numpy.errstate(over="raise", under="ignore"):
            return numpy.require(array, dtype=numpy.float32, requirements="C")
    except FloatingPointError:
        message = f"{name} holds a number beyond float32, whose largest is 3.4e38"
        raise error(message) from None


def as_array(value: object, name: str, error: type[MnistburnError]) -> NDArray[Any]:
    """Return a value as an array, of whatever shape and type.

    Args:
        value: An array, or what NumPy makes one of.
        name: The argument's name, for the message.
        error: The class to raise.

    Returns:
        The array, not copied when it is one.

    Raises:
        MnistburnError: The value is masked, or NumPy would make no array of its items.
    """
    if isinstance(value, numpy.ma.MaskedArray) and numpy.ma.is_masked(value):
        message = f"{name} must not be masked; fill them first: {name}.filled(0)"
        raise error(message)
    # Of these NumPy makes an array that holds the object itself.
    if value is None or isinstance(value, str | bytes | dict | set | frozenset | Iterator):
        message = f"{name} must be an array, got {shown(value)}"
        if isinstance(value, Iterator):
            message += f"; collect the items first: list({name})"
        raise error(message)
    if hasattr(value, "images") and hasattr(value, "targets"):  # a Dataset, a Batch
        message = f"{name} must be an array, got {shown(value)}; pass its .images or its .targets"
        raise error(message)
    pairs = pairs_hint(value, name)
    if pairs:
        message = f"{name} must be an array, got {shown(value)}; its images and targets are {pairs}"
        raise error(message)
    try:
        return numpy.asarray(value)
    except MemoryError:
        raise
    except Exception as reason:
        message = f"{name} must be an array, and could not be read as one: {reason}"
        raise error(message) from reason


def _array_name(value: object) -> str:
    """Return code that gives an argument ``images`` as an array of NumPy."""
    return "images" if isinstance(value, numpy.ndarray) else "numpy.asarray(images)"


def _is_text(array: NDArray[Any]) -> bool:
    """Tell whether an array holds paths, or other text."""
    if array.dtype.kind in "UST":
        return True
    return array.dtype.kind == "O" and isinstance(next(array.flat, None), str | bytes | os.PathLike)


def _arranged(array: NDArray[Any], shape: ImageShape | None, name: str) -> NDArray[Any]:
    """Return a view with the batch first and the channels last, or gone where there is one."""
    if shape is None:
        return _arranged(array, stated_shape(array.shape, images_hint(array, name, None)), name)
    height, width, channels = shape
    sizes = array.shape
    whole = (height, width, channels)
    if sizes == whole or (channels == 1 and sizes == whole[:2]):
        return array.reshape(1, *shape.sizes)
    if sizes[1:] in {shape.sizes, whole, (height * width * channels,)}:
        return array.reshape(sizes[0], *shape.sizes)
    if sizes[1:] == (channels, height, width):
        return array[:, 0] if channels == 1 else numpy.moveaxis(array, 1, 3)
    allowed: list[list[object]] = [["batch", height, width], [height, width]]
    if channels > 1:
        allowed = [["batch", *whole], [*whole]]
    allowed += [["batch", height * width * channels], ["batch", channels, height, width]]
    texts = [f"[{', '.join(map(str, sizes))}]" for sizes in allowed]
    message = (
        f"images must have the shape {', '.join(texts[:-1])} or {texts[-1]}, got {list(sizes)}"
    )
    raise DataError(message + images_hint(array, name, shape))


def stated_shape(sizes: tuple[int, ...], hint: str = "") -> ImageShape:
    """Return the shape of the images of an array of these sizes.

    Args:
        sizes: The sizes of the array.
        hint: What the message proposes where they are none of images.

    Returns:
        The shape of each image.

    Raises:
        DataError: The sizes are none of images.
    """
    shape = None
    match sizes:
        case (28, 28) | (_, 784):
            shape = MNIST
        case (_, height, width):
            shape = ImageShape(height, width, 1)
        case (_, height, width, channels) if channels in _CHANNELS:
            shape = ImageShape(height, width, channels)
        case (_, channels, height, width) if channels in _CHANNELS:
            shape = ImageShape(height, width, channels)
    if shape is None:
        message = (
            "images must have the shape [n, height, width], [n, height, width, channels] or "
            f"[n, channels, height, width] with 1 or 3 channels, or [n, 784], got {list(sizes)}"
        )
        raise DataError(message + hint)
    if shape.height not in _SIDES or shape.width not in _SIDES:
        message = (
            f"the height and the width of images must be {_SIDES.start} to {_SIDES.stop - 1}, "
            f"got {shape.height} x {shape.width} in an array of shape {list(sizes)}"
        )
        raise DataError(message)
    return shape


def _check_size(array: NDArray[Any], itemsize: int) -> None:
    size = array.size * itemsize
    if size > _LARGEST_BYTES:
        message = (
            f"images would take {size / 2**30:.1f} GiB, more than the {_LARGEST_BYTES >> 30} GiB "
            "allowed at once; pass them in smaller batches, or keep them on disk with "
            "Dataset.from_idx"
        )
        raise DataError(message)


def _check_scaled(array: NDArray[Any], name: str) -> None:
    """Check that float images are pixels in 0..1."""
    if array.size == 0:
        return
    with numpy.errstate(invalid="ignore"):
        smallest, largest = float(array.min()), float(array.max())
    if smallest >= 0.0 and largest <= 1.0:
        return
    if numpy.isnan(smallest) or numpy.isnan(largest):
        index = [int(i) for i in numpy.unravel_index(int(numpy.isnan(array).argmax()), array.shape)]
        message = f"images must be finite, got NaN at index {index}"
    elif numpy.isinf(smallest) or numpy.isinf(largest):
        message = f"images must be finite, got {smallest if numpy.isinf(smallest) else largest}"
    else:
        worst = "smallest" if smallest < 0.0 else "largest"
        value = array.min() if smallest < 0.0 else array.max()
        message = (
            f"float images are pixels in 0..1, got a {worst} value of {value!s}"
            f"{float_hint(smallest, largest, name)}"
        )
    raise DataError(message)


def _image_type_message(array: NDArray[Any], name: str) -> str:
    rule = (
        f"images must be uint8 (raw pixels) or floats (pixels in 0..1), got the dtype {array.dtype}"
    )
    if array.dtype.kind in "iu":
        return rule + integer_hint(array, name)
    if array.dtype.kind == "b":
        return f"{rule}; black and white images are {name}.astype(numpy.uint8) * 255"
    return rule
