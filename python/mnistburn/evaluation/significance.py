"""How sure a measured accuracy is, and whether two models differ on the same images.

Example:
    >>> from mnistburn.evaluation.significance import mcnemar_test, wilson_interval
    >>> lower, upper = wilson_interval(8, 10)
    >>> round(lower, 3), round(upper, 3)
    (0.49, 0.943)
    >>> round(mcnemar_test([True] * 9 + [False], [False] * 10).p_value, 4)
    0.0039
"""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import Final

import numpy
from numpy.typing import ArrayLike

from mnistburn.arguments import as_share
from mnistburn.errors import ConfigError, DataError

__all__ = ["McNemarTest", "mcnemar_test", "wilson_interval"]

_EXACT_BELOW: Final = 25
"""Below so many images on which the two differ, the binomial distribution is used."""


def wilson_interval(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of a share.

    E. B. Wilson, "Probable inference, the law of succession, and statistical inference", 1927.

    Args:
        right: The number of successes.
        total: The number of trials, at least 1.
        confidence: The probability that such an interval covers the true share.

    Returns:
        The lower and the upper end, in 0..1.

    Raises:
        ConfigError: The confidence is not above 0 and below 1.
    """
    level = as_share(confidence, "confidence", ConfigError)
    score = NormalDist().inv_cdf(0.5 + level / 2)
    share = right / total
    weight = score * score / total
    centre = (share + weight / 2) / (1 + weight)
    half = score * math.sqrt(share * (1 - share) / total + weight / (4 * total)) / (1 + weight)
    # At no and at all successes an end is exact, and rounding would miss it.
    lower = 0.0 if right == 0 else max(0.0, centre - half)
    upper = 1.0 if right == total else min(1.0, centre + half)
    return lower, upper


@dataclass(frozen=True)
class McNemarTest:
    """Whether two models have the same accuracy, by the images on which one of them is right.

    Attributes:
        first_only: The number of images that the first one alone has right.
        second_only: The number of images that the second one alone has right.
        p_value: The probability of so uneven numbers, or more uneven ones, if both models had the
            same accuracy.
        statistic: Chi-squared with continuity correction; None where the test is exact.
    """

    first_only: int
    second_only: int
    p_value: float
    statistic: float | None

    @property
    def exact(self) -> bool:
        """Whether the binomial distribution was used, and not chi-squared."""
        return self.statistic is None


def mcnemar_test(first: ArrayLike, second: ArrayLike) -> McNemarTest:
    """Test whether two models have the same accuracy, on the same images.

    Q. McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", 1947. With fewer than 25 images on which one model alone is right the test is
    exact, by the binomial distribution; else it is chi-squared with one degree of freedom and
    Edwards' continuity correction.

    Args:
        first: Whether the first model is right, a bool for each image.
        second: Whether the second model is, for the same images in the same order.

    Returns:
        The counts and the p-value.

    Raises:
        DataError: The two are no bools of the same one-dimensional shape.
    """
    one, other = numpy.asarray(first), numpy.asarray(second)
    if one.shape != other.shape or one.ndim != 1 or one.dtype != bool or other.dtype != bool:
        message = (
            "first and second must say of the same images whether a model is right, bools of "
            f"shape [n], got {one.dtype} of shape {list(one.shape)} and {other.dtype} of shape "
            f"{list(other.shape)}"
        )
        raise DataError(message)
    first_only = int(numpy.count_nonzero(one & ~other))
    second_only = int(numpy.count_nonzero(other & ~one))
    differ, fewer = first_only + second_only, min(first_only, second_only)
    if differ < _EXACT_BELOW:
        ways = sum(math.comb(differ, count) for count in range(fewer + 1))
        # Of equal counts the middle one is in both tails.
        return McNemarTest(first_only, second_only, min(1.0, 2 * ways / 2**differ), None)
    # The correction never makes a difference of nothing one.
    apart = max(abs(first_only - second_only) - 1, 0)
    statistic = apart**2 / differ
    p_value = math.erfc(math.sqrt(statistic / 2))
    return McNemarTest(first_only, second_only, p_value, statistic)
