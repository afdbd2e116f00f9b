"""What a callback can see of a run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from mnistburn.config import TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.errors import TrainingError
from mnistburn.model import Model
from mnistburn.results import History

if TYPE_CHECKING:
    from mnistburn import _native

__all__ = ["NO_RUN", "RunView"]


class RunView:
    """A run as a callback finds it; nothing is computed or copied before it is asked for.

    Attributes:
        artifact_dir: Where its files go.
        config: What it is made from.
        train_data: The images that it trains with.
        valid_data: Those that it is validated on.
    """

    def __init__(
        self, artifact_dir: Path, config: TrainingConfig, train_data: Dataset, valid_data: Dataset
    ) -> None:
        """Look at a run.

        Args:
            artifact_dir: Where its files go.
            config: What it is made from.
            train_data: The images that it trains with.
            valid_data: Those that it is validated on.
        """
        self.artifact_dir = artifact_dir
        self.config = config
        self.train_data = train_data
        self.valid_data = valid_data
        self._native: _native.RunView | None = None
        self._model: Model | None = None
        self._history: History | None = None

    def _at(self, native: "_native.RunView") -> Self:
        """Look at another moment."""
        self._native, self._model, self._history = native, None, None
        return self

    def _look(self) -> "_native.RunView":
        if self._native is None:
            message = "there is no run to look at: this event is of no training"
            raise TrainingError(message)
        return self._native

    @property
    def model(self) -> Model:
        """The model as it is, a copy that later steps leave alone.

        Raises:
            TrainingError: It is asked for when no callback is called.
        """
        native = self._look().model()
        if self._model is None:
            self._model = Model._wrap(native)  # noqa: SLF001  of this package
        return self._model

    @property
    def history(self) -> History:
        """What was measured so far.

        Raises:
            TrainingError: It is asked for when no callback is called.
        """
        content = self._look().history()
        if self._history is None:
            self._history = History.from_content(json.loads(content))
        return self._history


class _NoRun(RunView):
    def __init__(self) -> None:
        self._native = None

    def __getattr__(self, name: str) -> None:
        if not name.startswith("_"):
            self._look()
        raise AttributeError(name)


NO_RUN: Final[RunView] = _NoRun()
"""What an event has that no training made."""
