"""The learning-rate schedules."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from mnistburn import _native
from mnistburn.arguments import shown
from mnistburn.errors import ConfigError
from mnistburn.lr_scheduler import LrScheduler
from mnistburn.settings import Part, json_fields, json_value

__all__ = [
    "SCHEDULES",
    "CosineAnnealingLrSchedulerConfig",
    "ExponentialLrSchedulerConfig",
    "LearningRateSchedule",
    "LinearLrSchedulerConfig",
    "NoamLrSchedulerConfig",
    "OneCycleLrSchedulerConfig",
    "ReduceOnPlateauLrSchedulerConfig",
    "Schedule",
    "SequentialLrSchedulerConfig",
    "StepLrSchedulerConfig",
    "WarmUpLrSchedulerConfig",
    "schedule_from",
]


class Schedule(Part):
    """A learning-rate schedule; in JSON, an object under the schedule's name."""

    _tag: ClassVar[str]

    def __post_init__(self) -> None:
        """Check the values."""
        # The largest learning rate there is: whether the schedule fits under the one that will be
        # used is seen when it becomes part of a TrainingConfig.
        text = json.dumps({"learning_rate": 1.0, "lr_scheduler": self._json_object()})
        checked = json.loads(_native.complete_config("training", text))["lr_scheduler"]
        self._take(checked[self._tag])

    def _take(self, checked: dict[str, Any]) -> None:
        """Take over the checked values."""
        self._keep(checked, tuple(checked))

    def init(self, learning_rate: float, num_steps: int | None = None) -> LrScheduler:
        """Make a schedule for a training loop of one's own.

        Args:
            learning_rate: Where it starts from, as `TrainingConfig.learning_rate` is.
            num_steps: The steps of the loop, which a schedule without a length (``num_iters=None``)
                takes.

        Returns:
            The schedule, whose ``step()`` gives the learning rate of each step.

        Raises:
            ConfigError: The schedule has no length and none is given, or it does not fit the
                learning rate.
        """
        return LrScheduler(self._json_object(), learning_rate, num_steps)

    def _json_object(self) -> dict[str, object]:
        return {self._tag: json_fields(self)}


@dataclass(frozen=True, kw_only=True)
class ExponentialLrSchedulerConfig(Schedule):
    """The learning rate is multiplied by gamma after each step.

    Attributes:
        gamma: The factor of a step, above 0 and at most 1.
    """

    _tag: ClassVar[str] = "Exponential"

    gamma: float


@dataclass(frozen=True, kw_only=True)
class CosineAnnealingLrSchedulerConfig(Schedule):
    """The learning rate follows a half cosine down to min_lr, then starts again.

    Attributes:
        num_iters: The number of steps of one descent; None for those of the run.
        min_lr: The learning rate at its end.
    """

    _tag: ClassVar[str] = "CosineAnnealing"

    num_iters: int | None = None
    min_lr: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LinearLrSchedulerConfig(Schedule):
    """The learning rate goes to final_lr in a straight line, then stays there.

    Attributes:
        final_lr: The learning rate at the end.
        num_iters: The number of steps on the way; None for those of the run.
    """

    _tag: ClassVar[str] = "Linear"

    final_lr: float
    num_iters: int | None = None


@dataclass(frozen=True, kw_only=True)
class NoamLrSchedulerConfig(Schedule):
    """The schedule of "Attention is all you need": a linear rise, then an inverse square root.

    The training's learning rate is the factor of the curve, not its start.

    Attributes:
        warmup_steps: The number of steps of the rise.
        model_size: The width by whose square root the curve is divided.
    """

    _tag: ClassVar[str] = "Noam"

    warmup_steps: int = 4000
    model_size: int = 512


@dataclass(frozen=True, kw_only=True)
class OneCycleLrSchedulerConfig(Schedule):
    """The learning rate rises, then falls to almost nothing, each along half a cosine.

    It is PyTorch's ``OneCycleLR`` (Smith and Topin, 2018); after the cycle the rate stays.

    Attributes:
        num_iters: The number of steps of the cycle; None for those of the run.
        pct_start: The share of them in which the rate rises to the training's learning rate.
        div_factor: What that rate is divided by for the first step.
        final_div_factor: What the rate of the first step is divided by for the last one.
    """

    _tag: ClassVar[str] = "OneCycle"

    num_iters: int | None = None
    pct_start: float = 0.3
    div_factor: float = 25.0
    final_div_factor: float = 1e4


@dataclass(frozen=True, kw_only=True)
class ReduceOnPlateauLrSchedulerConfig(Schedule):
    """The learning rate is multiplied by factor when a metric of the epochs gets no better.

    It is PyTorch's ``ReduceLROnPlateau`` with its relative threshold.

    Attributes:
        metric: The metric, a column of the history's epochs.
        factor: What the rate is multiplied by, above 0 and below 1.
        patience: The number of epochs without an improvement that are passed over; the rate falls
            with the next one.
        threshold: An epoch improves the metric if it is better than the best one by more than
            this share of it.
        cooldown: The number of epochs after a fall of the rate that do not count.
        min_lr: The lowest rate.
    """

    _tag: ClassVar[str] = "ReduceOnPlateau"

    metric: str = "valid_loss"
    factor: float = 0.1
    patience: int = 10
    threshold: float = 1e-4
    cooldown: int = 0
    min_lr: float = 0.0


@dataclass(frozen=True, kw_only=True)
class StepLrSchedulerConfig(Schedule):
    """The learning rate is multiplied by gamma after every step_size steps.

    Attributes:
        step_size: The number of steps with the same learning rate.
        gamma: The factor.
    """

    _tag: ClassVar[str] = "Step"

    step_size: int
    gamma: float = 0.1


@dataclass(frozen=True, kw_only=True)
class WarmUpLrSchedulerConfig(Schedule):
    """The learning rate rises in a straight line, then follows another schedule.

    It is what PyTorch's ``LinearLR`` and ``SequentialLR`` make together (Goyal et al., 2017). The
    schedule behind begins anew, from the training's learning rate; without a length it takes the
    steps that are left.

    Attributes:
        num_iters: The number of steps of the rise.
        start_factor: The share of the learning rate that the rise begins at, above 0.
        after: The schedule behind it, or None for a constant rate.

    Example:
        >>> import mnistburn
        >>> cosine = mnistburn.CosineAnnealingLrSchedulerConfig()
        >>> schedule = mnistburn.WarmUpLrSchedulerConfig(num_iters=100, after=cosine)
        >>> config = mnistburn.TrainingConfig(learning_rate=1e-3, lr_scheduler=schedule)
    """

    _tag: ClassVar[str] = "WarmUp"

    num_iters: int
    start_factor: float = 1 / 3
    after: "LearningRateSchedule | None" = None

    def __post_init__(self) -> None:
        """Check the values."""
        _check_schedule("after", self.after)
        super().__post_init__()

    def _take(self, checked: dict[str, Any]) -> None:
        self._keep(checked, ("num_iters", "start_factor"))


@dataclass(frozen=True, kw_only=True)
class SequentialLrSchedulerConfig(Schedule):
    """One schedule after the other, as PyTorch's ``SequentialLR``.

    Each begins anew, from the training's learning rate; without a length it takes the steps up to
    the next one, and the last those that are left.

    Attributes:
        schedules: The schedules, None among them for a constant rate; kept as a tuple.
        milestones: The number of steps before each but the first, increasing; kept as a tuple.

    Example:
        >>> import mnistburn
        >>> schedule = mnistburn.SequentialLrSchedulerConfig(
        ...     schedules=[None, mnistburn.LinearLrSchedulerConfig(final_lr=0.0)], milestones=[3]
        ... ).init(0.1, num_steps=5)
        >>> [schedule.step() for _ in range(5)]
        [0.1, 0.1, 0.1, 0.1, 0.05]
    """

    _tag: ClassVar[str] = "Sequential"

    schedules: Sequence["LearningRateSchedule | None"]
    milestones: Sequence[int]

    def __post_init__(self) -> None:
        """Check the values."""
        for name in ("schedules", "milestones"):
            value = getattr(self, name)
            if not isinstance(value, list | tuple):
                message = f"{name} must be a list, got {shown(value)}"
                raise ConfigError(message)
            object.__setattr__(self, name, tuple(value))
        for place, schedule in enumerate(self.schedules):
            _check_schedule(f"schedules[{place}]", schedule)
        super().__post_init__()

    def _take(self, checked: dict[str, Any]) -> None:
        object.__setattr__(self, "milestones", tuple(checked["milestones"]))

    def _json_object(self) -> dict[str, object]:
        schedules = [
            None if schedule is None else schedule._json_object()  # noqa: SLF001
            for schedule in self.schedules
        ]
        milestones = [json_value(step) for step in self.milestones]
        return {self._tag: {"schedules": schedules, "milestones": milestones}}


LearningRateSchedule = (
    ExponentialLrSchedulerConfig
    | CosineAnnealingLrSchedulerConfig
    | LinearLrSchedulerConfig
    | NoamLrSchedulerConfig
    | OneCycleLrSchedulerConfig
    | ReduceOnPlateauLrSchedulerConfig
    | SequentialLrSchedulerConfig
    | StepLrSchedulerConfig
    | WarmUpLrSchedulerConfig
)
"""Any schedule. Each starts from `TrainingConfig.learning_rate`."""

SCHEDULES: Final[dict[str, type[Any]]] = {
    "Exponential": ExponentialLrSchedulerConfig,
    "CosineAnnealing": CosineAnnealingLrSchedulerConfig,
    "Linear": LinearLrSchedulerConfig,
    "Noam": NoamLrSchedulerConfig,
    "OneCycle": OneCycleLrSchedulerConfig,
    "ReduceOnPlateau": ReduceOnPlateauLrSchedulerConfig,
    "Sequential": SequentialLrSchedulerConfig,
    "Step": StepLrSchedulerConfig,
    "WarmUp": WarmUpLrSchedulerConfig,
}


def schedule_from(checked: dict[str, Any] | None) -> LearningRateSchedule | None:
    """Build the configuration from its JSON object; None from null."""
    if checked is None:
        return None
    ((tag, content),) = checked.items()
    if tag == SequentialLrSchedulerConfig._tag:  # noqa: SLF001
        content = {**content, "schedules": [schedule_from(item) for item in content["schedules"]]}
    if tag == WarmUpLrSchedulerConfig._tag:  # noqa: SLF001
        content = {**content, "after": schedule_from(content["after"])}
    schedule: LearningRateSchedule = SCHEDULES[tag](**content)
    return schedule


def _check_schedule(name: str, value: object) -> None:
    """Refuse what is neither a schedule nor None."""
    if value is not None and not isinstance(value, Schedule):
        names = ", ".join(config.__name__ for config in SCHEDULES.values())
        message = f"{name} must be None or one of {names}, got {shown(value)}"
        raise ConfigError(message)
