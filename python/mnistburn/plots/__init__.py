"""Pictures of runs, evaluations, data sets and models, drawn with matplotlib.

Matplotlib is of the extra ``mnistburn[plot]``. Each function draws into the Axes it is given, or
into a figure of its own, and returns the Axes; none shows a figure or changes matplotlib's
settings.
"""

from mnistburn.plots.calibration import draw_calibration
from mnistburn.plots.confusion import draw_confusion
from mnistburn.plots.dataset import draw_dataset
from mnistburn.plots.filters import FILTER_DIMENSIONS, draw_filters
from mnistburn.plots.history import Measurements, draw_history
from mnistburn.plots.images import Tile, draw_images

__all__ = [
    "FILTER_DIMENSIONS",
    "Measurements",
    "Tile",
    "draw_calibration",
    "draw_confusion",
    "draw_dataset",
    "draw_filters",
    "draw_history",
    "draw_images",
]
