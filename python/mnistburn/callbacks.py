"""What a caller can hook into a training.

The calls come in this order, all on the thread that called `train`::

    on_train_begin(TrainBegin)
        on_epoch_begin(EpochBegin)
            on_step_end(StepEnd)            after each training step
        on_epoch_end(EpochEnd)              after the validation
    on_train_end(TrainEnd)

A true return value of `on_step_end` or `on_epoch_end` stops the training: its work is kept,
``ended`` is ``"stopped"``, and ``train(..., resume=True)`` goes on. An exception stops it too, and
is raised by `train`; the work is kept as well.

Example:
    >>> import mnistburn
    >>> class StopAtAccuracy(mnistburn.Callback):
    ...     def on_epoch_end(self, event):
    ...         return event.valid_accuracy >= 0.98
"""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal

from mnistburn.arguments import shown
from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError

__all__ = ["Callback", "EpochBegin", "EpochEnd", "StepEnd", "TrainBegin", "TrainEnd"]


@dataclass(frozen=True)
class TrainBegin:
    """A training begins.

    Attributes:
        artifact_dir: Where its files go.
        config: What it is made from.
        device: Where it computes.
        epoch: The first epoch to run, from 1.
        num_epochs: The last one.
        train_steps: The number of training steps of an epoch.
        valid_steps: The number of validation steps of an epoch.
        train_images: The number of training images.
        valid_images: The number of validation images.
    """

    artifact_dir: Path
    config: TrainingConfig
    device: str
    epoch: int
    num_epochs: int
    train_steps: int
    valid_steps: int
    train_images: int
    valid_images: int


@dataclass(frozen=True)
class EpochBegin:
    """An epoch begins, or goes on after a resume.

    Attributes:
        epoch: The epoch, from 1.
        step: The number of its steps already done; above 0 after a resume only.
    """

    epoch: int
    step: int


@dataclass(frozen=True)
class StepEnd:
    """A training step is done.

    Attributes:
        epoch: The epoch, from 1.
        step: The step in the epoch, from 1.
        images: The number of images done in the epoch.
        loss: The mean loss of the batch.
        accuracy: The accuracy on the batch, in 0..1.
        learning_rate: The learning rate of the step.
        seconds: How long the step took.
    """

    epoch: int
    step: int
    images: int
    loss: float
    accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True)
class EpochEnd:
    """An epoch is done, its validation included.

    Attributes:
        epoch: The epoch, from 1.
        train_loss: The mean loss over the training images.
        train_accuracy: The accuracy on them, in 0..1, with dropout.
        valid_loss: The mean loss over the validation images.
        valid_accuracy: The accuracy on them, in 0..1.
        learning_rate: The learning rate of the last step.
        seconds: How long the epoch took.
        images_per_second: The speed of the training steps.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float


@dataclass(frozen=True)
class TrainEnd:
    """A training ends.

    Attributes:
        ended: Why: ``"completed"``, ``"stopped"`` by a callback, or ``"interrupted"`` by Ctrl-C or
            a signal like it.
        interrupted: Whether `ended` is ``"interrupted"``.
    """

    ended: Literal["completed", "stopped", "interrupted"]
    interrupted: bool


class Callback:
    """What a training calls; override what is needed.

    Any object that has one or more of these methods will do.
    """

    def on_train_begin(self, event: TrainBegin) -> None:
        """Take note that the training begins."""

    def on_epoch_begin(self, event: EpochBegin) -> None:
        """Take note that an epoch begins."""

    def on_step_end(self, event: StepEnd) -> bool | None:
        """Take note of a training step; a true return value stops the training.

        The training waits for this method, so one that is overridden costs some speed.
        """

    def on_epoch_end(self, event: EpochEnd) -> bool | None:
        """Take note of an epoch; a true return value stops the training."""

    def on_train_end(self, event: TrainEnd) -> None:
        """Take note that the training ends, whether finished or stopped."""


_HOOKS: Final = (
    "on_train_begin",
    "on_epoch_begin",
    "on_step_end",
    "on_epoch_end",
    "on_train_end",
)


class CallbackList:
    """The callbacks of one training."""

    def __init__(self, callbacks: object) -> None:
        """Check the callbacks.

        Args:
            callbacks: A sequence of them.

        Raises:
            ConfigError: One of them, or the sequence, is something else.
        """
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            message = (
                f"callbacks must be a sequence of callbacks, got {shown(callbacks)}; "
                "a single one is callbacks=[callback]"
            )
            raise ConfigError(message)
        self._hooks: dict[str, list[Callable[[Any], object]]] = {name: [] for name in _HOOKS}
        for index, callback in enumerate(callbacks):
            self._add(index, callback)

    def _add(self, index: int, callback: object) -> None:
        if isinstance(callback, type):
            message = (
                f"callbacks must be objects, got the class {callback.__name__} at index {index}; "
                f"pass {callback.__name__}()"
            )
            raise ConfigError(message)
        found = {name: getattr(callback, name, None) for name in _HOOKS}
        if not any(callable(hook) for hook in found.values()):
            message = (
                f"callbacks must have one or more of the methods {', '.join(_HOOKS)}, "
                f"got {shown(callback)} at index {index}; derive it from mnistburn.Callback"
            )
            raise ConfigError(message)
        for name, hook in found.items():
            if inspect.iscoroutinefunction(hook):
                message = (
                    f"callbacks must be plain methods, as a training awaits nothing, "
                    f"got async def {name} of {shown(callback)} at index {index}"
                )
                raise ConfigError(message)
            # A method inherited as it is does nothing: leaving it out saves the wait for it.
            if callable(hook) and getattr(hook, "__func__", None) is not getattr(Callback, name):
                self._hooks[name].append(hook)

    @property
    def wants_steps(self) -> bool:
        """Whether one of them looks at each step."""
        return bool(self._hooks["on_step_end"])

    def train_begin(
        self, row: Mapping[str, Any], artifact_dir: Path, config: TrainingConfig
    ) -> None:
        """Tell the callbacks that the training begins."""
        names = {item.name for item in fields(TrainBegin)} - {"artifact_dir", "config"}
        values = {name: row[name] for name in names}
        self._call("on_train_begin", TrainBegin(artifact_dir, config, **values))

    def epoch_begin(self, row: Mapping[str, Any]) -> None:
        """Tell the callbacks that an epoch begins."""
        self._call("on_epoch_begin", _event(EpochBegin, row))

    def step_end(self, row: Mapping[str, Any]) -> bool:
        """Tell the callbacks of a step; return whether one wants to stop."""
        return self.wants_steps and self._call("on_step_end", _event(StepEnd, row))

    def epoch_end(self, row: Mapping[str, Any]) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        return self._call("on_epoch_end", _event(EpochEnd, row))

    def train_end(self, row: Mapping[str, Any]) -> None:
        """Tell the callbacks that the training ends."""
        self._call("on_train_end", _event(TrainEnd, row))

    def _call(self, name: str, event: object) -> bool:
        # All of them first: each callback hears of each event, also after one wants to stop.
        wishes = [bool(hook(event)) for hook in self._hooks[name]]
        return any(wishes)


def _event(kind: type[Any], row: Mapping[str, Any]) -> object:
    return kind(**{item.name: row[item.name] for item in fields(kind)})
