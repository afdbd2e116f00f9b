"""Curves in a notebook that grow while a training is on."""

import logging
from typing import Final

from mnistburn.arguments import as_integer
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.events import EpochEnd, Event, StepEnd, TrainBegin, TrainEnd
from mnistburn.errors import ConfigError
from mnistburn.notebook import Display, history_html, start_display

__all__ = ["LivePlot"]

_logger: Final = logging.getLogger("mnistburn")


class LivePlot(Callback):
    """Draws loss and accuracy below the cell of a notebook, anew after each epoch.

    It needs no matplotlib. Outside a notebook it does nothing, and says so in the log.

    Example:
        >>> import mnistburn
        >>> mnistburn.LivePlot(every=100).every
        100
    """

    def __init__(self, *, every: int | None = None) -> None:
        """Draw a training.

        Args:
            every: Draw after each so many training steps of the run too. Each time the whole
                history is read: choose some hundreds.

        Raises:
            ConfigError: every is no whole number from 1.
        """
        self.every = None if every is None else as_integer(every, "every", ConfigError, minimum=1)
        self._display: Display | None = None

    def on_train_begin(self, event: TrainBegin) -> None:  # noqa: ARG002
        """Take a place in the notebook."""
        self._display = start_display()
        if self._display is None:
            _logger.info("LivePlot draws in notebooks alone, and this is none")

    def on_step_end(self, event: StepEnd) -> None:
        """Draw the steps so far."""
        self._draw(event)

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Draw the epochs so far."""
        self._draw(event)

    def on_train_end(self, event: TrainEnd) -> None:
        """Draw the whole training."""
        self._draw(event)

    def _draw(self, event: Event) -> None:
        if self._display is not None:
            history = event.run.history
            self._display.show(history_html(history.epochs, history.train_steps))
