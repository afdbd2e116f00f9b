"""The number of threads changes nothing but the speed."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

# Batches and layers so large that Burn computes them in parallel.
SCRIPT = """
import sys, mnistburn
images = mnistburn.datasets.load("mnist", "test")
config = mnistburn.TrainingConfig(num_epochs=1, batch_size=256)
mnistburn.train(sys.argv[1], config, "cpu", data=(images[:768], images[768:1024]), progress=False)
"""


@pytest.mark.timeout(120)
def test_any_number_of_threads_gives_the_same_bits(tmp_path: Path) -> None:
    hashes = set()
    for threads in ("1", "2", "3", "4"):
        directory = tmp_path / threads
        subprocess.run(
            [sys.executable, "-c", SCRIPT, str(directory)],
            check=True,
            env={**os.environ, "RAYON_NUM_THREADS": threads},
        )
        checkpoint = directory / "checkpoint" / "epoch-0001"
        content = b"".join((checkpoint / f"{name}.mpk").read_bytes() for name in ("model", "optim"))
        hashes.add(hashlib.sha256(content).hexdigest())
    assert len(hashes) == 1


COUNTING_SCRIPT = """
import os, sys
import mnistburn, numpy

class Threads(mnistburn.Callback):
    def on_step_end(self, event):
        if event.step == 3:
            print(len(os.listdir("/proc/self/task")))

images = numpy.random.default_rng(1).integers(0, 256, (256, 28, 28), numpy.uint8)
data = mnistburn.Dataset(images, numpy.arange(256) % 10)
threads, devices = int(sys.argv[2]), sys.argv[3].split(",")
config = mnistburn.TrainingConfig(num_epochs=1, batch_size=64, num_workers=0, threads=threads)
mnistburn.train(
    sys.argv[1], config, devices, data=(data, data), callbacks=[Threads()], progress=False
)
"""


def _threads(directory: Path, threads: int, devices: str, pool: int) -> int:
    """Return the threads of a process that trains, where Rayon's own pool would have ``pool``."""
    arguments = [sys.executable, "-c", COUNTING_SCRIPT, str(directory), str(threads), devices]
    environment = {**os.environ, "RAYON_NUM_THREADS": str(pool)}
    done = subprocess.run(arguments, check=True, env=environment, stdout=subprocess.PIPE)
    return int(done.stdout)


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted in /proc")
@pytest.mark.timeout(120)
def test_cpu_devices_that_share_the_steps_share_the_threads(tmp_path: Path) -> None:
    one = _threads(tmp_path / "one", threads=1, devices="cpu", pool=5)
    assert _threads(tmp_path / "two", threads=1, devices="cpu,cpu", pool=5) == one
    # None of them is of a pool beside that of the run.
    assert _threads(tmp_path / "other", threads=1, devices="cpu,cpu", pool=9) == one
    assert _threads(tmp_path / "three", threads=3, devices="cpu,cpu", pool=5) == one + 2
