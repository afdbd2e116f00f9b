"""What a run was trained and validated on, from its ``data.json``."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from mnistburn.arguments import as_class_names
from mnistburn.arrays import ImageShape
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import LoadedPair, load_pair, load_part
from mnistburn.datasets.parts import Split
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource, part_named_or_tested
from mnistburn.errors import ArtifactError, DataError
from mnistburn.preprocessing import Preprocessing, as_fit, as_prepare

__all__ = ["DATA_FILE", "RunData", "RunPart"]

DATA_FILE: Final = "data.json"


@dataclass(frozen=True)
class RunPart:
    """The images that a run was trained with, or those that it was validated on.

    Attributes:
        images: Their number.
        sha256: The SHA-256 of the shape of the images, the images and the targets; in
            older runs without the shape.
    """

    images: int
    sha256: str


@dataclass(frozen=True)
class RunData:
    """What a run was trained and validated on.

    Attributes:
        source: Where the data come from; None where the run was given arrays.
        train: The training images.
        valid: The validation images.
        image_shape: Height, width and channels of an image.
        class_names: The names of the classes; None where they had none.
        preprocessing: How pictures became images.
    """

    source: DataSource | None
    train: RunPart
    valid: RunPart
    image_shape: ImageShape
    class_names: tuple[str, ...] | None
    preprocessing: Preprocessing

    @classmethod
    def read(cls, directory: Path) -> Self | None:
        """Read the description from an artifact directory.

        Args:
            directory: The artifact directory.

        Returns:
            The description; None where there is none, as in runs of older versions.

        Raises:
            ArtifactError: The file is damaged.
        """
        path = directory / DATA_FILE
        if not path.is_file():
            return None
        try:
            return cls._from_json_object(json.loads(path.read_text("utf-8")))
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else error
            message = f"{path} is damaged: {reason}"
            raise ArtifactError(message) from None

    @classmethod
    def _from_json_object(cls, value: dict[str, Any]) -> Self:
        source, names, preprocessing = (
            value[key] for key in ("source", "class_names", "preprocessing")
        )
        return cls(
            source=None if source is None else DataSource.from_json_object(source),
            train=_part(value["train"]),
            valid=_part(value["valid"]),
            image_shape=ImageShape(*map(int, value["shape"])),
            class_names=None if names is None else as_class_names(names),
            preprocessing=Preprocessing(
                as_fit(preprocessing["fit"]), as_prepare(preprocessing["prepare"])
            ),
        )

    def to_json_object(self) -> dict[str, Any]:
        """Return the description as what JSON can hold."""
        return {
            "source": None if self.source is None else self.source.to_json_object(),
            "train": asdict(self.train),
            "valid": asdict(self.valid),
            "shape": list(self.image_shape),
            "class_names": None if self.class_names is None else list(self.class_names),
            "preprocessing": self.preprocessing._asdict(),
        }

    def _found(self) -> DataSource:
        if self.source is None or self.source.location is None:
            message = (
                "the run was trained on arrays, which it does not keep; pass the images again, "
                "with data= or --data"
            )
            raise DataError(message)
        return self.source

    def load_pair(self, *, progress: bool = False) -> LoadedPair:
        """Load what the run was trained and validated on, unverified.

        Args:
            progress: Whether the progress of reading is shown.

        Returns:
            The pair.

        Raises:
            DataError: The data no longer exist.
            OSError: A file cannot be read.
        """
        options = PictureOptions.of(self.image_shape, self.preprocessing)
        return load_pair(self._found(), options=options, progress=progress)

    def load(self, part: Split, *, progress: bool = False) -> Dataset:
        """Load the images of a part again.

        Args:
            part: ``"train"`` and ``"valid"`` are what the run was trained and validated on,
                ``"test"`` is what was kept for the end.
            progress: Whether the progress of reading is shown.

        Returns:
            The data set, with the shape and the classes of the run.

        Raises:
            DataError: There is no such part, the data no longer exist, or are others than those of
                the run.
            OSError: A file cannot be read.
        """
        part = part_named_or_tested(self._found(), part)
        dataset = load_part(
            self._found(),
            part,
            options=PictureOptions.of(self.image_shape, self.preprocessing),
            class_names=self.class_names,
            progress=progress,
        )
        expected = {"train": self.train, "valid": self.valid}.get(part)
        if expected is not None:
            native = dataset._native()  # noqa: SLF001  of this package
            if not native.has_fingerprint(expected.sha256):
                message = (
                    f"the {part} images of {self.source} have changed since the run: there are "
                    f"{len(dataset):,} with the SHA-256 {native.fingerprint()}, and the run had "
                    f"{expected.images:,} with {expected.sha256}; restore them, or pass the data "
                    "to use with data= or --data"
                )
                raise DataError(message)
        return dataset


def _part(value: Mapping[str, Any]) -> RunPart:
    return RunPart(int(value["images"]), str(value["sha256"]))
