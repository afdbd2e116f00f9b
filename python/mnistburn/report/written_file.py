"""A report as a file, written atomically and never in the place of somebody else's."""

import hashlib
import os
import re
import threading
from pathlib import Path
from typing import Final

from mnistburn.errors import ArtifactError, ConfigError
from mnistburn.system_errors import trying

__all__ = ["MARKER", "check_target", "marked", "write"]

MARKER: Final = f"report {'0' * 64}"
"""Stands in a report where its own hash goes."""

_MARK: Final = re.compile(r"\breport ([0-9a-f]{64})\b")
# Before this many characters of a report its mark stands.
_HEAD: Final = 4096


def check_target(target: Path, artifact_dir: Path, *, overwrite: bool) -> None:
    """Refuse a path that a report must not be written to.

    Args:
        target: The path.
        artifact_dir: The directory of the run.
        overwrite: Whether a file that is there may be replaced, whoever wrote it.

    Raises:
        ArtifactError: It is in the directory of the run, or holds something that is no report, or
            a report that was changed.
        ConfigError: It is no regular file.
        IsADirectoryError: It is a directory.
        OSError: It cannot be read.
    """
    if artifact_dir.resolve() in target.resolve().parents:
        message = (
            "a report must not be in the directory of its run, where it would be in the way of the "
            f"next run, got {target}; write it beside {artifact_dir}"
        )
        raise ArtifactError(message)
    with trying("could not write", target):
        if target.is_dir():
            message = f"path must name a file, and {target} is a directory; add a name to it"
            raise ConfigError(message)
        if not target.exists():
            return
    if not target.is_file():
        # The report would take its place.
        message = f"{target} is not a regular file; write the report to another path"
        raise ConfigError(message)
    if not overwrite and not _is_ours(target):
        message = (
            f"{target} is no report that mnistburn wrote, or was changed since; choose another "
            "path, or replace it with overwrite=True"
        )
        raise ArtifactError(message)


def _is_ours(path: Path) -> bool:
    """Whether a file is a report, as it was written."""
    with trying("could not read", path):
        content = path.read_bytes()
    found = _MARK.search(content[:_HEAD].decode("utf-8", "replace"))
    if found is None:
        return False
    unmarked = content.replace(found[0].encode(), MARKER.encode(), 1)
    return hashlib.sha256(unmarked).hexdigest() == found[1]


def marked(text: str) -> str:
    """Return a report with its hash in the place of `MARKER`, by which it is known again."""
    digest = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(MARKER, f"report {digest}", 1)


def write(target: Path, text: str) -> None:
    """Write a report atomically.

    Args:
        target: The file; its folder has to be there.
        text: The report, marked.

    Raises:
        OSError: The file cannot be written.
    """
    temporary = target.with_name(f".mnistburn-{os.getpid()}-{threading.get_ident()}.tmp")
    with trying("could not write", target):
        try:
            temporary.write_bytes(text.encode())
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
