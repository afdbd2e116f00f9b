"""What follows a training: callbacks, progress and the log."""

import json
from typing import Any

import numpy

from mnistburn import _native
from mnistburn.callbacks import RunView
from mnistburn.callbacks.dispatch import CallbackList
from mnistburn.live_metrics import LiveMetrics
from mnistburn.metrics import MetricFunction, own_value
from mnistburn.progress import Progress, epoch_line
from mnistburn.run_log import log

__all__ = ["TrainingObserver"]


class TrainingObserver:
    """Takes the events of a training to callbacks, progress and the log.

    A true return value asks the training to stop after the current batch.
    """

    def __init__(
        self,
        run: RunView,
        hooks: CallbackList,
        functions: dict[str, MetricFunction],
        live: LiveMetrics,
        shows: tuple[Progress | None, ...],
        *,
        logs: bool,
    ) -> None:
        self._run = run
        self._hooks = hooks
        self._functions = functions
        self._live = live
        self._shows = [show for show in shows if show is not None]
        self._logs = logs

    def __call__(self, events: str, view: _native.RunView) -> bool:
        """Take events, a JSON list; return whether one wishes to stop."""
        # All of them, one by one: neither a wish to stop nor Ctrl-C swallows the events after it.
        stops = False
        interrupt: KeyboardInterrupt | None = None
        for event in json.loads(events):
            try:
                stops |= self._handle(event, self._run._at(view))  # noqa: SLF001
            except KeyboardInterrupt as error:
                if interrupt is not None:
                    raise
                interrupt = error
        if interrupt is not None:
            raise interrupt
        return stops or self._hooks.stops_now()

    def measure(self, logits: bytearray, targets: bytearray, num_classes: int) -> list[float]:
        """Return the values of the metrics that are functions."""
        rows = numpy.frombuffer(logits, dtype="<f8").reshape(-1, num_classes)
        classes = numpy.frombuffer(targets, dtype="<i8")
        return [
            own_value(name, function, rows.copy(), classes.copy())
            for name, function in self._functions.items()
        ]

    def fail(self, error: BaseException) -> None:
        """Tell the callbacks of an exception that ended the training."""
        self._hooks.exception(error, self._run)

    def close(self) -> None:
        """End what is shown."""
        for show in self._shows:
            show.close()

    def _handle(self, event: dict[str, Any], run: RunView) -> bool:
        self._live.take(event)
        for show in self._shows:
            show.show(event)
        if event["kind"] == "log" and self._logs:
            log(event["level"], event["message"])
        return self._tell(event, run)

    def _tell(self, event: dict[str, Any], run: RunView) -> bool:
        match event["kind"]:
            case "start":
                self._hooks.train_begin(event, run.artifact_dir, run.config, run)
            case "epoch_start":
                self._hooks.epoch_begin(event, run)
            case "train_step":
                return self._hooks.step_end(event, run)
            case "step_start":
                self._hooks.step_begin(event, run)
            case "valid_start":
                self._hooks.validation_begin(event, run)
            case "valid_end":
                self._hooks.validation_end(event, run)
            case "epoch_end":
                if self._logs:
                    log("info", epoch_line(event, run.config.num_epochs))
                return self._hooks.epoch_end(event, run)
            case "end":
                self._hooks.train_end(event, run)
        return False
