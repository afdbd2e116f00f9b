"""Sweeps on a Ray cluster: two nodes on the loopback interface, stopped at the end."""

import importlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import mnistburn
from mnistburn import Dataset, SuccessiveHalving, SweepResult, TrainingConfig, load_sweep
from mnistburn.errors import ConfigError
from mnistburn.sweeps.state import SweepState
from mnistburn.sweeps.trial import Trial

Pair = tuple[Dataset, Dataset]

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="127.0.0.2 is loopback on Linux alone"),
    # Of Ray and what it imports.
    pytest.mark.filterwarnings("default"),
]

RATES = [1e-2, 1e-4, 1e-5]


@pytest.fixture(scope="module")
def cluster() -> Iterator[str]:
    """Start two nodes with a core each, and return their address."""
    from ray.cluster_utils import Cluster

    ray: Any = importlib.import_module("ray")  # it has types for a part of what is used alone
    folder = tempfile.mkdtemp(prefix="ray-")  # short, as the names of sockets must be
    node: dict[str, Any] = {
        "num_cpus": 1,
        # 127.0.0.1 would be taken for the machine's address in its network.
        "node_ip_address": "127.0.0.2",
        "temp_dir": folder,
        "include_dashboard": False,
        "object_store_memory": 80 << 20,
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
        # Others would join the cluster.
        patch.setattr("ray._private.utils.write_ray_address", lambda *_: None)
        nodes: Any = Cluster(initialize_head=True, head_node_args=node)
        try:
            nodes.add_node(**node)
            ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.WARNING)
            assert sum(known["Alive"] for known in ray.nodes()) == 2
            assert ray.cluster_resources()["CPU"] == 2
            yield nodes.address
        finally:
            ray.shutdown()
            nodes.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


def run(
    space: Any, directory: Path, config: TrainingConfig | None, data: Any, **more: Any
) -> SweepResult:
    return mnistburn.sweep(space, directory, config, "cpu", data=data, progress=False, **more)


def files_of(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir() if path.name != ".sweep.lock")


@pytest.mark.usefixtures("cluster")
def test_a_sweep_on_ray_has_the_bits_of_one_in_threads(
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    capfd: pytest.CaptureFixture[str],
) -> None:
    # The second fails, and the others go on.
    for name in ("ray", "threads"):
        (tmp_path / name / "trial-0002").mkdir(parents=True)
        (tmp_path / name / "trial-0002" / "mine.txt").write_text("mine")
    space = {"learning_rate": RATES, "optimizer": ["adam"]}
    config = replace(small_config, threads=1)
    before = dict(os.environ)
    on_ray = run(space, tmp_path / "ray", config, small_data, engine="ray")
    assert capfd.readouterr() == ("", "")
    assert dict(os.environ) == before
    in_threads = run(space, tmp_path / "threads", config, small_data)
    assert [trial.ended for trial in on_ray.trials] == ["completed", "failed", "completed"]
    for one, other in zip(on_ray.trials, in_threads.trials, strict=True):
        assert (one.settings, one.values, one.ended) == (other.settings, other.values, other.ended)
        assert (one.metrics, one.best_epoch) == (other.metrics, other.best_epoch)
        assert ("mine.txt" in (one.error or "")) == (one.number == 2)
        if one.error is None:
            states = [
                mnistburn.load_run(trial.directory).model.state_dict() for trial in (one, other)
            ]
            for name, array in states[0].items():
                assert array.tobytes() == states[1][name].tobytes()
    assert files_of(tmp_path / "ray") == [
        *("sweep.json", "trial-0001", "trial-0002", "trial-0003"),
    ]
    assert load_sweep(tmp_path / "ray") == on_ray


@pytest.mark.usefixtures("cluster")
def test_asha_of_tune_stops_the_worse_trials_also_after_a_resume(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    config = replace(small_config, num_epochs=4, threads=1)
    more: dict[str, Any] = {"engine": "ray", "workers": 1}
    halving = SuccessiveHalving(min_epochs=2, factor=2)
    result = run(
        {"learning_rate": RATES}, tmp_path / "sweep", config, small_data, halving=halving, **more
    )
    assert [trial.epochs for trial in result.trials] == [4, 2, 2]
    assert [trial.ended for trial in result.trials] == ["completed", "pruned", "pruned"]
    lengths = [mnistburn.load_run(trial.directory).history.num_epochs for trial in result.trials]
    assert lengths == [4, 2, 2]
    # As if it had been killed: the last has not begun, and is compared with those before it.
    state = SweepState.read(tmp_path / "sweep")
    assert state is not None
    last = result.trials[2]
    shutil.rmtree(last.directory)
    state.with_trial(Trial(3, last.settings, last.directory)).write(tmp_path / "sweep")
    again = run(None, tmp_path / "sweep", None, small_data, resume=True, **more)
    assert again.trials[:2] == result.trials[:2]
    assert (again.trials[2].ended, again.trials[2].values) == ("pruned", last.values)


SCRIPT = """
import sys
import mnistburn, ray
from mnistburn.sweeps import ray_tune

def told(self, iteration, trials, trial, result, **_):
    print("epoch", flush=True)

ray_tune._Recorder.on_trial_result = told
ray.init(address=sys.argv[2], log_to_driver=False, logging_level="warning")
images = mnistburn.datasets.load("mnist", "train")[:1088]
config = mnistburn.TrainingConfig(
    model=mnistburn.ModelConfig(hidden_size=8), num_epochs=100_000, threads=1
)
result = mnistburn.sweep(
    {"seed": [1, 2, 3]}, sys.argv[1], config, "cpu", data=(images[:1024], images[1024:]),
    workers=1, engine="ray", progress=False,
)
print("ended", *[trial.ended for trial in result.trials], flush=True)
"""


@pytest.mark.skipif(
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN, reason="SIGINT is ignored here"
)
def test_ctrl_c_stops_the_trials_with_their_work(cluster: str, tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, script, tmp_path / "sweep", cluster],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        next((line for line in process.stdout if line.startswith("epoch")), None)
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert output.splitlines()[-1].split()[:2] == ["ended", "interrupted"], errors
    first = load_sweep(tmp_path / "sweep").trials[0]
    kept = mnistburn.load_run(first.directory)
    assert kept.ended == "stopped"
    assert kept.history.num_epochs == first.epochs >= 1
    assert files_of(tmp_path / "sweep") == ["sweep.json", "trial-0001"]


def test_a_cluster_takes_one_device_for_all_trials(
    tmp_path: Path, small_config: TrainingConfig, small_data: Pair
) -> None:
    with pytest.raises(ConfigError, match="device must be one for all trials on a Ray cluster"):
        mnistburn.sweep(
            {"seed": [1]},
            tmp_path / "sweep",
            small_config,
            ["cuda:0", "cuda:1"],
            data=small_data,
            engine="ray",
        )
    assert not (tmp_path / "sweep").exists()


def test_without_ray_the_error_says_how_to_install_it(
    tmp_path: Path,
    small_config: TrainingConfig,
    small_data: Pair,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delitem(sys.modules, "mnistburn.sweeps.ray_tune", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r'pip install "mnistburn\[cluster\]"'):
        run({"seed": [1]}, tmp_path / "sweep", small_config, small_data, engine="ray")
    assert not (tmp_path / "sweep").exists()
