"""Ctrl-C as an exception while a command runs."""

import contextlib
import signal
import threading
from collections.abc import Iterator

__all__ = ["interrupts_raised"]


@contextlib.contextmanager
def interrupts_raised() -> Iterator[None]:
    """Raise KeyboardInterrupt meanwhile, where Ctrl-C would end the process at once."""
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) is not signal.SIG_DFL
    ):
        yield
        return
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
