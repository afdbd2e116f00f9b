"""Values as images: how flat ones lie, and which values are black and white."""

import logging
import math
import warnings
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn.arguments import shown
from mnistburn.arrays import ImageShape, stated_shape

__all__ = ["flat_images", "pixels_of", "range_of", "shape_of_flat"]

# The smallest side that a network takes.
_SIDE: Final = 5
# Images that are scaled at a time.
_PIECE: Final = 1024
# Beyond this share of the range the images are likely to be of another scale.
_OUTSIDE: Final = 0.1


def flat_images(images: Any) -> tuple[Any, ImageShape | None]:  # noqa: ANN401  whatever there is
    """Return images as flat ones, and the shape that an array of images has by itself.

    Args:
        images: An array of images, or whatever else stands for flat ones.

    Returns:
        The array with a row for each image and the shape of each; what is no array of three or four
        axes as it is, and None.

    Raises:
        DataError: The array has the shape of no images.
    """
    axes = getattr(images, "ndim", None)
    if axes is None:
        axes = numpy.ndim(images) if isinstance(images, list | tuple) else 0
    if axes not in {3, 4}:
        return images, None
    array = numpy.asarray(images)
    shape = stated_shape(array.shape)
    if array.shape[1:] not in {tuple(shape), shape.sizes}:
        # The channels come first.
        array = numpy.moveaxis(array, 1, -1)
    return array.reshape(len(array), -1), shape


def shape_of_flat(wanted: object, features: int, own: ImageShape | None) -> ImageShape:
    """Return the shape of images with so many values.

    Args:
        wanted: The parameter ``image_shape``.
        features: The number of values of an image.
        own: The shape that the array has by itself.

    Returns:
        The shape.

    Raises:
        ValueError: What is asked for is no shape, or another than that of the values.
    """
    match wanted:
        case None if own is not None:
            return own
        case None:
            side = math.isqrt(features)
            if side * side == features and side >= _SIDE:
                return ImageShape(side, side, 1)
            colours = math.isqrt(features // 3)
            fits = colours * colours * 3 == features and colours >= _SIDE
            known = (colours, colours, 3) if fits else "(height, width)"
            message = (
                f"X has {features} features, which is no square of {_SIDE} by {_SIDE} pixels or "
                f"more; say image_shape={known}, or image_shape='pad' to fill such a square"
            )
            raise ValueError(message)
        case "pad" if own is None:
            side = max(_SIDE, math.isqrt(features - 1) + 1)
            return ImageShape(side, side, 1)
        case (int(height), int(width)):
            shape = ImageShape(height, width, 1)
        case (int(height), int(width), int(channels)):
            shape = ImageShape(height, width, channels)
        case _:
            message = (
                "image_shape must be None, 'pad' for flat images, (height, width) or "
                f"(height, width, channels), got {shown(wanted)}"
            )
            raise ValueError(message)
    if own not in {None, shape} or math.prod(shape) != features:
        held = f"{features} features" if own is None else f"images of {own}"
        message = f"image_shape is {shape}, {math.prod(shape)} values, and X has {held}"
        raise ValueError(message)
    return shape


def range_of(wanted: object, values: NDArray[Any]) -> tuple[float, float]:
    """Return the values of black and white.

    Args:
        wanted: The parameter ``pixel_range``.
        values: The values of the images to train with.

    Returns:
        What is asked for; else 0 and 255 for bytes, 0 and 1 for what lies within, and the smallest
        and the largest value of all others, which the log tells.

    Raises:
        ValueError: What is asked for is no range.
    """
    if wanted is not None:
        match wanted:
            case (int() | float() as low, int() | float() as high) if (
                low < high and math.isfinite(low) and math.isfinite(high)
            ):
                return float(low), float(high)
        message = (
            "pixel_range must be None or a pair (black, white) of numbers, black below white, got "
            f"{shown(wanted)}"
        )
        raise ValueError(message)
    if values.dtype == numpy.uint8:
        return 0.0, 255.0
    smallest, largest = float(values.min()), float(values.max())
    if smallest >= 0.0 and largest <= 1.0:
        return 0.0, 1.0
    logging.getLogger("mnistburn").info(
        "the values of X, from %g to %g, become pixels: %g is black and %g is white; "
        "pixel_range=(black, white) says otherwise",
        *(smallest, largest, smallest, largest),
    )
    return smallest, largest


def pixels_of(
    values: NDArray[Any], shape: ImageShape, pixel_range: tuple[float, float], *, exact: bool
) -> NDArray[numpy.uint8]:
    """Return flat images as raw pixels.

    Args:
        values: The values, ``[n, features]``.
        shape: The shape of each image; what the values leave of it is black.
        pixel_range: The values of black and white. What lies outside is cut, with a warning where
            it is far outside.
        exact: Whether it is an error instead.

    Returns:
        The images, as `Dataset` takes them.

    Raises:
        ValueError: A value lies outside of an exact range.
    """
    low, high = pixel_range
    _check_range(values, pixel_range, exact=exact)
    if values.dtype == numpy.uint8 and pixel_range == (0.0, 255.0):
        pixels = values
    else:
        # A single value is black.
        width = (high - low) or 1.0
        pixels = numpy.empty(values.shape, dtype=numpy.uint8)
        # In pieces: floats take eight times the room.
        for start in range(0, len(values), _PIECE):
            piece = slice(start, start + _PIECE)
            shares = (values[piece].astype(numpy.float64) - low) / width
            pixels[piece] = (shares.clip(0.0, 1.0) * 255.0).round()
    missing = math.prod(shape) - pixels.shape[1]
    if missing:
        pixels = numpy.pad(pixels, ((0, 0), (0, missing)))
    return pixels.reshape(len(pixels), *shape.sizes)


def _check_range(values: NDArray[Any], pixel_range: tuple[float, float], *, exact: bool) -> None:
    """Refuse what leaves a range that was asked for; warn of what is far outside of another."""
    low, high = pixel_range
    smallest, largest = float(values.min()), float(values.max())
    if exact and (smallest < low or largest > high):
        message = (
            f"X must be within pixel_range={pixel_range}, got values from {smallest:g} to "
            f"{largest:g}; give the range that they have, or None"
        )
        raise ValueError(message)
    margin = _OUTSIDE * (high - low)
    if smallest < low - margin or largest > high + margin:
        warnings.warn(
            f"X has values from {smallest:g} to {largest:g}, and the images of the training "
            f"{low:g} to {high:g}, beyond which they are cut: are they scaled as those were?",
            UserWarning,
            stacklevel=4,
        )
