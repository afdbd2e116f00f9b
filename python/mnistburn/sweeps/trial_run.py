"""The training of a trial, wherever it runs."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from mnistburn import _native
from mnistburn.callbacks import Callback, CallbackLike, EarlyStopping, EpochEnd
from mnistburn.config import TrainingConfig
from mnistburn.datasets.loading import LoadedPair
from mnistburn.errors import MnistburnError
from mnistburn.results import DEFAULT_METRIC, History, TrainingResult, load_run
from mnistburn.sweeps.halving import Direction
from mnistburn.sweeps.trial import Trial, TrialEnded
from mnistburn.training import train

__all__ = ["Judge", "TrialTask", "holds_run", "kept_trial", "run_trial"]

_logger: Final = logging.getLogger("mnistburn")


class Judge(Protocol):
    """What decides whether a trial goes on."""

    def goes_on(self, number: int, epoch: int, value: float) -> bool:
        """Take the metric of an epoch of a trial, and tell whether the trial goes on."""

    def stopped(self) -> bool:
        """Tell whether the sweep is stopped: all trials keep their work and end."""


@dataclass(frozen=True)
class TrialTask:
    """What it takes to train a trial.

    Attributes:
        trial: The trial, as it is so far.
        config: Its configuration.
        metric: The metric of the sweep.
        direction: Which way it is better.
        patience: The epochs without an improvement after which it stops; None for no limit.
    """

    trial: Trial
    config: TrainingConfig
    metric: str
    direction: Direction
    patience: int | None


class _Reporter(Callback):
    """Tells the judge of each epoch, and stops the training when it says so."""

    def __init__(self, task: TrialTask, judge: Judge) -> None:
        self._number = task.trial.number
        self._metric = task.metric
        self._judge = judge
        self.pruned = False

    def _mnistburn_stops_now(self) -> bool:
        return self._judge.stopped()

    def on_epoch_end(self, event: EpochEnd) -> bool:
        return not self.goes_on(event.epoch, event.row()[self._metric])

    def goes_on(self, epoch: int, value: float) -> bool:
        goes_on = self._judge.goes_on(self._number, epoch, value)
        self.pruned = not goes_on and not self._judge.stopped()
        return goes_on


def run_trial(task: TrialTask, data: LoadedPair, device: str, judge: Judge) -> Trial:
    """Train a trial, or go on with one that was interrupted.

    Args:
        task: The trial.
        data: The images.
        device: Where it computes.
        judge: What decides whether it goes on.

    Returns:
        The trial as it ended; with its error where it failed.
    """
    try:
        return _trained(task, data, device, judge)
    except Exception as error:  # noqa: BLE001  a sweep outlives whatever ends a trial
        message = f"{type(error).__name__}: {error}"
        _logger.warning("trial %d failed: %s", task.trial.number, message)
        return kept_trial(task, "failed", message)


def _trained(task: TrialTask, data: LoadedPair, device: str, judge: Judge) -> Trial:
    directory = task.trial.directory
    reporter = _Reporter(task, judge)
    before = _kept(directory)
    values = () if before is None else before.history[task.metric]
    for epoch, value in enumerate(values, start=1):
        # A trial that was interrupted as it waited for the judge may have been about to end.
        if not reporter.goes_on(epoch, value):
            return _ended(task, before, "pruned" if reporter.pruned else "interrupted")
    images: Any = data  # which `train` takes too, with their source
    result = train(
        directory,
        task.config,
        device,
        data=images,
        resume=before is not None,
        callbacks=[reporter, *_early_stopping(task)],
        progress=False,
    )
    ended: TrialEnded = "interrupted"
    if result.ended in {"completed", "stopped_early"}:
        ended = result.ended
    elif result.history.num_epochs == result.config.num_epochs:
        ended = "completed"
    elif reporter.pruned:
        ended = "pruned"
    elif result.ended == "stopped" and not judge.stopped():
        ended = "stopped"
    return _ended(task, result, ended)


def _kept(directory: Path) -> TrainingResult | None:
    """Return what an earlier part of a trial has kept; None where it had no checkpoint yet."""
    return load_run(directory) if _holds_run(directory) else None


def holds_run(task: TrialTask) -> bool:
    """Tell whether a trial has kept some of its work."""
    return _holds_run(task.trial.directory)


def _holds_run(directory: Path) -> bool:
    _native.settle_run(str(directory))
    return _native.holds_run(str(directory))


def kept_trial(task: TrialTask, ended: TrialEnded, error: str | None = None) -> Trial:
    """Return a trial as far as its directory has it.

    Args:
        task: The trial.
        ended: How it ended.
        error: Why it failed.

    Returns:
        The trial; without epochs where its run cannot be read.
    """
    try:
        run = _kept(task.trial.directory)
    except (MnistburnError, OSError):
        run = None
    return _ended(task, run, ended, error)


def _early_stopping(task: TrialTask) -> Sequence[CallbackLike]:
    """Return what makes the metric of the sweep that of the run, and stops it."""
    if task.patience is None and task.metric == DEFAULT_METRIC and task.direction == "min":
        return ()
    limited = task.patience is not None
    return [
        EarlyStopping(
            metric=task.metric,
            direction=task.direction,
            patience=task.patience if task.patience is not None else _NO_LIMIT,
            restore_best=limited,
        )
    ]


_NO_LIMIT: Final = 2**31 - 1


def _ended(
    task: TrialTask, run: TrainingResult | None, ended: TrialEnded, error: str | None = None
) -> Trial:
    trial = task.trial
    history = None if run is None else run.history
    values = [] if history is None else history[task.metric]
    better = min if task.direction == "min" else max
    best = values.index(better(values)) + 1 if values else None
    return Trial(
        number=trial.number,
        settings=trial.settings,
        directory=trial.directory,
        ended=ended,
        values=tuple(values),
        best_epoch=best,
        metrics={} if history is None or best is None else _measured(history, best),
        seconds=0.0 if run is None else run.seconds,
        error=error,
    )


def _measured(history: History, epoch: int) -> dict[str, float]:
    """Return what was measured in an epoch of what the training and the validation see."""
    return {
        name: column[epoch - 1]
        for name, column in history.items()
        if name.startswith(("train_", "valid_"))
    }
