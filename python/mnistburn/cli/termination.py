"""SIGTERM, which a scheduler or `kill` sends, as a Ctrl-C; on the command line alone."""

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

__all__ = ["TERMINATED", "Terminated", "Termination", "termination_as_interrupt"]

TERMINATED: Final = 143
"""The exit status of a command that SIGTERM ended, as shells have it."""


class Terminated(KeyboardInterrupt):
    """SIGTERM came."""


class Termination:
    """Whether SIGTERM came."""

    came = False

    def take(self, _number: int, _frame: FrameType | None) -> None:
        """Raise, in the main thread, wherever that is."""
        self.came = True
        raise Terminated


@contextlib.contextmanager
def termination_as_interrupt() -> Iterator[Termination]:
    """Treat SIGTERM as Ctrl-C meanwhile.

    Yields:
        Whether it came.
    """
    termination = Termination()
    if threading.current_thread() is not threading.main_thread():
        # No other thread may have handlers.
        yield termination
        return
    before = signal.signal(signal.SIGTERM, termination.take)
    try:
        yield termination
    except KeyboardInterrupt:
        # A training that has nothing to keep raises one of its own.
        if termination.came:
            raise Terminated from None
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
