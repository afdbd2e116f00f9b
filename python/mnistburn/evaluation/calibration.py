"""Whether a model is right as often as it says.

Example:
    >>> import numpy
    >>> from mnistburn.evaluation.calibration import Calibration
    >>> calibration = Calibration.measure([0.9, 0.9, 0.6, 0.6], [True, True, True, False], 10)
    >>> round(calibration.expected_error, 3)
    0.1
"""

from dataclasses import dataclass, field
from typing import Self

import numpy
from numpy.typing import ArrayLike, NDArray

from mnistburn.arguments import as_integer
from mnistburn.errors import ConfigError

__all__ = ["Calibration"]


@dataclass(frozen=True, eq=False)
class Calibration:
    """The reliability curve of a model: how often it is right, by the probability that it gives.

    Images are put into bins of equal width by the probability of the class that they are taken for,
    as C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger do, "On calibration of modern neural
    networks", 2017. A bin has its upper edge and not its lower one.

    Attributes:
        edges: The edges of the bins, float64 of shape ``[num_bins + 1]``, from 0 to 1.
        counts: The number of images in each bin, int64 of shape ``[num_bins]``.
        confidence: The mean probability in each bin, NaN in an empty one.
        accuracy: The share of images classified right in each bin, NaN in an empty one.
        expected_error: The expected calibration error (ECE): the mean over the images of the
            distance between accuracy and confidence of their bins.
        maximum_error: The maximum calibration error (MCE): the largest of these distances.
    """

    edges: NDArray[numpy.float64] = field(repr=False)
    counts: NDArray[numpy.int64] = field(repr=False)
    confidence: NDArray[numpy.float64] = field(repr=False)
    accuracy: NDArray[numpy.float64] = field(repr=False)
    expected_error: float
    maximum_error: float

    @classmethod
    def measure(cls, confidence: ArrayLike, right: ArrayLike, num_bins: int = 15) -> Self:
        """Measure the calibration of predictions.

        Args:
            confidence: The probability of the class that each image is taken for, at least one.
            right: Whether that is its class.
            num_bins: The number of bins.

        Returns:
            The curve and its errors.

        Raises:
            ConfigError: num_bins is no whole number from 1 to 10,000.
        """
        bins = as_integer(num_bins, "num_bins", ConfigError, minimum=1, maximum=10_000)
        given = numpy.asarray(confidence, dtype=numpy.float64)
        hits = numpy.asarray(right, dtype=numpy.float64)
        edges = numpy.linspace(0.0, 1.0, bins + 1)
        # Of the inner edges alone: rounding can put a probability a little above 1.
        places = numpy.searchsorted(edges[1:-1], given, side="left")
        counts = numpy.bincount(places, minlength=bins)
        with numpy.errstate(invalid="ignore"):
            means = numpy.bincount(places, weights=given, minlength=bins) / counts
            shares = numpy.bincount(places, weights=hits, minlength=bins) / counts
        filled = counts > 0
        distances = numpy.abs(means - shares)[filled]
        return cls(
            edges=edges,
            counts=counts.astype(numpy.int64),
            confidence=means,
            accuracy=shares,
            expected_error=float((distances * counts[filled]).sum() / len(given)),
            maximum_error=float(distances.max()),
        )
