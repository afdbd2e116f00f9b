"""Which devices there are, and what is said of those that are not."""

import json
import logging
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

import mnistburn
from mnistburn import Dataset, Model, TrainingConfig, _native, cuda
from mnistburn.device import resolve_device
from mnistburn.errors import ConfigError, DeviceError

BACKENDS = mnistburn.build_info()["backends"]
needs_wgpu = pytest.mark.skipif("wgpu" not in BACKENDS, reason="the build has no wgpu back end")
needs_cuda = pytest.mark.skipif("cuda" not in BACKENDS, reason="the build has no cuda back end")

PROBE = """
import json, sys
for name in sys.argv[2].split():
    sys.modules[name] = None  # as if it were not installed
import mnistburn
from mnistburn.errors import DeviceError
images = mnistburn.datasets.load("mnist", "test")
config = mnistburn.TrainingConfig(num_epochs=1, model=mnistburn.ModelConfig(hidden_size=8))
data = (images[:64], images[64:128])
try:
    answer = mnistburn.Model(device=sys.argv[1]).device
except DeviceError as error:
    answer = f"DeviceError: {error}"
mnistburn.train(sys.argv[3], config, "cpu", data=data, progress=False)
listed = [(item.device, item.kind, item.name, item.reason) for item in mnistburn.devices()]
print(json.dumps([answer, listed]))
"""

Listed = list[tuple[str, str, str, str | None]]


def probe(
    device: str, folder: Path, environment: Mapping[str, str], hidden: str = ""
) -> tuple[str, Listed]:
    """Return what a new process says of a device before it trains on the CPU, and what it lists."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE, device, hidden, str(folder / "run")],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    answer, listed = json.loads(done.stdout)
    return answer, [tuple(row) for row in listed]


def reason(listed: Listed, backend: str) -> str:
    """Return why no device of a back end can be used."""
    reasons = [row[3] for row in listed if row[0].startswith(backend)]
    assert len(reasons) == 1
    assert reasons[0] is not None
    return reasons[0]


def test_the_cpu_comes_first_and_every_back_end_is_listed() -> None:
    devices = mnistburn.devices()
    assert (devices[0].device, devices[0].kind) == ("cpu", "cpu")
    assert devices[0].name
    for backend in ("wgpu", "cuda"):
        assert any(item.device.startswith(backend) for item in devices)
    for item in devices:
        kinds = {"cpu", "integrated", "discrete", "virtual", "software", "missing"}
        assert item.kind in kinds
        assert (item.kind == "missing") <= (not item.available)
        assert item.available == (item.reason is None)


def test_auto_is_a_device_of_the_list_that_is_no_software_and_the_choice_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.INFO, "mnistburn"):
        chosen = resolve_device("auto")
    device = next(item for item in mnistburn.devices() if item.device == chosen)
    assert device.available
    assert device.kind != "software"
    (message,) = caplog.messages
    assert message.startswith(f"device 'auto' is '{chosen}'")
    if chosen == "cpu":
        # Why it is no GPU.
        assert "cuda" in message
        assert "wgpu" in message


@needs_wgpu
def test_without_a_vulkan_loader_wgpu_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "libvulkan.so.1").write_text("no library")
    answer, listed = probe("wgpu", tmp_path, {"LD_LIBRARY_PATH": str(tmp_path)})
    assert answer.startswith("DeviceError: ")
    for part in ("needs a graphics adapter", "libvulkan1", '"cpu"'):
        assert part in answer
        assert part in reason(listed, "wgpu")


@needs_wgpu
def test_without_an_adapter_wgpu_says_what_to_install(tmp_path: Path) -> None:
    environment = {"VK_ICD_FILENAMES": "/dev/null", "VK_DRIVER_FILES": "/dev/null"}
    answer, listed = probe("vulkan", tmp_path, environment)
    assert answer.startswith("DeviceError: ")
    assert "the driver of the GPU" in answer
    assert "the driver of the GPU" in reason(listed, "wgpu")


@needs_wgpu
@pytest.mark.parametrize("device", ["wgpu:99", "vulkan:99"])
def test_the_index_of_an_adapter_is_checked(wgpu: str, device: str) -> None:
    assert wgpu
    with pytest.raises(DeviceError, match=r"below the number of adapters .*, got 99"):
        Model(device=device)


@needs_wgpu
@pytest.mark.skipif(sys.platform == "darwin", reason="there it is there")
def test_metal_is_for_macos() -> None:
    with pytest.raises(DeviceError, match=r'"metal" is not there on .* use "vulkan" or "wgpu"'):
        Model(device="metal")


@pytest.fixture(scope="module")
def fake_driver(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the environment of a process that finds a stand-in for NVIDIA's driver."""
    folder = tmp_path_factory.mktemp("driver")
    source = Path(__file__).parent / "fake_driver" / "libcuda.c"
    library = str(folder / "libcuda.so.1")
    subprocess.run(["cc", "-shared", "-fPIC", "-o", library, str(source)], check=True)  # noqa: S607
    return {"LD_LIBRARY_PATH": str(folder)}


@pytest.fixture(scope="module")
def packages() -> Path:
    """Return the folder of NVIDIA's packages; without them the test is skipped, but not in CI."""
    folder = cuda.package_folder()
    if folder is None:
        reason = "the extra `cuda` is not installed; `make .venv/cuda` installs it"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return folder


@needs_cuda
def test_without_a_driver_cuda_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "libcuda.so.1").write_text("no library")
    answer, listed = probe("cuda", tmp_path, {"LD_LIBRARY_PATH": str(tmp_path)})
    for text in (answer.removeprefix("DeviceError: "), reason(listed, "cuda")):
        assert text.startswith('the device "cuda" needs NVIDIA\'s driver')
        assert "580" in text


@needs_cuda
@pytest.mark.parametrize(
    ("state", "parts"),
    [
        ({"FAKE_CUDA_VERSION": "12040"}, ("driver 580", "CUDA 13", "got one of CUDA 12")),
        ({"FAKE_CUDA_DEVICES": "0"}, ("the driver shows none", "CUDA_VISIBLE_DEVICES")),
        ({"FAKE_CUDA_INIT": "999"}, ("can't be used", "nvidia-smi")),
    ],
    ids=["old", "no GPU", "broken"],
)
def test_a_driver_that_cannot_be_used_is_explained(
    tmp_path: Path, fake_driver: dict[str, str], state: dict[str, str], parts: tuple[str, ...]
) -> None:
    answer, listed = probe("cuda", tmp_path, {**fake_driver, **state})
    assert answer.startswith("DeviceError: ")
    for part in parts:
        assert part in answer
        assert part in reason(listed, "cuda")


@needs_cuda
def test_a_driver_without_the_compiler_says_what_to_install(
    tmp_path: Path, fake_driver: dict[str, str]
) -> None:
    answer, listed = probe("cuda", tmp_path, fake_driver, hidden="nvidia")
    for text in (answer, reason(listed, "cuda")):
        assert "needs NVRTC" in text
        assert "pip install mnistburn[cuda]" in text
        assert "leave CUDA_PATH unset" in text
    # The GPU is there all the same.
    assert ("cuda", "discrete", "Fake H100") in [row[:3] for row in listed]
    answer, _ = probe("auto", tmp_path, fake_driver, hidden="nvidia")
    assert answer != "cuda"


@needs_cuda
def test_a_compiler_without_headers_says_what_to_install(
    tmp_path: Path, fake_driver: dict[str, str], packages: Path
) -> None:
    libraries = f"{fake_driver['LD_LIBRARY_PATH']}:{packages / 'lib'}"
    environment = {"LD_LIBRARY_PATH": libraries, "CUDA_PATH": str(tmp_path)}
    answer, _ = probe("cuda", tmp_path, environment)
    for part in (str(tmp_path), "cuda_runtime.h", "pip install mnistburn[cuda]"):
        assert part in answer


@needs_cuda
@pytest.mark.usefixtures("packages")
def test_the_index_of_a_gpu_is_checked(tmp_path: Path, fake_driver: dict[str, str]) -> None:
    answer, listed = probe("cuda:2", tmp_path, {**fake_driver, "FAKE_CUDA_DEVICES": "2"})
    assert "below the number of NVIDIA GPUs of this machine, 2, got 2" in answer
    assert [row[0] for row in listed if "cuda" in row[0]] == ["cuda", "cuda:1"]
    assert all(row[3] is None for row in listed if "cuda" in row[0])


RESOLVE = """
import os, sys
from mnistburn.device import resolve_device
before = os.environ.get("CUDA_PATH")
print(
    resolve_device("cuda:0"), resolve_device("auto"), before, os.environ["CUDA_PATH"], flush=True
)
child = os.fork()
if child == 0:
    try:
        resolve_device("cuda")
    except Exception as error:
        print(error, flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""


@needs_cuda
@pytest.mark.parametrize("setting", [{}, {"CUDA_PATH": ""}], ids=["unset", "empty"])
def test_the_packages_make_cuda_usable_without_a_setting(
    fake_driver: dict[str, str], packages: Path, setting: dict[str, str]
) -> None:
    # The compiler compiles with the headers, in earnest; the driver alone is a stand-in.
    done = subprocess.run(
        [sys.executable, "-c", RESOLVE],
        env={**os.environ, **fake_driver, **setting},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0] == f"cuda cuda {setting.get('CUDA_PATH')} {packages}"
    assert 'multiprocessing\'s "spawn" method' in lines[1]


COMPILE = """
import os, pathlib, sys
from mnistburn import _native, cuda, errors
os.environ["CUDA_PATH"] = sys.argv[1]
cuda.load_compiler(pathlib.Path(sys.argv[1]))
for architecture in sys.argv[2:]:
    try:
        _native.check_cuda_compiler(architecture)
        print(architecture)
    except errors.DeviceError as error:
        print(error)
"""


@needs_cuda
def test_kernels_are_compiled_for_the_gpus_of_the_day_without_one(packages: Path) -> None:
    architectures = ["sm_75", "sm_86", "sm_90a", "sm_100a", "sm_120a"]
    done = subprocess.run(
        [sys.executable, "-c", COMPILE, packages, *architectures, "sm_20"],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = done.stdout.splitlines()
    assert lines[:-1] == architectures
    assert "NVRTC can't compile for sm_20" in lines[-1]


def test_the_environment_stays_as_it_is_where_cuda_is_not_asked_for() -> None:
    if _native.cuda_driver():
        pytest.skip("there is a driver")
    before = dict(os.environ)
    mnistburn.devices()
    resolve_device("auto")
    assert dict(os.environ) == before


def test_several_devices_share_each_step(
    tmp_path: Path, small_config: TrainingConfig, small_data: tuple[Dataset, Dataset]
) -> None:
    def run(device: str | list[str]) -> mnistburn.TrainingResult:
        folder = tmp_path / str(device)
        return mnistburn.train(folder, small_config, device, data=small_data, progress=False)

    alone, listed, both = run("cpu"), run(["cpu"]), run(["cpu", "cpu"])
    losses = [result.history.train_steps["loss"] for result in (alone, listed, both)]
    assert losses[1] == losses[0]
    assert losses[2] == pytest.approx(losses[0], abs=1e-5)
    assert both.history.train_steps["images"] == alone.history.train_steps["images"]
    assert both.model.device == "cpu"


@pytest.mark.parametrize(
    ("device", "error", "part"),
    [
        ([], DeviceError, "at least one device"),
        (["cpu", "no device"], DeviceError, "no device"),
        (["cpu", 1], DeviceError, "must be a short string"),
        (["cpu"] * 65, ConfigError, "at least the number of devices, 65, got 64"),
    ],
)
def test_a_list_that_cannot_share_is_refused(
    *,
    artifact_dir: Path,
    small_config: TrainingConfig,
    small_data: tuple[Dataset, Dataset],
    device: list[str],
    error: type[Exception],
    part: str,
) -> None:
    with pytest.raises(error, match=part):
        mnistburn.train(artifact_dir, small_config, device, data=small_data, progress=False)
    assert not artifact_dir.exists()
