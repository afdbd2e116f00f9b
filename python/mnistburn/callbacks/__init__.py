"""What a caller can hook into a training.

The calls come in this order, all on the thread that called `train`::

    on_train_begin(TrainBegin)
        on_epoch_begin(EpochBegin)
            on_step_begin(StepBegin)
            on_step_end(StepEnd)            each training step
            on_validation_begin(ValidationBegin)
            on_validation_end(ValidationEnd)
        on_epoch_end(EpochEnd)              after the validation
    on_train_end(TrainEnd)                  or, if an exception ends it,
    on_exception(ExceptionRaised)

A true return value of `on_step_end` or `on_epoch_end` stops the training: its work is kept,
``ended`` is ``"stopped"``, and ``train(..., resume=True)`` goes on. An exception stops it too, and
is raised by `train`; the work is kept as well.

Each event has a `RunView`, ``event.run``, with the model as it is, the history so far and the data.

There are `EarlyStopping`, which stops a training that gets no better, `Checkpoint`, which says what
is kept, `OptunaPruning`, which lets Optuna stop it, the loggers `CsvLogger`, `JsonLinesLogger`,
`TensorBoard` and `Mlflow`, and `LivePlot`, which draws in a notebook.

Example:
    >>> import mnistburn
    >>> class StopAtAccuracy(mnistburn.Callback):
    ...     def on_epoch_end(self, event):
    ...         return event.valid_accuracy >= 0.98
"""

from mnistburn.callbacks.callback import Callback, CallbackLike
from mnistburn.callbacks.checkpoint import Checkpoint
from mnistburn.callbacks.early_stopping import EarlyStopping
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
from mnistburn.callbacks.live_plot import LivePlot
from mnistburn.callbacks.loggers import CsvLogger, JsonLinesLogger
from mnistburn.callbacks.mlflow import Mlflow
from mnistburn.callbacks.optuna_pruning import OptunaPruning
from mnistburn.callbacks.tensorboard import TensorBoard
from mnistburn.callbacks.view import RunView

__all__ = [
    "Callback",
    "CallbackLike",
    "Checkpoint",
    "CsvLogger",
    "EarlyStopping",
    "EpochBegin",
    "EpochEnd",
    "ExceptionRaised",
    "JsonLinesLogger",
    "LivePlot",
    "Mlflow",
    "OptunaPruning",
    "RunView",
    "StepBegin",
    "StepEnd",
    "TensorBoard",
    "TrainBegin",
    "TrainEnd",
    "ValidationBegin",
    "ValidationEnd",
]
