"""Ctrl-C, in a process of its own: once keeps the work, twice raises."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn.live_metrics import LiveMetrics
from mnistburn.training_observer import TrainingObserver

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to one process")

SCRIPT = """
import sys
import mnistburn
from mnistburn import Callback, ModelConfig, TrainingConfig

class Tells(Callback):
    def on_step_end(self, event):
        print("step", event.epoch, event.step, flush=True)

train = mnistburn.datasets.load("mnist", "train")[:2048]
valid = mnistburn.datasets.load("mnist", "test")[:64]
config = TrainingConfig(model=ModelConfig(hidden_size=16), num_epochs=int(sys.argv[2]))
try:
    run = mnistburn.train(
        sys.argv[1], config, "cpu", data=(train, valid), callbacks=[Tells()], progress=False
    )
except KeyboardInterrupt:
    print("raised", flush=True)
    sys.exit(130)
print("interrupted", run.interrupted, flush=True)
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    return path


def start(script: Path, directory: Path, num_epochs: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, script, directory, str(num_epochs)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], found: Callable[[str], bool]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if found(line):
            return
    assert process.stderr is not None
    pytest.fail(f"the process ended early: {process.stderr.read()}")


def test_ctrl_c_keeps_the_work_and_the_run_goes_on(script: Path, tmp_path: Path) -> None:
    directory = tmp_path / "artifacts"
    with start(script, directory, 2) as process:
        wait_for(process, lambda line: line.startswith("step 1 5"))
        begin = time.monotonic()
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
        seconds = time.monotonic() - begin
    assert process.returncode == 0, errors
    assert output.splitlines()[-1] == "interrupted True"
    assert seconds < 10.0
    assert "panicked" not in errors
    stopped = mnistburn.load_run(directory)
    steps = stopped.history.train_steps["step"]
    assert 5 <= len(steps) < 32
    assert steps == list(range(1, len(steps) + 1))

    train = mnistburn.datasets.load("mnist", "train")[:2048]
    valid = mnistburn.datasets.load("mnist", "test")[:64]
    config = stopped.config
    resumed = mnistburn.train(
        directory, device="cpu", data=(train, valid), resume=True, progress=False
    )
    whole = mnistburn.train(tmp_path / "whole", config, "cpu", data=(train, valid), progress=False)
    assert resumed.history.train_steps["loss"] == whole.history.train_steps["loss"]
    weights = whole.model.state_dict()
    for name, values in resumed.model.state_dict().items():
        assert values.tobytes() == weights[name].tobytes(), name


def test_a_second_ctrl_c_raises(script: Path, tmp_path: Path) -> None:
    # After the first one the end is told; it waits here, until the second one has been sent.
    waits = """
    def on_train_end(self, event):
        print("ending", flush=True)
        sys.stdin.read()

train = """
    script.write_text(SCRIPT.replace("\ntrain = ", waits, 1))
    with start(script, tmp_path / "artifacts", 1000) as process:
        wait_for(process, lambda line: line.startswith("step 1 5"))
        process.send_signal(signal.SIGINT)
        wait_for(process, lambda line: line == "ending\n")
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (output, process.returncode) == ("raised\n", 130), errors
    assert "panicked" not in errors


def test_ctrl_c_in_a_callback_counts_like_any_other(script: Path, tmp_path: Path) -> None:
    # The signals come at known places: the first in a step, the second before the end is told.
    once = SCRIPT.replace(
        'print("step", event.epoch, event.step, flush=True)',
        "import os; event.step == 5 and os.kill(os.getpid(), 2)",
    )
    twice = once.replace(
        "train = ",
        "Tells.on_train_end = lambda self, event: __import__('os').kill(os.getpid(), 2)\ntrain = ",
        1,
    ).replace("import sys", "import os, sys", 1)
    for text, ending, status in ((once, "interrupted True", 0), (twice, "raised", 130)):
        script.write_text(text)
        directory = tmp_path / ending
        done = subprocess.run(
            [sys.executable, script, directory, "2"],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.stdout, done.returncode) == (f"{ending}\n", status), done.stderr
        assert mnistburn.load_run(directory).history.train_steps["step"] == [1, 2, 3, 4, 5]


def test_ctrl_c_after_the_last_step_is_raised(script: Path, tmp_path: Path) -> None:
    # Else a script would begin its next training.
    late = "Tells.on_train_end = lambda self, event: os.kill(os.getpid(), 2)\ntrain = "
    script.write_text(
        SCRIPT.replace("train = ", late, 1).replace("import sys", "import os, sys", 1)
    )
    directory = tmp_path / "artifacts"
    with start(script, directory, 1) as process:
        output, errors = process.communicate(timeout=60)
    assert (output.splitlines()[-1], process.returncode) == ("raised", 130), errors
    assert mnistburn.load_run(directory).ended == "completed"


class Interrupted:
    """Is interrupted as it is told of the start, and notes the epochs that begin."""

    artifact_dir = config = None

    def __init__(self) -> None:
        self.epochs: list[int] = []

    def _at(self, view: Any) -> "Interrupted":
        return self

    def train_begin(self, *_: Any) -> None:
        raise KeyboardInterrupt

    def epoch_begin(self, event: Any, _: Any) -> None:
        self.epochs.append(event["epoch"])


def test_ctrl_c_swallows_no_event() -> None:
    told: Any = Interrupted()
    observer = TrainingObserver(told, told, {}, LiveMetrics(1), (), logs=False)
    start = {"kind": "start", "train_images": 10}
    begin = {"kind": "epoch_start", "epoch": 1, "step": 0}
    view: Any = None
    with pytest.raises(KeyboardInterrupt):
        observer(json.dumps([start, begin]), view)
    assert told.epochs == [1]


def test_what_is_measured_goes_on_where_the_start_was_lost() -> None:
    live = LiveMetrics(4)
    live.take({"kind": "epoch_start", "epoch": 2, "step": 3})
    assert (live.epoch, live.step, live.train_images) == (2, 3, 0)


def test_the_command_exits_with_130(tmp_path: Path) -> None:
    directory = tmp_path / "artifacts"
    arguments = ["--device=cpu", "--hidden-size=16", "--checkpoint-every=0.01"]
    with subprocess.Popen(
        [sys.executable, "-m", "mnistburn", "train", directory, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # Without a terminal nothing is printed at first; a checkpoint comes of a step.
        while process.poll() is None and not list(directory.glob("checkpoint/epoch-*")):
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 130, (output, errors)
    assert "--resume" in errors
    assert "Traceback" not in errors
    assert mnistburn.load_run(directory).interrupted


# SIGTERM from the process itself, at a place of the training that is known.
TERMINATED = """
import os, signal, sys
from mnistburn import training
from mnistburn.callbacks import dispatch
from mnistburn.cli import main

def terminate(*arguments):
    os.kill(os.getpid(), signal.SIGTERM)

if sys.argv[1] == "reading":
    training.start_progress = terminate
else:
    dispatch.CallbackList.train_begin = terminate
main(["train", sys.argv[2], "--device=cpu", "--hidden-size=16", "--num-epochs=1"])
"""


@pytest.mark.parametrize(
    ("place", "words"),
    [("reading", "error: interrupted"), ("beginning", "stopped before its end; --resume goes on")],
)
def test_sigterm_before_the_first_step(tmp_path: Path, place: str, words: str) -> None:
    directory = tmp_path / "artifacts"
    done = subprocess.run(
        [sys.executable, "-c", TERMINATED, place, directory],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 143, (done.stdout, done.stderr)
    assert done.stderr.splitlines()[-1] == words
    assert "Traceback" not in done.stderr
    # A run that has begun is kept.
    if directory.exists():
        stopped = mnistburn.load_run(directory)
        assert (stopped.ended, stopped.history.train_steps["step"]) == ("interrupted", [])
    assert directory.exists() == (place == "beginning")
