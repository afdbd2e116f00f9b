"""Which models know strokes, so that a drawing is for them."""

from typing import Final

from mnistburn.arrays import MNIST
from mnistburn.model import Model
from mnistburn.run_data import RunData

__all__ = ["is_drawn"]

# Data sets of what was written by hand, beside those of digits whose pictures are prepared.
_WRITTEN: Final = {
    "emnist-balanced",
    "emnist-digits",
    "emnist-letters",
    "kmnist",
    "mnist",
    "qmnist",
}


def is_drawn(model: Model, data: RunData | None = None) -> bool:
    """Tell whether the images of a model are strokes.

    Args:
        model: The model.
        data: What it was trained on; None where that is not known.

    Returns:
        Whether its pictures are prepared as digits are, its data are a set of what was written by
        hand, or nothing at all is known of a model for ten classes of MNIST's shape.
    """
    if model.preprocessing.prepare == "digit":
        return True
    if data is not None:
        source = data.source
        return source is not None and source.kind == "name" and source.location in _WRITTEN
    unknown = model.class_names is None and model.statistics is None
    return unknown and model.config.image_shape == MNIST and model.config.num_classes == 10  # noqa: PLR2004  digits
