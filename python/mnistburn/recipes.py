"""Recipes: configurations that were chosen by measurement.

Example:
    >>> import mnistburn
    >>> config = mnistburn.recipe("fast")
    >>> config.num_epochs, config.learning_rate, config.model.dropout
    (3, 0.002, 0.1)
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from mnistburn.arguments import nearest, shown
from mnistburn.config import (
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    CosineAnnealingLrSchedulerConfig,
    ModelConfig,
    TrainingConfig,
)
from mnistburn.config.networks import NetworkConfig
from mnistburn.dataset import Dataset
from mnistburn.errors import ConfigError, DataError

__all__ = ["RECIPES", "Recipe", "recipe"]


@dataclass(frozen=True)
class Recipe:
    """A recipe.

    Attributes:
        name: Its name.
        summary: What it is for.
        make: Makes the configuration for training images.
    """

    name: str
    summary: str
    make: Callable[[Dataset], TrainingConfig]


def recipe(name: str, data: object = None) -> TrainingConfig:
    """Return the configuration of a recipe for data.

    It is a plain `TrainingConfig`: print it, change it with `dataclasses.replace`, train with it.

    Args:
        name: One of `RECIPES`: "book", "fast", "accurate" or "pictures".
        data: What to train with, as `train` takes it: the name of a data set, a folder or a
            `Dataset`. Of a pair the first counts. None stands for MNIST.

    Returns:
        The configuration, with a model that fits the data.

    Raises:
        ConfigError: There is no such recipe.
        DataError: There are no such data.

    Example:
        >>> import mnistburn
        >>> data = mnistburn.datasets.load("mnist")[:1000]
        >>> mnistburn.recipe("pictures", data).model.image_shape
        ImageShape(height=28, width=28, channels=1)
    """
    known = RECIPES.get(name) if isinstance(name, str) else None
    if known is None:
        near = nearest(name, RECIPES) if isinstance(name, str) else ""
        message = f"there is no recipe {shown(name)}{near}; the recipes are {', '.join(RECIPES)}"
        raise ConfigError(message)
    train = _images(data)
    if not len(train):
        message = "the data of a recipe must have at least one image, got 0"
        raise DataError(message)
    return known.make(train)


def _images(data: object) -> Dataset:
    if isinstance(data, tuple | list) and data and isinstance(data[0], Dataset):
        data = data[0]
    if isinstance(data, Dataset):
        return data
    from mnistburn.datasets.source import load_pair  # noqa: PLC0415  it reads many formats
    from mnistburn.training import DEFAULT_DATA  # noqa: PLC0415

    return load_pair(DEFAULT_DATA if data is None else data, progress=False).train


def _book(train: Dataset) -> TrainingConfig:
    return TrainingConfig(model=ModelConfig.for_data(train))


def _fast(train: Dataset) -> TrainingConfig:
    return _annealed(
        train,
        ModelConfig.for_data(train, dropout=0.1),
        least_epochs=3,
        images=180_000,
        learning_rate=2e-3,
    )


def _accurate(train: Dataset) -> TrainingConfig:
    return _annealed(
        train,
        ModelConfig.for_data(train, dropout=0.1),
        least_epochs=12,
        images=720_000,
        learning_rate=2e-3,
        augmentation=AugmentationConfig(shift=0.08, rotate=10.0, scale=0.1),
    )


def _pictures(train: Dataset) -> TrainingConfig:
    height, width, channels = train.image_shape
    side = min(height, width)
    # Each pooling halves the sides; some pixels have to be left to be averaged.
    poolings = max(1, min(4, int(math.log2(max(side, 8) / 4))))
    widths = (16, 32, 64, 64)[:poolings]
    blocks = [
        ConvBlock(channels=channels_out, norm=True, pool=last)
        for channels_out in widths
        for last in (False, True)
    ]
    colours = 0.2 if channels == 3 else 0.0  # noqa: PLR2004  red, green and blue
    return _annealed(
        train,
        ConvNetConfig.for_data(train, blocks=blocks),
        least_epochs=10,
        images=60_000,
        learning_rate=3e-3,
        augmentation=AugmentationConfig(
            flip=True,
            crop=max(1, side // 8),
            rotate=10.0,
            scale=0.1,
            brightness=0.2,
            contrast=0.2,
            saturation=colours,
        ),
    )


def _annealed(
    train: Dataset,
    model: NetworkConfig,
    *,
    least_epochs: int,
    images: int,
    learning_rate: float,
    augmentation: AugmentationConfig | None = None,
) -> TrainingConfig:
    """Return a training with Adam whose rate follows half a cosine down to 0.

    A small data set gets more epochs, until that many images were seen, and smaller batches.
    """
    count = len(train)
    num_epochs = max(least_epochs, math.ceil(images / count))
    batch_size = 64 if count >= _SMALL else 32
    steps = num_epochs * math.ceil(count / batch_size)
    return TrainingConfig(
        model=model,
        num_epochs=num_epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        lr_scheduler=CosineAnnealingLrSchedulerConfig(num_iters=steps),
        augmentation=augmentation,
    )


# Fewer images make few steps of an epoch.
_SMALL: Final = 2_000

# By their names.
RECIPES: Final = {
    item.name: item
    for item in (
        Recipe("book", "the Burn book's network and training, as TrainingConfig() has it", _book),
        Recipe("fast", "small grey images like MNIST's, in seconds", _fast),
        Recipe("accurate", "small grey images like MNIST's, as well as it gets", _accurate),
        Recipe("pictures", "own pictures of any kind", _pictures),
    )
}
