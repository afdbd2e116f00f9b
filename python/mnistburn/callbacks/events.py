"""What callbacks are told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from mnistburn.config import TrainingConfig

__all__ = ["Ended", "EpochBegin", "EpochEnd", "StepEnd", "TrainBegin", "TrainEnd"]

Ended = Literal["completed", "stopped", "stopped_early", "interrupted"]
"""Why a training ended."""


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
        ended: Why: ``"completed"``, ``"stopped"`` by a callback, ``"stopped_early"`` by
            `EarlyStopping`, or ``"interrupted"`` by Ctrl-C or a signal like it.
        interrupted: Whether `ended` is ``"interrupted"``.
    """

    ended: Ended
    interrupted: bool
