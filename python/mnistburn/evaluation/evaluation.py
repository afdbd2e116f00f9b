"""How good a model is on a data set, and where it is wrong.

Example:
    >>> import mnistburn
    >>> test = mnistburn.datasets.load("mnist", split="test")[:200]
    >>> evaluation = mnistburn.Model(seed=1).evaluate(test)
    >>> evaluation.confusion.shape
    (10, 10)
    >>> len(evaluation.worst(5))
    5
"""

import dataclasses
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy
from numpy.typing import NDArray

from mnistburn import notebook, plots
from mnistburn.arguments import as_integer
from mnistburn.dataset import Dataset
from mnistburn.errors import ConfigError, DataError
from mnistburn.evaluation.calibration import Calibration
from mnistburn.evaluation.rows import ClassScores, ConfusedPair, WorstImage
from mnistburn.evaluation.significance import wilson_interval
from mnistburn.evaluation.text import (
    MOST_CLASSES,
    confusion_lines,
    evaluation_lines,
    more_lines,
    shown_scores,
    worst_caption,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Evaluation"]

_WORST_IN_NOTEBOOK: Final = 12


@dataclass(frozen=True)
class Evaluation:
    """How good a model is on a data set.

    ``print(evaluation)`` tells the important parts. Loss, accuracy and metrics are there at once;
    all else is computed from the logits of the images when it is first asked for, in some
    milliseconds for 10,000 images. The logits take 4 bytes for each image and class as long as the
    evaluation lives; with metrics five times that while it is made. More than 2^26 of them (256
    MiB) are not kept; what would follow from them is refused then. The images are those of the
    data set, without a copy. Two evaluations are equal where loss, accuracy and metrics are.

    Attributes:
        loss: The mean cross-entropy over the images.
        accuracy: The share of images classified right, in 0..1.
        metrics: What else was asked for, by name: a number, for ``_per_class`` a list with one for
            each class, and for ``confusion`` a row of counts for each class.
        class_names: The names of the model's classes; their numbers where they have no names.
        dataset: The images, with the numbers that their classes have in the model.
    """

    loss: float
    accuracy: float
    metrics: dict[str, Any]
    class_names: tuple[str, ...] = field(repr=False, compare=False, kw_only=True)
    dataset: Dataset = field(repr=False, compare=False, kw_only=True)
    _logits: NDArray[numpy.float32] | None = field(repr=False, compare=False, kw_only=True)

    @property
    def keeps_logits(self) -> bool:
        """Whether there are logits, from which all else follows."""
        return self._logits is not None

    @property
    def logits(self) -> NDArray[numpy.float32]:
        """The logits, float32 of shape ``[n, num_classes]``, read-only.

        With test-time augmentation these are the logarithms of the mean probabilities.

        Raises:
            DataError: There are too many to be kept.
        """
        if self._logits is None:
            message = (
                f"the logits of {len(self.dataset):,} images and {len(self.class_names):,} classes "
                "are too many to be kept, and what follows from them is not known; evaluate parts "
                "of the data set: model.evaluate(dataset[:10_000])"
            )
            raise DataError(message)
        return self._logits

    def accuracy_interval(self, confidence: float = 0.95) -> tuple[float, float]:
        """Return Wilson's score interval of the accuracy.

        Args:
            confidence: The probability that such an interval covers the accuracy on all images of
                the kind, of which these are a sample.

        Returns:
            The lower and the upper end, in 0..1.

        Raises:
            ConfigError: The confidence is not above 0 and below 1.
        """
        return wilson_interval(self.num_right, len(self.dataset), confidence)

    @property
    def num_right(self) -> int:
        """The number of images classified right."""
        return round(self.accuracy * len(self.dataset))

    @cached_property
    def predictions(self) -> NDArray[numpy.int64]:
        """The number of the class that each image is taken for, int64 of shape ``[n]``."""
        numbers: NDArray[numpy.int64] = self.logits.argmax(axis=1).astype(numpy.int64)
        return numbers

    @cached_property
    def right(self) -> NDArray[numpy.bool]:
        """Whether each image is classified right, of shape ``[n]``."""
        same: NDArray[numpy.bool] = self.predictions == self.dataset.targets
        return same

    @cached_property
    def losses(self) -> NDArray[numpy.float64]:
        """The cross-entropy of each image, float64 of shape ``[n]``."""
        return -self._log_probabilities(self.dataset.targets)

    @cached_property
    def confidence(self) -> NDArray[numpy.float64]:
        """The probability of the class that each image is taken for, float64 of shape ``[n]``."""
        return numpy.exp(self._log_probabilities(self.predictions))

    def _log_probabilities(self, classes: NDArray[numpy.int64]) -> NDArray[numpy.float64]:
        """Return the logarithm of the probability of a class of each image."""
        rows = self._shifted()
        own: NDArray[numpy.float64] = numpy.take_along_axis(rows, classes[:, None], axis=1)[:, 0]
        sums: NDArray[numpy.float64] = numpy.exp(rows, out=rows).sum(axis=1)
        return own - numpy.log(sums)

    def _shifted(self) -> NDArray[numpy.float64]:
        """Return the logits less the largest of each image: exp of others overflows."""
        rows = self.logits.astype(numpy.float64)
        # Logits that are not finite have a loss that is none.
        with numpy.errstate(invalid="ignore"):
            rows -= rows.max(axis=1, keepdims=True)
        return rows

    def probabilities(self) -> NDArray[numpy.float64]:
        """Return the probability of each class for each image, float64 ``[n, num_classes]``."""
        rows = self._shifted()
        numpy.exp(rows, out=rows)
        rows /= rows.sum(axis=1, keepdims=True)
        return rows

    @cached_property
    def confusion(self) -> NDArray[numpy.int64]:
        """The confusion matrix, int64 of shape ``[num_classes, num_classes]``.

        The number of images of each class (rows) that are taken for each class (columns).
        """
        size = len(self.class_names)
        cells = self.dataset.targets * size + self.predictions
        return numpy.bincount(cells, minlength=size * size).reshape(size, size)

    @cached_property
    def per_class(self) -> tuple[ClassScores, ...]:
        """Precision, recall, F1 and support of each class; `pandas.DataFrame` makes a table of it.

        They are those that the metrics ``precision_per_class`` and so on give: a share of nothing
        is 0.
        """
        size, targets = len(self.class_names), self.dataset.targets
        right = numpy.bincount(targets[self.right], minlength=size)
        support = numpy.bincount(targets, minlength=size)
        taken = numpy.bincount(self.predictions, minlength=size)
        # What is divided by is 0 only where what is divided is.
        columns = (
            right / numpy.maximum(taken, 1),
            right / numpy.maximum(support, 1),
            2 * right / numpy.maximum(support + taken, 1),
            support,
        )
        rows = zip(self.class_names, *(column.tolist() for column in columns), strict=True)
        return tuple(ClassScores(*row) for row in rows)

    def calibration(self, num_bins: int = 15) -> Calibration:
        """Measure whether the model is right as often as it says.

        Args:
            num_bins: The number of bins of the reliability curve.

        Returns:
            The curve, and the expected and the maximum calibration error.

        Raises:
            ConfigError: num_bins is no whole number from 1 to 10,000.
        """
        return Calibration.measure(self.confidence, self.right, num_bins)

    def most_confused(self, count: int = 10) -> tuple[ConfusedPair, ...]:
        """Return the pairs of classes of which the first is most often taken for the second.

        Args:
            count: The largest number of pairs; those that do not occur are left out.

        Returns:
            The pairs, the most frequent first.

        Raises:
            ConfigError: The count is no whole number from 1.
        """
        most = as_integer(count, "count", ConfigError, minimum=1)
        size, targets = len(self.class_names), self.dataset.targets
        cells = (targets * size + self.predictions)[~self.right]
        pairs, counts = numpy.unique(cells, return_counts=True)
        order = numpy.argsort(-counts, kind="stable")[:most].tolist()
        support = numpy.bincount(targets, minlength=size)
        return tuple(
            ConfusedPair(
                self.class_names[pairs[place] // size],
                self.class_names[pairs[place] % size],
                int(counts[place]),
                float(counts[place] / support[pairs[place] // size]),
            )
            for place in order
        )

    def worst(self, count: int = 16) -> tuple[WorstImage, ...]:
        """Return the images of highest loss: mistakes, wrong labels and odd pictures.

        Args:
            count: The largest number of images.

        Returns:
            The images, that of the highest loss first.

        Raises:
            ConfigError: The count is no whole number from 1.
        """
        most = as_integer(count, "count", ConfigError, minimum=1)
        order = numpy.argsort(-self.losses, kind="stable")[:most].tolist()
        files = self.dataset.subset(order).files
        return tuple(
            WorstImage(
                index=index,
                true=self.class_names[self.dataset.targets[index]],
                predicted=self.class_names[self.predictions[index]],
                probability=float(self.confidence[index]),
                true_probability=float(numpy.exp(-self.losses[index])),
                loss=float(self.losses[index]),
                file=None if files is None else files[place],
            )
            for place, index in enumerate(order)
        )

    def confusion_text(self) -> str:
        """Return the confusion matrix as text, a row for each class of the images.

        Columns are named by the numbers of the classes, which stand before the names of the rows.

        Returns:
            The text, as wide as it has to be.
        """
        return "\n".join(confusion_lines(self.confusion, self.class_names))

    def details(self) -> list[str]:
        """Return what `print` tells beside loss, accuracy and metrics, and the worst images.

        Returns:
            The lines, of at most 80 columns.
        """
        return more_lines(self)

    def plot_confusion(self, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the confusion matrix: counts in the cells, colours for the share of the true class.

        Args:
            ax: The Axes to draw into; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            ConfigError: Matplotlib is not installed, or ax is no Axes.
        """
        return plots.draw_confusion(self.confusion, self.class_names, ax=ax)

    def plot_calibration(self, num_bins: int = 15, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the reliability curve; the area of a dot is the share of the images in its bin.

        Args:
            num_bins: The number of bins.
            ax: The Axes to draw into; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            ConfigError: num_bins breaks its rule, matplotlib is not installed, or ax is no Axes.
        """
        return plots.draw_calibration(self.calibration(num_bins), ax=ax)

    def plot_worst(self, count: int = 16, *, ax: "Axes | None" = None) -> "Axes":
        """Draw the images of highest loss, each with its class and what it is taken for.

        Args:
            count: The largest number of images.
            ax: The Axes to draw into; None for a figure of its own.

        Returns:
            The Axes.

        Raises:
            ConfigError: The count breaks its rule, matplotlib is not installed, or ax is no Axes.
        """
        worst = self.worst(count)
        images = self.dataset.subset([image.index for image in worst]).images
        tiles = [
            plots.Tile(image, worst_caption(about))
            for image, about in zip(images, worst, strict=True)
        ]
        return plots.draw_images(tiles, 8, ax=ax)

    def __str__(self) -> str:
        """Return the important parts as text of at most 80 columns."""
        return "\n".join(evaluation_lines(self))

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        lower, upper = self.accuracy_interval()
        counts = f"{self.num_right:,} of {len(self.dataset):,} images"
        rows = [
            ("loss", f"{self.loss:.4f}"),
            ("accuracy", f"{self.accuracy:.4f}, {counts}"),
            ("95 % interval", f"{lower:.4f} to {upper:.4f}"),
        ]
        rows += [
            (name, f"{value:.4f}" if isinstance(value, float) else f"{value:,}")
            for name, value in self.metrics.items()
            if isinstance(value, int | float)
        ]
        if not self.keeps_logits:
            return notebook.evaluation_html(rows, scores=(), confusion=None, worst=())
        rows.append(("calibration error", f"{self.calibration().expected_error:.4f}"))
        worst = self.worst(_WORST_IN_NOTEBOOK)
        images = self.dataset.subset([image.index for image in worst]).images
        is_small = len(self.class_names) <= MOST_CLASSES
        return notebook.evaluation_html(
            rows,
            scores=[dataclasses.astuple(scores) for scores in shown_scores(self.per_class)],
            confusion=(self.confusion, self.class_names) if is_small else None,
            worst=list(zip(images, map(worst_caption, worst), strict=True)),
        )
