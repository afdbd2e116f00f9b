"""The range test of the learning rate.

Example:
    >>> import mnistburn
    >>> data = mnistburn.datasets.load("mnist", validation=0.1)
    >>> config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=16))
    >>> curve = mnistburn.find_rate(config, data, num_steps=60)
    >>> len(curve.rates) <= 60
    True
"""

import os
from dataclasses import dataclass, field, replace

from mnistburn import _native
from mnistburn.arguments import as_integer, shown
from mnistburn.config import TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.device import resolve_device
from mnistburn.errors import ConfigError
from mnistburn.training_data import training_data

__all__ = ["RateCurve", "find_rate"]


@dataclass(frozen=True)
class RateCurve:
    """How the loss moved while the learning rate grew.

    Attributes:
        rates: The learning rate of each step.
        losses: The mean loss of its batch, before the step.
        smoothed: Their exponential running mean, with 0.98 of the old one, without the bias of its
            start.
        suggestion: The rate at which the smoothed loss falls steepest over the logarithm of the
            rate, as fastai's ``steep`` has it; the slope is that between two steps before and two
            after. None where the loss never falls.
        minimum: A tenth of the rate of the lowest smoothed loss, as fastai's ``minimum`` has it.
        diverged: Whether the test ended early: the smoothed loss grew to four times its lowest, or
            was no longer finite.
    """

    rates: list[float] = field(repr=False)
    losses: list[float] = field(repr=False)
    smoothed: list[float] = field(repr=False)
    suggestion: float | None
    minimum: float | None
    diverged: bool


def find_rate(
    config: TrainingConfig | None = None,
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None = None,
    device: str = "auto",
    *,
    start_rate: float = 1e-7,
    end_rate: float = 10.0,
    num_steps: int = 200,
    progress: bool = False,
) -> RateCurve:
    """Train a model of its own at growing learning rates, and see where the loss falls.

    It is the range test of L. N. Smith, "Cyclical learning rates for training neural networks",
    2017: the rate grows exponentially from step to step. Nothing is written, and no run is touched.

    Args:
        config: The configuration, as `train` has it; its learning rate and its schedule do not
            count. None stands for ``TrainingConfig()``.
        data: The data, as `train` has them. Only the training images are used, for as many epochs
            as the steps take.
        device: Where to compute.
        start_rate: The rate of the first step.
        end_rate: The rate of the last step.
        num_steps: The number of steps, at least 10.
        progress: Whether a progress bar is shown while data are fetched.

    Returns:
        The rates, the losses and a suggestion.

    Raises:
        ConfigError: An argument or the configuration breaks a rule.
        DeviceError: There is no such device, or it cannot be used.
        DataError: The data have another type, do not fit the model or cannot be fetched.
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    if config is not None and not isinstance(config, TrainingConfig):
        message = f"config must be a TrainingConfig, got {shown(config)}; pass TrainingConfig(...)"
        raise ConfigError(message)
    for name, rate in (("start_rate", start_rate), ("end_rate", end_rate)):
        if isinstance(rate, bool) or not isinstance(rate, int | float):
            message = f"{name} must be a number, got {shown(rate)}"
            raise ConfigError(message)
    steps = as_integer(num_steps, "num_steps", ConfigError, minimum=1)
    place = resolve_device(device)
    found = training_data(config or TrainingConfig(), data, progress=progress)
    used = replace(config or TrainingConfig(), model=found.network)
    return RateCurve(
        *_native.find_rate(
            used.to_json(),
            place,
            found.train._native(),  # noqa: SLF001  of this package
            found.valid._native(),  # noqa: SLF001
            (float(start_rate), float(end_rate), steps),
        )
    )
