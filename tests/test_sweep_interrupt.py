"""Ctrl-C during a sweep in threads: a step of a trial, its validation, and after the last step."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

import mnistburn
from mnistburn import _native, load_sweep

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="SIGINT is sent to one process"),
    pytest.mark.skipif(
        signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="SIGINT is ignored here"
    ),
]


@pytest.fixture
def sweep_dir(tmp_path: Path) -> Path:
    return tmp_path / "sweep"


def swept(script: str, sweep_dir: Path) -> subprocess.CompletedProcess[str]:
    """Run a script that interrupts itself."""
    return subprocess.run(
        [sys.executable, "-c", script, sweep_dir],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


TELLS_STEPS = """
import sys
import mnistburn
from mnistburn.sweeps import trial_run

train = trial_run.train

class Tells(mnistburn.Callback):
    def on_step_end(self, event):
        print("step", event.epoch, event.step, flush=True)

def told(*arguments, callbacks=(), **more):
    return train(*arguments, callbacks=[*callbacks, Tells()], **more)

trial_run.train = told
images = mnistburn.datasets.load("mnist", "train")[:20_064]
# A single epoch of many steps, which is stopped within it.
config = mnistburn.TrainingConfig(
    model=mnistburn.ModelConfig(hidden_size=8), num_epochs=1, threads=1, batch_size=2
)
result = mnistburn.sweep(
    {"seed": [1, 2, 3]}, sys.argv[1], config, "cpu", data=(images[:20_000], images[20_000:]),
    workers=2, progress=False,
)
print("ended", *[trial.ended for trial in result.trials], flush=True)
"""


def test_ctrl_c_stops_all_trials_with_their_work(sweep_dir: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", TELLS_STEPS, sweep_dir],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        next(line for line in process.stdout if line.startswith("step"))
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert errors == ""
    states = output.splitlines()[-1].split()
    assert states[0] == "ended"
    # Either of the two may not have begun when the other had done a step.
    assert "interrupted" in states[1:3]
    assert set(states[1:3]) <= {"interrupted", "None"}
    assert states[3] == "None"
    directories = [trial.directory for trial in load_sweep(sweep_dir).trials]
    held = [place for place in directories if _native.holds_run(str(place))]
    histories = [mnistburn.load_run(place).history for place in held]
    assert all(history.num_epochs == 0 for history in histories)
    assert any(history.train_steps["step"] for history in histories)


# Ctrl-C once the last trial is trained, and before the sweep has taken note of it.
LATE = """
import os, signal, sys, time
import mnistburn
from mnistburn.sweeps import threads

trained = threads.run_trial

def late(task, data, device, judge):
    trial = trained(task, data, device, judge)
    if task.trial.number == 2:
        os.kill(os.getpid(), signal.SIGINT)
        while not judge.stopped():
            time.sleep(0.01)
    return trial

threads.run_trial = late
images = mnistburn.datasets.load("mnist", "train")[:320]
config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=8), num_epochs=1)
try:
    mnistburn.sweep(
        {"seed": [1, 2]}, sys.argv[1], config, "cpu", data=(images[:256], images[256:]),
        progress=False,
    )
except KeyboardInterrupt:
    print("raised")
"""


def test_ctrl_c_after_the_last_step_is_raised(sweep_dir: Path) -> None:
    done = swept(LATE, sweep_dir)
    assert (done.stdout, done.stderr) == ("raised\n", "")
    assert [trial.ended for trial in load_sweep(sweep_dir).trials] == ["completed"] * 2


# Ctrl-C as the validation begins.
VALIDATES = """
import os, signal, sys, time
import mnistburn
from mnistburn.sweeps import trial_run

def validates(reporter, event):
    os.kill(os.getpid(), signal.SIGINT)
    while not reporter._judge.stopped():
        time.sleep(0.01)

trial_run._Reporter.on_validation_begin = validates
images = mnistburn.datasets.load("mnist", "train")[:2256]
config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=8), num_epochs=1)
mnistburn.sweep(
    {"seed": [1]}, sys.argv[1], config, "cpu", data=(images[:256], images[256:]), progress=False
)
"""


def test_ctrl_c_does_not_wait_for_a_validation(sweep_dir: Path) -> None:
    done = swept(VALIDATES, sweep_dir)
    assert (done.returncode, done.stderr) == (0, "")
    (trial,) = load_sweep(sweep_dir).trials
    assert (trial.ended, trial.epochs) == ("interrupted", 0)
