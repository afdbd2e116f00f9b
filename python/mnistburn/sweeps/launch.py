"""`sweep`: the trials of a space, trained side by side."""

import hashlib
import importlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

import numpy

from mnistburn.arguments import as_integer, as_path, nearest, shown
from mnistburn.config import TrainingConfig
from mnistburn.dataset import Dataset
from mnistburn.datasets.loading import LoadedPair, load_pair
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource
from mnistburn.device import resolve_device, resolve_devices
from mnistburn.errors import ArtifactError, ConfigError, DataError
from mnistburn.progress import start_count
from mnistburn.sweeps.configurations import check_metric, trial_configs
from mnistburn.sweeps.distributions import Distribution
from mnistburn.sweeps.halving import Direction, SuccessiveHalving
from mnistburn.sweeps.request import asked_state, base_config, check_same, locked, stored_state
from mnistburn.sweeps.result import SweepResult
from mnistburn.sweeps.space import Space
from mnistburn.sweeps.state import SweepState
from mnistburn.sweeps.threads import InOrder, run_in_threads
from mnistburn.sweeps.trial import FINISHED, Trial, directory_of
from mnistburn.sweeps.trial_run import TrialTask
from mnistburn.training_data import DEFAULT_DATA, data_pair, training_data

__all__ = ["Engine", "sweep"]

Engine = Literal["threads", "ray"]
"""Where trials run: in threads of this process, or on the machines of a Ray cluster."""


def sweep(
    space: Mapping[str, Sequence[Any] | Distribution] | None,
    sweep_dir: str | os.PathLike[str],
    config: TrainingConfig | None = None,
    device: str | Sequence[str] = "auto",
    *,
    data: str | os.PathLike[str] | tuple[Dataset, Dataset] | None = None,
    num_trials: int | None = None,
    search_seed: int | None = None,
    metric: str | None = None,
    direction: Direction | None = None,
    halving: SuccessiveHalving | None = None,
    patience: int | None = None,
    workers: int | None = None,
    resume: bool = False,
    engine: Engine = "threads",
    progress: bool = True,
) -> SweepResult:
    """Train with each of many settings, and return the table of what came of them.

    Each trial is a run in a directory of its own, ``sweep_dir/trial-0001`` and so on, which
    `load_run`, `train` with ``resume`` and the command line take as any other. The same space, seed
    and data give the same trials with the same bits on the CPU, whatever the number of workers and
    threads, and also after a resume. A trial that fails is in the table with its error, and the
    others go on. Ctrl-C stops all trials after their current steps and keeps their work; a second
    one raises `KeyboardInterrupt`.

    Args:
        space: What is tried for the fields of the configuration, by the keys of ``mnistburn train
            --set``, as in ``"optimizer.weight_decay"``: a list of choices, or `uniform`,
            `log_uniform` or `integers`. A class in the place of a field is a word, as in
            ``{"optimizer": ["adam", "sgd"]}``, or a configuration. The key ``"recipe"`` tries
            recipes, which the other keys change. None with ``resume`` stands for that of the sweep.
        sweep_dir: The directory; it is made.
        config: What the trials change; without a ``model`` each gets one that fits the data. Its
            ``threads`` are those of each trial: None shares the cores among the workers.
        device: Where to compute, as `train` has it; of several devices each computes trials of its
            own.
        data: What each trial is trained and validated on, as `train` has it; loaded once.
        num_trials: How many trials are drawn from the space at random, no two alike; None tries
            every combination. A resumed sweep may have more.
        search_seed: Which trials are drawn: an integer; None stands for 0. The seed of the
            trainings themselves is ``seed`` of the configuration, and may be a key of the space.
        metric: What decides which epoch and which trial is better, a column of the history; None
            stands for ``"valid_loss"``.
        direction: Which way it is better; None for what it is of the metrics of this package.
        halving: How worse trials are stopped early; None trains all to their end.
        patience: A trial stops after so many epochs without an improvement, as with
            `EarlyStopping`; None for no limit.
        workers: How many trials run at the same time; None for one on each device.
        resume: Whether to go on with the sweep in the directory: trials that are over stay as they
            are, and those that were interrupted go on from their checkpoints.
        engine: ``"threads"`` for threads of this process, or ``"ray"`` for a Ray cluster, which
            needs ``pip install "mnistburn[cluster]"``: that which the process has joined, or a new
            one of this machine alone.
        progress: Whether it is shown how many trials are done.

    Returns:
        The trials, the best of them and the table.

    Raises:
        ConfigError: The space is empty, a key is no field, an argument or the configuration of a
            trial breaks a rule, or no trial measures the metric. Nothing is trained then.
        ArtifactError: The directory holds a sweep and ``resume`` is not set, or another sweep, or
            none to resume.
        DeviceError: There is no such device, or it cannot be used.
        DataError: The data have another type, or cannot be fetched.
        OSError: A file cannot be written.
        KeyboardInterrupt: Ctrl-C was pressed twice, or after the last step of the last trial.
    """
    directory = as_path(sweep_dir, "sweep_dir", ArtifactError)
    _check_flags(resume=resume, progress=progress)
    _check_engine(engine)
    stored = stored_state(directory, resume=resume)
    base = base_config(config, stored)
    asked = asked_state(
        stored,
        base,
        space=space,
        num_trials=num_trials,
        search_seed=search_seed,
        metric=metric,
        direction=direction,
        halving=halving,
        patience=patience,
    )
    # The machines of a cluster have devices of their own.
    places = _ray_devices(device) if engine == "ray" else resolve_devices(device)
    slots = len(places)
    if workers is not None:
        slots = as_integer(workers, "workers", ConfigError, minimum=1)
    pair = _pair(data, base, stored, progress=progress)
    asked = replace(asked, data=_described(pair), fingerprint=_fingerprint(pair))
    if stored is not None:
        check_same(directory, stored, asked)
    settings = Space.of(asked.space).trials(asked.num_trials, asked.search_seed)
    configs = trial_configs(base, settings, pair)
    check_metric(asked.metric, configs)
    for model in {repr(trial_config.model): trial_config for trial_config in configs}.values():
        training_data(model, pair, progress=False)
    kept = {} if stored is None else {trial.number: trial for trial in stored.trials}
    trials = tuple(
        kept.get(number, Trial(number, values, directory_of(directory, number)))
        for number, values in enumerate(settings, start=1)
    )
    state = replace(asked, trials=trials)
    tasks = [
        TrialTask(
            trial, _with_threads(trial_config, slots), state.metric, state.direction, state.patience
        )
        for trial, trial_config in zip(trials, configs, strict=True)
        if trial.ended not in FINISHED
    ]
    with locked(directory, stored):
        record = _Record(state, directory, progress=progress)
        try:
            rule = None if state.halving is None else SuccessiveHalving(**state.halving)
            if engine == "ray":
                interrupted = _ray().run_on_ray(
                    tasks,
                    pair,
                    trials=trials,
                    device=places[0],
                    workers=workers,
                    halving=rule,
                    ended=record.ended,
                )
            else:
                lengths = [trial_config.num_epochs for trial_config in configs]
                judge = InOrder(trials, lengths, rule, state.direction)
                devices = [places[place % len(places)] for place in range(slots)]
                interrupted = run_in_threads(tasks, pair, devices, judge, record.ended)
        finally:
            record.close()
    result = SweepResult.of(record.state, directory)
    if interrupted and not result.interrupted:
        # Else a script would go on as if nobody had pressed it.
        raise KeyboardInterrupt
    return result


class _Record:
    """Keeps the sweep's state in its directory, and shows how many trials are done."""

    def __init__(self, state: SweepState, directory: Path, *, progress: bool) -> None:
        self.state = state
        self._directory = directory
        self._counter = start_count(progress, "sweep", len(state.trials), "trials")
        state.write(directory)

    def ended(self, trial: Trial) -> None:
        self.state = self.state.with_trial(trial)
        self.state.write(self._directory)
        if self._counter is not None:
            self._counter.show(sum(other.ended in FINISHED for other in self.state.trials))

    def close(self) -> None:
        if self._counter is not None:
            self._counter.close()


def _check_flags(**flags: object) -> None:
    for name, value in flags.items():
        if not isinstance(value, bool):
            message = f"{name} must be True or False, got {shown(value)}"
            raise ConfigError(message)


def _ray() -> ModuleType:
    """Return the module of the engine, or say what it needs."""
    try:
        return importlib.import_module("mnistburn.sweeps.ray_tune")
    except ImportError as error:
        if error.name is None or error.name.partition(".")[0] not in {"ray", "pandas", "pyarrow"}:
            raise
        message = (
            f'engine="ray" needs Ray Tune, which is not installed ({error}); '
            'pip install "mnistburn[cluster]"'
        )
        raise ConfigError(message) from None


def _ray_devices(device: object) -> list[str]:
    if isinstance(device, list | tuple) and len(device) == 1:
        (device,) = device
    if not isinstance(device, str):
        message = (
            "device must be one for all trials on a Ray cluster, which gives each trial a GPU of "
            f'its own with "cuda", got {shown(device)}'
        )
        raise ConfigError(message)
    return [device if device.startswith("cuda") else resolve_device(device)]


def _check_engine(engine: object) -> None:
    if engine not in get_args(Engine):
        near = nearest(engine, get_args(Engine)) if isinstance(engine, str) else ""
        message = f'engine must be "threads" or "ray", got {shown(engine)}{near}'
        raise ConfigError(message)
    if engine == "ray":
        _ray()


def _pair(
    data: object, config: TrainingConfig, stored: SweepState | None, *, progress: bool
) -> LoadedPair:
    if data is not None or stored is None:
        return data_pair(DEFAULT_DATA if data is None else data, config, None, progress=progress)
    source = stored.data["source"]
    if source["kind"] == "arrays":
        message = "data must be given again, as the sweep was trained on arrays"
        raise DataError(message)
    options = PictureOptions(**stored.data["pictures"])
    return load_pair(DataSource.from_json_object(source), options=options, progress=progress)


def _described(pair: LoadedPair) -> dict[str, Any]:
    """Return where images come from and what pictures were made to, as JSON has it."""
    pictures = asdict(PictureOptions.of(pair.train.image_shape, pair.train.preprocessing))
    pictures["image_size"] = list(pictures["image_size"])
    return {"source": pair.source.to_json_object(), "pictures": pictures}


def _fingerprint(pair: LoadedPair) -> str | None:
    """Return what tells arrays from others."""
    if pair.source.kind != "arrays":
        return None
    digest = hashlib.sha256()
    for dataset in (pair.train, pair.valid):
        digest.update(repr(dataset.image_shape).encode())
        digest.update(numpy.ascontiguousarray(dataset.images).tobytes())
        digest.update(numpy.ascontiguousarray(dataset.targets).tobytes())
    return digest.hexdigest()


def _with_threads(config: TrainingConfig, workers: int) -> TrainingConfig:
    """Return the configuration with a share of the cores, which changes no result."""
    if config.threads is not None or workers == 1:
        return config
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:  # of Linux alone
        cores = os.cpu_count() or 1
    return replace(config, threads=max(1, cores // workers))
