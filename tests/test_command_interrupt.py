"""Ctrl-C before a command of the command line begins, while it runs and after it has ended."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="statuses of signals are of Unix")

SCRIPT = """
import atexit, os, signal, sys
# A process in the background of a shell ignores Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)

def interrupt(*_, **__):
    os.kill(os.getpid(), signal.SIGINT)

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "mnistburn.cli":
            interrupt()

place = sys.argv.pop()
from mnistburn.__main__ import main
if place == "before":
    sys.meta_path.insert(0, Finder())
elif place == "in":
    import mnistburn.cli
    mnistburn.cli.main.commands["recipes"].callback = interrupt
elif place == "after":
    atexit.register(interrupt)
elif place == "ignored":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    sys.meta_path.insert(0, Finder())
    atexit.register(interrupt)
main()
"""


@pytest.mark.parametrize(
    ("place", "status", "said"),
    [
        # A shell has 128 more than the signal that ended a process: 130.
        ("before", -2, ""),
        ("in", 130, "error: interrupted\n"),
        ("after", -2, ""),
        ("ignored", 0, ""),
    ],
)
def test_ctrl_c_ends_a_command_without_a_traceback(place: str, status: int, said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "recipes", place],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (status, said)
