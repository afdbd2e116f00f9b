"""Images that stay on disk."""

from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arrays import ImageShape, stated_shape
from mnistburn.errors import DataError
from mnistburn.preprocessing import Preprocessing

__all__ = ["ImagesOnDisk"]


class ImagesOnDisk:
    """Images of an uncompressed IDX file, all or some, that are read when they are needed.

    The file is opened once, and read by the Rust core: one that is cut off later is an error. Only
    `array` maps it, for whoever looks at all pixels in Python.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: The file.

        Raises:
            DataError: The file is no IDX file of images, or has another size than its header says.
            OSError: The file cannot be read.
        """
        self._path = path.absolute()
        self._file = _native.ImageFile(str(path))
        self._positions: NDArray[numpy.int64] | None = None
        self._mapped: NDArray[numpy.uint8] | None = None
        count, *sizes = self._file.shape
        if stated_shape((count, *self.image_shape.sizes)) != ImageShape(*sizes):
            message = (
                f"{path} must hold images of shape [height, width] or [height, width, channels] "
                f"with 1 or 3 channels, got {sizes}; with in_memory=True channels may come first"
            )
            raise DataError(message)

    @property
    def image_shape(self) -> ImageShape:
        """The shape of each image."""
        return ImageShape(*self._file.shape[1:])

    def __len__(self) -> int:
        return self._file.shape[0] if self._positions is None else len(self._positions)

    def take(self, positions: NDArray[numpy.int64]) -> "ImagesOnDisk":
        """Return the images at positions from 0 up, which stay on disk too."""
        taken = object.__new__(ImagesOnDisk)
        taken._path, taken._file, taken._mapped = self._path, self._file, None
        taken._positions = positions if self._positions is None else self._positions[positions]
        return taken

    def array(self) -> NDArray[numpy.uint8]:
        """Return all images, read-only: those of a whole file mapped, a part of one read."""
        if self._positions is not None:
            return self.read(slice(None))
        if self._mapped is None:
            count, *_ = self._file.shape
            self._mapped = numpy.memmap(
                self._path,
                dtype=numpy.uint8,
                mode="r",
                offset=self._file.offset,
                shape=(count, *self.image_shape.sizes),
            )
        return self._mapped

    def read(self, index: Any) -> NDArray[numpy.uint8]:  # noqa: ANN401  what NumPy takes
        """Return the image or the images at an index, read-only."""
        if self._positions is not None:
            positions = self._positions[index]
        elif isinstance(index, slice):
            positions = numpy.arange(*index.indices(len(self)))
        else:
            # Not by an array of all positions, which may be millions for a single image.
            positions = numpy.asarray(index)
            positions = numpy.where(positions < 0, positions + len(self), positions)
        positions = numpy.asarray(positions, dtype=numpy.int64)
        pixels = self._file.read(numpy.ascontiguousarray(positions.reshape(-1)))
        array = numpy.frombuffer(pixels, dtype=numpy.uint8)
        array = array.reshape(*positions.shape, *self.image_shape.sizes)
        array.flags.writeable = False
        return array

    def native(
        self,
        targets: NDArray[numpy.int64],
        weights: NDArray[numpy.float32] | None,
        class_names: list[str] | None,
        preprocessing: Preprocessing,
    ) -> _native.Dataset:
        """Return the data set with these targets and weights as the Rust core has it."""
        return _native.Dataset.from_file(
            self._file, self._positions, targets, weights, class_names, preprocessing
        )
