"""Recipes: configurations that were chosen by measurement.

Example:
    >>> import mnistburn
    >>> config = mnistburn.recipe("fast")
    >>> config.num_epochs, config.batch_size, config.learning_rate
    (1, 192, 0.01)
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

from mnistburn.arguments import nearest, shown
from mnistburn.config import (
    AdamConfig,
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    CosineAnnealingLrSchedulerConfig,
    ModelConfig,
    OneCycleLrSchedulerConfig,
    TrainingConfig,
)
from mnistburn.dataset import Dataset
from mnistburn.errors import ConfigError, DataError

__all__ = ["RECIPES", "Recipe", "expected_seconds", "recipe"]


class _Length(NamedTuple):
    """How long a training is; None for what the recipe says."""

    num_epochs: int | None
    batch_size: int | None


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
    make: Callable[[Dataset, _Length], TrainingConfig]


def recipe(
    name: str,
    data: object = None,
    *,
    num_epochs: int | None = None,
    batch_size: int | None = None,
) -> TrainingConfig:
    """Return the configuration of a recipe for data.

    It is a plain `TrainingConfig`: print it, change it with `dataclasses.replace`, train with it.

    Args:
        name: One of `RECIPES`: "book", "fast", "accurate" or "pictures".
        data: What to train with, as `train` takes it: the name of a data set, a folder or a
            `Dataset`. Of a pair the first counts. None stands for MNIST.
        num_epochs: The number of epochs, which the learning rate follows; None for the recipe's.
        batch_size: The number of images of a step, likewise.

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
    return known.make(train, _Length(num_epochs, batch_size))


def expected_seconds(config: TrainingConfig, train: Dataset) -> float:
    """Return about how long a training takes here on the CPU, by steps that leave no trace.

    Args:
        config: The training.
        train: Its images.

    Returns:
        The seconds, without those of the validation.
    """
    from mnistburn.model import Model  # noqa: PLC0415  who only prints a recipe needs none

    model = Model(config.model, seed=0)
    batch = train[: config.batch_size]
    fastest = math.inf
    for _ in range(_TIMED_STEPS):
        start = time.perf_counter()
        model.forward_classification(batch.images, batch.targets).loss.backward()
        fastest = min(fastest, time.perf_counter() - start)
    return fastest / len(batch) * len(train) * config.num_epochs


def _images(data: object) -> Dataset:
    if isinstance(data, tuple | list) and data and isinstance(data[0], Dataset):
        data = data[0]
    if isinstance(data, Dataset):
        return data
    from mnistburn.datasets.loading import load_pair  # noqa: PLC0415  it reads many formats
    from mnistburn.training_data import DEFAULT_DATA  # noqa: PLC0415

    return load_pair(DEFAULT_DATA if data is None else data, progress=False).train


def _book(train: Dataset, length: _Length) -> TrainingConfig:
    given = {name: value for name, value in length._asdict().items() if value is not None}
    return TrainingConfig(model=ModelConfig.for_data(train), **given)


def _fast(train: Dataset, length: _Length) -> TrainingConfig:
    large = len(train) >= _SMALL
    return TrainingConfig(
        model=_two_convolutions(train, widths=(16, 32), dropout=0.0),
        optimizer=AdamConfig(beta_1=0.7, beta_2=0.9),
        num_epochs=_epochs(train, length, least=1, images=60_000),
        batch_size=length.batch_size or (192 if large else 32),
        learning_rate=1e-2 if large else 3e-3,
        lr_scheduler=_ONE_CYCLE,
    )


def _accurate(train: Dataset, length: _Length) -> TrainingConfig:
    large = len(train) >= _SMALL
    return TrainingConfig(
        model=_two_convolutions(train, widths=(16, 64), dropout=0.4),
        optimizer=AdamConfig(beta_1=0.9, beta_2=0.99),
        num_epochs=_epochs(train, length, least=10, images=600_000),
        batch_size=length.batch_size or (128 if large else 32),
        learning_rate=2e-3 if large else 1e-3,
        lr_scheduler=_ONE_CYCLE,
        augmentation=AugmentationConfig(shift=0.07, rotate=8.0, scale=0.08),
    )


def _two_convolutions(train: Dataset, *, widths: tuple[int, int], dropout: float) -> ConvNetConfig:
    """Return LeNet-5's outline: two pooled convolutions and a hidden linear layer."""
    # Without a border the convolutions compute fewer pixels; small images can't spare them.
    padding = min(train.image_shape[:2]) < _SIDE
    first, second = widths
    return ConvNetConfig.for_data(
        train,
        blocks=[
            ConvBlock(channels=first, kernel_size=5, padding=padding, pool=True),
            ConvBlock(channels=second, padding=padding, pool=True),
        ],
        average=False,
        hidden_sizes=(256,),
        dropout=dropout,
    )


def _pictures(train: Dataset, length: _Length) -> TrainingConfig:
    if len(train) >= _MANY:
        return _many_pictures(train, length)
    height, width, channels = train.image_shape
    side = min(height, width)
    # Each pooling halves the sides; some pixels have to be left to be averaged.
    poolings = max(1, min(4, int(math.log2(max(side, 8) / 4))))
    widths = (16, 32, 64, 64)[:poolings]
    blocks = [
        ConvBlock(channels=channels_out, pool=last)
        for channels_out in widths
        for last in (False, True)
    ]
    colours = 0.2 if channels == 3 else 0.0  # noqa: PLR2004  red, green and blue
    return TrainingConfig(
        model=ConvNetConfig.for_data(train, blocks=blocks),
        num_epochs=_epochs(train, length, least=10, images=30_000),
        batch_size=length.batch_size or (64 if len(train) >= _SMALL else 32),
        learning_rate=3e-3,
        lr_scheduler=CosineAnnealingLrSchedulerConfig(),
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


def _many_pictures(train: Dataset, length: _Length) -> TrainingConfig:
    """Return a training with a larger, normalised network, for which many images are needed."""
    height, width, channels = train.image_shape
    side = min(height, width)
    poolings = max(1, min(5, int(math.log2(max(side, 6) / 3))))
    widths = (32, 64, 128, 128, 128)[:poolings]
    blocks = [ConvBlock(channels=widths[0], pool=True, norm="batch")]
    for place, channels_out in enumerate(widths[1:], start=2):
        if place < poolings:
            blocks.append(ConvBlock(channels=channels_out, norm="batch"))
        blocks.append(ConvBlock(channels=channels_out, pool=True, norm="batch"))
    colour = channels == 3  # noqa: PLR2004  red, green and blue
    return TrainingConfig(
        model=ConvNetConfig.for_data(
            train,
            blocks=blocks,
            # Where few pixels are left, each has its own weights.
            average=side >> poolings > _FEW,
            hidden_sizes=(256,),
            dropout=0.3,
        ),
        optimizer=AdamConfig(beta_1=0.9, beta_2=0.99),
        num_epochs=_epochs(train, length, least=12 if colour else 6, images=0),
        batch_size=length.batch_size or 128,
        learning_rate=3e-3,
        lr_scheduler=_ONE_CYCLE,
        augmentation=AugmentationConfig(
            flip=True,
            # What is in the middle of grey pictures, as of clothes, is moved to its harm.
            crop=side // 8 if colour else 0,
        ),
    )


def _epochs(train: Dataset, length: _Length, least: int, images: int) -> int:
    """Return the epochs: a small data set gets more, until that many images were seen."""
    return length.num_epochs or max(least, math.ceil(images / len(train)))


# Steps whose time is taken; the fastest is the one that nothing else disturbed.
_TIMED_STEPS: Final = 3
# Fewer images make few steps of an epoch.
_SMALL: Final = 2_000
# As many images train a larger network.
_MANY: Final = 20_000
# Rows or columns of pixels that are not averaged.
_FEW: Final = 4
# Rows or columns of images that can spare a border.
_SIDE: Final = 16
_ONE_CYCLE: Final = OneCycleLrSchedulerConfig(pct_start=0.2)

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
