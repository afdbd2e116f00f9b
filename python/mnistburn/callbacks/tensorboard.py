"""Keeps what a training measures for TensorBoard."""

import os
from typing import Any

from mnistburn.arguments import as_integer, as_path
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.events import (
    EpochEnd,
    ExceptionRaised,
    StepEnd,
    TrainBegin,
    TrainEnd,
)
from mnistburn.callbacks.scalars import STEP_SCALARS, last_step, scalar_name, steps_done
from mnistburn.errors import ConfigError

__all__ = ["TensorBoard"]


class TensorBoard(Callback):
    """Writes event files for TensorBoard.

    It needs tensorboardX: ``pip install mnistburn[tensorboard]``.

    Each column of the history's epochs is a scalar, as in ``train/loss``, ``valid/accuracy`` and
    ``learning_rate``, at the number of training steps that are done. A resumed run goes on where it
    was: TensorBoard drops what an earlier part had written beyond that. Give each run a folder of
    its own.

    Example:
        >>> import mnistburn
        >>> mnistburn.callbacks.TensorBoard("logs/first", every=50).log_dir.name
        'first'
    """

    def __init__(self, log_dir: str | os.PathLike[str], *, every: int | None = None) -> None:
        """Log to a folder.

        Args:
            log_dir: The folder; it is made.
            every: Write ``step/loss``, ``step/accuracy`` and ``step/learning_rate`` for each so
                many training steps of the run too.

        Raises:
            ConfigError: The folder is none, or every is no whole number from 1.
        """
        self.log_dir = as_path(log_dir, "log_dir", ConfigError)
        self._writer: Any = None
        self._steps = 0
        self.every = None if every is None else as_integer(every, "every", ConfigError, minimum=1)

    def on_train_begin(self, event: TrainBegin) -> None:
        """Begin an event file."""
        try:
            from tensorboardX import SummaryWriter  # noqa: PLC0415  of an extra
        except ImportError:
            message = (
                "TensorBoard needs tensorboardX, which is not installed; "
                "pip install mnistburn[tensorboard]"
            )
            raise ConfigError(message) from None
        self._steps = event.train_steps
        last = last_step(event.run.history, self._steps)
        purge = {"purge_step": last + 1} if last else {}
        # Files are named for the second alone: parts of a run that begin in one have two names.
        suffix = f".{last:09}"
        self._writer = SummaryWriter(str(self.log_dir), filename_suffix=suffix, **purge)

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Write the scalars of an epoch."""
        step = steps_done(event.epoch, self._steps, self._steps)
        for name, value in event.row().items():
            if name != "epoch":
                self._writer.add_scalar(scalar_name(name), value, step)
        self._writer.flush()

    def on_train_end(self, event: TrainEnd) -> None:  # noqa: ARG002
        """Close the event file."""
        self._writer.close()

    def on_exception(self, event: ExceptionRaised) -> None:  # noqa: ARG002
        """Close the event file."""
        if self._writer is not None:
            self._writer.close()

    def on_step_end(self, event: StepEnd) -> None:
        """Write the scalars of a step."""
        step = steps_done(event.epoch, event.step, self._steps)
        for name in STEP_SCALARS:
            self._writer.add_scalar(f"step/{name}", getattr(event, name), step)
