"""The callbacks of one training."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from mnistburn.arguments import shown
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.early_stopping import EarlyStopping
from mnistburn.callbacks.events import EpochBegin, EpochEnd, StepEnd, TrainBegin, TrainEnd
from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError

__all__ = ["CallbackList"]

_HOOKS: Final = (
    "on_train_begin",
    "on_epoch_begin",
    "on_step_end",
    "on_epoch_end",
    "on_train_end",
)


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
        self._hooks: dict[str, list[Callable[[Any], object]]] = {name: [] for name in _HOOKS}
        self.early_stopping: EarlyStopping | None = None
        for index, callback in enumerate(callbacks):
            self._add(index, callback)

    def _add(self, index: int, callback: object) -> None:
        if isinstance(callback, EarlyStopping):
            if self.early_stopping is not None:
                message = f"callbacks must have one EarlyStopping at most, got a second at {index}"
                raise ConfigError(message)
            self.early_stopping = callback
            return
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
        for name, hook in found.items():
            if inspect.iscoroutinefunction(hook):
                message = (
                    f"callbacks must be plain methods, as a training awaits nothing, "
                    f"got async def {name} of {shown(callback)} at index {index}"
                )
                raise ConfigError(message)
            # A method inherited as it is does nothing: leaving it out saves the wait for it.
            if callable(hook) and getattr(hook, "__func__", None) is not getattr(Callback, name):
                self._hooks[name].append(hook)

    @property
    def wants_steps(self) -> bool:
        """Whether one of them looks at each step."""
        return bool(self._hooks["on_step_end"])

    def train_begin(
        self, row: Mapping[str, Any], artifact_dir: Path, config: TrainingConfig
    ) -> None:
        """Tell the callbacks that the training begins."""
        names = {item.name for item in fields(TrainBegin)} - {"artifact_dir", "config"}
        values = {name: row[name] for name in names}
        self._call("on_train_begin", TrainBegin(artifact_dir, config, **values))

    def epoch_begin(self, row: Mapping[str, Any]) -> None:
        """Tell the callbacks that an epoch begins."""
        self._call("on_epoch_begin", _event(EpochBegin, row))

    def step_end(self, row: Mapping[str, Any]) -> bool:
        """Tell the callbacks of a step; return whether one wants to stop."""
        return self.wants_steps and self._call("on_step_end", _event(StepEnd, row))

    def epoch_end(self, row: Mapping[str, Any]) -> bool:
        """Tell the callbacks of an epoch; return whether one wants to stop."""
        return self._call("on_epoch_end", _event(EpochEnd, row))

    def train_end(self, row: Mapping[str, Any]) -> None:
        """Tell the callbacks that the training ends."""
        self._call("on_train_end", _event(TrainEnd, row))

    def _call(self, name: str, event: object) -> bool:
        # All of them first: each callback hears of each event, also after one wants to stop.
        wishes = [bool(hook(event)) for hook in self._hooks[name]]
        return any(wishes)


def _event(kind: type[Any], row: Mapping[str, Any]) -> object:
    return kind(**{item.name: row[item.name] for item in fields(kind)})
