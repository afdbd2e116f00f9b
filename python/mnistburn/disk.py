"""Images that stay on disk."""

from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from mnistburn import _native
from mnistburn.arrays import ImageShape

__all__ = ["ImagesOnDisk"]


class ImagesOnDisk:
    """Images of an uncompressed IDX file, all or some, that are read when they are needed.

    Training and evaluation read them in Rust; `array` maps the file, for whoever looks at pixels in
    Python.
    """

    def __init__(self, path: Path) -> None:
        """Open the file.

        Args:
            path: The file.

        Raises:
            DataError: The file is no IDX file of images, or has another size than its header says.
            OSError: The file cannot be read.
        """
        self._path = path
        self._file = _native.ImageFile(str(path))
        self._positions: NDArray[numpy.int64] | None = None

    @property
    def image_shape(self) -> ImageShape:
        """The shape of each image."""
        return ImageShape(*self._file.shape[1:])

    def __len__(self) -> int:
        return self._file.shape[0] if self._positions is None else len(self._positions)

    def take(self, positions: NDArray[numpy.int64]) -> "ImagesOnDisk":
        """Return the images at positions from 0 up, which stay on disk too."""
        taken = object.__new__(ImagesOnDisk)
        taken._path, taken._file = self._path, self._file
        taken._positions = positions if self._positions is None else self._positions[positions]
        return taken

    def array(self, index: Any = None) -> NDArray[numpy.uint8]:  # noqa: ANN401  what NumPy takes
        """Return the images, or those at an index, in the order of the data set.

        All images of the file are mapped, not read; some of them are copied.
        """
        count, *_ = self._file.shape
        mapped = numpy.memmap(
            self._path,
            dtype=numpy.uint8,
            mode="r",
            offset=self._file.offset,
            shape=(count, *self.image_shape.sizes),
        )
        if self._positions is None:
            return mapped if index is None else mapped[index]
        return mapped[self._positions if index is None else self._positions[index]]

    def native(self, targets: NDArray[numpy.int64]) -> _native.Dataset:
        """Return the data set with these targets as the Rust core has it."""
        return _native.Dataset.from_file(self._file, self._positions, targets)
