"""What callbacks are told."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from mnistburn.callbacks.view import NO_RUN, RunView
from mnistburn.config import TrainingConfig
from mnistburn.ended import Ended

__all__ = [
    "EpochBegin",
    "EpochEnd",
    "Event",
    "ExceptionRaised",
    "StepBegin",
    "StepEnd",
    "TrainBegin",
    "TrainEnd",
    "ValidationBegin",
    "ValidationEnd",
]


@dataclass(frozen=True)
class Event:
    """What happens in a training.

    Attributes:
        run: The run as it is: its model, its history and its data.
    """

    run: RunView = field(default=NO_RUN, compare=False, repr=False, kw_only=True)


@dataclass(frozen=True)
class TrainBegin(Event):
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
class EpochBegin(Event):
    """An epoch begins, or goes on after a resume.

    Attributes:
        epoch: The epoch, from 1.
        step: The number of its steps already done; above 0 after a resume only.
    """

    epoch: int
    step: int


@dataclass(frozen=True)
class StepBegin(Event):
    """A training step begins.

    Attributes:
        epoch: The epoch, from 1.
        step: The step in the epoch, from 1.
    """

    epoch: int
    step: int


@dataclass(frozen=True)
class StepEnd(Event):
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
class ValidationBegin(Event):
    """The validation of an epoch begins.

    Attributes:
        epoch: The epoch, from 1.
        steps: The number of validation steps.
    """

    epoch: int
    steps: int


@dataclass(frozen=True)
class ValidationEnd(Event):
    """The validation of an epoch is done.

    Attributes:
        epoch: The epoch, from 1.
        valid_loss: The mean loss over the validation images.
        valid_accuracy: The accuracy on them, in 0..1.
        metrics: What else was measured on them, by column, as in ``valid_f1_macro``.
    """

    epoch: int
    valid_loss: float
    valid_accuracy: float
    metrics: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class EpochEnd(Event):
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
        metrics: What else was measured in the validation, by column, as in ``valid_f1_macro``.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    valid_loss: float
    valid_accuracy: float
    learning_rate: float
    seconds: float
    images_per_second: float
    metrics: dict[str, float] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return the row of the epoch in the history, by column."""
        names = [item.name for item in fields(self) if item.name not in {"run", "metrics"}]
        return {**{name: getattr(self, name) for name in names}, **self.metrics}


@dataclass(frozen=True)
class TrainEnd(Event):
    """A training ends.

    Attributes:
        ended: Why: ``"completed"``, ``"stopped"`` by a callback or by `max_seconds`,
            ``"stopped_early"`` by `EarlyStopping`, or ``"interrupted"`` by Ctrl-C or a signal
            like it.
        interrupted: Whether `ended` is ``"interrupted"``.
    """

    ended: Ended
    interrupted: bool


@dataclass(frozen=True)
class ExceptionRaised(Event):
    """An exception ends a training, and `train` raises it.

    ``run`` has neither a model nor a history any more; `mnistburn.load_run` reads what is saved.

    Attributes:
        exception: The exception.
    """

    exception: BaseException
