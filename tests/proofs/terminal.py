"""A command in a terminal of its own, and what it has done to the terminal in the end."""

import contextlib
import os
import pty
import select
import signal
import subprocess
import termios
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

__all__ = ["Terminal", "started"]

# What hides something of the terminal, and what shows it again: the cursor, the usual screen,
# lines that are wrapped, and the text of before a paste.
_SWITCHES: Final = (
    (b"\x1b[?25l", b"\x1b[?25h"),
    (b"\x1b[?1049h", b"\x1b[?1049l"),
    (b"\x1b[?7l", b"\x1b[?7h"),
    (b"\x1b[?2004h", b"\x1b[?2004l"),
)
_CTRL_C: Final = b"\x03"


class Terminal:
    """A command that runs in a terminal."""

    def __init__(self, words: list[str], environment: dict[str, str]) -> None:
        """Start it as the leader of the terminal's session, as a shell would."""
        self._keyboard, self._screen = pty.openpty()
        self._before = termios.tcgetattr(self._screen)
        # Who leads a session and opens a terminal gets signals from it.
        opened = 'exec "$@" < "$0" > "$0" 2>&1'
        name = os.ttyname(self._screen)
        self._shown = b""
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", opened, name, *words], env=environment, start_new_session=True
        )

    @property
    def text(self) -> str:
        """What it has shown."""
        return self._shown.decode(errors="replace")

    @property
    def is_over(self) -> bool:
        """Whether the command has ended."""
        return self._process.poll() is not None

    def watch(self, seconds: float, until: Callable[[], bool] | None = None) -> None:
        """Take what it shows, for so long, or until it is over or something else is."""
        end = time.monotonic() + seconds
        while True:
            over = self.is_over or (until is not None and until())
            left = 0.0 if over else end - time.monotonic()
            # The end of a process makes nothing readable: its parent has the terminal open too.
            if select.select([self._keyboard], [], [], max(0.0, min(left, 0.005)))[0]:
                self._shown += os.read(self._keyboard, 1 << 16)
            elif left <= 0:
                return

    def send(self, number: signal.Signals) -> None:
        """Press Ctrl-C, or send another signal to the command alone."""
        if number == signal.SIGINT:
            os.write(self._keyboard, _CTRL_C)
        else:
            self._process.send_signal(number)

    def catches_interrupts(self) -> bool:
        """Whether Ctrl-C is no end without a word: a handler takes it."""
        caught = self._told("status").partition("SigCgt:")[2].split()
        return bool(caught) and bool(int(caught[0], 16) >> (signal.SIGINT - 1) & 1)

    def has_read(self, name: str) -> bool:
        """Whether it has loaded a library of that name."""
        return name in self._told("maps")

    def _told(self, name: str) -> str:
        """Return what the system tells of the process; nothing once it is over."""
        with contextlib.suppress(OSError):
            return (Path("/proc") / str(self._process.pid) / name).read_text()
        return ""

    def status(self) -> int:
        """Return the exit status as a shell has it: a signal that ended it counts from 128."""
        status = self._process.wait(0)
        return status if status >= 0 else 128 - status

    def change(self) -> str | None:
        """Tell what is left of the command's own settings in the terminal."""
        if termios.tcgetattr(self._screen) != self._before:
            return "the terminal has other settings"
        for off, on in _SWITCHES:
            if self._shown.rfind(off) > self._shown.rfind(on):
                return f"{off!r} was not undone"
        return None

    def close(self) -> None:
        """End it and its terminal."""
        self._process.kill()
        self._process.wait()
        os.close(self._keyboard)
        os.close(self._screen)


@contextlib.contextmanager
def started(words: list[str], environment: dict[str, str]) -> Iterator[Terminal]:
    """Run a command in a terminal meanwhile."""
    terminal = Terminal(words, environment)
    try:
        yield terminal
    finally:
        terminal.close()
