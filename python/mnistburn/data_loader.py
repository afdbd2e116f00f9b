"""The batches of a data set.

Example:
    >>> import numpy, mnistburn
    >>> images = numpy.zeros((80, 28, 28), dtype=numpy.uint8)
    >>> dataset = mnistburn.Dataset.from_numpy(images, numpy.arange(80) % 10)
    >>> [len(batch.targets) for batch in mnistburn.DataLoader(dataset, batch_size=64, shuffle=42)]
    [64, 16]
"""

import math
import threading
from collections.abc import Iterator
from typing import Final, NamedTuple, Self

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arguments import LARGEST_SEED, as_integer, shown
from mnistburn.dataset import Dataset
from mnistburn.dropout import DropoutKey
from mnistburn.errors import DataError

__all__ = ["Batch", "DataLoader"]

# One for all loaders: a loader with a lock of its own could not be pickled.
_BEGINNING: Final = threading.Lock()


class _Pair(NamedTuple):
    images: NDArray[numpy.uint8]
    targets: NDArray[numpy.int64]


class Batch(_Pair):
    """A part of a data set, as a step of training takes it: a pair ``(images, targets)``.

    Attributes:
        images: Raw pixels, uint8 of shape ``[batch, height, width]``, or with channels behind.
        targets: Class numbers, int64 of shape ``[batch]``.
        dropout: What the dropout masks of the images follow from in a step of `train`; None where
            the loader has no seed.
        weights: How much each image counts in the loss, float32 of shape ``[batch]``; None for all
            alike.
    """

    dropout: DropoutKey | None = None
    weights: NDArray[numpy.float32] | None = None

    @classmethod
    def _of(
        cls,
        images: NDArray[numpy.uint8],
        targets: NDArray[numpy.int64],
        dropout: DropoutKey | None,
        weights: NDArray[numpy.float32] | None,
    ) -> Self:
        batch = cls(images, targets)
        batch.dropout = dropout
        batch.weights = weights
        return batch


class DataLoader:
    """The batches of a data set, epoch after epoch.

    Each iteration is the next epoch, with an order of its own that depends on the seed and the
    epoch alone: with the seed of a `TrainingConfig`, it is the order that `train` uses. So are the
    dropout masks, where ``batch.dropout`` is passed on to the model.

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
            num_workers: Taken as other loaders take it, and without effect: a batch is cut out of
                an array, or read, when it is asked for.

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
            The batches. Without a shuffle they are views of the data set's arrays. Threads that
            share them get each batch once.
        """
        with _BEGINNING:
            self._epoch += 1
            epoch = self._epoch
        return _Epoch(self.dataset, self.batch_size, self.shuffle, epoch)

    def __repr__(self) -> str:
        """Return the settings."""
        return (
            f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, "
            f"shuffle={self.shuffle}, num_workers={self.num_workers})"
        )


class _Epoch:
    """The batches of an epoch. It is no generator: threads may share it."""

    def __init__(self, dataset: Dataset, batch_size: int, seed: int | None, epoch: int) -> None:
        self._dataset = dataset
        self._batch_size = batch_size
        self._seed = seed
        self._epoch = epoch
        self._order: NDArray[numpy.int64] | None = None
        if seed is not None and len(dataset):
            buffer = _native.batch_order(len(dataset), seed, epoch)
            self._order = numpy.frombuffer(buffer, dtype="<i8")
        self._starts = iter(range(0, len(dataset), batch_size))
        self._taking = threading.Lock()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        with self._taking:
            start = next(self._starts)
        part = slice(start, start + self._batch_size)
        key: DropoutKey | None = None
        indices: slice | NDArray[numpy.int64] = part
        if self._order is not None and self._seed is not None:
            indices = self._order[part]
            key = DropoutKey(self._seed, self._epoch, indices)
        weights = self._dataset.weights
        return Batch._of(  # noqa: SLF001  the loader of this class
            self._dataset._pixels(indices),  # noqa: SLF001
            self._dataset.targets[indices],
            key,
            None if weights is None else weights[indices],
        )
