"""What a training calls."""

from mnistburn.callbacks.events import EpochBegin, EpochEnd, StepEnd, TrainBegin, TrainEnd

__all__ = ["Callback"]


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
