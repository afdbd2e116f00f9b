"""Errors of the operating system with the file and what was tried."""

import contextlib
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

__all__ = ["UNSUPPORTED", "sync", "trying"]

UNSUPPORTED: Final = frozenset(
    number
    for name in ("EINVAL", "ENOSYS", "ENOTSUP", "EOPNOTSUPP", "ENOLCK")
    if (number := getattr(errno, name, None)) is not None
)
"""What a file system answers that has no such operation, as syncing or locks."""


@contextlib.contextmanager
def trying(action: str, path: Path) -> Iterator[None]:
    """Say in errors of the operating system what was tried, as the core's errors do.

    Args:
        action: What is tried, as in ``"could not write"``.
        path: The file or the folder.

    Raises:
        OSError: The same error, with both.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None or error.strerror is None or ": " in error.strerror:
            raise
        raise type(error)(error.errno, f"{action}: {error.strerror}", str(path)) from None


def sync(file: int) -> None:
    """Sync a file, where its file system can.

    Args:
        file: Its descriptor.

    Raises:
        OSError: What was written is not on the disk.
    """
    try:
        os.fsync(file)
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
