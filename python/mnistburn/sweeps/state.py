"""What a sweep keeps in its directory: ``sweep.json``."""

import contextlib
import json
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Self

from mnistburn.errors import ArtifactError
from mnistburn.sweeps.halving import Direction
from mnistburn.sweeps.trial import Trial
from mnistburn.system_errors import sync, trying

__all__ = ["STATE_FILE", "SweepState"]

STATE_FILE: Final = "sweep.json"
_VERSION: Final = 1


@dataclass(frozen=True)
class SweepState:
    """A sweep: what it is made from, and its trials.

    Attributes:
        space: The space, as JSON has it.
        num_trials: How many trials are drawn; None for every combination.
        search_seed: Which are drawn.
        metric: What decides which trial is better.
        direction: Which way it is.
        halving: The fields of `SuccessiveHalving`; None where all trials run to their end.
        patience: The epochs without an improvement after which a trial stops; None for no limit.
        config: What the trials change, as JSON has it.
        data: Where the data come from, as JSON has it.
        fingerprint: What tells arrays from others; None for data that have a place.
        trials: The trials, in the order of their numbers.
    """

    space: dict[str, Any]
    num_trials: int | None
    search_seed: int
    metric: str
    direction: Direction
    halving: dict[str, int] | None
    patience: int | None
    config: dict[str, Any]
    data: dict[str, Any]
    fingerprint: str | None
    trials: tuple[Trial, ...] = field(default=())

    @classmethod
    def read(cls, sweep_dir: Path) -> Self | None:
        """Read the sweep in a directory.

        Args:
            sweep_dir: The directory.

        Returns:
            The sweep; None where the directory holds none.

        Raises:
            ArtifactError: The file is damaged.
            OSError: It cannot be read.
        """
        path = sweep_dir / STATE_FILE
        if not path.is_file():
            return None
        with trying("could not read", path):
            text = path.read_bytes()
        try:
            content = json.loads(text)
            if content["version"] != _VERSION:
                message = (
                    f"its version is {content['version']!r}, and this package reads {_VERSION}"
                )
                raise ValueError(message)  # noqa: TRY301  one message for all damage
            trials = tuple(
                Trial.from_json_object(trial, sweep_dir) for trial in content.pop("trials")
            )
            del content["version"]
            return cls(**content, trials=trials)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            reason = f"the key {error} is missing" if isinstance(error, KeyError) else error
            message = f"{path} is damaged: {reason}"
            raise ArtifactError(message) from None

    def write(self, sweep_dir: Path) -> None:
        """Write the sweep to its directory atomically.

        Args:
            sweep_dir: The directory.

        Raises:
            OSError: The file cannot be written.
        """
        path = sweep_dir / STATE_FILE
        content = {"version": _VERSION, **{name: getattr(self, name) for name in _MADE_FROM}}
        content["trials"] = [trial.to_json_object() for trial in self.trials]
        temporary = path.with_name(f".{STATE_FILE}.{os.getpid()}.tmp")
        try:
            with trying("could not write", path):
                with temporary.open("w", encoding="utf-8", newline="\n") as file:
                    json.dump(content, file, indent=1)
                    file.write("\n")
                    file.flush()
                    sync(file.fileno())
                temporary.replace(path)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    def with_trial(self, trial: Trial) -> Self:
        """Return the sweep with a trial in the place of the one with its number."""
        trials = (trial if trial.number == other.number else other for other in self.trials)
        return replace(self, trials=tuple(trials))

    def differences(self, other: "SweepState") -> list[str]:
        """Return what tells the sweep from another one; more trials are no difference."""
        names = [name for name in _MADE_FROM if getattr(self, name) != getattr(other, name)]
        if "num_trials" in names and None not in {self.num_trials, other.num_trials}:
            names.remove("num_trials")
        return list(dict.fromkeys("data" if name == "fingerprint" else name for name in names))


_MADE_FROM: Final = (
    "space",
    "num_trials",
    "search_seed",
    "metric",
    "direction",
    "halving",
    "patience",
    "config",
    "data",
    "fingerprint",
)
