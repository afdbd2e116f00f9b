"""Model files that are damaged or made to harm: one error each, in little time and memory."""

import json
import pickle
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any, cast

import numpy
import pytest

from mnistburn import Model, ModelConfig, describe
from mnistburn.errors import RecordError

TORCH = Path(__file__).parent / "fixtures" / "pytorch"
MUTANTS = 2000


def model_file(folder: Path, kind: str) -> Path:
    model = Model(ModelConfig(hidden_size=4, num_classes=6), seed=3)
    if kind == "pt":
        path = folder / "model.pt"
        path.write_bytes((TORCH / "state.pt").read_bytes())
        return path
    if kind == "compressed":
        path = folder / "model.npz"
        state = model.state_dict()
        turned = {name: array.T if array.ndim == 2 else array for name, array in state.items()}
        cast("Any", numpy.savez_compressed)(path, **turned)
        return path
    return model.export(folder / f"model.{kind}")


@pytest.mark.parametrize("kind", ["onnx", "safetensors", "npz", "compressed", "pt"])
def test_a_damaged_file_is_refused_with_its_name_and_little_effort(
    tmp_path: Path, kind: str
) -> None:
    path = model_file(tmp_path, kind)
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("mutants.py"), path, str(MUTANTS), "20"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    # Many a flipped bit of a weight is a weight.
    assert report["refused"] > MUTANTS / 4
    assert report["slowest"] < 1.0
    assert report["megabytes"] < 256


def test_an_archive_of_zeros_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "bomb.npz"
    hidden = 20_000
    shapes = {"linear1.weight": (hidden, 1024), "linear1.bias": (hidden,)}
    shapes |= {"conv1.weight": (8, 1, 3, 3), "conv1.bias": (8,), "conv2.bias": (16,)}
    shapes |= {"conv2.weight": (16, 8, 3, 3), "linear2.weight": (2, hidden), "linear2.bias": (2,)}
    state = {name: numpy.zeros(shape, "f4") for name, shape in shapes.items()}
    cast("Any", numpy.savez_compressed)(path, **state)
    assert path.stat().st_size < 100_000
    with pytest.raises(RecordError, match=r"bomb\.npz: .* at most 67108864 bytes"):
        Model.load(path)


def test_a_tensor_that_repeats_one_number_is_refused_before_it_is_made() -> None:
    with pytest.raises(RecordError, match=r"bomb\.pt: .* at most 67108864 bytes"):
        Model.load(TORCH / "bomb.pt")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (struct.pack("<Q", 2**63) + b"{}", "header of at most 1048576 bytes, found 9223372036"),
        (struct.pack("<Q", 2**20) + b"{}", "expected at least 1048576 bytes at 8"),
        (struct.pack("<Q", 2) + b"{}", r"conv1\.weight is missing"),
        (struct.pack("<Q", 2) + b"{}" + bytes(8), "expected 0 bytes of numbers"),
        (struct.pack("<Q", 200_000) + b'{"a":' * 40_000, "unknown field `a`"),
    ],
)
def test_a_safetensors_header_is_checked(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(RecordError, match=rf"model\.safetensors: .*({message})"):
        Model.load(path)


def header(change: dict[str, Any]) -> bytes:
    entry = {"dtype": "F32", "shape": [8], "data_offsets": [0, 32]} | change
    text = json.dumps({"conv1.bias": entry}).encode()
    return struct.pack("<Q", len(text)) + text + bytes(32)


@pytest.mark.parametrize(
    "change",
    [
        {"data_offsets": [0, 64]},
        {"data_offsets": [4, 36]},
        {"data_offsets": [32, 0]},
        {"data_offsets": [2**64 - 32, 2**64 - 1]},
        {"shape": [9]},
        {"shape": [2**63, 2**63]},
        {"shape": [-8]},
        {"dtype": "F99"},
        {"more": 1},
    ],
)
def test_a_safetensors_entry_that_does_not_fit_the_file_is_refused(
    tmp_path: Path, change: dict[str, Any]
) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(header({}))
    with pytest.raises(RecordError, match=r"conv1\.weight is missing"):
        Model.load(path)
    path.write_bytes(header(change))
    with pytest.raises(RecordError, match=r"model\.safetensors: (?!.*is missing)"):
        Model.load(path)


def test_a_name_that_is_there_twice_is_refused(tmp_path: Path) -> None:
    path = Model(ModelConfig(hidden_size=4), seed=1).export(tmp_path / "model.npz")
    content = path.read_bytes().replace(b"conv2.bias.npy", b"conv1.bias.npy")
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"model\.npz: .*conv"):
        Model.load(path)


class Touch:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return (Path.touch, (self.path,))


def test_the_pickle_of_a_pytorch_file_is_not_executed(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    content = pickle.dumps({"conv1.weight": Touch(marker)}, protocol=2)
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", content)
        archive.writestr("model/version", "3\n")
    with pytest.raises(RecordError, match=r"model\.pt"):
        Model.load(path)
    assert not marker.exists()
    pickle.loads(content)  # noqa: S301  it would have been
    assert marker.exists()


def test_a_pickle_in_an_array_file_is_not_executed(tmp_path: Path) -> None:
    path = tmp_path / "model.npz"
    state = {"conv1.weight": numpy.array([Touch(tmp_path / "marker")], object)}
    cast("Any", numpy.savez)(path, **state)
    assert describe(path).tensors[0].number == "|O"
    with pytest.raises(RecordError, match=r"model\.npz"):
        Model.load(path)
    assert not (tmp_path / "marker").exists()
