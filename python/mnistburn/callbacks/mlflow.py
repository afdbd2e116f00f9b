"""Keeps what a training is made from, what it measures and its files in MLflow."""

import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from mnistburn._native import VERSION
from mnistburn.arguments import as_integer, shown
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.events import (
    EpochEnd,
    ExceptionRaised,
    StepEnd,
    TrainBegin,
    TrainEnd,
)
from mnistburn.callbacks.scalars import STEP_SCALARS, scalar_name, steps_done
from mnistburn.errors import ConfigError
from mnistburn.results import History
from mnistburn.run_provenance import run_in
from mnistburn.settings import Part

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Metric, Run

__all__ = ["Mlflow"]

# What a server takes at once: https://mlflow.org/docs/latest/api_reference/rest-api.html#log-batch
_MOST_METRICS: Final = 1000
_MOST_PARAMETERS: Final = 100

_FILES: Final = (
    "config.json",
    "data.json",
    "class_names.json",
    "history.json",
    "summary.txt",
    "train.log",
    "model.mpk",
    "model.mpk.meta.json",
)
"""The files of a run that become artifacts, where it has them."""

_TAG: Final = "mnistburn"
_RUN_TAG: Final = f"{_TAG}.run"
# What tells a row of the history from those that an earlier part has logged.
_EPOCH_MARK: Final = "train/loss"
_STEP_MARK: Final = "step/loss"


class Mlflow(Callback):
    """Keeps a training in MLflow: parameters, metrics and the files of the run.

    It needs MLflow's client: ``pip install "mnistburn[mlflow]"``.

    The parameters are the fields of the configuration, as in ``optimizer.beta_1``. Each column of
    the history's epochs is a metric, as in ``train/loss``, ``valid/accuracy`` and
    ``learning_rate``, at the number of training steps that are done. At the end the model, its
    configuration and its history become artifacts.

    A resumed run goes on in the same MLflow run, with each row of the history once. What it is
    resumed with otherwise, as more epochs, becomes a tag, since MLflow's parameters are final. An
    interrupted run is ``KILLED`` in MLflow until it is resumed, and one that an exception ended is
    ``FAILED``.

    Within ``with mlflow.start_run():`` the training is kept in that MLflow run, which stays open.

    Example:
        >>> import mnistburn
        >>> mnistburn.Mlflow(experiment="digits", every=50).experiment
        'digits'
    """

    def __init__(
        self,
        *,
        experiment: str | None = None,
        run_name: str | None = None,
        run_id: str | None = None,
        tracking_uri: str | None = None,
        every: int | None = None,
        artifacts: bool = True,
    ) -> None:
        """Keep a training in MLflow.

        Args:
            experiment: The experiment, made if need be; None for MLflow's own choice:
                ``mlflow.set_experiment``, MLFLOW_EXPERIMENT_NAME, or the default experiment.
            run_name: The name of a new MLflow run; None for that of the artifact directory.
            run_id: The MLflow run to log to, whatever is logged there; None for a new one, or
                where a run is resumed for that which it was logged to.
            tracking_uri: Where MLflow keeps runs, as in ``"http://host:5000"`` or
                ``"sqlite:///mlflow.db"``; None for MLflow's own choice:
                ``mlflow.set_tracking_uri``, MLFLOW_TRACKING_URI, or its default.
            every: Log ``step/loss``, ``step/accuracy`` and ``step/learning_rate`` for each so many
                training steps of the run too.
            artifacts: Whether the files of the run are kept too.

        Raises:
            ConfigError: A name is no text or is empty, every is no whole number from 1, or
                artifacts is neither True nor False.
        """
        self.experiment = _as_text("experiment", experiment)
        self.run_name = _as_text("run_name", run_name)
        self.run_id = _as_text("run_id", run_id)
        self.tracking_uri = _as_text("tracking_uri", tracking_uri)
        self.every = None if every is None else as_integer(every, "every", ConfigError, minimum=1)
        if not isinstance(artifacts, bool):
            message = f"artifacts must be True or False, got {shown(artifacts)}"
            raise ConfigError(message)
        self.artifacts = artifacts
        self._log: _RunLog | None = None
        self._train_steps = 0
        self._is_ours = True

    def on_train_begin(self, event: TrainBegin) -> None:
        """Begin an MLflow run, or go on with one."""
        mlflow = _mlflow()
        self._log = None
        self._train_steps = event.train_steps
        history = event.run.history
        try:
            client = mlflow.MlflowClient(tracking_uri=self.tracking_uri)
            run, self._is_ours = self._run(mlflow, client, event, history)
            self._log = _RunLog(mlflow.entities, client, run)
            if self._is_ours:
                client.update_run(run.info.run_id, status="RUNNING")
            self._log.parameters(dict(_parameters(event.run.config)))
            for name, value in (
                ("version", VERSION),
                ("device", event.device),
                ("artifact_dir", str(event.artifact_dir.resolve())),
            ):
                self._log.tag(f"{_TAG}.{name}", value)
            self._catch_up(client, run.info.run_id, history)
        except mlflow.MlflowException as error:
            # Of a store that needs more than the client, MLflow says something else.
            where = self.tracking_uri or mlflow.get_tracking_uri()
            message = (
                f"MLflow can't log to {where}: {error}; check tracking_uri, experiment and run_id, "
                'or where that is a database, pip install "mnistburn[mlflow]"'
            )
            raise ConfigError(message) from error

    def on_step_end(self, event: StepEnd) -> None:
        """Log the metrics of a step."""
        values = {name: getattr(event, name) for name in STEP_SCALARS}
        self._step(event.epoch, event.step, values)

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Log the metrics of an epoch."""
        self._epoch(event.row())
        self._logged.send()
        # A run in the place of an older one is there once it has a checkpoint.
        self._logged.tag_run(event.run.artifact_dir)

    def on_train_end(self, event: TrainEnd) -> None:
        """Keep the files of the run, and end the MLflow run."""
        self._logged.send()
        directory = event.run.artifact_dir
        self._logged.tag_run(directory)
        if self.artifacts:
            self._logged.files(directory)
        if self._is_ours:
            self._logged.end("KILLED" if event.interrupted else "FINISHED")

    def on_exception(self, event: ExceptionRaised) -> None:
        """Say in MLflow that the run failed."""
        if self._log is None:
            return
        self._log.send()
        if self._is_ours:
            stopped = isinstance(event.exception, KeyboardInterrupt)
            self._log.end("KILLED" if stopped else "FAILED")

    @property
    def _logged(self) -> "_RunLog":
        if self._log is None:
            message = "Mlflow hears of a training that has not begun; call its on_train_begin first"
            raise ConfigError(message)
        return self._log

    def _run(
        self,
        mlflow: ModuleType,
        client: "MlflowClient",
        event: TrainBegin,
        history: History,
    ) -> tuple["Run", bool]:
        """Return the MLflow run, and whether it is ended with the training."""
        run_id = self.run_id or os.environ.get("MLFLOW_RUN_ID")
        if run_id is not None:
            return client.get_run(run_id), True
        active = None if self.tracking_uri else mlflow.active_run()
        if active is not None:
            return client.get_run(active.info.run_id), False
        experiment = self._experiment(mlflow, client)
        known = run_in(event.artifact_dir) if history.train_steps["epoch"] else None
        if known is not None:
            rule = f"tags.`{_RUN_TAG}` = '{known}'"
            found = client.search_runs([experiment], rule, order_by=["start_time ASC"])
            if found:
                return found[0], True
        name = self.run_name or event.artifact_dir.resolve().name
        return client.create_run(experiment, run_name=name), True

    def _experiment(self, mlflow: ModuleType, client: "MlflowClient") -> str:
        """Return the identifier of the experiment, made if need be."""
        name = self.experiment or os.environ.get("MLFLOW_EXPERIMENT_NAME")
        if name is None:
            return os.environ.get("MLFLOW_EXPERIMENT_ID", "0")
        found = client.get_experiment_by_name(name)
        if found is None:
            try:
                return str(client.create_experiment(name))
            except mlflow.MlflowException:
                # Another process may have made it at this moment.
                found = client.get_experiment_by_name(name)
                if found is None:
                    raise
        return str(found.experiment_id)

    def _catch_up(self, client: "MlflowClient", run_id: str, history: History) -> None:
        """Log what the run has measured before and MLflow does not know."""
        steps = history.train_steps
        if not steps["epoch"]:
            return
        known = {
            (mark, metric.step, metric.value)
            for mark in (_EPOCH_MARK, _STEP_MARK)
            for metric in client.get_metric_history(run_id, mark)
        }
        self._logged.known = known
        if self.every is not None:
            for row in _rows(steps):
                place = steps_done(row["epoch"], row["step"], self._train_steps)
                if place % self.every == 0:
                    self._step(
                        row["epoch"], row["step"], {name: row[name] for name in STEP_SCALARS}
                    )
        for row in _rows(history.epochs):
            self._epoch(row)
        self._logged.send()

    def _step(self, epoch: int, step: int, values: Mapping[str, float]) -> None:
        place = steps_done(epoch, step, self._train_steps)
        named = {f"step/{name}": value for name, value in values.items()}
        self._logged.metrics(named, place, _STEP_MARK)

    def _epoch(self, row: Mapping[str, Any]) -> None:
        place = steps_done(row["epoch"], self._train_steps, self._train_steps)
        named = {scalar_name(name): value for name, value in row.items() if name != "epoch"}
        self._logged.metrics(named, place, _EPOCH_MARK)


class _RunLog:
    """An MLflow run, and what is not sent to it yet."""

    def __init__(self, entities: ModuleType, client: "MlflowClient", run: "Run") -> None:
        self._entities = entities
        self._client = client
        self._id: str = run.info.run_id
        self._parameters: dict[str, str] = run.data.params
        self._is_tagged = _RUN_TAG in run.data.tags
        self._waiting: list[Metric] = []
        self.known: set[tuple[str, int, float]] = set()

    def parameters(self, values: Mapping[str, str]) -> None:
        """Log parameters; those that the run has with another value become tags."""
        new = [
            self._entities.Param(name, value)
            for name, value in values.items()
            if name not in self._parameters
        ]
        for start in range(0, len(new), _MOST_PARAMETERS):
            self._client.log_batch(self._id, params=new[start : start + _MOST_PARAMETERS])
        for name, value in values.items():
            if self._parameters.get(name, value) != value:
                self.tag(f"{_TAG}.resumed.{name}", value)

    def tag(self, name: str, value: str) -> None:
        self._client.set_tag(self._id, name, value)

    def tag_run(self, directory: Path) -> None:
        """Say which run it is, for the time when that is resumed."""
        run = None if self._is_tagged else run_in(directory)
        if run is not None:
            self.tag(_RUN_TAG, run)
            self._is_tagged = True

    def metrics(self, values: Mapping[str, float], step: int, mark: str) -> None:
        """Take the metrics of a row, unless they were logged before."""
        if (mark, step, values[mark]) in self.known:
            return
        if len(self._waiting) + len(values) > _MOST_METRICS:
            self.send()
        now = time.time_ns() // 1_000_000
        for name, value in values.items():
            self._waiting.append(self._entities.Metric(name, value, now, step))

    def send(self) -> None:
        """Send the metrics that wait."""
        waiting, self._waiting = self._waiting, []
        for start in range(0, len(waiting), _MOST_METRICS):
            self._client.log_batch(self._id, metrics=waiting[start : start + _MOST_METRICS])

    def files(self, directory: Path) -> None:
        for name in _FILES:
            if (directory / name).is_file():
                self._client.log_artifact(self._id, str(directory / name))

    def end(self, status: str) -> None:
        self._client.set_terminated(self._id, status)


def _mlflow() -> ModuleType:
    try:
        import mlflow  # noqa: PLC0415  of an extra
    except ImportError:
        message = 'Mlflow needs MLflow, which is not installed; pip install "mnistburn[mlflow]"'
        raise ConfigError(message) from None
    return mlflow


def _as_text(name: str, value: object) -> str | None:
    if value is not None and (not isinstance(value, str) or not value):
        message = f"{name} must be a text that is not empty, or None, got {shown(value)}"
        raise ConfigError(message)
    return value


def _parameters(config: Part, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the fields of a configuration and of its parts, by their places in it."""
    for item in fields(config):  # type: ignore[arg-type]  # every part is a dataclass
        value = getattr(config, item.name)
        name = f"{prefix}{item.name}"
        parts = {name: value}
        if isinstance(value, tuple) and any(isinstance(part, Part) for part in value):
            parts = {f"{name}.{index}": part for index, part in enumerate(value)}
        for place, part in parts.items():
            if isinstance(part, Part):
                yield place, type(part).__name__
                yield from _parameters(part, f"{place}.")
            else:
                yield place, str(part)


def _rows(columns: Mapping[str, list[Any]]) -> Iterator[dict[str, Any]]:
    for row in zip(*columns.values(), strict=True):
        yield dict(zip(columns, row, strict=True))
