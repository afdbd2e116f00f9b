"""Where, when and by which version a run was made, from its ``manifest.json`` and ``train.log``."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

__all__ = ["LOG_FILE", "MANIFEST_FILE", "RunProvenance", "run_in"]

LOG_FILE: Final = "train.log"
MANIFEST_FILE: Final = "manifest.json"

_LINE: Final = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\S+) (?:info|warning|error) (?P<message>.*)")
_START: Final = re.compile(r"epoch \d+ of \d+ starts on (.+?): \d")
_RANKS: Final = re.compile(r"shared by (\d+) ranks, ")


@dataclass(frozen=True)
class RunProvenance:
    """Where, when and by which version a run was made.

    Attributes:
        version: The version of this package that began the run; None where that is not known.
        devices: The devices of each part of the run, of one for each resume; empty where its log
            does not say.
        ranks: How many processes shared it, for each of its parts that several did.
        began: When it began, as in ``2026-11-27T08:30:00Z``; None where its log does not say.
        last_logged: When the log got its last line, likewise.
    """

    version: str | None
    devices: tuple[tuple[str, ...], ...]
    ranks: tuple[int, ...]
    began: str | None
    last_logged: str | None

    @classmethod
    def read(cls, directory: Path) -> Self:
        """Read what the files of a run say, damaged ones for as much as they hold.

        Args:
            directory: The artifact directory.

        Returns:
            The provenance.
        """
        lines = [found for found in map(_LINE.match, _log_lines(directory)) if found]
        starts = [_START.match(line["message"]) for line in lines]
        ranks = [_RANKS.match(line["message"]) for line in lines]
        times = [line["time"] for line in lines]
        return cls(
            version=_of_manifest(directory, "mnistburn"),
            devices=tuple(tuple(start[1].split(", ")) for start in starts if start),
            ranks=tuple(int(found[1]) for found in ranks if found),
            began=times[0] if times else None,
            last_logged=times[-1] if times else None,
        )


def _log_lines(directory: Path) -> list[str]:
    try:
        return (directory / LOG_FILE).read_text("utf-8", "replace").splitlines()
    except OSError:
        return []


def run_in(directory: Path) -> str | None:
    """Return what tells the run in a directory from every other one; None where there is none."""
    return _of_manifest(directory, "run")


def _of_manifest(directory: Path, key: str) -> str | None:
    try:
        manifest = json.loads((directory / MANIFEST_FILE).read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    value = manifest.get(key) if isinstance(manifest, dict) else None
    return value if isinstance(value, str) else None
