"""What several tests share: a small part of MNIST, and a configuration that trains in a second."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from download_server import Server, running
from downloads import BODY

import mnistburn
from mnistburn import Dataset, ModelConfig, TrainingConfig, TrainingResult

if TYPE_CHECKING:
    from playwright.sync_api import Browser

# Where it is not set, Mesa's driver itself complains on stderr, which tests expect to be empty.
os.environ.setdefault("XDG_RUNTIME_DIR", tempfile.gettempdir())


@pytest.fixture(scope="session")
def train_data() -> Dataset:
    """Return the first 512 training images."""
    return mnistburn.datasets.load("mnist", "train")[:512]


@pytest.fixture(scope="session")
def test_data() -> Dataset:
    """Return the first 128 test images."""
    return mnistburn.datasets.load("mnist", "test")[:128]


@pytest.fixture(scope="session")
def small_data(train_data: Dataset, test_data: Dataset) -> tuple[Dataset, Dataset]:
    """Return 256 images to train with and 64 to validate on."""
    return train_data[:256], test_data[:64]


@pytest.fixture(scope="session")
def small_config() -> TrainingConfig:
    """Return a configuration of two epochs of four steps, when trained on `small_data`."""
    return TrainingConfig(
        model=ModelConfig(hidden_size=16), num_epochs=2, batch_size=64, learning_rate=1e-3
    )


@pytest.fixture
def artifact_dir(tmp_path: Path) -> Path:
    """Return a directory that does not exist yet."""
    return tmp_path / "artifacts"


@pytest.fixture(scope="session")
def wgpu() -> str:
    """Return a graphics adapter's device; without one the test is skipped, but not in CI."""
    for device in mnistburn.devices():
        if device.device.startswith("wgpu") and device.available:
            return device.device
    reason = "there is no graphics adapter; Debian's mesa-vulkan-drivers and libvulkan1 give one"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def fashion_mnist() -> Path:
    """Return the folder of Debian's package; without it the test is skipped, but not in CI."""
    folder = Path("/usr/share/datasets/fashion-mnist")
    if folder.is_dir():
        return folder
    reason = "there is no Fashion-MNIST; Debian's dataset-fashion-mnist gives it"
    if os.environ.get("CI"):
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator["Browser"]:
    """Return a browser; without one the test is skipped, but not in CI."""
    from browser import started_browser

    with started_browser() as browser:
        yield browser


@pytest.fixture(scope="session")
def fast_run(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """Return a run of the recipe "fast" on MNIST, which takes some seconds."""
    directory = tmp_path_factory.mktemp("fast") / "run"
    train, test = (mnistburn.datasets.load("mnist", part) for part in ("train", "test"))
    config = mnistburn.recipe("fast", train)
    return mnistburn.train(directory, config, data=(train, test), progress=False)


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave out the proxies of the machine that the tests run on."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def running_server() -> Iterator[Server]:
    """Return a server of files."""
    with running() as server:
        yield server


@pytest.fixture
def server(running_server: Server) -> Server:
    """Return a server that has the file at ``/good``."""
    running_server.behaviours.clear()
    running_server.log.clear()
    running_server.on("/good", lambda request: request.serve(BODY))
    return running_server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """Return where a fetched file goes."""
    return tmp_path / "cache" / "images.gz"
