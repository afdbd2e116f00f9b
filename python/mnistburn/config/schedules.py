"""The learning-rate schedules."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from mnistburn import _native
from mnistburn.settings import Part, json_fields

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
    "StepLrSchedulerConfig",
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
        self._keep(checked[self._tag], tuple(checked[self._tag]))

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
        num_iters: The number of steps of one descent.
        min_lr: The learning rate at its end.
    """

    _tag: ClassVar[str] = "CosineAnnealing"

    num_iters: int
    min_lr: float = 0.0


@dataclass(frozen=True, kw_only=True)
class LinearLrSchedulerConfig(Schedule):
    """The learning rate goes to final_lr in a straight line, then stays there.

    Attributes:
        final_lr: The learning rate at the end.
        num_iters: The number of steps on the way.
    """

    _tag: ClassVar[str] = "Linear"

    final_lr: float
    num_iters: int


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
        num_iters: The number of steps of the cycle.
        pct_start: The share of them in which the rate rises to the training's learning rate.
        div_factor: What that rate is divided by for the first step.
        final_div_factor: What the rate of the first step is divided by for the last one.
    """

    _tag: ClassVar[str] = "OneCycle"

    num_iters: int
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


LearningRateSchedule = (
    ExponentialLrSchedulerConfig
    | CosineAnnealingLrSchedulerConfig
    | LinearLrSchedulerConfig
    | NoamLrSchedulerConfig
    | OneCycleLrSchedulerConfig
    | ReduceOnPlateauLrSchedulerConfig
    | StepLrSchedulerConfig
)
"""Any schedule. Each starts from `TrainingConfig.learning_rate`."""

SCHEDULES: Final[dict[str, type[Any]]] = {
    "Exponential": ExponentialLrSchedulerConfig,
    "CosineAnnealing": CosineAnnealingLrSchedulerConfig,
    "Linear": LinearLrSchedulerConfig,
    "Noam": NoamLrSchedulerConfig,
    "OneCycle": OneCycleLrSchedulerConfig,
    "ReduceOnPlateau": ReduceOnPlateauLrSchedulerConfig,
    "Step": StepLrSchedulerConfig,
}
