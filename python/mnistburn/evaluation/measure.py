"""How a model is measured on a data set."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn import _native, datasets
from mnistburn.arguments import as_integer, shown
from mnistburn.arrays import ImageShape
from mnistburn.classes import match_classes
from mnistburn.dataset import Dataset
from mnistburn.errors import ConfigError, DataError
from mnistburn.evaluation.evaluation import Evaluation
from mnistburn.hints import folder_hint
from mnistburn.image_statistics import ImageStatistics
from mnistburn.likeness import LOOKED_AT, warn_of_unlike
from mnistburn.metrics import Metric, own_value, shaped_values, split_metrics
from mnistburn.preprocessing import Preprocessing
from mnistburn.views import Augment, as_views

__all__ = ["Measured", "measure"]

# More logits than these are not kept.
_MOST_LOGITS: Final = 1 << 26
# The core gives logits in double precision: so many of them at a time take some megabytes.
_LOGITS_AT_A_TIME: Final = 1 << 18


@dataclass(frozen=True, eq=False)
class Measured:
    """What there is to know of the model that is measured.

    Attributes:
        native: The model as the core has it.
        shape: The shape of its images.
        class_names: The names of its classes; None where they are not known.
        num_classes: The number of its classes.
        preprocessing: How pictures become images for it.
        statistics: What the images of its training looked like; None where that is not known.
        told: What was told of images unlike those.
    """

    native: _native.Model
    shape: ImageShape
    class_names: tuple[str, ...] | None
    num_classes: int
    preprocessing: Preprocessing
    statistics: ImageStatistics | None
    told: dict[str, object]


def measure(
    model: Measured,
    dataset: Dataset,
    batch_size: int,
    *,
    by_number: bool,
    augment: Augment,
    metrics: Sequence[Metric],
) -> Evaluation:
    """Measure a model on a data set, as `Model.evaluate` does.

    Args:
        model: The model.
        dataset: The images and their classes.
        batch_size: The number of images computed at a time.
        by_number: Whether classes are found by their numbers, whatever their names.
        augment: Which views of each image are averaged over.
        metrics: What else is measured.

    Returns:
        Loss, accuracy and the metrics, with the logits from which all else follows.

    Raises:
        DataError: The data set is of another type, empty, or has other classes than the model.
        ConfigError: The batch size breaks its rule, or there are no such views or metrics.
    """
    if not isinstance(dataset, Dataset):
        message = f"dataset must be a Dataset, got {shown(dataset)}{_hint(model, dataset)}"
        raise DataError(message)
    size = as_integer(batch_size, "batch_size", ConfigError, minimum=1)
    if not isinstance(by_number, bool):
        message = f"by_number must be True or False, got {shown(by_number)}"
        raise ConfigError(message)
    views = as_views(augment)
    names, functions = split_metrics(metrics)
    dataset = _matched(model, dataset, by_number=by_number)
    step = -(-len(dataset) // LOOKED_AT)
    some = dataset._pixels(slice(None, None, step))  # noqa: SLF001  few of those on disk
    warn_of_unlike(model.statistics, some, dataset.image_shape, told=model.told)
    num_classes = model.num_classes
    keeps = len(dataset) * num_classes <= _MOST_LOGITS
    # A batch larger than the data set is the data set.
    size = min(size, len(dataset))
    values: dict[str, Any] = {}
    logits = None
    if keeps and not names and not functions:
        loss, accuracy, logits = _in_parts(model, dataset, size, views)
    else:
        keep = keeps or bool(functions)
        loss, accuracy, measured, kept = model.native.evaluate(
            dataset._native(),  # noqa: SLF001
            size,
            views,
            names,
            keep,
        )
        for name, single in zip(names, measured, strict=True):
            values[name] = shaped_values(name, single, num_classes)
        rows = None if kept is None else _rows(kept, num_classes)
        if rows is not None:
            for name, function in functions.items():
                values[name] = own_value(name, function, rows.copy(), dataset.targets.copy())
            if keeps:
                logits = rows.astype(numpy.float32)
    if logits is not None:
        logits.flags.writeable = False
    known = model.class_names or dataset.class_names or ()
    return Evaluation(
        loss,
        accuracy,
        values,
        class_names=(*known[:num_classes], *map(str, range(len(known), num_classes))),
        dataset=dataset,
        _logits=logits,
    )


def _in_parts(
    model: Measured, dataset: Dataset, size: int, views: list[str] | None
) -> tuple[float, float, NDArray[numpy.float32]]:
    """Return loss, accuracy and logits of images of which not all are computed at once."""
    count, num_classes = len(dataset), model.num_classes
    # Whole batches, so that a batch is the same whatever the parts.
    step = max(1, _LOGITS_AT_A_TIME // num_classes // size) * size
    logits = numpy.empty((count, num_classes), dtype=numpy.float32)
    losses, hits = [], 0
    for first in range(0, count, step):
        part = dataset[first : first + step]
        loss, accuracy, _, kept = model.native.evaluate(
            part._native(),  # noqa: SLF001  of this package
            size,
            views,
            [],
            True,  # noqa: FBT003  the logits are kept
        )
        assert kept is not None  # noqa: S101  they were asked for
        logits[first : first + step] = _rows(kept, num_classes)
        losses.append((loss, len(part)))
        hits += round(accuracy * len(part))
    if len(losses) == 1:
        return loss, accuracy, logits
    return sum(loss * images for loss, images in losses) / count, hits / count, logits


def _rows(kept: bytearray, num_classes: int) -> NDArray[numpy.float64]:
    return numpy.frombuffer(kept, dtype="<f8").reshape(-1, num_classes)


def _matched(model: Measured, dataset: Dataset, *, by_number: bool) -> Dataset:
    """Return the data set with the numbers that its classes have in the model, or refuse it."""
    if not len(dataset):
        message = "dataset must not be empty: the accuracy on no images does not exist"
        raise DataError(message)
    num_classes = model.num_classes
    dataset = match_classes(dataset, model.class_names, num_classes, by_number=by_number)
    if dataset.targets.max() >= num_classes:
        message = (
            f"targets must be below the number of classes, {num_classes}, got "
            f"{dataset.targets.max()}; take data of the model's classes, which are here "
            f"dataset.subset(numpy.flatnonzero(dataset.targets < {num_classes}))"
        )
        raise DataError(message)
    if dataset.image_shape != model.shape:
        message = (
            f"the images of the data set must be of the model's {model.shape}, got "
            f"{dataset.image_shape}{folder_hint(model.shape, model.preprocessing)}"
        )
        raise DataError(message)
    return dataset


def _hint(model: Measured, value: object) -> str:
    """Propose how what stands in the place of a data set becomes one."""
    if isinstance(value, str | bytes | os.PathLike):
        if isinstance(value, str) and datasets.is_name(value):
            return f'; mnistburn.datasets.load({value!r}, "test") gives it'
        return folder_hint(model.shape, model.preprocessing, value)
    if hasattr(value, "load_pair"):  # the data of a run
        return '; its .load("valid") gives what the run was validated on'
    return "; arrays become one with Dataset.from_numpy(images, targets)"
