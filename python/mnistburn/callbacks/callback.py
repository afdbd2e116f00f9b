"""What a training calls."""

from typing import Protocol

from mnistburn.callbacks.events import (
    EpochBegin,
    EpochEnd,
    ExceptionRaised,
    StepBegin,
    StepEnd,
    TrainBegin,
    TrainEnd,
    ValidationBegin,
    ValidationEnd,
)

__all__ = ["Callback", "CallbackLike"]


class Callback:
    """What a training calls; override what is needed.

    Any object that has one or more of these methods will do.

    Attributes:
        every: The methods of steps are called for each so many steps of the run alone; None for no
            step.
    """

    every: int | None = 1

    def on_train_begin(self, event: TrainBegin) -> None:
        """Take note that the training begins."""

    def on_epoch_begin(self, event: EpochBegin) -> None:
        """Take note that an epoch begins."""

    def on_step_begin(self, event: StepBegin) -> None:
        """Take note that a training step begins; the training waits for this method."""

    def on_step_end(self, event: StepEnd) -> bool | None:
        """Take note of a training step; a true return value stops the training.

        The training waits for this method, so one that is overridden costs some speed; `every`
        makes it less.
        """

    def on_validation_begin(self, event: ValidationBegin) -> None:
        """Take note that the validation of an epoch begins."""

    def on_validation_end(self, event: ValidationEnd) -> None:
        """Take note of the validation of an epoch, after its checkpoint is saved."""

    def on_epoch_end(self, event: EpochEnd) -> bool | None:
        """Take note of an epoch; a true return value stops the training."""

    def on_train_end(self, event: TrainEnd) -> None:
        """Take note that the training ends, whether finished or stopped."""

    def on_exception(self, event: ExceptionRaised) -> None:
        """Take note that an exception ends the training, of a callback or of the training itself.

        An exception that this method raises is logged, and `train` raises the first one.
        """


class _TrainBegin(Protocol):
    def on_train_begin(self, event: TrainBegin, /) -> object: ...


class _EpochBegin(Protocol):
    def on_epoch_begin(self, event: EpochBegin, /) -> object: ...


class _StepBegin(Protocol):
    def on_step_begin(self, event: StepBegin, /) -> object: ...


class _StepEnd(Protocol):
    def on_step_end(self, event: StepEnd, /) -> object: ...


class _ValidationBegin(Protocol):
    def on_validation_begin(self, event: ValidationBegin, /) -> object: ...


class _ValidationEnd(Protocol):
    def on_validation_end(self, event: ValidationEnd, /) -> object: ...


class _EpochEnd(Protocol):
    def on_epoch_end(self, event: EpochEnd, /) -> object: ...


class _TrainEnd(Protocol):
    def on_train_end(self, event: TrainEnd, /) -> object: ...


class _ExceptionRaised(Protocol):
    def on_exception(self, event: ExceptionRaised, /) -> object: ...


CallbackLike = (
    Callback
    | _TrainBegin
    | _EpochBegin
    | _StepBegin
    | _StepEnd
    | _ValidationBegin
    | _ValidationEnd
    | _EpochEnd
    | _TrainEnd
    | _ExceptionRaised
)
"""A `Callback`, or any object that has one of its methods."""
