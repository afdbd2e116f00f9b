"""A learning-rate schedule in a training loop of one's own.

Example:
    >>> import mnistburn
    >>> config = mnistburn.WarmUpLrSchedulerConfig(num_iters=2, start_factor=0.5)
    >>> schedule = config.init(0.5)
    >>> [schedule.step() for _ in range(4)]
    [0.25, 0.375, 0.5, 0.5]
"""

import json
from collections.abc import Callable

from mnistburn import _native
from mnistburn.arguments import as_integer, as_number
from mnistburn.errors import ConfigError

__all__ = ["LrScheduler"]


class LrScheduler:
    """A learning-rate schedule that goes on from step to step; configurations make it by `init`."""

    def __init__(
        self, config: dict[str, object], learning_rate: float, num_steps: int | None = None
    ) -> None:
        """Make a schedule before its first step.

        Args:
            config: The JSON object of a schedule's configuration.
            learning_rate: Where it starts from, above 0.
            num_steps: The steps of the loop, which a schedule without a length takes.

        Raises:
            ConfigError: The schedule has no length and none is given, it does not fit the learning
                rate, or an argument breaks its rule.
        """
        rate = as_number(
            learning_rate, "learning_rate must be a finite number above 0", ConfigError
        )
        steps = None
        if num_steps is not None:
            steps = as_integer(num_steps, "num_steps", ConfigError, minimum=1, maximum=2**31 - 1)
        self._arguments = (config, rate, steps)
        text = json.dumps({"learning_rate": rate, "lr_scheduler": config})
        self._native = _native.LrScheduler(text, steps)

    def step(self) -> float:
        """Go on to the next step.

        Returns:
            The learning rate of that step.
        """
        return self._native.step()

    @property
    def steps(self) -> int:
        """The number of steps so far."""
        return self._native.steps

    def __reduce__(self) -> tuple[Callable[..., "LrScheduler"], tuple[object, ...]]:
        """Take part in pickling and copying: a copy goes on from the same step."""
        return _restored, (*self._arguments, self.steps)

    def __repr__(self) -> str:
        """Return the configuration and the steps so far."""
        config, rate, _ = self._arguments
        return f"LrScheduler({json.dumps(config)}, learning_rate={rate}, steps={self.steps})"


def _restored(
    config: dict[str, object], learning_rate: float, num_steps: int | None, steps: int
) -> LrScheduler:
    """Make a schedule of what its `__reduce__` gave."""
    schedule = LrScheduler(config, learning_rate, num_steps)
    for _ in range(steps):
        schedule.step()
    return schedule
