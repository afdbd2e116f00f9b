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

`EarlyStopping` stops a training that gets no better.

Example:
    >>> import mnistburn
    >>> class StopAtAccuracy(mnistburn.Callback):
    ...     def on_epoch_end(self, event):
    ...         return event.valid_accuracy >= 0.98
"""

from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.early_stopping import EarlyStopping
from mnistburn.callbacks.events import Ended, EpochBegin, EpochEnd, StepEnd, TrainBegin, TrainEnd

__all__ = [
    "Callback",
    "EarlyStopping",
    "Ended",
    "EpochBegin",
    "EpochEnd",
    "StepEnd",
    "TrainBegin",
    "TrainEnd",
]
