"""What a training leaves behind: its model, its history, its summary.

Example:
    >>> import mnistburn
    >>> dataset = mnistburn.datasets.load("mnist", split="test")
    >>> config = mnistburn.TrainingConfig(num_epochs=1, model=mnistburn.ModelConfig(hidden_size=16))
    >>> data = (dataset[:128], dataset[128:192])
    >>> run = mnistburn.train("artifacts/example", config, "cpu", data=data, progress=False)
    >>> run.best_epoch, len(run.history["valid_accuracy"])
    (1, 1)
    >>> mnistburn.load_run("artifacts/example").history == run.history
    True
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from mnistburn import _native, notebook, plots
from mnistburn.arguments import as_class_names, as_path, nearest, shown
from mnistburn.config import TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.datasets.parts import Split
from mnistburn.device import resolve_device
from mnistburn.ended import Ended
from mnistburn.errors import ArtifactError, ConfigError, DataError, MnistburnError
from mnistburn.model import Model
from mnistburn.run_data import DATA_FILE, RunData
from mnistburn.run_provenance import run_in
from mnistburn.run_start import RunStart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from mnistburn.report import ReportFormat

__all__ = ["History", "TrainingResult", "load_run"]

CONFIG_FILE: Final = "config.json"
MODEL_FILE: Final = "model.mpk"
HISTORY_FILE: Final = "history.json"
HISTORY_ROWS_FILE: Final = "history.jsonl"
SUMMARY_FILE: Final = "summary.txt"
CLASS_NAMES_FILE: Final = "class_names.json"
CHECKPOINTS: Final = "checkpoint"

DEFAULT_METRIC: Final = "valid_loss"
"""What decides which epoch is the best."""

Column = list[float]


@dataclass(frozen=True, repr=False)
class History(dict[str, Column]):
    """What was measured, in columns: one row for each epoch, and one for each step.

    It is a dict of the columns of the epochs: ``history["valid_accuracy"]``,
    ``pandas.DataFrame(history)``, ``json.dumps(history)``. Losses are means over images, accuracies
    are in 0..1, times are in seconds.

    Attributes:
        epochs: The columns ``epoch``, ``train_loss``, ``train_accuracy``, ``valid_loss``,
            ``valid_accuracy``, ``learning_rate``, ``seconds`` and ``images_per_second``, and those
            of the run's metrics, as in ``valid_f1_macro``.
        train_steps: The columns ``epoch``, ``step``, ``images`` (those of the batch), ``loss``,
            ``accuracy``, ``learning_rate``, ``seconds`` and ``images_per_second``.
        valid_steps: The columns ``epoch``, ``step``, ``images``, ``loss``, ``accuracy`` and
            ``seconds``.
    """

    epochs: dict[str, Column]
    train_steps: dict[str, Column]
    valid_steps: dict[str, Column]

    def __post_init__(self) -> None:
        self.update(self.epochs)

    @classmethod
    def from_content(cls, content: dict[str, Any]) -> Self:
        """Build a history from the content of a ``history.json``."""
        return cls(
            epochs=content["epochs"],
            train_steps=content["train_steps"],
            valid_steps=content["valid_steps"],
        )

    def __ne__(self, other: object) -> bool:
        # That of dict would look at the columns alone.
        return not self == other

    def __missing__(self, name: str) -> Column:
        """Refuse a column that is not there.

        Args:
            name: The column.

        Raises:
            KeyError: In any case; the message proposes the nearest.
        """
        advice = nearest(str(name), self.epochs)
        message = f"there is no column {name!r}; the columns are {list(self.epochs)}{advice}"
        raise KeyError(message)

    @property
    def num_epochs(self) -> int:
        """The number of epochs that are done."""
        return len(self.epochs.get("epoch", []))

    def plot(
        self,
        metrics: str | Sequence[str] = ("loss", "accuracy"),
        *,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "tuple[Axes, ...]":
        """Draw columns over the epochs, those of training and validation in one picture.

        Args:
            metrics: Names, as in ``"loss"`` for ``train_loss`` and ``valid_loss``, or in
                ``"learning_rate"``; a picture for each.
            ax: The Axes to draw into, one for each metric; None for a figure of their own.

        Returns:
            The Axes.

        Raises:
            ConfigError: There is no such metric, matplotlib is not installed, or ax is no Axes.
            DataError: No epoch is finished.
        """
        return plots.draw_history([self.measurements()], metrics, ax=ax)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        return notebook.history_html(self.epochs, self.train_steps)

    def measurements(self, name: str = "") -> plots.Measurements:
        """Return what `plots` draws of it."""
        return plots.Measurements(name, self.epochs, self.train_steps)

    def __repr__(self) -> str:
        """Return the number of rows and the columns."""
        steps = len(self.train_steps.get("step", []))
        columns = list(self.epochs)
        return f"History({self.num_epochs} epochs, {steps} training steps, columns={columns})"


@dataclass(frozen=True)
class TrainingResult:
    """A finished or interrupted training.

    Attributes:
        artifact_dir: Where its files are.
        model: The model that the run ended with: after the last step, or where `EarlyStopping`
            restored it that of the best epoch; or the one that `load_run` was asked for.
        model_epoch: The epoch that `model` is of, from 1: after it, or of a run that was stopped
            within it after its last step; None before the first step.
        history: What was measured.
        config: What it was made from.
        best_epoch: The epoch in which `best_metric` is best, from 1; None when no epoch was
            finished.
        best_metric: What that is decided by: ``"valid_loss"``, or the metric of `EarlyStopping`.
        ended: Why it ended: ``"completed"``, ``"stopped"`` by a callback or by `max_seconds`,
            ``"stopped_early"`` by `EarlyStopping`, or ``"interrupted"`` by Ctrl-C or a signal, or
            because its process was killed. ``train(..., resume=True)`` goes on with one that is not
            complete.
        seconds: The time spent in its steps, over all its parts.
        warm_up_seconds: The time spent before them, to compile and tune the kernels of a GPU; 0 on
            the CPU.
        class_names: The names of the classes of its training images; None where they had none.
        data: What it was trained and validated on; None for runs of older versions.
        start: The model that it started from; None where it began with random parameters.
    """

    artifact_dir: Path
    model: Model
    model_epoch: int | None
    history: History = field(repr=False)
    config: TrainingConfig = field(repr=False)
    best_epoch: int | None
    best_metric: str
    ended: Ended
    seconds: float
    warm_up_seconds: float
    class_names: tuple[str, ...] | None
    data: RunData | None
    start: RunStart | None
    _summary: str = field(repr=False)
    _run: str | None = field(repr=False)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C, a signal or the end of its process cut it short."""
        return self.ended == "interrupted"

    def best_model(self) -> Model:
        """Return the model after the best epoch, from its checkpoint.

        Returns:
            The model, on the device of `model`.

        Raises:
            ArtifactError: No epoch is finished, the checkpoint is not kept or damaged, or another
                run has taken the directory.
        """
        self._check_directory("the best model")
        epoch = _best(self.artifact_dir, self.best_epoch)
        native = _native.load_run(str(self.artifact_dir), self.model.device, epoch)
        return Model._wrap(native)  # noqa: SLF001

    def _moved(self, directory: Path) -> "TrainingResult":
        """Return the result of the same run in another directory."""
        return replace(self, artifact_dir=directory, _run=run_in(directory))

    def _check_directory(self, needed: str) -> None:
        """Refuse where another run has taken the directory."""
        if run_in(self.artifact_dir) != self._run:
            message = (
                f"{self.artifact_dir} holds another run by now, and {needed} of this one is gone; "
                "give each run a directory of its own"
            )
            raise ArtifactError(message)

    def plot(
        self,
        metrics: str | Sequence[str] = ("loss", "accuracy"),
        *,
        ax: "Axes | Sequence[Axes] | None" = None,
    ) -> "tuple[Axes, ...]":
        """Draw the history as `History.plot` does, and mark the best epoch.

        Args:
            metrics: Names of metrics, a picture for each.
            ax: The Axes to draw into, one for each metric; None for a figure of their own.

        Returns:
            The Axes.

        Raises:
            ConfigError: There is no such metric, matplotlib is not installed, or ax is no Axes.
            DataError: No epoch is finished.
        """
        best = self.best_epoch if self.history.num_epochs > 1 else None
        return plots.draw_history([self.history.measurements()], metrics, best_epoch=best, ax=ax)

    def report(
        self,
        path: str | os.PathLike[str],
        *,
        format: "ReportFormat | None" = None,  # noqa: A002  the word that users look for
        data: str | os.PathLike[str] | Dataset | None = None,
        split: Split | None = None,
        overwrite: bool = False,
    ) -> Path:
        """Write a report of the run: one page that needs no network, no script and no other file.

        It has the measures of the model, its curves, classes, confusion, calibration and images of
        highest loss, the data with their hashes, the configuration, versions, and how the run is
        repeated. What the data are needed for, where they are gone, is left out, and the report
        says why.

        Args:
            path: The file, of the extension ``.html``, or ``.md`` for a model card. A report that
                is there is replaced; it must not be in the directory of the run.
            format: ``"html"`` or ``"markdown"``; None for what the extension says.
            data: What the model is measured on: a `Dataset`, or what `train` takes; None for the
                data of the run.
            split: Which part of the data, ``"train"``, ``"valid"`` or ``"test"``; None for the one
                to test on, or for lack of one that to validate on.
            overwrite: Whether a file is replaced that is no report, or was changed.

        Returns:
            The path written.

        Raises:
            ConfigError: The path is no regular file, or an argument breaks its rule.
            ArtifactError: The path is in the directory of the run, or is a file that this did not
                write; or another run has taken the directory.
            DataError: The data that were given do not exist, or do not fit the model.
            OSError: The file cannot be written.
        """
        from mnistburn.report import write_report  # noqa: PLC0415  few runs are reported

        self._check_directory("the log")
        return write_report(self, path, format=format, data=data, split=split, overwrite=overwrite)

    def model_card(
        self,
        *,
        data: str | os.PathLike[str] | Dataset | None = None,
        split: Split | None = None,
    ) -> str:
        """Return a model card in Markdown, which tells what `report` does, but for the pictures.

        Args:
            data: What the model is measured on, as `report` takes it.
            split: Which part of the data, likewise.

        Returns:
            The text, with the metadata that hubs of models read at its beginning.

        Raises:
            ArtifactError: Another run has taken the directory.
            DataError: The data that were given do not exist, or do not fit the model.
        """
        from mnistburn.report import report_text  # noqa: PLC0415  as above

        self._check_directory("the log")
        return report_text(self, "markdown", data=data, split=split)

    def _repr_html_(self) -> str:
        """Return what a notebook shows."""
        best = "none yet" if self.best_epoch is None else f"{self.best_epoch}, {self.best_metric}"
        done = f"{self.history.num_epochs} of {self.config.num_epochs} epochs, {self.seconds:.1f} s"
        rows = [
            ("run", str(self.artifact_dir)),
            ("ended", f"{self.ended}, {done}"),
            ("best epoch", best),
            ("model", repr(self.model)),
        ]
        if self.data is not None:
            source = "arrays" if self.data.source is None else str(self.data.source)
            rows.append(("data", source))
        return notebook.run_html(rows, self.history.epochs, self.history.train_steps)

    def summary(self) -> str:
        """Return the table that Burn's learner prints: metric, split, lowest and highest.

        Returns:
            The text; accuracy is in percent here, as Burn has it.
        """
        return self._summary


def load_run(
    artifact_dir: str | os.PathLike[str],
    device: str = "cpu",
    *,
    epoch: Literal["last", "best"] | int | None = None,
) -> TrainingResult:
    """Read what `train` left in a directory.

    Args:
        artifact_dir: The directory.
        device: Where the model computes.
        epoch: Which model: None for that which `train` returned, ``"last"`` after the last step,
            ``"best"`` after the best epoch, or that after an epoch, from 1, whose checkpoint is
            kept: those of the last two checkpoints and of the best epoch are.

    Returns:
        What `train` returned. Its model comes from a checkpoint, which keeps every bit by default;
        where there is none, from ``model.mpk``, which has half precision.

    Raises:
        ArtifactError: The directory holds no run, or not the model of that epoch; the message
            names what is missing, or which epochs are kept.
        ConfigError: Its ``config.json`` is damaged.
        RecordError: Its model is damaged.
    """
    directory = as_path(artifact_dir, "artifact_dir", ArtifactError)
    if epoch not in {None, "last", "best"} and (
        isinstance(epoch, bool) or not isinstance(epoch, int) or epoch < 1
    ):
        message = f'epoch must be "last", "best" or a whole number from 1, got {shown(epoch)}'
        raise ConfigError(message)
    _require(directory, directory.is_dir(), "is no directory")
    place = resolve_device(device)
    while True:
        _native.settle_run(str(directory))
        before = run_in(directory)
        try:
            result = _load(directory, place, epoch)
        except (MnistburnError, OSError):
            if run_in(directory) == before:
                raise
        else:
            # Another run may have taken the directory meanwhile: its files do not go with these.
            if run_in(directory) == before:
                return result


def _load(directory: Path, device: str, epoch: str | int | None) -> TrainingResult:
    _require(directory, (directory / CONFIG_FILE).is_file(), f"has no {CONFIG_FILE}")
    config = TrainingConfig.load(directory / CONFIG_FILE)
    history = _read_history(directory)
    number: int | None = None
    if epoch == "best":
        number = _best(directory, history["best_epoch"])
    elif isinstance(epoch, int):
        number = epoch
    native = _native.load_run(str(directory), device, number, epoch == "last")
    if number is None:
        number = _last_epoch(history) if epoch == "last" else _model_epoch(history)
    return _result(directory, Model._wrap(native), number, config, history)  # noqa: SLF001


def _best(directory: Path, epoch: int | None) -> int:
    if epoch is None:
        message = (
            f"the run in {directory} has no best epoch, as none is finished; "
            'epoch="last" gives the model after its last step'
        )
        raise ArtifactError(message)
    return epoch


def read_result(directory: Path, model: Model, config: TrainingConfig) -> TrainingResult:
    """Put a result together from a model, its configuration and the files of a run.

    Args:
        directory: The artifact directory.
        model: The model.
        config: The configuration.

    Returns:
        The result.

    Raises:
        ArtifactError: A file is missing or damaged.
    """
    history = _read_history(directory)
    return _result(directory, model, _model_epoch(history), config, history)


def _model_epoch(content: dict[str, Any]) -> int | None:
    """Return the epoch that the model of a run is of."""
    restored: int | None = content.get("model_epoch")
    return _last_epoch(content) if restored is None else restored


def _last_epoch(content: dict[str, Any]) -> int | None:
    epochs = content["train_steps"]["epoch"]
    return int(epochs[-1]) if epochs else None


def _result(
    directory: Path,
    model: Model,
    model_epoch: int | None,
    config: TrainingConfig,
    content: dict[str, Any],
) -> TrainingResult:
    summary = directory / SUMMARY_FILE
    return TrainingResult(
        artifact_dir=directory,
        model=model,
        model_epoch=model_epoch,
        history=History.from_content(content),
        config=config,
        best_epoch=content["best_epoch"],
        best_metric=(content.get("early_stopping") or {}).get("metric", DEFAULT_METRIC),
        ended=content["ended"],
        seconds=content["seconds"],
        warm_up_seconds=content.get("warm_up_seconds", 0.0),
        class_names=_class_names(directory / CLASS_NAMES_FILE),
        data=RunData.read(directory),
        start=RunStart.read(directory),
        # A run that was stopped in its first epoch has nothing to sum up.
        _summary=summary.read_text("utf-8", "replace") if summary.is_file() else "",
        _run=run_in(directory),
    )


def _class_names(path: Path) -> tuple[str, ...] | None:
    if not path.is_file():
        return None
    try:
        names = json.loads(path.read_text("utf-8"))
        return as_class_names(names)
    except (ValueError, RecursionError, DataError) as error:
        message = f"{path} is damaged: {error}"
        raise ArtifactError(message) from None


def run_directory(path: Path) -> Path | None:
    """Return the artifact directory that a model file belongs to.

    Args:
        path: The model file of a run, or of one of its checkpoints.

    Returns:
        The directory; None for any other file.
    """
    directory = path.absolute().parent
    if directory.parent.name == CHECKPOINTS:
        directory = directory.parent.parent
    elif path.name != MODEL_FILE:
        return None
    return directory if (directory / DATA_FILE).is_file() else None


def stored_config(directory: Path) -> TrainingConfig | None:
    """Return the configuration of the run in a directory, or None when it holds none."""
    _native.settle_run(str(directory))
    path = directory / CONFIG_FILE
    return TrainingConfig.load(path) if path.is_file() else None


def _require(directory: Path, holds: bool, what: str) -> None:  # noqa: FBT001  a condition
    if not holds:
        message = f"{directory} holds no run of mnistburn.train: it {what}"
        raise ArtifactError(message)


def _read_history(directory: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(_native.run_history(str(directory)))
    return content
