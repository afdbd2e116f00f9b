"""What is asked of a sweep, beside what its directory holds."""

import contextlib
import json
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

from mnistburn.arguments import LARGEST_SEED, as_integer, shown
from mnistburn.callbacks import EarlyStopping
from mnistburn.config import TrainingConfig
from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.file_lock import try_lock
from mnistburn.results import DEFAULT_METRIC
from mnistburn.sweeps.configurations import check_metric
from mnistburn.sweeps.halving import Direction, SuccessiveHalving
from mnistburn.sweeps.space import RECIPE, Space
from mnistburn.sweeps.state import STATE_FILE, SweepState
from mnistburn.sweeps.trial import directory_of
from mnistburn.system_errors import trying

__all__ = ["asked_state", "base_config", "check_same", "locked", "stored_state"]

_LOCK_FILE: Final = ".sweep.lock"


def stored_state(directory: Path, *, resume: bool) -> SweepState | None:
    """Return the sweep that goes on, or None for a new one.

    Args:
        directory: The directory of the sweep.
        resume: Whether a sweep goes on.

    Returns:
        The sweep that the directory holds.

    Raises:
        ArtifactError: The directory holds a sweep that does not go on, or none to go on with.
    """
    stored = SweepState.read(directory)
    if resume and stored is None:
        message = f"{directory} holds no sweep to resume: it has no {STATE_FILE}"
        raise ArtifactError(message)
    if not resume and stored is not None:
        message = (
            f"{directory} holds a sweep already; go on with it with resume=True, or name another "
            "directory"
        )
        raise ArtifactError(message)
    if stored is None and directory_of(directory, 1).exists():
        message = (
            f"{directory} holds {directory_of(directory, 1).name} and no {STATE_FILE}, so it is no "
            "sweep; name another directory"
        )
        raise ArtifactError(message)
    return stored


def base_config(config: TrainingConfig | None, stored: SweepState | None) -> TrainingConfig:
    """Return what the trials change.

    Args:
        config: The configuration that was given.
        stored: The sweep that goes on.

    Returns:
        The configuration.

    Raises:
        ConfigError: It is none.
    """
    if config is not None and not isinstance(config, TrainingConfig):
        message = f"config must be a TrainingConfig, got {shown(config)}; pass TrainingConfig(...)"
        raise ConfigError(message)
    if config is None and stored is not None:
        return TrainingConfig.from_json(json.dumps(stored.config))
    return config or TrainingConfig()


def asked_state(
    stored: SweepState | None,
    config: TrainingConfig,
    *,
    space: object,
    num_trials: int | None,
    search_seed: int | None,
    metric: str | None,
    direction: Direction | None,
    halving: SuccessiveHalving | None,
    patience: int | None,
) -> SweepState:
    """Return what the arguments ask for; what they leave out is that of the sweep that goes on.

    Args:
        stored: The sweep that goes on.
        config: What the trials change.
        space: The argument of `sweep`, and so on.
        num_trials: Likewise.
        search_seed: Likewise.
        metric: Likewise.
        direction: Likewise.
        halving: Likewise.
        patience: Likewise.

    Returns:
        The sweep, without its data and its trials.

    Raises:
        ConfigError: An argument breaks a rule.
    """
    if space is None and stored is not None:
        space = stored.space
    checked = Space.of(space)
    if num_trials is not None:
        num_trials = as_integer(num_trials, "num_trials", ConfigError, minimum=1)
    if search_seed is not None:
        search_seed = as_integer(search_seed, "search_seed", ConfigError, maximum=LARGEST_SEED)
    if halving is not None and not isinstance(halving, SuccessiveHalving):
        message = (
            f"halving must be a SuccessiveHalving, got {shown(halving)}; pass "
            "SuccessiveHalving(min_epochs=1, factor=3)"
        )
        raise ConfigError(message)
    if patience is not None:
        patience = as_integer(patience, "patience", ConfigError, minimum=1)
    if RECIPE in checked.dimensions and config != _only_machine(config):
        message = (
            "config must be left out, but for threads and num_workers, where the space has the key "
            '"recipe", as a recipe takes its place; give what shall differ as keys with one '
            'choice, as in {"num_epochs": [3]}'
        )
        raise ConfigError(message)
    if stored is not None:
        num_trials = stored.num_trials if num_trials is None else num_trials
        search_seed = stored.search_seed if search_seed is None else search_seed
        direction = stored.direction if metric is None and direction is None else direction
        metric = stored.metric if metric is None else metric
        patience = stored.patience if patience is None else patience
    metric = DEFAULT_METRIC if metric is None else metric
    try:
        # The rule for both is that of early stopping.
        rule = EarlyStopping(metric=metric, direction=direction)
    except ConfigError:
        if direction is None and "metrics" not in checked.dimensions:
            # One that is not measured has no direction either.
            check_metric(metric, [config])
        raise
    kept = None if stored is None else stored.halving
    return SweepState(
        space=checked.to_json_object(),
        num_trials=num_trials,
        search_seed=0 if search_seed is None else search_seed,
        metric=metric,
        direction=rule.direction or "min",
        halving=kept if halving is None else asdict(halving),
        patience=patience,
        config=json.loads(_comparable(config).to_json()),
        data={},
        fingerprint=None,
    )


def _comparable(config: TrainingConfig) -> TrainingConfig:
    """Return a configuration without what changes no result."""
    default = TrainingConfig()
    return replace(config, threads=default.threads, num_workers=default.num_workers)


def _only_machine(config: TrainingConfig) -> TrainingConfig:
    return replace(TrainingConfig(), threads=config.threads, num_workers=config.num_workers)


def check_same(directory: Path, stored: SweepState, asked: SweepState) -> None:
    """Refuse to go on with a sweep as another one.

    Args:
        directory: The directory of the sweep.
        stored: The sweep that goes on.
        asked: What is asked for.

    Raises:
        ArtifactError: They are not the same.
        ConfigError: It was of more trials.
    """
    different = stored.differences(asked)
    if different:
        message = (
            f"{directory} holds another sweep: it has another {' and another '.join(different)}; "
            "leave out what is to stay, or name another directory"
        )
        raise ArtifactError(message)
    if asked.num_trials is not None and asked.num_trials < (stored.num_trials or 0):
        message = (
            f"num_trials must be at least that of the sweep that is resumed, {stored.num_trials}, "
            f"got {asked.num_trials}"
        )
        raise ConfigError(message)


@contextlib.contextmanager
def locked(directory: Path, stored: SweepState | None) -> Iterator[None]:
    """Keep other sweeps out of a directory, which is made.

    Args:
        directory: The directory of the sweep.
        stored: The sweep that it held before.

    Raises:
        ArtifactError: Another sweep is in it.
        OSError: The directory cannot be written.
    """
    with trying("could not create the folder", directory):
        directory.mkdir(parents=True, exist_ok=True)
    path = directory / _LOCK_FILE
    with trying("could not write", path):
        file = path.open("ab")
    with file:
        free = try_lock(file, "let one sweep run in it at a time")
        if not free or SweepState.read(directory) != stored:
            message = f"another sweep runs in {directory}; wait for it, or name another directory"
            raise ArtifactError(message)
        # The file stays: another may be about to lock it.
        yield
