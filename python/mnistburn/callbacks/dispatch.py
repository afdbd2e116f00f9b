"""The callbacks of one training."""

import inspect
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from mnistburn.arguments import as_integer, shown
from mnistburn.callbacks.callback import Callback
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
from mnistburn.callbacks.view import RunView
from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError

__all__ = ["STOPS_NOW", "CallbackList"]

_HOOKS: Final = (
    "on_train_begin",
    "on_epoch_begin",
    "on_step_begin",
    "on_step_end",
    "on_validation_begin",
    "on_validation_end",
    "on_epoch_end",
    "on_train_end",
    "on_exception",
)

# What the trainer tells of only where one listens.
_ON_REQUEST: Final = ("on_step_begin", "on_validation_begin", "on_validation_end")
_OF_STEPS: Final = ("on_step_begin", "on_step_end")

STOPS_NOW: Final = "_mnistburn_stops_now"
"""A method of this package's own callbacks: asked at each report, and no step waits for it."""


class CallbackList:
    """The callbacks of one training."""

    def __init__(self, callbacks: object) -> None:
        """Check the callbacks.

        Args:
            callbacks: A sequence of them.

        Raises:
            ConfigError: One of them, or the sequence, is something else.
        """
        if isinstance(callbacks, Callback) or not isinstance(callbacks, Iterable):
            message = (
                f"callbacks must be a sequence of callbacks, got {shown(callbacks)}; "
                "a single one is callbacks=[callback]"
            )
            raise ConfigError(message)
        # Each with the number of steps that it is called for one of.
        self._hooks: dict[str, list[tuple[int, Callable[[Any], object]]]] = {
            name: [] for name in _HOOKS
        }
        self._watches: list[Callable[[], bool]] = []
        self._train_steps = 0
        self._has_begun = False
        self.checkpoint: Checkpoint | None = None
        self.early_stopping: EarlyStopping | None = None
        for index, callback in enumerate(callbacks):
            self._add(index, callback)

    def of_core(self) -> "CallbackList":
        """Return those alone that the core of the training follows, not those that are called."""
        given = (self.checkpoint, self.early_stopping)
        return CallbackList([callback for callback in given if callback is not None])

    def _add(self, index: int, callback: object) -> None:
        if isinstance(callback, EarlyStopping | Checkpoint):
            # The core does what they say.
            of_core = "early_stopping" if isinstance(callback, EarlyStopping) else "checkpoint"
            if getattr(self, of_core) is not None:
                kind = type(callback).__name__
                message = f"callbacks must have one {kind} at most, got a second at index {index}"
                raise ConfigError(message)
            setattr(self, of_core, callback)
            return
        steps = getattr(callback, "every", 1)
        every = 0 if steps is None else as_integer(steps, "every", ConfigError, minimum=1)
        if isinstance(callback, type):
            message = (
                f"callbacks must be objects, got the class {callback.__name__} at index {index}; "
                f"pass {callback.__name__}()"
            )
            raise ConfigError(message)
        found = {name: getattr(callback, name, None) for name in _HOOKS}
        if not any(callable(hook) for hook in found.values()):
            message = (
                f"callbacks must have one or more of the methods {', '.join(_HOOKS)}, "
                f"got {shown(callback)} at index {index}; derive it from mnistburn.Callback"
            )
            raise ConfigError(message)
        watch = getattr(callback, STOPS_NOW, None)
        if callable(watch):
            self._watches.append(watch)
        for name, hook in found.items():
            if inspect.iscoroutinefunction(hook):
                message = (
                    f"callbacks must be plain methods, as a training awaits nothing, "
                    f"got async def {name} of {shown(callback)} at index {index}"
                )
                raise ConfigError(message)
            # A method inherited as it is does nothing: leaving it out saves the wait for it.
            if name in _OF_STEPS and not every:
                continue
            if callable(hook) and getattr(hook, "__func__", None) is not getattr(Callback, name):
                self._hooks[name].append((every if name in _OF_STEPS else 1, hook))

    @property
    def every(self) -> list[int]:
        """The trainer waits at each step whose number one of these divides."""
        return sorted({every for name in _OF_STEPS for every, _ in self._hooks[name]})

    @property
    def wants_all(self) -> bool:
        """Whether one of them hears of the beginnings of steps, or of validations."""
        return any(self._hooks[name] for name in _ON_REQUEST)

    def stops_now(self) -> bool:
        """Tell whether one wants to stop without waiting for the end of anything."""
        return any(watch() for watch in self._watches)

    def train_begin(
        self, row: Mapping[str, Any], artifact_dir: Path, config: TrainingConfig, run: RunView
    ) -> None:
        """Tell the callbacks that the training begins."""
        self._train_steps = row["train_steps"]
        self._has_begun = True
        values = {"artifact_dir": artifact_dir, "config": config, **row}
        self._call("on_train_begin", TrainBegin, values, run)

    def epoch_begin(self, row: Mapping[str, Any], run: RunView) -> None:
        """Tell the callbacks that an epoch begins."""
        self._call("on_epoch_begin", EpochBegin, row, run)

    def step_begin(self, row: Mapping[str, Any], run: RunView) -> None:
        """Tell the callbacks that a step begins."""
        self._call("on_step_begin", StepBegin, row, run)

    def step_end(self, row: Mapping[str, Any], run: RunView) -> bool:
        """Tell the callbacks of a step; return whether one wants to stop."""
        return self._call("on_step_end", StepEnd, row, run)

    def validation_begin(self, row: Mapping[str, Any], run: RunView) -> None:
        """Tell the callbacks that a validation begins."""
        self._call("on_validation_begin", ValidationBegin, row, run)

    def validation_end(self, row: Mapping[str, Any], run: RunView) -> None:
        """Tell the callbacks of a validation."""
        self._call("on_validation_end", ValidationEnd, row, run)

    def epoch_end(self, row: Mapping[str, Any], run: RunView) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        known = {item.name for item in fields(EpochEnd)} | {"kind"}
        metrics = {name: value for name, value in row.items() if name not in known}
        return self._call("on_epoch_end", EpochEnd, {**row, "metrics": metrics}, run)

    def train_end(self, row: Mapping[str, Any], run: RunView) -> None:
        """Tell the callbacks that the training ends."""
        self._call("on_train_end", TrainEnd, row, run)

    def exception(self, exception: BaseException, run: RunView) -> None:
        """Tell the callbacks that an exception ends the training, if it has begun."""
        if not self._has_begun:
            return
        event = ExceptionRaised(exception, run=run)
        for _, hook in self._hooks["on_exception"]:
            try:
                hook(event)
            except Exception:
                # It must not take the place of the exception that is told of.
                logging.getLogger("mnistburn").exception("a callback failed in on_exception")

    def _call(self, name: str, kind: type[Any], row: Mapping[str, Any], run: RunView) -> bool:
        hooks = self._hooks[name]
        if name in _OF_STEPS and hooks:
            step = (row["epoch"] - 1) * self._train_steps + row["step"]
            hooks = [(every, hook) for every, hook in hooks if step % every == 0]
        if not hooks:
            return False
        values = {item.name: row[item.name] for item in fields(kind) if item.name != "run"}
        event = kind(**values, run=run)
        # All of them first: each callback hears of each event, also after one wants to stop.
        wishes = [bool(hook(event)) for _, hook in hooks]
        return any(wishes)
