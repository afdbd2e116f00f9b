"""Processes that multiprocessing or a server starts compute what their parent computes."""

import hashlib
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy
import pytest
from gunicorn_server import SECONDS, Gunicorn, serving
from numpy.typing import NDArray

from mnistburn import Dataset, Model

HERE = Path(__file__).parent
METHODS = ("fork", "spawn", "forkserver", "forkserver --preload")


@pytest.fixture(scope="module")
def alone() -> list[str]:
    """Return what a process without children computes."""
    script = "import child_processes as c; print(*c.seen(c.Model(seed=1)))"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=HERE, check=True, stdout=subprocess.PIPE, text=True
    )
    return done.stdout.split()


@pytest.mark.parametrize("before", [False, True], ids=["parent-idle", "parent-computed"])
@pytest.mark.parametrize("method", METHODS)
def test_children_predict_and_train_as_their_parent(
    method: str, before: bool, alone: list[str]
) -> None:
    name, *preload = method.split()
    if name not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {name}")
    process = subprocess.Popen(
        [sys.executable, HERE / "child_processes.py", name, *preload, *["--before"] * before],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        found, _ = process.communicate(timeout=SECONDS)
    finally:
        if process.poll() is None:
            # Its children hang too.
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    assert process.returncode == 0
    assert json.loads(found) == {"own": [alone] * (1 + before), "children": [alone] * 2}


def ask_each_worker(
    server: Gunicorn, images: NDArray[numpy.uint8], model: Model, *, times: int
) -> None:
    """Ask until each worker has answered so often, and compare every answer."""
    # As the master computed them.
    blank = model.forward(numpy.zeros((512, 28, 28), numpy.uint8)).tobytes()
    loaded = (server.process.pid, hashlib.sha256(blank).hexdigest())
    parts = [images[:count] for count in (1, 2, 7, 512)]
    expected = [model.forward(part).tobytes() for part in parts]
    found: Counter[int] = Counter()
    end = time.monotonic() + SECONDS
    with ThreadPoolExecutor(len(parts)) as pool:
        while min(found[worker] for worker in server.workers) < times:
            assert time.monotonic() < end, f"of {server.workers}, answers came from {found}"
            answers = list(pool.map(lambda part: server.post(part.tobytes()), parts))
            assert [answer.logits for answer in answers] == expected
            assert {(answer.loader, answer.loaded) for answer in answers} == {loaded}
            found.update(answer.worker for answer in answers)
    assert found.keys() == server.workers


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Gunicorn forks")
def test_workers_of_a_server_that_loaded_the_model_predict_as_this_process(
    tmp_path: Path, train_data: Dataset
) -> None:
    path = Model(seed=1).save(tmp_path / "model")
    images, model = train_data.images, Model.load(path)
    with serving(path) as server:
        ask_each_worker(server, images, model, times=50)
        killed = min(server.workers)
        os.kill(killed, signal.SIGKILL)
        server.workers = server.workers - {killed} | {server.started_worker()}
        ask_each_worker(server, images, model, times=50)
        assert server.end() == 0
