"""The reliability diagram of a model."""

from typing import TYPE_CHECKING, Protocol

import numpy
from numpy.typing import NDArray

from mnistburn.plots.axes import COLOURS, axes_for, quiet_spines

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["draw_calibration"]


class Reliability(Protocol):
    """What is drawn of a `Calibration`."""

    @property
    def edges(self) -> NDArray[numpy.float64]:
        """The edges of the bins."""

    @property
    def counts(self) -> NDArray[numpy.int64]:
        """The number of images in each."""

    @property
    def confidence(self) -> NDArray[numpy.float64]:
        """The mean probability in each."""

    @property
    def accuracy(self) -> NDArray[numpy.float64]:
        """The share that is right in each."""

    @property
    def expected_error(self) -> float:
        """The expected calibration error."""


def draw_calibration(calibration: Reliability, *, ax: object = None) -> "Axes":
    """Draw how often a model is right by the probability that it gives.

    The area of a dot is that of the share of the images in its bin. Dots above the diagonal are of
    a model that is right more often than it says.

    Args:
        calibration: The calibration.
        ax: The Axes; None for a figure of its own.

    Returns:
        The Axes.

    Raises:
        ConfigError: Matplotlib is not installed, or ax is no Axes.
    """
    axes = axes_for(ax, 4.6, 4.4)
    filled = calibration.counts > 0
    confidence, accuracy = calibration.confidence[filled], calibration.accuracy[filled]
    share = calibration.counts[filled] / calibration.counts.sum()
    axes.plot([0, 1], [0, 1], color="grey", linestyle=":", linewidth=1.2, label="as it says")
    axes.vlines(confidence, confidence, accuracy, color=COLOURS[1], linewidth=1.2, label="gap")
    axes.plot(confidence, accuracy, color=COLOURS[0], linewidth=1.2, alpha=0.8, label="the model")
    axes.scatter(confidence, accuracy, s=14 + 260 * share, color=COLOURS[0], zorder=3)
    quiet_spines(axes)
    axes.set_xlim(-0.04, 1.04)
    axes.set_ylim(-0.04, 1.04)
    axes.set_aspect("equal")
    axes.set_xlabel("probability of the predicted class")
    axes.set_ylabel("share of images classified right")
    axes.set_title(f"expected calibration error {calibration.expected_error:.4f}", fontsize=9)
    axes.legend(frameon=False, fontsize="small", loc="upper left")
    return axes
