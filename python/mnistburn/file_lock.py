"""A lock that keeps other processes out of a folder."""

import logging
import sys
from pathlib import Path
from typing import IO

from mnistburn.system_errors import UNSUPPORTED

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["try_lock"]


def try_lock(file: IO[bytes], otherwise: str) -> bool:
    """Lock a file against other processes and threads, where its file system can.

    Args:
        file: The file, open for writing; closing it gives the lock back.
        otherwise: What people have to do where there are no locks, for the log.

    Returns:
        Whether it is locked; false where another has the lock.

    Raises:
        OSError: The system failed.
    """
    if sys.platform == "win32":
        try:
            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
    else:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            if error.errno not in UNSUPPORTED:
                raise
            logging.getLogger("mnistburn").warning(
                "the file system of %s has no locks (%s): %s",
                Path(file.name).parent,
                error.strerror,
                otherwise,
            )
    return True
