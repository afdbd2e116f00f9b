"""CIFAR, SVHN and MedMNIST: small files in their layouts, from a server to a training."""

import base64
import gzip
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import known_files
import numpy
import pytest
from click.testing import CliRunner, Result
from download_server import Behaviour, Server, running
from numpy.typing import NDArray

import mnistburn
from mnistburn import datasets
from mnistburn.arrays import ImageShape
from mnistburn.cli import main
from mnistburn.datasets.known import KnownDataset, KnownSplit
from mnistburn.datasets.registry import DATASETS
from mnistburn.errors import DataError

if TYPE_CHECKING:
    from mnistburn.datasets.parts import Split


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a cache directory that no other test uses; proxies of the machine are left out."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("MNISTBURN_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running() as server:
        yield server


def serving(body: bytes) -> Behaviour:
    return lambda request: request.serve(body)


class Known:
    """Puts a small data set in the place of a known one, and its files on the server."""

    def __init__(self, server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
        self._server = server
        self._monkeypatch = monkeypatch
        server.log.clear()
        server.behaviours.clear()

    def put(self, entry: KnownDataset, contents: dict[str, bytes]) -> KnownDataset:
        for name, content in contents.items():
            self._server.on(f"/{entry.name}/{name}", serving(content))
        entry = replace(entry, mirrors=(f"{self._server.url}/{entry.name}/",))
        self._monkeypatch.setitem(DATASETS, entry.name, entry)
        return entry

    @property
    def asked(self) -> list[str]:
        return [path for path, _ in self._server.log]


@pytest.fixture
def known(server: Server, monkeypatch: pytest.MonkeyPatch) -> Known:
    return Known(server, monkeypatch)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


# CIFAR


@pytest.mark.parametrize("name", ["cifar-10", "cifar-100"])
def test_cifar_comes_out_with_its_colours_last(name: str, known: Known, data_dir: Path) -> None:
    entry, members, images = known_files.cifar(name)
    file = entry.train.images.name
    known.put(entry, {file: known_files.archive(members)})
    parts: tuple[Split, ...] = ("train", "test")
    for part in parts:
        dataset = datasets.load(name, part, progress=False)
        assert (dataset.images == images[part]).all()
        # Of CIFAR-100 the fine label, not the coarse one before it.
        assert dataset.targets.tolist() == list(range(known_files.CIFAR_COUNTS[part]))
        assert dataset.class_names == entry.class_names
    # Both parts are in one file, which is fetched once and not unpacked to the disk.
    assert known.asked == [f"/{name}/{file}"]
    assert sorted(path.name for path in (data_dir / name).iterdir()) == [".lock", file]


def gzipped_tar(kind: str) -> bytes:
    """Return an archive of CIFAR-10 with a fault."""
    _, members, _ = known_files.cifar("cifar-10")
    first, _, _, fourth, *_ = members
    changed = {
        "without a member": {name: members[name] for name in members if name != fourth},
        "with a short member": {**members, first: members[first][:-1]},
        "with a long member": {**members, first: members[first] + b"?"},
        "too large": {**members, "more": bytes(1 << 21)},
        "another archive": {"train.bin": b"pixels"},
    }
    whole = known_files.archive(changed.get(kind, members))
    return {
        "cut off": whole[: len(whole) // 2],
        "no archive": gzip.compress(bytes(5000), mtime=0),
        "not compressed": gzip.decompress(whole),
        "with a link": appended(b"", first, members[first], link=True),
        "with a member twice": appended(gzip.decompress(whole), first, members[first]),
    }.get(kind, whole)


def appended(archive: bytes, name: str, content: bytes = b"", *, link: bool = False) -> bytes:
    """Return an archive, compressed, with a member more."""
    packed = io.BytesIO(archive)
    with tarfile.open(fileobj=packed, mode="a" if archive else "w") as file:
        info = tarfile.TarInfo(name)
        info.size = len(content)
        if link:
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/hostname"
        file.addfile(info, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), mtime=0)


BATCH = "cifar-10-batches-bin/data_batch_"
FAULTS = {
    "without a member": rf"must hold {BATCH}4.bin, and holds {BATCH}1.bin, .*; the archive is ano",
    "with a short member": rf"{BATCH}1.bin must be a file of 6146 bytes, got 6145",
    "with a long member": rf"{BATCH}1.bin must be a file of 6146 bytes, got 6147",
    "with a member twice": rf"it holds {BATCH}1.bin twice",
    "with a link": rf"{BATCH}1.bin must be a file of 6146 bytes, got 6146 of something else",
    "too large": r"it decompresses to more than \d+ bytes",
    "another archive": rf"must hold {BATCH}1.bin, .*, and holds .*train.bin",
    "cut off": "must be the archive cifar-10-binary.tar.gz of cifar-10: ",
    "no archive": f"must hold {BATCH}1.bin, .*, and holds nothing",
    "not compressed": "must be the archive cifar-10-binary.tar.gz of cifar-10: Not a gzipped file",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_another_archive_is_refused(kind: str, known: Known, tmp_path: Path) -> None:
    content = gzipped_tar(kind)
    entry = known.put(known_files.with_cifar_archive(DATASETS["cifar-10"], content), {})
    (tmp_path / entry.train.images.name).write_bytes(content)
    with pytest.raises(DataError, match=FAULTS[kind]) as caught:
        datasets.load("cifar-10", root=tmp_path)
    assert str(tmp_path / "cifar-10-binary.tar.gz") in str(caught.value)


def test_a_class_that_cifar_does_not_have_is_refused(known: Known, tmp_path: Path) -> None:
    entry, members, _ = known_files.cifar("cifar-10")
    name = entry.test.members[0]
    members[name] = b"\x0a" + members[name][1:]
    content = known_files.archive(members)
    entry = known.put(known_files.with_cifar_archive(entry, content), {})
    (tmp_path / entry.train.images.name).write_bytes(content)
    with pytest.raises(DataError, match="class numbers from 0 to 9, got 1 to 10"):
        datasets.load("cifar-10", "test", root=tmp_path)


@pytest.mark.parametrize("change", ["cut off", "a flipped bit"])
def test_a_damaged_archive_fails_its_hash(change: str, known: Known, tmp_path: Path) -> None:
    entry, members, _ = known_files.cifar("cifar-10")
    known.put(entry, {})
    content = bytearray(known_files.archive(members))
    if change == "cut off":
        del content[-1]
    else:
        content[100] ^= 1
    (tmp_path / entry.train.images.name).write_bytes(content)
    with pytest.raises(DataError, match="is damaged: its SHA-256 is"):
        datasets.load("cifar-10", root=tmp_path)


# SVHN, in images of 6 by 5 pixels

SHAPE = ImageShape(6, 5, 3)
HOUSES = (numpy.arange(3 * 6 * 5 * 3) * 7 % 251).astype(numpy.uint8).reshape(3, *SHAPE)

# What SciPy's savemat wrote of {"X": HOUSES.transpose(1, 2, 3, 0), "y": [[1], [10], [3]]} with
# do_compression=True, after the text of the header.
SCIPY = base64.b64decode(
    "AAFJTQ8AAABLAQAAeJzjY2Bg8GBkYGAD0hxAzMkAAaxALMAAEQexmaGYEQgjgDQTEPMB9TFkXnJYKS5a9zx0n47WZMas"
    "y472K8TqX4SF7NWewpTNXnDTfYOcTOu7mKPGhrM4Cm95uK2XbXsfG33EaDZnEV/5A7/tqso9X5PPWFks5K946O+7TaX3"
    "W0rSactFApUNL8MP6E2fypxz1XnNKonGVxEH9+tOY8m9dsVptWTT6/YPccdN583hKr7jtXmjfMfH+BPHTOZyl9y97blJ"
    "ofNT3/fUczZLFwtWPQ7ctUOt/0fa+bPWS4SqnzwK2Kk+4Sdr3nXXdTJSzW+iDhvqz2DLv+Hmsla65W105CGDmewFPKX3"
    "fLYqK3Z9TjxlYTaft+y+r/cWpe4vSQknzRfwlQvXPA3eo6Ux8VfGRXvbZSK1z0KCdmtOYshMv2C3XLSOgQEAyYSAPA8A"
    "AAAqAAAAeJzjY2BgMABiNiDmAGJOBghghfKZgZgRjBkZKoE0E1CEkYuZAQAY4AD1"
)


def element(kind: int, data: bytes) -> bytes:
    return struct.pack("<II", kind, len(data)) + data + bytes(-len(data) % 8)


def matrix(name: bytes, array: NDArray[numpy.generic], stored: int, class_: int) -> bytes:
    """Return an array as MATLAB writes it: the first index runs fastest."""
    return element(
        14,
        element(6, struct.pack("<II", class_, 0))
        + element(5, struct.pack(f"<{array.ndim}i", *array.shape))
        # A name of up to four letters stands in the tag.
        + struct.pack("<HH4s", 1, len(name), name)
        + element(stored, array.tobytes(order="F")),
    )


def mat(*matrices: bytes, compressed: bool = False) -> bytes:
    if compressed:
        packed = [zlib.compress(each) for each in matrices]
        matrices = tuple(struct.pack("<II", 15, len(each)) + each for each in packed)
    return b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + b"".join(matrices)


X = matrix(b"X", HOUSES.transpose(1, 2, 3, 0), 2, 9)
Y = matrix(b"y", numpy.array([[1], [10], [3]], numpy.uint8), 2, 9)


def svhn(content: bytes) -> KnownDataset:
    part = KnownSplit(3, known_files.pinned("train_32x32.mat", content), members=("X", "y"))
    return replace(DATASETS["svhn"], train=part, test=part, image_shape=SHAPE)


@pytest.mark.parametrize(
    "content",
    [
        b"MATLAB 5.0 MAT-file".ljust(124) + SCIPY,
        mat(X, Y),
        mat(X, Y, compressed=True),
        mat(Y, X),
        # Doubles, as bytes and as doubles; an array more.
        mat(X, matrix(b"y", numpy.array([[1], [10], [3]], numpy.uint8), 2, 6)),
        mat(X, matrix(b"y", numpy.array([[1.0], [10.0], [3.0]]), 9, 6)),
        mat(matrix(b"z", numpy.zeros((2, 2)), 9, 6), X, Y),
    ],
    ids=["by SciPy", "plain", "compressed", "in another order", "bytes", "doubles", "one more"],
)
def test_svhn_comes_out_upright_and_ten_is_zero(content: bytes, known: Known) -> None:
    known.put(svhn(content), {"train_32x32.mat": content})
    dataset = datasets.load("SVHN", progress=False)
    assert (dataset.images == HOUSES).all()
    assert dataset.targets.tolist() == [1, 0, 3]
    assert dataset.class_names == tuple("0123456789")


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (mat(X), "must hold the arrays X, y, and holds X"),
        (mat(Y), "must hold the arrays X, y, and holds y"),
        (mat(), "and holds nothing"),
        (b"", "must be a MATLAB file of level 5: it does not begin as one"),
        (b"\x89HDF\r\n\x1a\n" + bytes(600), "it does not begin as one"),
        (mat(X, Y)[:-9], "it is cut off: an element of"),
        (mat(X, Y)[:140], "it is cut off: an element of"),
        (mat(X, Y)[:132], "must be a MATLAB file of level 5: "),
        (mat(X, Y, compressed=True)[:-5], "it is cut off: an element of"),
        (mat(X) + struct.pack("<II", 15, 9) + b"no stream", "must be a MATLAB file of level 5: "),
        (
            mat(X, matrix(b"y", numpy.zeros(1 << 14), 9, 6), compressed=True),
            "is cut off or takes more than 6256 bytes",
        ),
        (mat(matrix(b"X", HOUSES, 2, 9), Y), r"X must have the shape \[6, 5, 3, 3\], got \[3, 6"),
        (mat(X, matrix(b"y", numpy.ones((2, 1)), 9, 6)), r"y must have the shape \[3, 1\]"),
        (mat(X, matrix(b"y", numpy.array([[0], [1], [2]], "u1"), 2, 9)), "from 1 to 10, got 0 to"),
        (mat(X, matrix(b"y", numpy.array([[11], [1], [2]], "u1"), 2, 9)), "10, got 1 to 11"),
        (mat(X, matrix(b"y", numpy.array([[1.5], [1], [2]]), 9, 6)), "class numbers from 1 to 10"),
        (mat(X, matrix(b"y", numpy.array([[1], [1], [2]], "u1"), 2, 4)), "y must be an array of r"),
        (
            mat(X, matrix(b"y", numpy.array([[1], [1], [2]], "u1"), 2, 0x800 + 9)),
            "y must be an array of real numbers",
        ),
        (
            mat(matrix(b"X", HOUSES.transpose(1, 2, 3, 0).astype("<f8") / 255, 9, 6), Y),
            "pixels that are whole numbers in 0..255",
        ),
        (mat(X, matrix(b"y", numpy.ones((3, 1), "u1"), 11, 9)), "does not fit its 3 bytes"),
        (mat(X, matrix(b"y", numpy.ones((3, 1), "u1"), 4, 9)), "does not fit its 3 bytes"),
    ],
)
def test_another_matlab_file_is_refused(
    content: bytes, part: str, known: Known, tmp_path: Path
) -> None:
    known.put(svhn(content), {})
    (tmp_path / "train_32x32.mat").write_bytes(content)
    with pytest.raises(DataError, match=part) as caught:
        datasets.load("svhn", root=tmp_path)
    assert str(tmp_path / "train_32x32.mat") in str(caught.value)


# MedMNIST


@pytest.mark.parametrize("name", ["bloodmnist", "breastmnist"])
def test_medmnist_has_three_parts(name: str, known: Known) -> None:
    arrays = known_files.medmnist_arrays(name)
    entry, content = known_files.medmnist(name, arrays)
    known.put(entry, {f"{name}.npz": content})
    parts: dict[str, Split] = {"train": "train", "val": "valid", "test": "test"}
    for part, split in parts.items():
        dataset = datasets.load(name, split, progress=False)
        assert (dataset.images == arrays[f"{part}_images"]).all()
        assert dataset.targets.tolist() == arrays[f"{part}_labels"][:, 0].tolist()
        assert dataset.class_names == entry.class_names
    assert len(known.asked) == 1
    train, held_out = datasets.load(name, validation=0.5)
    assert len(train) + len(held_out) == known_files.MEDMNIST_COUNTS["train"]


def test_a_run_validates_on_valid_and_is_evaluated_on_test(
    known: Known, artifact_dir: Path
) -> None:
    arrays = known_files.medmnist_arrays("breastmnist")
    entry, content = known_files.medmnist("breastmnist", arrays)
    known.put(entry, {"breastmnist.npz": content})
    config = mnistburn.TrainingConfig(num_epochs=1, batch_size=4)
    run = mnistburn.train(artifact_dir, config, "cpu", data="BreastMNIST", progress=False)
    source = json.loads((artifact_dir / "data.json").read_text("utf-8"))["source"]
    assert source["parts"] == {"train": "train", "valid": "valid", "test": "test"}
    model = run.model
    assert model.class_names == ("malignant", "normal, benign")
    valid = datasets.load("breastmnist", "valid")
    assert run.history["valid_loss"][-1] == pytest.approx(model.evaluate(valid).loss)
    done = command("evaluate", artifact_dir, "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    test = datasets.load("breastmnist", "test")
    assert told["loss"] == model.evaluate(test).loss
    assert told["images"] == known_files.MEDMNIST_COUNTS["test"]


def test_a_set_without_such_a_part_says_what_to_do() -> None:
    with pytest.raises(
        DataError, match=r"'train' or 'test', got 'valid' .str.; mnist has no part .*=0\.1"
    ):
        datasets.load("mnist", "valid")
    with pytest.raises(DataError, match="split must be 'train', 'valid' or 'test', got 'val'"):
        datasets.load("breastmnist", "val")  # type: ignore[call-overload]


def test_another_npz_file_is_refused(known: Known, tmp_path: Path) -> None:
    arrays = known_files.medmnist_arrays("breastmnist")
    images, labels = arrays["val_images"], arrays["val_labels"]
    cases: list[tuple[dict[str, NDArray[numpy.generic]], str]] = [
        ({"val_images": images[..., None]}, r"val_images must have the shape \[5, 28, 28\], got "),
        ({"val_images": images[:, :27]}, r"val_images must have the shape \[5, 28, 28\], got "),
        ({"val_labels": labels[:4]}, r"val_labels must have the shape \[5\], got \[4\]"),
        ({"val_labels": numpy.hstack([labels, labels])}, r"got \[5, 2\]"),
        ({"val_labels": labels + 1}, "class numbers from 0 to 1, got 1 to 2"),
        ({"val_images": images / 255}, "pixels that are whole numbers in 0..255"),
        ({"val_images": images.astype(object)}, "array of Python objects"),
    ]
    for change, part in cases:
        entry, content = known_files.medmnist("breastmnist", {**arrays, **change})
        known.put(entry, {})
        (tmp_path / "breastmnist.npz").write_bytes(content)
        with pytest.raises(DataError, match=part) as caught:
            datasets.load("breastmnist", "valid", root=tmp_path)
        assert str(tmp_path / "breastmnist.npz") in str(caught.value)
        assert len(datasets.load("breastmnist", "test", root=tmp_path)) == 7


@pytest.mark.parametrize(
    ("kind", "part"),
    [
        ("without an array", "must hold the array 'val_labels'; its arrays are: train_images, "),
        ("cut off", "must be a .npz file, and cannot be read as one"),
        ("foreign", "must be a .npz file, and cannot be read as one"),
    ],
)
def test_a_file_that_is_no_such_archive_is_refused(
    kind: str, part: str, known: Known, tmp_path: Path
) -> None:
    arrays = known_files.medmnist_arrays("breastmnist")
    left = {name: array for name, array in arrays.items() if name != "val_labels"}
    _, content = known_files.medmnist("breastmnist", left if kind == "without an array" else arrays)
    content = {"cut off": content[:-100], "foreign": b"<html>log in</html>"}.get(kind, content)
    known.put(known_files.with_medmnist_file("breastmnist", content, arrays), {})
    (tmp_path / "breastmnist.npz").write_bytes(content)
    with pytest.raises(DataError, match=part):
        datasets.load("breastmnist", "valid", root=tmp_path)


def test_a_wrong_md5_is_named(known: Known, tmp_path: Path) -> None:
    entry, content = known_files.medmnist("breastmnist", known_files.medmnist_arrays("breastmnist"))
    known.put(entry, {})
    (tmp_path / "breastmnist.npz").write_bytes(content[:-1] + b"?")
    with pytest.raises(DataError, match="is damaged: its MD5 is") as caught:
        datasets.load("breastmnist", root=tmp_path)
    assert f"about {len(content)} bytes, MD5 {entry.train.images.md5}" in str(caught.value)


# The commands


@pytest.mark.parametrize("name", ["cifar-10", "svhn", "breastmnist"])
def test_the_commands_take_each_kind(name: str, known: Known, data_dir: Path) -> None:
    if name == "cifar-10":
        entry, members, _ = known_files.cifar(name)
        contents = {entry.train.images.name: known_files.archive(members)}
    elif name == "svhn":
        entry = svhn(mat(X, Y))
        contents = {"train_32x32.mat": mat(X, Y)}
    else:
        entry, content = known_files.medmnist(name, known_files.medmnist_arrays(name))
        contents = {f"{name}.npz": content}
    known.put(entry, contents)
    assert command("data", "verify", name).exit_code == 1
    done = command("data", "fetch", name.upper().replace("-", ""), "--no-progress")
    assert done.exit_code == 0, done.output
    paths = [data_dir / name / file for file in contents]
    assert done.stdout.split() == [str(path) for path in paths]
    assert command("data", "where", name).stdout == f"{data_dir / name}\n"
    done = command("data", "verify", name)
    assert done.exit_code == 0
    assert done.stdout.count("ok ") == 1
    rows = {row["name"]: row for row in json.loads(command("data", "list", "--json").stdout)}
    assert (rows[name]["files"], rows[name]["files_here"]) == (1, 1)
    assert rows[name]["valid_images"] == (5 if name == "breastmnist" else None)
    done = command("data", "describe", name, "--split=test")
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("classes: ")
    paths[0].write_bytes(b"poison")
    done = command("data", "verify", name)
    assert (done.exit_code, done.stdout.split()[0]) == (1, "damaged")
