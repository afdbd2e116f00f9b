"""An evaluation as text for a terminal of 80 columns."""

from collections.abc import Mapping, Sequence, Sized
from typing import Any, Final, Protocol

import numpy
from numpy.typing import NDArray

from mnistburn.evaluation.calibration import Calibration
from mnistburn.evaluation.rows import ClassScores, ConfusedPair, WorstImage
from mnistburn.text_table import clipped, table, width_of

__all__ = [
    "MOST_CLASSES",
    "confusion_lines",
    "evaluation_lines",
    "more_lines",
    "shown_scores",
    "worst_caption",
]

_COLUMNS: Final = 80
_LONGEST_NAME: Final = 32
MOST_CLASSES: Final = 20
"""Of more classes, those with the lowest F1 are shown, and no confusion matrix."""

_LOWEST_SHOWN: Final = 10
_MOST_PAIRS: Final = 5


class Evaluated(Protocol):
    """What is told of an `Evaluation`."""

    @property
    def loss(self) -> float:
        """The mean loss."""

    @property
    def accuracy(self) -> float:
        """The share of images classified right."""

    @property
    def num_right(self) -> int:
        """The number of images classified right."""

    @property
    def dataset(self) -> Sized:
        """The images."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What else was measured."""

    @property
    def keeps_logits(self) -> bool:
        """Whether all below is known."""

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes."""

    @property
    def confusion(self) -> NDArray[numpy.int64]:
        """The confusion matrix."""

    @property
    def per_class(self) -> tuple[ClassScores, ...]:
        """The scores of each class."""

    def accuracy_interval(self) -> tuple[float, float]:
        """Return the interval of the accuracy at 95 %."""

    def calibration(self) -> Calibration:
        """Return the calibration."""

    def most_confused(self, count: int) -> tuple[ConfusedPair, ...]:
        """Return the most confused pairs."""

    def worst(self, count: int) -> tuple[WorstImage, ...]:
        """Return the images of highest loss."""


def evaluation_lines(evaluation: Evaluated) -> list[str]:
    """Return the lines of an evaluation, of at most 80 columns.

    Args:
        evaluation: The evaluation.

    Returns:
        The lines.
    """
    lines = _headline(evaluation)
    for name, value in evaluation.metrics.items():
        if isinstance(value, int | float):
            lines.append(f"{clipped(name, 18):<18} {_number(value)}")
    if not evaluation.keeps_logits:
        return lines
    return [*lines, "", *_detail_lines(evaluation)]


def more_lines(evaluation: Evaluated) -> list[str]:
    """Return the lines of an evaluation beside loss, accuracy and metrics.

    Args:
        evaluation: The evaluation.

    Returns:
        The lines, those of the worst images too.
    """
    lines = _headline(evaluation)[2:]
    if not evaluation.keeps_logits:
        return lines
    rows = [
        (
            clipped(str(image.index if image.file is None else image.file), 30),
            clipped(image.true, 16),
            clipped(image.predicted, 16),
            f"{image.loss:.3f}",
        )
        for image in evaluation.worst(_MOST_PAIRS)
    ]
    worst = table([("highest loss", "class", "taken for", "loss"), *rows])
    return [*lines, "", *_detail_lines(evaluation), "", *worst]


def _headline(evaluation: Evaluated) -> list[str]:
    """Return the lines of loss, accuracy and calibration."""
    lower, upper = evaluation.accuracy_interval()
    counts = f"{evaluation.num_right:,} of {len(evaluation.dataset):,} images"
    lines = [
        f"loss               {evaluation.loss:.4f}",
        f"accuracy           {evaluation.accuracy:.4f}, {counts}",
        f"95 % interval      {lower:.4f} to {upper:.4f}",
    ]
    if evaluation.keeps_logits:
        lines.append(f"calibration error  {evaluation.calibration().expected_error:.4f}")
    return lines


def _detail_lines(evaluation: Evaluated) -> list[str]:
    """Return the lines of classes, of the confusion matrix and of the most confused pairs."""
    lines = _class_lines(evaluation.per_class)
    if len(evaluation.class_names) <= MOST_CLASSES:
        matrix = confusion_lines(evaluation.confusion, evaluation.class_names)
        if max(map(width_of, matrix)) <= _COLUMNS:
            lines += ["", *matrix]
    rows = [
        (
            f"{clipped(pair.true, 24)} taken for {clipped(pair.predicted, 24)}",
            f"{pair.count:,}",
            f"{100 * pair.share:.1f} %",
        )
        for pair in evaluation.most_confused(_MOST_PAIRS)
    ]
    if rows:
        lines += ["", *table([("most confused", "images", "of class"), *rows])]
    return lines


def shown_scores(per_class: Sequence[ClassScores]) -> list[ClassScores]:
    """Return the scores of all classes; of many, those with the lowest F1 that have images."""
    if len(per_class) <= MOST_CLASSES:
        return list(per_class)
    occurring = [scores for scores in per_class if scores.support]
    return sorted(occurring, key=lambda scores: scores.f1)[:_LOWEST_SHOWN]


def _class_lines(per_class: Sequence[ClassScores]) -> list[str]:
    """Return the table of precision, recall and F1."""
    shown = shown_scores(per_class)
    title = "class"
    if len(per_class) > MOST_CLASSES:
        title = f"class ({len(shown)} of {len(per_class)}, lowest F1)"
    rows = [
        (
            clipped(scores.name, _LONGEST_NAME),
            *(f"{score:.4f}" for score in (scores.precision, scores.recall, scores.f1)),
            f"{scores.support:,}",
        )
        for scores in shown
    ]
    return table([(title, "precision", "recall", "F1", "images"), *rows])


def confusion_lines(confusion: NDArray[numpy.int64], class_names: Sequence[str]) -> list[str]:
    """Return the lines of a confusion matrix.

    Args:
        confusion: The counts, true classes in rows.
        class_names: The names of the classes.

    Returns:
        The lines: the numbers of the classes above the columns, and numbers and names before the
        rows.
    """
    numbered = [str(number) for number in range(len(class_names))]
    digits = len(numbered[-1])
    names = [
        name if name == number else f"{number:>{digits}} {clipped(name, _LONGEST_NAME)}"
        for number, name in zip(numbered, class_names, strict=True)
    ]
    rows = [
        (name, *(str(count) if count else "." for count in row.tolist()))
        for name, row in zip(names, confusion, strict=True)
    ]
    return table([("true \\ predicted", *numbered), *rows])


def worst_caption(image: WorstImage) -> list[str]:
    """Return the lines above a picture of an image of high loss."""
    name = f"#{image.index}" if image.file is None else image.file.name
    return [image.true, f"\u2192 {image.predicted}", f"{100 * image.probability:.0f} %  {name}"]


def _number(value: float) -> str:
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
