"""What a report tells, gathered from a run, its files and its data."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import numpy
from numpy.typing import NDArray

from mnistburn.config import TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import load_part
from mnistburn.datasets.parts import Split
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource, part_named_or_tested, source_of
from mnistburn.ended import Ended
from mnistburn.errors import DataError, MnistburnError
from mnistburn.evaluation import Evaluation, WorstImage
from mnistburn.model import Model
from mnistburn.run_data import RunData
from mnistburn.run_provenance import RunProvenance
from mnistburn.run_start import RunStart

__all__ = ["ReportContent", "ReportedRun", "Sample", "gather"]

_MOST_SAMPLES: Final = 20
_MOST_WORST: Final = 12


class ReportedHistory(Protocol):
    """What a report tells of a `History`."""

    @property
    def epochs(self) -> dict[str, list[float]]:
        """The columns of the epochs."""

    @property
    def train_steps(self) -> dict[str, list[float]]:
        """The columns of the training steps."""

    @property
    def num_epochs(self) -> int:
        """The number of epochs that are done."""


class ReportedRun(Protocol):
    """What a report tells of a `TrainingResult`."""

    @property
    def artifact_dir(self) -> Path:
        """Where its files are."""

    @property
    def model(self) -> Model:
        """The model that it ended with."""

    @property
    def model_epoch(self) -> int | None:
        """The epoch that the model is of."""

    @property
    def history(self) -> ReportedHistory:
        """What was measured."""

    @property
    def config(self) -> TrainingConfig:
        """What it was made from."""

    @property
    def best_epoch(self) -> int | None:
        """The best epoch."""

    @property
    def best_metric(self) -> str:
        """What that is decided by."""

    @property
    def ended(self) -> Ended:
        """Why it ended."""

    @property
    def seconds(self) -> float:
        """The time spent in its steps."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of the classes."""

    @property
    def data(self) -> RunData | None:
        """What it was trained on."""

    @property
    def start(self) -> RunStart | None:
        """What it started from."""


@dataclass(frozen=True, eq=False)
class Sample:
    """An image that is shown.

    Attributes:
        pixels: Its pixels.
        index: Its position in the data set.
        name: The name of its class.
        file: The file that it was read from; None where it comes from none of its own.
    """

    pixels: NDArray[numpy.uint8]
    index: int
    name: str
    file: Path | None = None


@dataclass(frozen=True, eq=False)
class ReportContent:
    """What a report tells.

    Attributes:
        run: The run.
        provenance: Where, when and by which version it was made.
        class_names: The names of the classes of its model.
        evaluation: How good its model is; None where that could not be measured.
        measured_on: What it was measured on, for people; None where it was not.
        measured_part: Which part of the data that is; None where it was not, or where the data
            were given.
        samples: An image of each class.
        missing: What could not be told, and why.
    """

    run: ReportedRun
    provenance: RunProvenance
    class_names: tuple[str, ...]
    evaluation: Evaluation | None
    measured_on: str | None
    measured_part: Split | None
    samples: tuple[Sample, ...]
    missing: Mapping[str, str]

    @property
    def name(self) -> str:
        """The name of the run: that of its directory."""
        directory = self.run.artifact_dir
        # "." has no name of its own.
        named = directory if directory.name not in {"", ".."} else directory.resolve()
        return named.name or str(named)

    def worst(self) -> list[tuple[Sample, WorstImage]]:
        """Return the images of highest loss, with their pixels."""
        if self.evaluation is None or not self.evaluation.keeps_logits:
            return []
        found = self.evaluation.worst(_MOST_WORST)
        pixels = self.evaluation.dataset.subset([one.index for one in found]).images
        return [
            (Sample(image, one.index, one.true, one.file), one)
            for image, one in zip(pixels, found, strict=True)
        ]


def gather(
    run: ReportedRun, data: str | os.PathLike[str] | Dataset | None, split: Split | None
) -> ReportContent:
    """Gather what a report tells, and measure the model.

    Args:
        run: The run.
        data: What to measure the model on; None for the data of the run. Where these are gone the
            report says so.
        split: Which part of the data; None for the one to test on, or for lack of one that to
            validate on.

    Returns:
        The content.

    Raises:
        DataError: The data that were given do not exist or do not fit the model.
        OSError: A file of the data that were given cannot be read.
    """
    missing: dict[str, str] = {}
    found: _Measured | None = None
    if data is not None:
        found = _measured(run, data, split)
    else:
        try:
            found = _measured_on_own(run, split)
        except (MnistburnError, OSError) as error:
            missing["evaluation"] = str(error)
    if found is not None and not found.evaluation.keeps_logits:
        missing["images"] = "there are too many images and classes to keep what follows from each"
    names = run.model.class_names or run.class_names
    if names is None:
        names = tuple(str(number) for number in range(run.model.config.num_classes))
    return ReportContent(
        run=run,
        provenance=RunProvenance.read(run.artifact_dir),
        class_names=names,
        evaluation=None if found is None else found.evaluation,
        measured_on=None if found is None else found.told,
        measured_part=None if found is None else found.part,
        samples=() if found is None else tuple(_samples(found.evaluation.dataset, names)),
        missing=missing,
    )


@dataclass(frozen=True, eq=False)
class _Measured:
    evaluation: Evaluation
    told: str
    part: Split | None


def _measured_on_own(run: ReportedRun, split: Split | None) -> _Measured:
    if run.data is None:
        message = (
            "the run does not say what it was trained on, as an earlier version made it; name the "
            "data with data= or --data"
        )
        raise DataError(message)
    source = run.data.source or DataSource.of_arrays()
    part = part_named_or_tested(source, split)
    dataset = run.data.load(part)
    return _Measured(run.model.evaluate(dataset), f"{source}, {part}", part)


def _measured(
    run: ReportedRun, data: str | os.PathLike[str] | Dataset, split: Split | None
) -> _Measured:
    if isinstance(data, Dataset):
        return _Measured(run.model.evaluate(data), f"{len(data):,} images that were given", None)
    source = source_of(data)
    part = part_named_or_tested(source, split)
    options = PictureOptions.of(run.model.config.image_shape, run.model.preprocessing)
    names = run.model.class_names
    dataset = load_part(source, part, options=options, class_names=names, progress=False)
    return _Measured(run.model.evaluate(dataset), f"{source}, {part}", part)


def _samples(dataset: Dataset, names: tuple[str, ...]) -> list[Sample]:
    """Return the first image of each class that occurs, of so many classes as a page can show."""
    numbers, first = numpy.unique(dataset.targets, return_index=True)
    places = first[:_MOST_SAMPLES].tolist()
    images, files = dataset.subset(places).images, dataset.files
    return [
        Sample(image, place, names[number], None if files is None else files[place])
        for image, place, number in zip(images, places, numbers.tolist(), strict=False)
    ]
