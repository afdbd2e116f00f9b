"""Fetching of files by several processes, threads and those that are killed."""

import contextlib
import errno
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from download_server import Request, Server
from downloads import BODY, FILE, PATIENT, part_of

from mnistburn.datasets import download
from mnistburn.datasets.download import fetch

pytestmark = pytest.mark.usefixtures("no_proxy")


SCRIPT = """
import os, random, signal, sys, time
from pathlib import Path
from mnistburn.datasets.download import Limits, fetch
from mnistburn.datasets.known import KnownFile

url, target, size, sha256 = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
file = KnownFile("images.gz", size, sha256, 300_000)

def get():
    return fetch(file, [url], target, limits=Limits(5.0, 10.0, 30.0))
"""


def run(script: str, url: str, target: Path) -> "subprocess.Popen[str]":
    arguments = [url, str(target), str(FILE.size), FILE.digest.value]
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT + script, *arguments], stdout=subprocess.PIPE, text=True
    )


@pytest.mark.skipif(sys.platform == "win32", reason="limits are of Unix")
def test_a_full_disk_is_no_fault_of_the_mirror(server: Server, target: Path) -> None:
    # A limit for the size of files, which fails a write as a full disk does.
    # An address of its own: what an earlier test asked for may be logged late.
    server.on("/disk", lambda request: request.serve(BODY))
    script = """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    get()
except OSError as error:
    print(error.errno)
"""
    assert int(run(script, server.url + "/disk", target).communicate(timeout=60)[0]) == errno.EFBIG
    assert server.ranges("/disk") == [None]
    assert not target.exists()
    # With room again, it goes on.
    fetch(FILE, [server.url + "/disk"], target, limits=PATIENT)
    assert server.ranges("/disk") == [None, "bytes=100000-"]


def test_two_processes_fetch_once(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        request.answer(BODY[:1000], Content_Length=len(BODY))
        time.sleep(1.0)
        request.wfile.write(BODY[1000:])

    url = server.on("/file", behave)
    script = "print('came' if get() else 'was there')"
    processes = [run(script, url, target) for _ in range(3)]
    said = sorted(process.communicate(timeout=60)[0].strip() for process in processes)
    assert said == ["came", "was there", "was there"]
    assert target.read_bytes() == BODY
    assert server.ranges("/file") == [None]


def test_two_threads_fetch_once(server: Server, target: Path) -> None:
    url = server.url + "/good"
    came: list[str | None] = []
    threads = [
        threading.Thread(target=lambda: came.append(fetch(FILE, [url], target, limits=PATIENT)))
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(came, key=str) == [None, None, None, url]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills are of Unix")
def test_a_kill_at_any_point_leaves_nothing_wrong(server: Server, target: Path) -> None:
    def behave(request: Request) -> None:
        begin = request.offset()
        request.serve(BODY, until=begin)
        with contextlib.suppress(ConnectionError):
            for start in range(begin, len(BODY), 2000):
                request.wfile.write(BODY[start : start + 2000])
                time.sleep(0.001)

    # A child for each kill; the wait grows so that some are killed early, some late, some not.
    script = """
import hashlib, warnings
warnings.simplefilter("ignore")
chance = random.Random(7)
killed = 0
for number in range(30):
    child = os.fork()
    if child == 0:
        get()
        os._exit(0)
    time.sleep(chance.uniform(0.0, 0.08))
    os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    killed += os.WIFSIGNALED(status)
    if target.exists():
        assert hashlib.sha256(target.read_bytes()).hexdigest() == sha256
        target.unlink()
get()
print(killed)
"""
    process = run(script, server.on("/file", behave), target)
    killed = int(process.communicate(timeout=100)[0])
    assert process.returncode == 0
    assert target.read_bytes() == BODY
    assert killed >= 10
    assert not part_of(target).exists()
    # The kills were in the middle: some of the work was gone on with.
    assert any(server.ranges("/file"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")
def test_another_process_that_fetches_is_waited_for_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import fcntl

    with (tmp_path / ".lock").open("ab") as other, caplog.at_level("INFO", logger="mnistburn"):
        fcntl.flock(other, fcntl.LOCK_EX)
        waits: list[float] = []

        def sleep(seconds: float) -> None:
            waits.append(seconds)
            if len(waits) == 2:
                other.close()

        monkeypatch.setattr(time, "sleep", sleep)
        with download._locked(tmp_path / ".lock"):
            assert len(waits) == 2
    assert caplog.messages == [f"another process fetches into {tmp_path}"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has other locks")
def test_a_file_system_without_locks_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def flock(file: Any, operation: int) -> None:
        raise OSError(errno.ENOTSUP, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", flock)
    with download._locked(tmp_path / ".lock"):
        pass
    (message,) = caplog.messages
    assert str(tmp_path) in message
    assert "has no locks (Operation not supported)" in message
