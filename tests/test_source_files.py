"""Files as data: npz, csv and IDX; and sources, by which the data of a run are found again."""

import gzip
import io
import json
import logging
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from pictures import write_png

import mnistburn
from mnistburn import Dataset
from mnistburn.arrays import ImageShape
from mnistburn.datasets.loading import load_pair, load_part
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.datasets.source import DataSource, available_parts, part_taken, source_of
from mnistburn.errors import DataError
from mnistburn.preprocessing import Preprocessing

RANDOM = numpy.random.default_rng(5)
IMAGES = RANDOM.integers(0, 256, (40, 28, 28), dtype=numpy.uint8)
TARGETS = numpy.arange(40) % 10


def same(data: Dataset, images: Any = IMAGES, targets: Any = TARGETS) -> bool:
    return numpy.array_equal(data.images, images) and numpy.array_equal(data.targets, targets)


def table(path: Path, columns: Any, names: str | None = None, separator: str = ",") -> Path:
    rows = [separator.join(map(str, row)) for row in columns]
    path.write_text("\n".join(([names] if names else []) + rows) + "\n")
    return path


def pixels(count: int = 784) -> str:
    return ",".join(f"pixel{index}" for index in range(count))


@pytest.mark.parametrize(
    "names",
    [
        ("x_train", "y_train", "x_test", "y_test"),
        ("train_images", "train_labels", "test_images", "test_labels"),
        ("X_train", "Y_train", "X_val", "Y_val"),
        ("images_train", "labels_train", "images_test", "labels_test"),
    ],
)
def test_an_archive_is_read_by_the_names_of_its_arrays(
    names: tuple[str, ...], tmp_path: Path
) -> None:
    file = tmp_path / "mnist.npz"
    arrays = (IMAGES, TARGETS[:, None], IMAGES[:20], TARGETS[:20].astype(numpy.uint8))
    numpy.savez_compressed(file, **dict(zip(names, arrays, strict=True)))  # type: ignore[arg-type]
    pair = load_pair(file)
    assert same(pair.train)
    assert same(pair.valid, IMAGES[:20], TARGETS[:20])
    assert pair.train.class_names is None
    assert same(load_part(file, "test"), IMAGES[:20], TARGETS[:20])


def test_an_archive_without_parts_holds_a_share_out(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (40, 32, 32, 3)).astype(numpy.int64)
    labels = numpy.array(["cat", "dog"])[TARGETS % 2]
    numpy.savez(tmp_path / "a.npz", x=colours, y=labels)
    pair = load_pair(tmp_path / "a.npz", seed=3)
    whole = load_part(tmp_path / "a.npz", "train")
    assert whole.class_names == ("cat", "dog")
    assert same(whole, colours, TARGETS % 2)
    share = whole.split(0.1, 3)[1]
    assert same(pair.valid, share.images, share.targets)


def hostile(path: Path, header: bytes, body: bytes = b"") -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", header + body)
        buffer = io.BytesIO()
        numpy.save(buffer, TARGETS)
        archive.writestr("y.npy", buffer.getvalue())
    return path


def npy_header(shape: tuple[int, ...]) -> bytes:
    buffer = io.BytesIO()
    described: Any = {"descr": "|u1", "fortran_order": False, "shape": shape}
    numpy.lib.format.write_array_header_1_0(buffer, described)
    return buffer.getvalue()


def test_hostile_archives_are_refused_unread(tmp_path: Path) -> None:
    objects = numpy.empty(2, dtype=object)
    numpy.savez(tmp_path / "objects.npz", x=objects, y=TARGETS)
    (tmp_path / "text.npz").write_bytes(b"no archive")
    for file, message in (
        (tmp_path / "objects.npz", "Python objects, which are never loaded"),
        (hostile(tmp_path / "huge.npz", npy_header((1 << 40, 28, 28))), "more than the 8 GiB"),
        (hostile(tmp_path / "short.npz", npy_header((40, 28, 28))), "do not agree"),
        (hostile(tmp_path / "bad.npz", b"nothing"), r"must be a \.npz file"),
        (tmp_path / "text.npz", r"must be a \.npz file"),
    ):
        with pytest.raises(DataError, match=message):
            load_pair(file)


def test_an_archive_of_other_names_is_refused_with_them(tmp_path: Path) -> None:
    numpy.savez(tmp_path / "a.npz", first=IMAGES, second=TARGETS)
    with pytest.raises(DataError, match=r"x_train and y_train .* its arrays are: first, second"):
        load_pair(tmp_path / "a.npz")
    numpy.savez(tmp_path / "b.npz", x=IMAGES, images=IMAGES, y=TARGETS)
    with pytest.raises(DataError, match="'x' and 'images' read as the images"):
        load_pair(tmp_path / "b.npz")


def test_a_table_is_read_with_its_label_first_or_last(tmp_path: Path) -> None:
    flat = IMAGES.reshape(40, -1).copy()
    flat[:, [0, -1]] = 0  # as in MNIST
    images = flat.reshape(IMAGES.shape)
    first = numpy.column_stack([TARGETS, flat])
    last = numpy.column_stack([flat, TARGETS])
    files = [
        table(tmp_path / "a.csv", first, f"label,{pixels()}"),
        table(tmp_path / "b.csv", last, f"{pixels()},class"),
        table(tmp_path / "c.csv", first),
        table(tmp_path / "d.csv", last),
        table(tmp_path / "e.csv", first, f"label,{pixels()}".replace(",", ";"), ";"),
    ]
    (tmp_path / "f.csv.gz").write_bytes(gzip.compress(files[0].read_bytes()))
    (tmp_path / "g.csv").write_bytes(
        b"\xef\xbb\xbf" + files[0].read_bytes().replace(b"\n", b"\r\n")
    )
    for file in (*files, tmp_path / "f.csv.gz", tmp_path / "g.csv"):
        assert same(load_part(file, "train"), images), file
    assert "'label'" in load_pair(files[0]).told[1]


def test_a_table_of_colours_or_of_other_sides(tmp_path: Path) -> None:
    colours = RANDOM.integers(0, 256, (6, 32, 32, 3), dtype=numpy.uint8)
    names = numpy.array(["dog", "cat"] * 3)
    rows = numpy.column_stack([names, colours.reshape(6, -1).astype(str)])
    data = load_part(table(tmp_path / "c.csv", rows, f"label,{pixels(3072)}"), "train")
    assert same(data, colours, [1, 0] * 3)
    assert data.class_names == ("cat", "dog")
    grey = IMAGES[:, :20, :12]
    file = table(
        tmp_path / "g.csv",
        numpy.column_stack([TARGETS, grey.reshape(40, -1)]),
        f"label,{pixels(240)}",
    )
    options = PictureOptions.of(ImageShape(20, 12, 1), Preprocessing())
    assert same(load_part(file, "train", options=options), grey)
    with pytest.raises(DataError, match=r"square images.* got 241 columns"):
        load_part(file, "train")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("pixel5,", "class,", "'label' and 'class' both read"),
        ("\n7,1,", "\n7,256,", "got '256' in line 2"),
        ("\n7,1,", "\n7,-1,", "got '-1' in line 2"),
        ("\n7,1,", "\n7,1.5,", "got '1.5' in line 2"),
        ("\n7,1,", "\n7,,", "got '' in line 2"),
        ("\n7,1,", "\n7,", "line 2 has 1 fewer"),
        ("\n7,1,", "\n,1,", "line 2 has none"),
        ("\n7,1,", "\n-2,1,", "labels must be class numbers .* got '-2' in line 2"),
        ("\n7,1,", "\n1e300,1,", "got '1e300' in line 2"),
        ("\n7,", "\n" + "7" * 2000 + ",", "that of line 2 is longer"),
        ("label", "\0", "must be a table in UTF-8"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(
    old: str, new: str, message: str, tmp_path: Path
) -> None:
    text = f"label,{pixels()}\n7,{','.join(['1'] * 784)}\n"
    (tmp_path / "a.csv").write_text(text.replace(old, new, 1))
    with pytest.raises(DataError, match=message):
        load_pair(tmp_path / "a.csv")


def test_a_table_without_lines_or_labels_is_refused(tmp_path: Path) -> None:
    for text, message in (
        ("", "must be a table in UTF-8"),
        (f"label,{pixels()}\n", "a line for each image, and there is none"),
        (f"{pixels()}\n{','.join(['1'] * 784)}\n", "images of 28 x 28 without labels"),
    ):
        (tmp_path / "a.csv").write_text(text)
        with pytest.raises(DataError, match=message):
            load_pair(tmp_path / "a.csv")


def idx(path: Path, array: Any) -> None:
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    content = bytes([0, 0, 8, array.ndim]) + sizes + array.astype(numpy.uint8).tobytes()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_idx_files_are_found_beside_each_other(ending: str, tmp_path: Path) -> None:
    for part, count in (("train", 40), ("t10k", 20)):
        idx(tmp_path / f"{part}-images-idx3-ubyte{ending}", IMAGES[:count])
        idx(tmp_path / f"{part}-labels-idx1-ubyte{ending}", TARGETS[:count])
    for data in (tmp_path, tmp_path / f"train-images-idx3-ubyte{ending}"):
        pair = load_pair(data)
        assert same(pair.train)
        assert same(pair.valid, IMAGES[:20], TARGETS[:20])
    alone = tmp_path / f"t10k-images-idx3-ubyte{ending}"
    assert same(load_part(alone, "train"), IMAGES[:20], TARGETS[:20])
    assert available_parts(source_of(alone)) == ("train",)
    with pytest.raises(DataError, match="holds labels; pass the file of the images"):
        load_pair(tmp_path / f"train-labels-idx1-ubyte{ending}")
    (tmp_path / f"t10k-labels-idx1-ubyte{ending}").unlink()
    with pytest.raises(DataError, match="needs its labels beside it"):
        load_pair(alone)


def test_another_file_is_refused_with_what_is_taken(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    for data in (tmp_path / "a.parquet", tmp_path / "none.csv", 3, ["a"]):
        with pytest.raises(DataError, match=r"\.npz, \.csv"):
            load_pair(data)


def test_the_home_directory_is_expanded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    numpy.savez(tmp_path / "a.npz", x=IMAGES, y=TARGETS)
    for data in ("~/a.npz", Path("~/a.npz")):
        assert source_of(data).location == str(tmp_path / "a.npz")


def test_a_folder_that_a_name_hides_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mnist").mkdir()  # holds nothing that could be meant
    assert source_of("mnist").kind == "name"
    assert not caplog.records
    for name in "ab":
        write_png(tmp_path / "mnist" / name / "0.png", IMAGES[0])
    with caplog.at_level(logging.WARNING, "mnistburn"):
        assert source_of("mnist").kind == "name"
    (record,) = caplog.records
    assert "./mnist takes it" in record.getMessage()
    assert source_of("./mnist").location == str(tmp_path / "mnist")
    assert len(caplog.records) == 1


def test_a_source_finds_the_same_images_again(tmp_path: Path) -> None:
    file = tmp_path / "a.npz"
    numpy.savez(file, x=IMAGES, y=TARGETS)
    pair = load_pair(file, validation=0.5, seed=9)
    text = json.dumps(pair.source.to_json_object())
    source = DataSource.from_json_object(json.loads(text))
    assert source == pair.source
    assert available_parts(source) == ("train", "valid")
    assert part_taken(source, "test") == "valid"
    for split, expected in (("train", pair.train), ("valid", pair.valid), ("test", pair.valid)):
        found = load_part(source, split)  # type: ignore[arg-type]
        assert same(found, expected.images, expected.targets)
    again = load_pair(source)
    assert same(again.valid, pair.valid.images, pair.valid.targets)
    shutil.move(file, tmp_path / "b.npz")
    with pytest.raises(DataError, match=r"a\.npz no longer exists; pass data= or give --data"):
        load_part(source, "valid")


def test_known_sets_are_found_again() -> None:
    source = source_of("mnist")
    assert str(source) == "mnist"
    expected = mnistburn.datasets.load("mnist", "test")
    assert same(load_part(source, "valid"), expected.images, expected.targets)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "zip"},
        {"location": None},
        {"parts": {"train": 1, "valid": None, "test": None}},
        {"parts": {}},
        {"validation": 2.0},
        {"validation": 0.1, "seed": None},
        {"seed": True},
    ],
)
def test_a_source_of_another_shape_is_refused(change: dict[str, Any]) -> None:
    value = source_of("mnist").to_json_object() | change
    with pytest.raises(DataError, match="source of the data"):
        DataSource.from_json_object(value)
    with pytest.raises(DataError, match="source of the data"):
        DataSource.from_json_object([])


def test_arrays_cannot_be_found_again() -> None:
    source = DataSource("arrays", None, dict.fromkeys(("train", "valid", "test")))
    with pytest.raises(DataError, match="trained on arrays"):
        load_part(source, "valid")


def test_the_commands_take_files_and_say_what_they_took(tmp_path: Path) -> None:
    from mnistburn.cli import main

    file = tmp_path / "a.npz"
    numpy.savez(file, x_train=IMAGES, y_train=TARGETS, x_test=IMAGES[:20], y_test=TARGETS[:20])
    done = CliRunner().invoke(main, ["data", "describe", str(file), "--split=test"])
    assert done.exit_code == 0, done.output
    assert "classes: 10, without names; parts: x_train, x_test" in done.stdout
    run = str(tmp_path / "run")
    options = ["--num-epochs=1", "--hidden-size=4", "--device=cpu", "--no-progress"]
    done = CliRunner().invoke(main, ["train", run, f"--data={file}", *options])
    assert done.exit_code == 0, done.output
    assert "classes: 10, without names; parts: x_train, x_test (x_test validates)" in done.stderr
