"""The model that a command is given, with what is known of its data."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import click

import mnistburn
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import load_part
from mnistburn.datasets.parts import Split
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource, available_parts, part_named_or_tested, source_of
from mnistburn.errors import DataError
from mnistburn.preprocessing import Preprocessing
from mnistburn.results import run_directory
from mnistburn.run_data import RunData

__all__ = ["Chosen", "Trained", "as_epoch"]


@dataclass(frozen=True)
class Trained:
    """A model, and the data of its run.

    Attributes:
        path: The artifact directory or the model file.
        model: The model.
        data: What its run was trained on; None where that is not known.
    """

    path: Path
    model: mnistburn.Model
    data: RunData | None

    @classmethod
    def load(
        cls,
        path: Path,
        device: str,
        *,
        epoch: str | None = None,
        image_size: tuple[int, int] | None = None,
    ) -> "Trained":
        """Load a run's directory, or a model file."""
        if path.is_dir():
            if image_size is not None:
                message = f"--image-size is for model files, and {path} is a directory"
                raise click.UsageError(message)
            run = mnistburn.load_run(path, device, epoch=None if epoch is None else as_epoch(epoch))
            return cls(path, run.model, run.data)
        if epoch is not None:
            message = f"--epoch is for the directory of a run, and {path} is none"
            raise click.UsageError(message)
        model = mnistburn.Model.load(path, device, image_size=image_size)
        if image_size is not None and mnistburn.describe(path).image_size is None:
            height, width = image_size
            click.echo(
                f"{path} says nothing of its images: height {height} and width {width} are "
                "assumed, as --image-size has it, and that pictures are stretched to it",
                err=True,
            )
        directory = run_directory(path)
        return cls(path, model, None if directory is None else RunData.read(directory))

    def dataset(self, given: str | None, part: Split | None, *, prepare: bool = True) -> "Chosen":
        """Load the images to look at.

        Args:
            given: What ``--data`` says; None for the data of the run.
            part: What ``--split`` says; None for the test images, or what the run was validated on
                where there are none.
            prepare: Whether pictures are prepared as the model has it.

        Returns:
            The images, and what they are for people.
        """
        if given is None and self.data is not None:
            source = self.data.source or DataSource.of_arrays()
            if source.location is None:
                taken: Split = "train"  # refused, with the way out
            else:
                taken = part_named_or_tested(source, part)
            return Chosen(self.data.load(taken, progress=True), f"{source}, {taken}")
        if given is None:
            message = (
                f"{self.path} does not say what its model was trained on; name the data with "
                "--data, for example --data mnist"
            )
            raise DataError(message)
        source = source_of(given)
        taken = part_named_or_tested(source, part)
        fit, kind = self.model.preprocessing
        options = PictureOptions.of(
            self.model.config.image_shape, Preprocessing(fit, kind if prepare else None)
        )
        names = self.model.class_names
        dataset = load_part(source, taken, options=options, class_names=names)
        if part is None:
            self._warn_of_training_images(source, taken, dataset)
        is_whole = available_parts(source) == ("train",)
        return Chosen(dataset, str(source) if is_whole else f"{source}, {taken}")

    def _warn_of_training_images(self, source: DataSource, taken: Split, dataset: Dataset) -> None:
        if self.data is None:
            return
        run, train = self.data.source, self.data.train
        place = None if run is None or run.location is None else (run.kind, run.location)
        if (place == (source.kind, source.location) and taken == "train") or (
            dataset._native().has_fingerprint(train.sha256)  # noqa: SLF001  of this package
        ):
            click.echo(
                f"the model was trained with images of these ({train.images:,} in all), so what "
                "is measured on them is too good; without --data those are taken that it did not "
                "train with",
                err=True,
            )


class Chosen(NamedTuple):
    """Images, and what they are for people."""

    dataset: Dataset
    told: str


def as_epoch(text: str) -> Literal["last", "best"] | int:
    """Return which epoch of a run ``--epoch`` asks for."""
    if text in {"last", "best"}:
        return "last" if text == "last" else "best"
    try:
        return int(text)
    except ValueError:
        message = f"--epoch must be last, best or the number of an epoch, got {text!r}"
        raise click.UsageError(message) from None
