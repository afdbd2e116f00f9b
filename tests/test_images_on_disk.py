"""Data sets whose images stay in their file."""

import copy
import gzip
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy
import pytest

import mnistburn
from mnistburn import DataLoader, Dataset, ModelConfig, TrainingConfig
from mnistburn.errors import DataError

CONFIG = TrainingConfig(model=ModelConfig(hidden_size=8), num_epochs=2, batch_size=16)


def idx(array: numpy.ndarray) -> bytes:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, 8, array.ndim]) + sizes + array.astype(numpy.uint8).tobytes()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("idx")
    data = mnistburn.datasets.load("mnist", "test")[:200]
    (folder / "images").write_bytes(idx(data.images))
    (folder / "labels").write_bytes(idx(data.targets))
    return folder / "images", folder / "labels"


@pytest.fixture
def on_disk(files: tuple[Path, Path]) -> Dataset:
    return Dataset.from_idx(*files, in_memory=False)


@pytest.fixture
def in_memory(files: tuple[Path, Path]) -> Dataset:
    return Dataset.from_idx(*files)


def equal(one: Dataset, other: Dataset) -> bool:
    return numpy.array_equal(one.images, other.images) and numpy.array_equal(
        one.targets, other.targets
    )


def test_all_of_a_data_set_is_as_in_memory(on_disk: Dataset, in_memory: Dataset) -> None:
    assert isinstance(on_disk.images, numpy.memmap)
    assert not isinstance(in_memory.images, numpy.memmap)
    assert equal(on_disk, in_memory)
    assert equal(on_disk[10:50:3], in_memory[10:50:3])
    assert equal(on_disk[::-1].subset([3, 1, 3]), in_memory[::-1].subset([3, 1, 3]))
    for one, other in zip(on_disk.split(0.25, 3), in_memory.split(0.25, 3), strict=True):
        assert equal(one, other)
    assert numpy.array_equal(on_disk[10:50:3][-2][0], in_memory[10:50:3][-2][0])
    assert equal(on_disk.concat(in_memory[:5]), in_memory.concat(in_memory[:5]))
    assert numpy.array_equal(on_disk[-7][0], in_memory[-7][0])
    assert [target for _, target in on_disk] == in_memory.targets.tolist()
    parts = (data[::-1] for data in (on_disk, in_memory))
    loaders = (DataLoader(data, batch_size=64, shuffle=5) for data in parts)
    for one, other in zip(*loaders, strict=True):
        assert numpy.array_equal(one.images, other.images)
    assert not isinstance(copy.copy(on_disk).images, numpy.memmap)
    assert equal(pickle.loads(pickle.dumps(on_disk)), in_memory)  # noqa: S301  bytes of our own
    assert on_disk.describe(on_disk[:5]) == in_memory.describe(in_memory[:5])


@pytest.mark.parametrize("in_memory", [False, True])
def test_names_go_with_the_images(files: tuple[Path, Path], in_memory: bool) -> None:
    names = tuple("abcdefghij")
    data = Dataset.from_idx(*files, class_names=names, in_memory=in_memory)
    assert data.class_names == data[3:7].class_names == names


def test_images_of_several_channels_stay_on_disk_too(tmp_path: Path) -> None:
    images = numpy.random.default_rng(4).integers(0, 256, (6, 8, 5, 3), dtype=numpy.uint8)
    (tmp_path / "images").write_bytes(idx(images))
    (tmp_path / "labels").write_bytes(idx(numpy.arange(6)))
    paths = (tmp_path / "images", tmp_path / "labels")
    on_disk, in_memory = (Dataset.from_idx(*paths, in_memory=place) for place in (False, True))
    assert on_disk.image_shape == in_memory.image_shape == (8, 5, 3)
    assert numpy.array_equal(on_disk.images, images)
    assert numpy.array_equal(on_disk[2][0], images[2])
    assert on_disk.describe() == in_memory.describe()


def test_a_large_file_stays_on_disk_unless_it_is_compressed(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = tmp_path / "images.gz"
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    size = files[0].stat().st_size
    for limit, expected in ((size, False), (size - 1, True)):
        monkeypatch.setattr("mnistburn.idx_pair._LARGEST_IN_MEMORY", limit)
        assert isinstance(Dataset.from_idx(*files).images, numpy.memmap) is expected
    monkeypatch.setattr("mnistburn.idx_pair._LARGEST_IN_MEMORY", 1000)
    assert not isinstance(Dataset.from_idx(packed, files[1]).images, numpy.memmap)


def test_a_run_is_as_in_memory(on_disk: Dataset, in_memory: Dataset, tmp_path: Path) -> None:
    losses = []
    for name, data in (("disk", on_disk), ("memory", in_memory)):
        pair = data.split(0.2)
        run = mnistburn.train(tmp_path / name, CONFIG, "cpu", data=pair, progress=False)
        losses.append(run.history.train_steps["loss"])
        assert run.model.evaluate(data) == run.model.evaluate(in_memory)
    assert losses[0] == losses[1]


def test_a_file_cut_off_in_a_run_is_an_error(files: tuple[Path, Path], tmp_path: Path) -> None:
    images = tmp_path / "images"
    images.write_bytes(files[0].read_bytes())
    data = Dataset.from_idx(images, files[1], in_memory=False)

    class Cuts(mnistburn.Callback):
        def on_step_end(self, event: object) -> None:
            with images.open("r+b") as file:
                file.truncate(1000)

    with pytest.raises(DataError, match="has changed"):
        mnistburn.train(
            tmp_path / "run", CONFIG, "cpu", data=(data, data), callbacks=[Cuts()], progress=False
        )
    with pytest.raises(DataError, match="has changed"):
        mnistburn.Model(CONFIG.model).evaluate(data)


def test_the_file_is_opened_once(
    files: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = tmp_path / "images"
    images.write_bytes(files[0].read_bytes())
    monkeypatch.chdir(tmp_path)
    data = Dataset.from_idx("images", files[1], in_memory=False)
    monkeypatch.chdir("/")
    kept = [image for image, _ in data]
    assert len({id(image.base) for image in kept}) == len(kept)  # none is a part of a mapping
    assert not data[:5].images.flags.writeable
    assert data.images.base is data.images.base
    with images.open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(DataError, match="has changed"):
        data[150]


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe without a reader")
def test_a_pipe_is_refused_at_once(files: tuple[Path, Path], tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for in_memory in (None, True, False):
        with pytest.raises(DataError, match="regular file"):
            Dataset.from_idx(tmp_path / "pipe", files[1], in_memory=in_memory)


@pytest.mark.parametrize("shape", [(4, 3, 28, 28), (4, 1, 28, 28), (4, 4, 9), (4, 9, 9, 2)])
def test_only_shapes_of_models_stay_on_disk(shape: tuple[int, ...], tmp_path: Path) -> None:
    (tmp_path / "images").write_bytes(idx(numpy.zeros(shape)))
    (tmp_path / "labels").write_bytes(idx(numpy.zeros(4)))
    with pytest.raises(DataError, match="height"):
        Dataset.from_idx(tmp_path / "images", tmp_path / "labels", in_memory=False)


def test_files_that_cannot_stay_on_disk_are_refused(
    files: tuple[Path, Path], tmp_path: Path
) -> None:
    packed = tmp_path / "images.gz"
    packed.write_bytes(gzip.compress(files[0].read_bytes()))
    with pytest.raises(DataError, match="decompress"):
        Dataset.from_idx(packed, files[1], in_memory=False)
    (tmp_path / "cut").write_bytes(files[0].read_bytes()[:-1])
    with pytest.raises(DataError, match="has 156816 bytes, got 156815"):
        Dataset.from_idx(tmp_path / "cut", files[1], in_memory=False)
    with pytest.raises(DataError, match="one label for each"):
        Dataset.from_idx(files[0], files[0], in_memory=False)
    with pytest.raises(DataError, match="True, False or None"):
        Dataset.from_idx(*files, in_memory=1)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak of the resident memory")
def test_the_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    # 470 MB that take no room on the disk: a file with holes, of black images.
    count = 600_000
    with (tmp_path / "images").open("wb") as file:
        file.write(bytes([0, 0, 8, 3]) + b"".join(n.to_bytes(4, "big") for n in (count, 28, 28)))
        file.truncate(16 + count * 784)
    (tmp_path / "labels").write_bytes(idx(numpy.arange(count) % 10))
    text = """
import sys, mnistburn
from mnistburn import Dataset
data = Dataset.from_idx(sys.argv[1] + "/images", sys.argv[1] + "/labels", in_memory=False)
print(data.describe().images)
model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=1))
model.evaluate(data)
print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    done = subprocess.run(
        [sys.executable, "-c", text, str(tmp_path)], capture_output=True, text=True, check=True
    )
    images, _, peak, _ = done.stdout.split()
    assert int(images) == count
    assert int(peak) < 250_000  # kilobytes; the images alone have 470,000
