"""On a graphics adapter, real or Mesa's lavapipe, results are those of the CPU but for rounding.

A software adapter compiles its kernels slowly: the tests use few shapes, and batches of up to 8.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy
import pytest

import mnistburn
from mnistburn import AdamConfig, Callback, Dataset, Model, ModelConfig, TrainingConfig

pytestmark = [
    pytest.mark.skipif(
        "wgpu" not in mnistburn.build_info()["backends"], reason="the build has no wgpu back end"
    ),
    pytest.mark.timeout(900),
]

BATCH = 8
SMALL = ModelConfig(hidden_size=16)
CONFIG = TrainingConfig(model=SMALL, num_epochs=2, batch_size=BATCH, learning_rate=1e-3)

Pair = tuple[Dataset, Dataset]


@pytest.fixture(scope="module")
def pair(wgpu: str) -> tuple[Model, Model]:
    """Return a model on the CPU, and the same one on the adapter."""
    model = Model(SMALL, seed=1)
    return model, model.to(wgpu)


@pytest.fixture(scope="module")
def batch(test_data: Dataset) -> Dataset:
    return test_data[:BATCH]


@pytest.fixture(scope="module")
def data(train_data: Dataset, test_data: Dataset) -> Pair:
    """Return what gives four whole batches and one of five images, and two of validation."""
    return train_data[: 4 * BATCH + 5], test_data[: BATCH + 5]


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory: pytest.TempPathFactory, data: Pair) -> mnistburn.TrainingResult:
    return train(tmp_path_factory.mktemp("cpu") / "run", "cpu", data)


def train(folder: Path, device: Any, data: Pair, **options: Any) -> mnistburn.TrainingResult:
    return mnistburn.train(folder, CONFIG, device, data=data, progress=False, **options)


def assert_same_course(run: mnistburn.TrainingResult, other: mnistburn.TrainingResult) -> None:
    for name in ("epoch", "step", "images"):
        assert run.history.train_steps[name] == other.history.train_steps[name]
        assert run.history.valid_steps[name] == other.history.valid_steps[name]
    for name in ("loss", "accuracy"):
        rows = other.history.train_steps[name]
        assert run.history.train_steps[name] == pytest.approx(rows, abs=1e-4)
        rows = other.history.valid_steps[name]
        assert run.history.valid_steps[name] == pytest.approx(rows, abs=1e-4)
    assert run.best_epoch == other.best_epoch


def test_the_forward_pass_is_the_cpus(pair: tuple[Model, Model], batch: Dataset) -> None:
    cpu, gpu = pair
    assert gpu.device.startswith("wgpu")
    for images in (
        batch.images,
        batch.images[:5],
        batch.images.astype(numpy.float32) / 255,
    ):
        numpy.testing.assert_allclose(gpu.forward(images), cpu.forward(images), atol=1e-4)
    assert (gpu.predict(batch.images) == cpu.predict(batch.images)).all()


def test_the_evaluation_is_the_cpus(pair: tuple[Model, Model], test_data: Dataset) -> None:
    images = test_data[: 2 * BATCH + 5]
    expected, found = (model.evaluate(images, batch_size=BATCH) for model in pair)
    assert found.loss == pytest.approx(expected.loss, abs=1e-4)
    assert found.accuracy == expected.accuracy


def test_gradients_are_the_cpus(pair: tuple[Model, Model], batch: Dataset) -> None:
    outputs = [model.forward_classification(batch.images, batch.targets) for model in pair]
    assert float(outputs[1].loss) == pytest.approx(float(outputs[0].loss), abs=1e-4)
    numpy.testing.assert_allclose(outputs[1].output, outputs[0].output, atol=1e-4)
    expected, found = (output.loss.backward() for output in outputs)
    for name in expected.names():
        assert numpy.abs(expected[name]).max() > 1e-3, "a gradient to compare with"
        numpy.testing.assert_allclose(found[name], expected[name], atol=1e-4, err_msg=name)


def test_a_step_of_the_optimizer_is_the_cpus(pair: tuple[Model, Model], batch: Dataset) -> None:
    states = []
    for model in pair:
        optimizer, stepped = AdamConfig(epsilon=1e-3).init(), model
        for _ in range(2):
            output = stepped.forward_classification(batch.images, batch.targets)
            stepped = optimizer.step(1e-2, stepped, output.loss.backward())
        states.append(stepped.state_dict())
    for name, expected in states[0].items():
        numpy.testing.assert_allclose(states[1][name], expected, atol=1e-4, err_msg=name)
        assert numpy.abs(expected - pair[0].state_dict()[name]).max() > 1e-3, "it moved"


def test_a_model_is_complete_when_another_thread_uses_it(
    pair: tuple[Model, Model], batch: Dataset, test_data: Dataset
) -> None:
    images = test_data[: 10 * BATCH]
    models = list(pair)
    optimizers = [AdamConfig(epsilon=1e-3).init() for _ in pair]
    gradients = pair[0].forward_classification(batch.images, batch.targets).loss.backward()
    for _ in range(10):
        models = [
            optimizer.step(1e-2, model, gradients)
            for optimizer, model in zip(optimizers, models, strict=True)
        ]
        # Computed on a thread of its own.
        losses = [model.evaluate(images, batch_size=BATCH).loss for model in models]
        assert losses[1] == pytest.approx(losses[0], abs=1e-4)


@pytest.fixture(scope="module")
def on_gpu(
    tmp_path_factory: pytest.TempPathFactory, wgpu: str, data: Pair
) -> mnistburn.TrainingResult:
    return train(tmp_path_factory.mktemp("gpu") / "run", wgpu, data)


def test_a_training_is_the_cpus(
    on_gpu: mnistburn.TrainingResult, on_cpu: mnistburn.TrainingResult
) -> None:
    assert_same_course(on_gpu, on_cpu)
    assert on_gpu.model.device.startswith("wgpu")
    assert (on_gpu.artifact_dir / "config.json").read_bytes() == (
        on_cpu.artifact_dir / "config.json"
    ).read_bytes()


def test_the_warm_up_is_no_training_time(
    on_gpu: mnistburn.TrainingResult, on_cpu: mnistburn.TrainingResult
) -> None:
    assert on_gpu.warm_up_seconds > 0
    assert on_cpu.warm_up_seconds == 0
    assert "warm-up: done in" in (on_gpu.artifact_dir / "train.log").read_text("utf-8")
    steps = [*on_gpu.history.train_steps["seconds"], *on_gpu.history.valid_steps["seconds"]]
    assert on_gpu.seconds == pytest.approx(sum(steps))
    reloaded = mnistburn.load_run(on_gpu.artifact_dir)
    assert reloaded.warm_up_seconds == on_gpu.warm_up_seconds


def test_a_run_of_one_device_is_loaded_on_the_other(
    on_gpu: mnistburn.TrainingResult, wgpu: str, batch: Dataset
) -> None:
    expected = on_gpu.model.forward(batch.images)
    for device in ("cpu", wgpu):
        loaded = mnistburn.load_run(on_gpu.artifact_dir, device).model
        assert loaded.device == device
        numpy.testing.assert_allclose(loaded.forward(batch.images), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("precision", "tolerance"), [("half", 1e-2), ("full", 1e-5), ("double", 1e-5)]
)
@pytest.mark.parametrize("recorder", ["named-mpk", "json-gz"])
def test_a_record_of_one_device_loads_on_the_other(
    *,
    pair: tuple[Model, Model],
    batch: Dataset,
    tmp_path: Path,
    recorder: Any,
    precision: Any,
    tolerance: float,
) -> None:
    expected = pair[0].forward(batch.images)
    files = []
    for source, target in (pair, pair[::-1]):
        path = source.save(tmp_path / source.device, recorder=recorder, precision=precision)
        files.append(path.read_bytes())
        loaded = Model.load(path, device=target.device)
        assert loaded.device == target.device
        numpy.testing.assert_allclose(loaded.forward(batch.images), expected, atol=tolerance)
    if recorder != "json-gz":  # gzip has a time in it
        assert files[0] == files[1]


class StopAt(Callback):
    """Stops after a number of steps, and counts those it is told of."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.seen = 0

    def on_step_end(self, event: Any) -> bool:
        self.seen += 1
        return self.seen == self.count


def test_a_run_stops_after_the_step_that_a_callback_says_and_goes_on(
    tmp_path: Path, wgpu: str, data: Pair, on_cpu: mnistburn.TrainingResult
) -> None:
    stop = StopAt(3)
    stopped = train(tmp_path / "run", wgpu, data, callbacks=[stop])
    assert stopped.ended == "stopped"
    assert stop.seen == len(stopped.history.train_steps["step"]) == 3
    resumed = train(tmp_path / "run", wgpu, data, resume=True)
    assert_same_course(resumed, on_cpu)
    assert resumed.warm_up_seconds > stopped.warm_up_seconds


def test_a_run_of_one_device_goes_on_on_another(
    tmp_path: Path, wgpu: str, data: Pair, on_cpu: mnistburn.TrainingResult
) -> None:
    train(tmp_path / "run", wgpu, data, callbacks=[StopAt(7)])
    assert_same_course(train(tmp_path / "run", "cpu", data, resume=True), on_cpu)


def test_two_devices_in_one_process_give_what_each_gives_alone(
    tmp_path: Path, wgpu: str, data: Pair, on_cpu: mnistburn.TrainingResult
) -> None:
    with ThreadPoolExecutor() as threads:
        runs = list(
            threads.map(
                lambda item: train(tmp_path / item[0], item[1], data),
                [("a", "cpu"), ("b", wgpu), ("c", "cpu")],
            )
        )
    for run in runs:
        assert_same_course(run, on_cpu)
    for run in runs[::2]:
        assert run.history.train_steps["loss"] == on_cpu.history.train_steps["loss"]
        for name, values in run.model.state_dict().items():
            assert (values == on_cpu.model.state_dict()[name]).all()


def test_devices_that_share_each_step_train_as_one_does(
    tmp_path: Path, wgpu: str, data: Pair, on_cpu: mnistburn.TrainingResult
) -> None:
    adapters = [
        item.device
        for item in mnistburn.devices()
        if item.device.startswith("wgpu") and item.available
    ]
    devices = adapters[:2] if len(adapters) > 1 else [wgpu, wgpu]
    assert_same_course(train(tmp_path / "run", devices, data), on_cpu)
    with pytest.raises(mnistburn.errors.DeviceError, match="of one back end"):
        train(tmp_path / "mixed", [wgpu, "cpu"], data)


def test_a_diverging_run_is_told_its_step(tmp_path: Path, wgpu: str, data: Pair) -> None:
    wild = replace(CONFIG, learning_rate=1e30)
    with pytest.raises(mnistburn.errors.TrainingError, match="the loss must stay finite"):
        mnistburn.train(tmp_path / "run", wild, wgpu, data=data, progress=False)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_is_told_to_be_spawned(pair: tuple[Model, Model], batch: Dataset) -> None:
    loss = pair[1].forward_classification(batch.images, batch.targets).loss
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for work in (lambda: pair[1].forward(batch.images), loss.backward):
            try:
                work()
                answer = "no error"
            except mnistburn.errors.DeviceError as error:
                answer = str(error)
            os.write(writer, f"{answer}\n".encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as answers:
        lines = answers.read().splitlines()
    assert len(lines) == 2
    assert all('multiprocessing\'s "spawn" method' in line for line in lines)
    os.waitpid(child, 0)


LISTED = """
import mnistburn, os, sys
mnistburn.devices()
child = os.fork()
if child == 0:
    try:
        mnistburn.Model(seed=1, device=sys.argv[1])
        print("no error")
    except mnistburn.errors.DeviceError as error:
        print(error)
    sys.stdout.flush()
    os._exit(0)
os.waitpid(child, 0)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_a_child_of_a_process_that_listed_devices_is_told_to_be_spawned(wgpu: str) -> None:
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", LISTED, wgpu]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert 'multiprocessing\'s "spawn" method' in done.stdout


SCRIPT = """
import mnistburn, sys
model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=16), seed=1, device=sys.argv[1])
print(model.forward(mnistburn.datasets.load("mnist", "test").images[:8]).shape)
"""


@pytest.mark.parametrize("writable", [True, False])
def test_what_tuning_finds_out_is_kept_in_the_users_cache_directory(
    tmp_path: Path, wgpu: str, *, writable: bool
) -> None:
    work, cache, temporary = (tmp_path / name for name in ("work", "cache", "temporary"))
    for folder in (work, temporary):
        folder.mkdir()
    if not writable:
        cache.write_text("no directory")
    # Neither Burn nor CubeCL may read it.
    (work / "cubecl.toml").write_text("this is = no TOML")
    # Mesa's own cache stays where it is: it saves compiling.
    mesa = os.environ.get("MESA_SHADER_CACHE_DIR", str(Path("~/.cache").expanduser()))
    environment = {
        "XDG_CACHE_HOME": str(cache),
        "TMPDIR": str(temporary),
        "MESA_SHADER_CACHE_DIR": mesa,
    }
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, wgpu],
        cwd=work,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("(8, 10)\n", "")
    assert [path.name for path in work.iterdir()] == ["cubecl.toml"]
    kept = cache / "mnistburn" if writable else temporary
    assert list(kept.rglob("*conv*.json.log"))


def test_images_of_other_shapes_are_the_cpus(wgpu: str) -> None:
    # 9 x 7 x 3 values fill no whole number of words of 32 bits.
    config = ModelConfig(
        hidden_size=4, num_classes=3, image_height=9, image_width=7, image_channels=3
    )
    random = numpy.random.default_rng(1)
    data = Dataset(random.integers(0, 256, (BATCH, 9, 7, 3), numpy.uint8), [0, 1, 2, 1, 0, 2, 2, 1])
    cpu = Model(config, seed=1)
    gpu = cpu.to(wgpu)
    numpy.testing.assert_allclose(gpu.forward(data.images), cpu.forward(data.images), atol=1e-4)
    expected, found = (model.evaluate(data, batch_size=BATCH) for model in (cpu, gpu))
    assert found.loss == pytest.approx(expected.loss, abs=1e-4)


def test_augmented_and_stored_images_train_as_on_the_cpu(
    wgpu: str, data: Pair, tmp_path: Path
) -> None:
    train_data, valid_data = data
    images = tmp_path / "images"
    sizes = b"".join(size.to_bytes(4, "big") for size in train_data.images.shape)
    images.write_bytes(bytes([0, 0, 8, 3]) + sizes + train_data.images.tobytes())
    labels = tmp_path / "labels"
    count = len(train_data).to_bytes(4, "big")
    labels.write_bytes(bytes([0, 0, 8, 1]) + count + train_data.targets.astype("u1").tobytes())
    on_disk = Dataset.from_idx(images, labels, in_memory=False)
    config = replace(CONFIG, augmentation=mnistburn.AugmentationConfig(rotate=20, noise=0.1))
    runs = [
        mnistburn.train(folder, config, device, data=(on_disk, valid_data), progress=False)
        for folder, device in ((tmp_path / "cpu", "cpu"), (tmp_path / "gpu", wgpu))
    ]
    assert_same_course(runs[1], runs[0])
