"""How runs are compared.

Example:
    >>> import mnistburn
    >>> data = mnistburn.datasets.load("mnist", split="test")
    >>> small = (data[:256], data[256:512])
    >>> runs = []
    >>> for size in (4, 16):
    ...     config = mnistburn.TrainingConfig(
    ...         model=mnistburn.ModelConfig(hidden_size=size), num_epochs=1
    ...     )
    ...     directory = f"artifacts/{size}"
    ...     runs.append(mnistburn.train(directory, config, "cpu", data=small, progress=False))
    >>> comparison = mnistburn.compare(*runs, data=data[512:1024])
    >>> comparison.names, 0 <= comparison.test().p_value <= 1
    (('4', '16'), True)
"""

import logging
import os
from collections.abc import Sequence
from typing import Final

import numpy

from mnistburn.arguments import shown
from mnistburn.comparison.comparison import Comparison
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import load_part
from mnistburn.datasets.parts import SPLITS, Split
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource, part_named_or_tested, source_of
from mnistburn.errors import ConfigError, DataError
from mnistburn.results import TrainingResult, load_run

__all__ = ["compare"]

_logger: Final = logging.getLogger("mnistburn")

# A comparison is of two runs at least.
_FEWEST: Final = 2


def compare(
    *runs: TrainingResult | str | os.PathLike[str],
    data: Dataset | str | os.PathLike[str] | None = None,
    split: Split | None = None,
    device: str = "cpu",
    batch_size: int = 256,
    by_number: bool = False,
) -> Comparison:
    """Measure the models of runs on the same images, and test whether they differ.

    Args:
        runs: Two runs or more: what `train` returned, or their directories. The model of each is
            that of `TrainingResult.model`.
        data: The images; or what `train` takes as data: the name of a data set, a folder or a file.
            None for the data of the runs, which must be the same.
        split: The part of the data that is measured; None for the test images, or those to validate
            on where there are none.
        device: Where runs that are given by their directories compute.
        batch_size: The number of images computed at a time.
        by_number: Whether classes are found by their numbers, whatever their names.

    Returns:
        The runs, with what was measured.

    Raises:
        ConfigError: There are fewer than two runs, one is none, or an argument breaks its rule.
        DataError: The runs have different data and data is None, there is no such part, or a model
            does not fit the images.
        ArtifactError: A directory holds no run.
    """
    if len(runs) < _FEWEST:
        message = f"compare takes two runs or more, got {len(runs)}; compare(first, second)"
        raise ConfigError(message)
    if split is not None and split not in SPLITS:
        message = f"split must be one of {', '.join(SPLITS)} or None, got {shown(split)}"
        raise ConfigError(message)
    loaded = tuple(_loaded(run, device) for run in runs)
    datasets, told = _images(loaded, data, split)
    for run, dataset in zip(loaded, datasets, strict=True):
        _warn_of_training_images(run, dataset)
    evaluations = tuple(
        run.model.evaluate(dataset, batch_size, by_number=by_number)
        for run, dataset in zip(loaded, datasets, strict=True)
    )
    _check_same(datasets)
    return Comparison(_names(loaded), loaded, evaluations, told)


def _loaded(run: object, device: str) -> TrainingResult:
    if isinstance(run, TrainingResult):
        return run
    if isinstance(run, str | os.PathLike):
        return load_run(run, device)
    message = (
        "a run must be what train or load_run returns, or the path of its directory, got "
        f"{shown(run)}"
    )
    raise ConfigError(message)


def _names(runs: Sequence[TrainingResult]) -> tuple[str, ...]:
    """Return names that differ: of the directories, their paths, or with a number behind."""
    names = [run.artifact_dir.name for run in runs]
    if len(set(names)) < len(names) or not all(names):
        names = [str(run.artifact_dir) for run in runs]
    if len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, 1)]
    return tuple(names)


def _images(
    runs: Sequence[TrainingResult],
    data: object,
    split: Split | None,
) -> tuple[list[Dataset], str]:
    """Return the images as each model takes them, and what they are for people."""
    if isinstance(data, Dataset):
        if split is not None:
            message = "split is for the data of the runs or of a source, and data is a Dataset"
            raise ConfigError(message)
        return [data] * len(runs), "a data set given"
    source = _source_of_runs(runs, split) if data is None else source_of(data)
    part = part_named_or_tested(source, split)
    found: dict[tuple[PictureOptions, tuple[str, ...] | None], Dataset] = {}
    datasets = []
    for run in runs:
        model = run.model
        options = PictureOptions.of(model.config.image_shape, model.preprocessing)
        key = (options, run.class_names)
        if key not in found:
            found[key] = load_part(source, part, options=options, class_names=run.class_names)
        datasets.append(found[key])
    return datasets, f"{source}, {part}"


def _source_of_runs(runs: Sequence[TrainingResult], split: Split | None) -> DataSource:
    """Return the data that the runs share."""
    sources = [
        run.data.source if run.data is not None and run.data.source is not None else None
        for run in runs
    ]
    known = [source for source in sources if source is not None and source.location is not None]
    if len(known) < len(runs):
        message = (
            "the data of a run are not known, as it was trained on arrays; pass the images to "
            "compare on, with data= or --data"
        )
        raise DataError(message)
    part = part_named_or_tested(known[0], split)
    first, *others = [_identity(source, part) for source in known]
    if any(other != first for other in others):
        message = (
            f"the runs must have the same {part} images, got "
            f"{' and '.join(dict.fromkeys(map(str, known)))}; say which to "
            "compare on, with data= or --data"
        )
        raise DataError(message)
    return known[0]


def _identity(source: DataSource, part: Split) -> tuple[object, ...]:
    """Return what two sources have in common that have the same images of a part."""
    held_out = (source.validation, source.seed) if part != "test" else ()
    return source.kind, source.location, source.parts.get(part), *held_out


def _check_same(datasets: Sequence[Dataset]) -> None:
    """Refuse data that changed between two readings."""
    first = datasets[0]
    for other in datasets[1:]:
        if other is first:
            continue
        same = len(other) == len(first) and other.files == first.files
        if not same or not numpy.array_equal(_class_labels(other), _class_labels(first)):
            message = (
                "the images of the runs must be the same in the same order; the data changed "
                "while they were read, or their classes are called otherwise"
            )
            raise DataError(message)


def _class_labels(dataset: Dataset) -> list[str]:
    """Return the class of each image by name, which does not depend on the order of classes."""
    names = dataset.class_names or tuple(map(str, range(dataset.num_classes)))
    return [names[target] for target in dataset.targets.tolist()]


def _warn_of_training_images(run: TrainingResult, dataset: Dataset) -> None:
    if run.data is not None and dataset._native().has_fingerprint(  # noqa: SLF001  of this package
        run.data.train.sha256
    ):
        _logger.warning(
            "the run in %s was trained with these images, so what is measured on them is too good",
            run.artifact_dir,
        )
