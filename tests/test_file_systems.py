"""Directories on file systems that cannot be synced, or have no locks."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mnistburn

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the stand-in is Linux's")

SCRIPT = """
import logging, sys
import mnistburn

logging.basicConfig(format="%(message)s", level=logging.WARNING)
data = mnistburn.datasets.load("mnist", "test")[:128]
config = mnistburn.TrainingConfig(model=mnistburn.ModelConfig(hidden_size=8), num_epochs=2)
pair = (data[:64], data[64:])
run = mnistburn.train(sys.argv[1], config, "cpu", data=pair, progress=False)
run.model.export(sys.argv[1] + ".onnx")
run.model.save(sys.argv[1] + ".mpk")
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the stand-in for the system's library."""
    source = Path(__file__).parent / "fake_file_system" / "preload.c"
    library = str(tmp_path_factory.mktemp("library") / "preload.so")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(source), "-ldl"], check=True)  # noqa: S607
    return library


def on_such(library: str, directory: Path, fault: str, number: int) -> tuple[int, str]:
    environment = {**os.environ, "LD_PRELOAD": library, fault: str(number)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(directory)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EIO])
def test_a_directory_that_cannot_be_synced_is_worked_with_and_told_once(
    library: str, tmp_path: Path, number: int
) -> None:
    for _ in range(2):  # the second takes the place of the first
        status, errors = on_such(library, tmp_path / "run", "FAKE_FSYNC_DIRECTORY", number)
        assert status == 0, errors
        assert errors.count("can't sync a directory") == 1
        assert str(tmp_path / "run") in errors
    assert mnistburn.load_run(tmp_path / "run").history.num_epochs == 2
    assert (tmp_path / "run.onnx").is_file()
    assert (tmp_path / "run.mpk").is_file()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL])
def test_a_file_system_without_locks_is_worked_with_and_told_once(
    library: str, tmp_path: Path, number: int
) -> None:
    for _ in range(2):
        status, errors = on_such(library, tmp_path / "run", "FAKE_FLOCK", number)
        assert status == 0, errors
        assert errors.count("has no locks") == 1
        assert str(tmp_path / "run") in errors
    assert mnistburn.load_run(tmp_path / "run").history.num_epochs == 2


def test_another_error_of_a_lock_names_the_file_and_what_was_tried(
    library: str, tmp_path: Path
) -> None:
    status, errors = on_such(library, tmp_path / "run", "FAKE_FLOCK", errno.EIO)
    assert status == 1
    assert "could not lock: Input/output error: " in errors
    assert ".mnistburn-lock" in errors
