"""Changes of training images."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn import _native
from mnistburn.arguments import LARGEST_SEED, as_integer
from mnistburn.arrays import MNIST, as_array
from mnistburn.errors import DataError
from mnistburn.settings import File

__all__ = ["AugmentationConfig"]

# What the last axis of three has for the channels of one image; else the three are those of grey
# images.
_CHANNELS: Final = (1, 3)
# A broadcast view can claim any size at no cost: refuse before copying it.
_LARGEST_BYTES: Final = 8 << 30


@dataclass(frozen=True, kw_only=True)
class AugmentationConfig(File):
    """How training images are changed at random, each epoch anew.

    A strength of 0, the default of all, changes nothing. Flip and crop come first. Movement and
    elastic distortion are done together, in one bilinear resampling about the image's centre with
    0, the background, outside of the image; then come brightness, contrast and saturation, then
    noise, and cutout comes last. All channels of a pixel move together. What becomes of an image
    follows from the seed, the epoch and the image's position in the data set alone;
    ``docs/augmentation.md`` has the details and a picture.

    Attributes:
        flip: Whether an image is mirrored left to right in every other epoch; chance decides in
            which it begins.
        crop: The largest shift by whole pixels, up or down and left or right, from 0 to 64: a
            window out of the image with a border of so many pixels, in which it goes on mirrored.
        shift: The largest shift, up or down and left or right, as a fraction of the image's height
            and width: from 0 to 1.
        rotate: The largest rotation to either side, in degrees: from 0 to 180.
        scale: The largest change of size: 0.1 gives 0.9 to 1.1 times the size. At least 0 and below
            1.
        shear: The largest slant of the image's columns to either side, in degrees: from 0 to 80.
        elastic: Alpha of elastic distortions, from 0 to 1000: what a smoothed field of uniform
            random numbers in -1..1 is multiplied with to be a displacement in pixels. The typical
            displacement in each direction is 0.163 * elastic / elastic_sigma pixels: 1.4 for the
            paper's 34 and 4. P. Simard, D. Steinkraus and J. Platt, "Best practices for
            convolutional neural networks applied to visual document analysis", 2003.
        elastic_sigma: The standard deviation of the Gaussian that smooths the field, in pixels:
            above 0 and at most 64.
        brightness: The largest change of the brightness, from 0 to 1: 0.2 multiplies it with a
            factor from 0.8 to 1.2.
        contrast: The same for the contrast.
        saturation: The same for the saturation of images with three channels.
        noise: The standard deviation of normal noise, where black is 0 and white 1: from 0 to 1.
        cutout: The side of a black square about a random pixel, as a fraction of the image's
            shorter side: from 0 to 1. A part of the square may lie outside of the image.
            T. DeVries and G. Taylor, "Improved regularization of convolutional neural networks with
            cutout", 2017.

    Raises:
        ConfigError: A value breaks its rule.

    Example:
        >>> import mnistburn
        >>> augmentation = mnistburn.AugmentationConfig(rotate=10, shift=0.1)
        >>> config = mnistburn.TrainingConfig(augmentation=augmentation)
        >>> images = mnistburn.datasets.load("mnist").images[:5]
        >>> augmentation.apply(images, seed=config.seed, epoch=1).shape
        (5, 28, 28)
    """

    _kind: ClassVar[str] = "augmentation"

    flip: bool = False
    crop: int = 0
    shift: float = 0.0
    rotate: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    elastic: float = 0.0
    elastic_sigma: float = 4.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    noise: float = 0.0
    cutout: float = 0.0

    def __post_init__(self) -> None:
        """Check the values."""
        checked = self._complete()
        self._keep(checked, tuple(checked))

    def apply(
        self,
        images: ArrayLike,
        *,
        seed: int = 42,
        epoch: int = 1,
        indices: ArrayLike | None = None,
    ) -> NDArray[numpy.uint8]:
        """Change images as a training with this augmentation does.

        Args:
            images: Raw pixels, uint8 of shape ``[n, height, width]`` or
                ``[n, height, width, channels]``, or a single image: ``[height, width]``, or
                ``[height, width, channels]`` with 1 or 3 channels.
            seed: The seed of the training.
            epoch: The epoch, from 1.
            indices: The position of each image in the training's data set; None when the images
                are the data set, or its beginning. For a single image an integer will do.

        Returns:
            The changed images: a new array of the same shape.

        Raises:
            DataError: A shape, type or value is another.
        """
        array = as_array(images, "images", DataError)
        count, shape = _shape(array)
        positions = _positions(indices, count)
        seed = as_integer(seed, "seed", DataError, maximum=LARGEST_SEED)
        epoch = as_integer(epoch, "epoch", DataError, minimum=1, maximum=2**31 - 1)
        pixels = numpy.ascontiguousarray(array).reshape(-1)
        config = json.dumps(self._json_object())
        changed = _native.augment(config, pixels, shape, positions, seed, epoch)
        return numpy.frombuffer(changed, dtype=numpy.uint8).reshape(array.shape)


def _shape(array: NDArray[Any]) -> tuple[int, tuple[int, int, int]]:
    """Return the number of images, and the height, the width and the channels of each."""
    match array.shape:
        case (height, width) if width != MNIST.height * MNIST.width:
            count, shape = 1, (height, width, 1)
        case (height, width, channels) if channels in _CHANNELS:
            count, shape = 1, (height, width, channels)
        case (count, height, width):
            shape = (height, width, 1)
        case (count, height, width, channels) if height not in _CHANNELS or channels in _CHANNELS:
            shape = (height, width, channels)
        case other:
            message = (
                "images must have the shape [n, height, width], [n, height, width, channels], "
                f"[height, width] or [height, width, channels], got {list(other)}; flat images are "
                "images.reshape(-1, 28, 28), and channels that come first are "
                "numpy.moveaxis(images, 1, -1)"
            )
            raise DataError(message)
    if array.dtype != numpy.uint8:
        message = f"images must be uint8 (raw pixels in 0..255), got the dtype {array.dtype}"
        if array.dtype.kind == "f":
            message += "; pixels in 0..1 are (images * 255).round().astype(numpy.uint8)"
        raise DataError(message)
    if min(shape) < 1:
        message = f"images must have a pixel each, got the shape {list(array.shape)}"
        raise DataError(message)
    if array.size > _LARGEST_BYTES:
        message = (
            f"images would take {array.size / 2**30:.1f} GiB, more than the "
            f"{_LARGEST_BYTES >> 30} GiB allowed at once; pass them in smaller batches"
        )
        raise DataError(message)
    return count, shape


def _positions(indices: ArrayLike | None, count: int) -> NDArray[numpy.int64]:
    """Return one position for each image."""
    if indices is None:
        return numpy.arange(count, dtype=numpy.int64)
    array = numpy.atleast_1d(as_array(indices, "indices", DataError))
    if array.shape != (count,):
        message = (
            f"indices must be one for each of the {count} images, got the shape {list(array.shape)}"
        )
        raise DataError(message)
    if array.size == 0:
        return numpy.zeros(0, dtype=numpy.int64)
    if array.dtype.kind not in "iu":
        message = f"indices must be integers, got the dtype {array.dtype}"
        raise DataError(message)
    largest = 2**63 - 1
    bad = (array < 0) | (array > largest)
    if bad.any():
        place = int(bad.argmax())
        message = (
            f"indices must be from 0 to {largest}, got {int(array[place])} at position {place}"
        )
        raise DataError(message)
    return numpy.ascontiguousarray(array, dtype=numpy.int64)
