"""Images with their classes.

Example:
    >>> import numpy, mnistburn
    >>> images = numpy.zeros((100, 28, 28), dtype=numpy.uint8)
    >>> dataset = mnistburn.Dataset.from_numpy(images, numpy.arange(100) % 10)
    >>> train, valid = dataset.split(0.2, seed=42)
    >>> len(train), len(valid)
    (80, 20)
"""

import json
import operator
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Self, overload

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn import _native, idx_pair, notebook, picture_folders, plots
from mnistburn.arguments import (
    LARGEST_SEED,
    as_class_names,
    as_integer,
    as_path,
    as_share,
    shown,
)
from mnistburn.arrays import (
    MNIST,
    ImageShape,
    as_image_weights,
    as_images,
    as_targets,
    shape_of,
)
from mnistburn.dataset_description import DatasetDescription
from mnistburn.disk import ImagesOnDisk
from mnistburn.errors import DataError
from mnistburn.picture_folders import NOTHING_TOLD, BrokenPicture, Files, Told
from mnistburn.positions import as_positions
from mnistburn.preprocessing import STRETCHED, Fit, Prepare, Preprocessing, as_fit, as_prepare
from mnistburn.read_only import owned, read_only

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Dataset"]


class Dataset:
    """Images of one size, each with its class.

    It does not change: its arrays are read-only, its attributes cannot be assigned. An array that
    can be written is copied; a read-only one of the right kind is shared and takes no more memory.

    Parts and copies of a data set know what `from_folder` told of the whole folder: ``broken``,
    ``passed_over`` and ``shape_rule``. What `concat` joins may come from several and knows the
    ``files`` alone.

    Attributes:
        targets: Class numbers, int64 of shape ``[n]``.
        weights: How much each image counts in the loss of training, float32 of shape ``[n]``; None
            for all alike. Validation and `evaluate` do without.
        class_names: The names of the classes; None where they are not known.
        preprocessing: How its pictures became images, and others do for a model trained with it.
        broken: The pictures that `from_folder` could not read.
        passed_over: How many files `from_folder` passed over, by extension with its dot;
            ``"no extension"`` and ``"pictures beside the class folders"`` too.
        shape_rule: Why `from_folder` made images of this shape; None where it was asked for.
    """

    targets: NDArray[numpy.int64]
    weights: NDArray[numpy.float32] | None
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing
    broken: tuple[BrokenPicture, ...]
    passed_over: Mapping[str, int]
    shape_rule: str | None

    def __init__(
        self,
        images: ArrayLike,
        targets: ArrayLike,
        class_names: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        """Make a data set from arrays; see `from_numpy`.

        Args:
            images: Raw pixels, uint8.
            targets: Class numbers, of any integer type.
            class_names: The names of the classes.
            weights: How much each image counts.
        """
        pixels, _ = as_images(images)
        if pixels.dtype != numpy.uint8:
            message = (
                "the images of a Dataset must be uint8 (raw pixels in 0..255), got floats; "
                "pixels in 0..1 are (images * 255).round().astype(numpy.uint8)"
            )
            raise DataError(message)
        images = read_only(owned(pixels.view(numpy.uint8), images))
        self._fill(images, targets, class_names, STRETCHED, weights=weights)

    def _fill(
        self,
        images: NDArray[numpy.uint8] | ImagesOnDisk,
        targets: ArrayLike,
        class_names: Sequence[str] | None,
        preprocessing: Preprocessing,
        told: Told = NOTHING_TOLD,
        *,
        files: Files | None = None,
        weights: ArrayLike | None = None,
    ) -> None:
        self._images = images
        self._files = files
        numbers = read_only(owned(as_targets(targets, len(images)), targets))
        if weights is not None:
            weights = read_only(owned(as_image_weights(weights, len(images)), weights))
        self._set(
            targets=numbers,
            weights=weights,
            class_names=_checked_names(class_names, numbers),
            preprocessing=preprocessing,
            **told._asdict(),
        )
        self._num_classes: int | None = None

    def _set(self, **values: object) -> None:
        """Set public attributes while the data set is made."""
        self.__dict__.update(values)

    def __setattr__(self, name: str, value: object) -> None:
        """Refuse to change the data set.

        Args:
            name: The attribute.
            value: What it should become.

        Raises:
            AttributeError: The attribute is a public one.
        """
        if not name.startswith("_"):
            message = (
                f"a Dataset does not change, and {name} cannot be assigned; make another one: "
                "Dataset.from_numpy(dataset.images, dataset.targets, dataset.class_names)"
            )
            raise AttributeError(message)
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        """Refuse to change the data set.

        Args:
            name: The attribute.

        Raises:
            AttributeError: In any case.
        """
        message = f"a Dataset does not change, and {name} cannot be deleted"
        raise AttributeError(message)

    @classmethod
    def _of(
        cls,
        images: NDArray[numpy.uint8] | ImagesOnDisk,
        targets: ArrayLike,
        class_names: Sequence[str] | None,
        preprocessing: Preprocessing = STRETCHED,
        told: Told = NOTHING_TOLD,
        *,
        files: Files | None = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        dataset = object.__new__(cls)
        kind = (class_names, preprocessing, told)
        dataset._fill(images, targets, *kind, files=files, weights=weights)
        return dataset

    def _part(
        self,
        images: NDArray[numpy.uint8] | ImagesOnDisk,
        places: slice | NDArray[numpy.integer],
    ) -> Self:
        """Return the images at some places, which are read already."""
        files = None if self._files is None else self._files[places]
        weights = None if self.weights is None else self.weights[places]
        kind = (self.class_names, self.preprocessing, self._told())
        return self._of(images, self.targets[places], *kind, files=files, weights=weights)

    def _with_classes(self, targets: ArrayLike, class_names: Sequence[str]) -> Self:
        """Return the same images with other class numbers."""
        kind = (class_names, self.preprocessing, self._told())
        return self._of(self._images, targets, *kind, files=self._files, weights=self.weights)

    def _told(self) -> Told:
        return Told(self.broken, self.passed_over, self.shape_rule)

    @classmethod
    def from_numpy(
        cls,
        images: ArrayLike,
        targets: ArrayLike,
        class_names: Sequence[str] | None = None,
        weights: ArrayLike | None = None,
    ) -> Self:
        """Make a data set from arrays.

        Args:
            images: Raw pixels, uint8 of shape ``[n, height, width]``, ``[n, height, width, 3]`` or
                with the channels, 1 or 3, in second place; ``[n, 784]`` are images of 28 by 28.
            targets: Class numbers from 0 up, of any integer type and shape ``[n]``.
            class_names: The names of the classes, as many as there are classes.
            weights: How much each image counts in the loss of training, numbers of at least 0 of
                shape ``[n]``; None for all alike.

        Returns:
            The data set.

        Raises:
            DataError: A shape, type or value is another.
        """
        return cls(images, targets, class_names, weights)

    @classmethod
    def from_idx(
        cls,
        images: str | os.PathLike[str],
        labels: str | os.PathLike[str],
        *,
        class_names: Sequence[str] | None = None,
        in_memory: bool | None = None,
    ) -> Self:
        """Read a data set from two files in the IDX format of MNIST, plain or gzip.

        Args:
            images: The file of the images: unsigned bytes of shape ``[n, height, width]`` or
                ``[n, height, width, channels]``.
            labels: The file of the class numbers: unsigned bytes of shape ``[n]``.
            class_names: The names of the classes.
            in_memory: False leaves the images in their file, which must not be compressed, and
                reads them when they are needed; None does so for one of more than a gigabyte.

        Returns:
            The data set.

        Raises:
            DataError: A file is damaged or holds another shape; the message names it.
            OSError: A file cannot be read.
        """
        pixels, classes = idx_pair.read(images, labels, in_memory=in_memory)
        return cls._of(pixels, classes, class_names)

    @classmethod
    def from_folder(
        cls,
        path: str | os.PathLike[str],
        *,
        image_size: tuple[int, int] | None = None,
        channels: int | None = None,
        fit: Fit = "stretch",
        prepare: Prepare | None = None,
        class_names: Sequence[str] | None = None,
        strict: bool = False,
        progress: bool = True,
    ) -> Self:
        """Read pictures from a folder that has a sub-folder for each class.

        Each picture is read as `mnistburn.read_picture` does, on all cores. Hidden files and
        folders, and those that archivers and operating systems leave (``__MACOSX``, ``@eaDir``,
        ``Thumbs.db`` and the like), are passed over in silence. Files of other formats are counted
        in ``passed_over`` and named in a warning of the log; a file without an extension is read
        where its first bytes are those of a picture.

        Args:
            path: The folder (``~`` is the home directory). The classes are its sub-folders, sorted
                by name, or by number where all names are numbers; pictures may lie in folders below
                them.
            image_size: Height and width of the images. None takes the size of the pictures where
                all are of one size of 5 to 256 pixels to a side; else their median height and
                width, both made smaller alike until none is above 64. ``shape_rule``, and a line
                of the log, say which.
            channels: 1 for grey images, 3 for colours; None for 3 where any picture has colour.
            fit: What happens to pictures of other proportions: ``"stretch"``, ``"pad"`` or
                ``"crop"``, see `mnistburn.read_picture`.
            prepare: ``"digit"`` makes pictures of digits as MNIST was made.
            class_names: The classes in their order, for a folder that may lack some: those of the
                data set that was trained with.
            strict: Whether a picture that cannot be read, or a file of another format, is an error.
                Otherwise they are left out, told in a warning of the log, and listed in ``broken``
                and ``passed_over``.
            progress: Whether a progress bar is shown.

        Returns:
            The data set, with ``class_names``.

        Raises:
            DataError: There is no sub-folder or no whole picture, the only sub-folder holds what
                should have been passed, there is one class alone, an argument breaks its rule, or,
                with ``strict``, a file is no picture that can be read.
            OSError: A folder cannot be read.
        """
        preprocessing = Preprocessing(as_fit(fit), as_prepare(prepare))
        found = picture_folders.read(
            as_path(path, "path", DataError),
            image_size=image_size,
            channels=channels,
            preprocessing=preprocessing,
            class_names=class_names,
            strict=strict,
            progress=progress,
        )
        kind = (found.class_names, preprocessing, found.told)
        return cls._of(read_only(found.images), found.targets, *kind, files=found.files)

    @property
    def images(self) -> NDArray[numpy.uint8]:
        """Raw pixels, uint8 of shape ``[n, height, width]`` or ``[n, height, width, channels]``.

        Those of a file on disk are mapped, not read; those of a part of it are copied.
        """
        return self._images.array() if isinstance(self._images, ImagesOnDisk) else self._images

    @property
    def files(self) -> tuple[Path, ...] | None:
        """The file of each image, of length ``n``; None where images have no files of their own."""
        return None if self._files is None else tuple(map(Path, self._files))

    @property
    def image_shape(self) -> ImageShape:
        """Height, width and channels of an image."""
        if isinstance(self._images, ImagesOnDisk):
            return self._images.image_shape
        return shape_of(self._images)

    @property
    def num_classes(self) -> int:
        """The number of class names; without them one more than the largest target."""
        if self._num_classes is None:
            largest = int(self.targets.max()) + 1 if len(self) else 0
            self._num_classes = largest if self.class_names is None else len(self.class_names)
        return self._num_classes

    @property
    def class_counts(self) -> NDArray[numpy.int64]:
        """The number of images of each class, int64 of shape ``[num_classes]``."""
        counts = numpy.bincount(self.targets, minlength=self.num_classes)
        return read_only(counts.astype(numpy.int64))

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.targets)

    @overload
    def __getitem__(self, index: int) -> tuple[NDArray[numpy.uint8], int]: ...
    @overload
    def __getitem__(self, index: slice) -> Self: ...
    def __getitem__(self, index: int | slice) -> "tuple[NDArray[numpy.uint8], int] | Self":
        """Return one image, ``[height, width]``, with its class; or, for a slice, a data set.

        Args:
            index: The position, counted from the end when negative; or a slice.

        Returns:
            The pair, or the part.

        Raises:
            IndexError: There is no such position.
        """
        if isinstance(index, slice):
            if isinstance(self._images, ImagesOnDisk):
                return self._at(numpy.arange(len(self), dtype=numpy.int64)[index])
            return self._part(self._images[index], index)
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
        return self._pixels(position), int(self.targets[position])

    def __iter__(self) -> Iterator[tuple[NDArray[numpy.uint8], int]]:
        """Yield each image with its class."""
        for index in range(len(self)):
            yield self[index]

    def __repr__(self) -> str:
        """Return the number of images and classes."""
        size = "" if self.image_shape == MNIST else f" of {self.image_shape}"
        return f"Dataset({len(self)} images{size}, {self.num_classes} classes)"

    def __reduce__(self) -> tuple[Callable[..., Self], tuple[object, ...]]:
        """Take part in pickling and copying: a copy is read-only too, and in memory."""
        images = numpy.array(self.images)
        told = (self.broken, dict(self.passed_over), self.shape_rule)
        of_images = {"files": self._files, "weights": self.weights}
        kind = (self.class_names, self.preprocessing, told)
        return self._copied, (images, self.targets, kind, of_images)

    @classmethod
    def _copied(
        cls,
        images: NDArray[numpy.uint8],
        targets: NDArray[numpy.int64],
        kind: tuple[
            tuple[str, ...] | None,
            Preprocessing,
            tuple[tuple[BrokenPicture, ...], dict[str, int], str | None],
        ],
        of_images: dict[str, Any],
    ) -> Self:
        class_names, preprocessing, (broken, passed_over, shape_rule) = kind
        found = Told(broken, MappingProxyType(passed_over), shape_rule)
        return cls._of(read_only(images), targets, class_names, preprocessing, found, **of_images)

    def _native(self) -> _native.Dataset:
        """Return the data set as the Rust core has it."""
        names = None if self.class_names is None else list(self.class_names)
        if isinstance(self._images, ImagesOnDisk):
            return self._images.native(self.targets, self.weights, names, self.preprocessing)
        shape = (self.image_shape.height, self.image_shape.width, self.image_shape.channels)
        return _native.Dataset.from_buffer(
            self._images, shape, self.targets, self.weights, names, self.preprocessing
        )

    def _pixels(self, index: Any) -> NDArray[numpy.uint8]:  # noqa: ANN401  what NumPy takes
        """Return the images at an index; of those on disk, only these are read."""
        if isinstance(self._images, ImagesOnDisk):
            return self._images.read(index)
        pixels: NDArray[numpy.uint8] = self._images[index]
        return pixels

    def _at(self, positions: NDArray[numpy.integer]) -> Self:
        if isinstance(self._images, ImagesOnDisk):
            return self._part(self._images.take(positions.astype(numpy.int64)), positions)
        return self._part(read_only(self._images[positions]), positions)

    def subset(self, indices: Sequence[int] | NDArray[numpy.integer]) -> Self:
        """Return the images at the given positions, in the given order.

        Args:
            indices: Positions from 0 up; one may occur more than once.

        Returns:
            The part, with copies of the images.

        Raises:
            DataError: A position is none, or out of range; the first bad one is named.
        """
        return self._at(as_positions(indices, len(self)))

    def with_weights(self, weights: ArrayLike | None) -> Self:
        """Return the same images with other weights.

        Args:
            weights: How much each image counts in the loss of training, numbers of at least 0 of
                shape ``[n]``; None for all alike.

        Returns:
            The data set, which shares the images.

        Raises:
            DataError: The weights are of another shape or type, or one is below 0 or not finite.
        """
        kind = (self.class_names, self.preprocessing, self._told())
        return self._of(self._images, self.targets, *kind, files=self._files, weights=weights)

    def concat(self, *others: "Dataset") -> Self:
        """Return this data set with others behind it, in memory.

        Args:
            others: Data sets of images of the same shape, and with the same class names if any.
                If one has weights, the images of those without count 1.

        Returns:
            The whole, with copies of the images.

        Raises:
            DataError: One is no Dataset, or its images or class names are others.
        """
        for other in others:
            if not isinstance(other, Dataset):
                message = f"a Dataset is joined with others, got {shown(other)}"
                raise DataError(message)
            if other.image_shape != self.image_shape:
                message = (
                    f"the images of all must be of {self.image_shape}, got {other.image_shape}; "
                    "resize them"
                )
                raise DataError(message)
            if other.class_names != self.class_names:
                message = (
                    f"the class names of all must be {self.class_names}, got {other.class_names}; "
                    "make the data sets with the same class_names"
                )
                raise DataError(message)
        parts: tuple[Dataset, ...] = (self, *others)
        images = numpy.concatenate([part.images for part in parts])
        targets = numpy.concatenate([part.targets for part in parts])
        named = [part._files for part in parts if part._files is not None]  # noqa: SLF001
        files = numpy.concatenate(named) if len(named) == len(parts) else None
        kind = (self.class_names, self.preprocessing, NOTHING_TOLD)
        return self._of(read_only(images), targets, *kind, files=files, weights=_joined(parts))

    def plot(
        self,
        indices: "Sequence[int] | NDArray[numpy.integer] | None" = None,
        *,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw images with their classes.

        Args:
            indices: Positions of the images; None for the first of each class: a row of ten for
                each of up to 12 classes, else one of each class.
            ax: The Axes to draw into; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            DataError: There is no image, there are more than 400, or a position is none.
            ConfigError: Matplotlib is not installed, or ax is no Axes.
        """
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        places = None if indices is None else as_positions(indices, len(self))
        return plots.draw_dataset(self._pixels, self.targets, names, places, ax=ax)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        rows = [
            ("images", f"{len(self):,} of {self.image_shape}"),
            ("classes", f"{self.num_classes:,}"),
        ]
        if self.broken:
            rows.append(("broken pictures", f"{len(self.broken):,}"))
        names = self.class_names or tuple(map(str, range(self.num_classes)))
        return notebook.dataset_html(rows, self._pixels, self.targets, names)

    def describe(self, against: "Dataset | None" = None) -> "DatasetDescription":
        """Count what the data set holds, and say what is odd about it.

        Looked for are duplicates, equal images of different classes, images of a single value,
        pixels on another scale than 0 to 255, inverted images, classes without an image, and images
        that are also in another set. `train` does the same and tells what it finds in the log.

        Args:
            against: Another set, for example the one trained with, whose images must not be here.

        Returns:
            The numbers, with the warnings in words.

        Raises:
            DataError: The other one is no Dataset.
        """
        if against is not None and not isinstance(against, Dataset):
            message = f"against must be a Dataset or None, got {shown(against)}"
            raise DataError(message)
        sets = [("images", self._native())]
        if against is not None:
            if against.image_shape != self.image_shape:
                message = (
                    f"images of {self.image_shape} can be in a set of such alone, and against has "
                    f"images of {against.image_shape}"
                )
                raise DataError(message)
            sets.insert(0, ("images", against._native()))  # noqa: SLF001  of this class
        found = json.loads(_native.describe_datasets(sets, self.num_classes))[-1]
        return DatasetDescription._from_json(  # noqa: SLF001
            found, self.class_names, self.passed_over
        )

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


def _joined(parts: Sequence[Dataset]) -> NDArray[numpy.float32] | None:
    """Return the weights of data sets side by side; None if none has any."""
    if all(part.weights is None for part in parts):
        return None
    ones = numpy.float32(1)
    return numpy.concatenate(
        [numpy.full(len(part), ones) if part.weights is None else part.weights for part in parts]
    )


def _checked_names(
    class_names: Sequence[str] | None, targets: NDArray[numpy.int64]
) -> tuple[str, ...] | None:
    names = None if class_names is None else as_class_names(class_names)
    largest = int(targets.max()) if len(targets) else -1
    if names is not None and largest >= len(names):
        message = (
            f"class_names must name every class: there are {len(names)} names, and the targets go "
            f"up to {largest}"
        )
        raise DataError(message)
    return names
