"""Images with their classes, and their batches.

Example:
    >>> import numpy, mnistburn
    >>> images = numpy.zeros((100, 28, 28), dtype=numpy.uint8)
    >>> dataset = mnistburn.Dataset.from_numpy(images, numpy.arange(100) % 10)
    >>> train, valid = dataset.split(0.2, seed=42)
    >>> len(train), len(valid)
    (80, 20)
    >>> [len(batch.targets) for batch in mnistburn.DataLoader(train, batch_size=64, shuffle=42)]
    [64, 16]
"""

import math
import operator
import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self, TypeVar, overload

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn import _native
from mnistburn.arguments import LARGEST_SEED, as_integer, as_path, as_share, shown
from mnistburn.arrays import IMAGE_SIDE, as_array, as_images, as_targets
from mnistburn.errors import DataError

__all__ = ["Batch", "DataLoader", "Dataset"]

_Item = TypeVar("_Item", bound=numpy.generic)


class Batch(NamedTuple):
    """A part of a data set, as a step of training takes it.

    Attributes:
        images: Raw pixels, uint8 of shape ``[batch, 28, 28]``.
        targets: Class numbers, int64 of shape ``[batch]``.
    """

    images: NDArray[numpy.uint8]
    targets: NDArray[numpy.int64]


class Dataset:
    """Grey images of 28 by 28 pixels, each with its class.

    The arrays are read-only. An array that already is of the right kind is shared, not copied: do
    not change it afterwards.

    Attributes:
        images: Raw pixels, uint8 of shape ``[n, 28, 28]``.
        targets: Class numbers, int64 of shape ``[n]``.
    """

    images: NDArray[numpy.uint8]
    targets: NDArray[numpy.int64]

    def __init__(self, images: ArrayLike, targets: ArrayLike) -> None:
        """Make a data set from arrays; see `from_numpy`.

        Args:
            images: Raw pixels, uint8.
            targets: Class numbers, of any integer type.
        """
        pixels, count = as_images(images)
        if pixels.dtype != numpy.uint8:
            message = (
                "the images of a Dataset must be uint8 (raw pixels in 0..255), got floats; "
                "pixels in 0..1 are (images * 255).round().astype(numpy.uint8)"
            )
            raise DataError(message)
        self.images = _read_only(pixels.view(numpy.uint8))
        self.targets = _read_only(as_targets(targets, count))
        self._num_classes: int | None = None

    @classmethod
    def from_numpy(cls, images: ArrayLike, targets: ArrayLike) -> Self:
        """Make a data set from arrays.

        Args:
            images: Raw pixels, uint8 of shape ``[n, 28, 28]``, ``[n, 784]`` or ``[n, 1, 28, 28]``.
            targets: Class numbers from 0 up, of any integer type and shape ``[n]``.

        Returns:
            The data set.

        Raises:
            DataError: A shape, type or value is another.
        """
        return cls(images, targets)

    @classmethod
    def from_idx(cls, images: str | os.PathLike[str], labels: str | os.PathLike[str]) -> Self:
        """Read a data set from two files in the IDX format of MNIST, plain or gzip.

        Args:
            images: The file of the images: unsigned bytes of shape ``[n, 28, 28]``.
            labels: The file of the class numbers: unsigned bytes of shape ``[n]``.

        Returns:
            The data set.

        Raises:
            DataError: A file is damaged or holds another shape; the message names it.
            OSError: A file cannot be read.
        """
        return cls._from_idx(images, labels, (None, None))

    @classmethod
    def _from_idx(
        cls,
        images: str | os.PathLike[str],
        labels: str | os.PathLike[str],
        sha256: tuple[str | None, str | None],
    ) -> Self:
        images_path = str(as_path(images, "images", DataError))
        labels_path = str(as_path(labels, "labels", DataError))
        shape, pixels = _native.read_idx(images_path, sha256[0])
        if len(shape) != 3 or shape[1:] != [IMAGE_SIDE, IMAGE_SIDE]:  # noqa: PLR2004  [n, 28, 28]
            message = f"{images_path} must hold images of shape [n, 28, 28], got {shape}"
            raise DataError(message)
        label_shape, classes = _native.read_idx(labels_path, sha256[1])
        if label_shape != shape[:1]:
            message = (
                f"{labels_path} must hold one label for each of the {shape[0]} images "
                f"of {images_path}, got the shape {label_shape}"
            )
            raise DataError(message)
        return cls(
            numpy.frombuffer(pixels, dtype=numpy.uint8).reshape(shape),
            numpy.frombuffer(classes, dtype=numpy.uint8),
        )

    @property
    def num_classes(self) -> int:
        """The number of classes: one more than the largest target, 0 for an empty set."""
        if self._num_classes is None:
            self._num_classes = int(self.targets.max()) + 1 if len(self) else 0
        return self._num_classes

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    @overload
    def __getitem__(self, index: int) -> tuple[NDArray[numpy.uint8], int]: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "tuple[NDArray[numpy.uint8], int] | Self":
        """Return one image, ``[28, 28]``, with its class; or, for a slice, a data set.

        Args:
            index: The position, counted from the end when negative; or a slice.

        Returns:
            The pair, or the part.

        Raises:
            IndexError: There is no such position.
        """
        if isinstance(index, slice):
            return type(self)(self.images[index], self.targets[index])
        try:
            position = operator.index(index)
        except TypeError:
            message = (
                f"a Dataset is indexed by an integer or a slice, got {shown(index)}; "
                "several positions go to subset(indices)"
            )
            raise DataError(message) from None
        if not -len(self) <= position < len(self):
            message = f"index {position} is out of range for a Dataset of {len(self)} images"
            raise IndexError(message)
        return self.images[position], int(self.targets[position])

    def __iter__(self) -> Iterator[tuple[NDArray[numpy.uint8], int]]:
        """Yield each image with its class."""
        for image, target in zip(self.images, self.targets, strict=True):
            yield image, int(target)

    def __repr__(self) -> str:
        """Return the number of images and classes."""
        return f"Dataset({len(self)} images, {self.num_classes} classes)"

    def __reduce__(self) -> tuple[type[Self], tuple[NDArray[numpy.uint8], NDArray[numpy.int64]]]:
        """Take part in pickling and copying: a copy is read-only too."""
        return type(self), (self.images, self.targets)

    def subset(self, indices: Sequence[int] | NDArray[numpy.integer]) -> Self:
        """Return the images at the given positions, in the given order.

        Args:
            indices: Positions from 0 up; one may occur more than once.

        Returns:
            The part, with copies of the images.

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
        bad = (positions < 0) | (positions >= len(self))
        if bad.any():
            place = int(bad.argmax())
            message = (
                f"indices must be at least 0 and below {len(self)}, the number of images, "
                f"got {int(positions[place])} at position {place}"
            )
            raise DataError(message)
        return type(self)(self.images[positions], self.targets[positions])

    def split(self, fraction: float, seed: int = 42) -> tuple[Self, Self]:
        """Set a share of the images aside, the same share of each class.

        Args:
            fraction: The share to set aside, above 0 and below 1.
            seed: Which images these are depends on the seed alone.

        Returns:
            The rest, and the share.

        Raises:
            DataError: The fraction is out of range, or would leave one of the two empty.
        """
        share = as_share(fraction, "fraction", DataError)
        number = as_integer(seed, "seed", DataError, maximum=LARGEST_SEED)
        rest, held_out = _native.split_indices(self.targets, share, number)
        return (
            self.subset(numpy.frombuffer(rest, dtype="<i8")),
            self.subset(numpy.frombuffer(held_out, dtype="<i8")),
        )


class DataLoader:
    """The batches of a data set, epoch after epoch.

    Each iteration is the next epoch, with an order of its own that depends on the seed and the
    epoch alone: with the seed of a `TrainingConfig`, it is the order that `train` uses.

    Example:
        >>> import mnistburn
        >>> dataset = mnistburn.datasets.load("mnist", split="test")
        >>> loader = mnistburn.DataLoader(dataset, batch_size=512)
        >>> len(loader)
        20
        >>> images, targets = next(iter(loader))
        >>> images.shape, targets.shape
        ((512, 28, 28), (512,))
    """

    def __init__(
        self,
        dataset: Dataset,
        batch_size: int = 64,
        shuffle: int | None = None,
        num_workers: int = 0,
    ) -> None:
        """Prepare the batches.

        Args:
            dataset: The images and their classes.
            batch_size: The number of images of a batch; the last one may be smaller.
            shuffle: The seed of the order, or None for the order of the data set.
            num_workers: Taken as other loaders take it, and without effect: cutting a batch out
                of an array in memory needs no worker.

        Raises:
            DataError: An argument breaks its rule.
        """
        if not isinstance(dataset, Dataset):
            message = (
                f"dataset must be a Dataset, got {shown(dataset)}; "
                "arrays become one with Dataset.from_numpy(images, targets)"
            )
            raise DataError(message)
        self.dataset = dataset
        self.batch_size = as_integer(batch_size, "batch_size", DataError, minimum=1)
        self.shuffle: int | None = None
        if shuffle is not None:
            if isinstance(shuffle, bool):
                message = f"shuffle must be a seed or None, got {shuffle}; pass shuffle=42"
                raise DataError(message)
            self.shuffle = as_integer(shuffle, "shuffle", DataError, maximum=LARGEST_SEED)
        self.num_workers = as_integer(num_workers, "num_workers", DataError)
        self._epoch = 0

    @property
    def epoch(self) -> int:
        """The number of epochs begun so far."""
        return self._epoch

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return math.ceil(len(self.dataset) / self.batch_size)

    def __iter__(self) -> Iterator[Batch]:
        """Begin the next epoch.

        Returns:
            The batches. Without a shuffle they are views of the data set's arrays.
        """
        self._epoch += 1
        return self._batches(self._epoch)

    def _batches(self, epoch: int) -> Iterator[Batch]:
        images, targets = self.dataset.images, self.dataset.targets
        order: NDArray[numpy.int64] | None = None
        if self.shuffle is not None and len(self.dataset):
            buffer = _native.batch_order(len(self.dataset), self.shuffle, epoch)
            order = numpy.frombuffer(buffer, dtype="<i8")
        for start in range(0, len(self.dataset), self.batch_size):
            part = slice(start, start + self.batch_size)
            if order is None:
                yield Batch(images[part], targets[part])
            else:
                yield Batch(images[order[part]], targets[order[part]])

    def __repr__(self) -> str:
        """Return the settings."""
        return (
            f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, "
            f"shuffle={self.shuffle}, num_workers={self.num_workers})"
        )


def _read_only(array: NDArray[_Item]) -> NDArray[_Item]:
    """Return a read-only view; the caller's own array stays writable."""
    view = array.view()
    view.flags.writeable = False
    return view
