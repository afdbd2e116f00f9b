"""Folders of pictures as data sets."""

import copy
import json
import logging
import os
import pickle
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray
from pictures import write_bmp, write_png

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig, pictures
from mnistburn.cli import main
from mnistburn.datasets.loading import load_pair, load_part
from mnistburn.errors import DataError

RANDOM = numpy.random.default_rng(7)


def grey(*sizes: int) -> NDArray[numpy.uint8]:
    return RANDOM.integers(0, 256, sizes, dtype=numpy.uint8)


@pytest.fixture(scope="session")
def mnist_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first test images of MNIST as PNG files, in folders by their class."""
    root = tmp_path_factory.mktemp("png")
    test = mnistburn.datasets.load("mnist", "test")
    for part, dataset in (("train", test[:600]), ("test", test[600:900])):
        for index, (image, target) in enumerate(dataset):
            write_png(root / part / str(target) / f"{index:03}.png", image)
    return root


def test_pictures_of_mnist_are_mnist(mnist_folder: Path) -> None:
    found = Dataset.from_folder(mnist_folder / "train", progress=False)
    expected = mnistburn.datasets.load("mnist", "test")[:600]
    order = numpy.argsort(expected.targets, kind="stable")
    assert numpy.array_equal(found.images, expected.images[order])
    assert numpy.array_equal(found.targets, expected.targets[order])
    assert found.class_names == tuple("0123456789")
    assert found.broken == ()


def test_a_folder_trains_as_the_array_does(mnist_folder: Path, tmp_path: Path) -> None:
    train = Dataset.from_folder(mnist_folder / "train", progress=False)
    valid = Dataset.from_folder(mnist_folder / "test", progress=False)
    config = mnistburn.TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=16))
    run = mnistburn.train(tmp_path / "folder", config, "cpu", data=mnist_folder, progress=False)
    arrays = (
        Dataset(train.images.copy(), train.targets),
        Dataset(valid.images.copy(), valid.targets),
    )
    other = mnistburn.train(tmp_path / "array", config, "cpu", data=arrays, progress=False)
    assert run.history.train_steps["loss"] == other.history.train_steps["loss"]
    assert run.model.evaluate(valid) == other.model.evaluate(arrays[1])


def test_one_command_trains_and_one_evaluates(mnist_folder: Path, tmp_path: Path) -> None:
    runner, artifacts = CliRunner(), str(tmp_path / "run")
    train = ["train", artifacts, "--data", str(mnist_folder), "--num-epochs", "1"]
    done = runner.invoke(main, [*train, "--hidden-size", "16", "--device", "cpu", "--no-progress"])
    assert done.exit_code == 0, done.output
    assert "validated on 300" in done.output
    done = runner.invoke(main, ["evaluate", artifacts, "--data", str(mnist_folder)])
    assert done.exit_code == 0, done.output
    assert "on 300 images" in done.output


def test_pictures_are_predicted_as_their_images(mnist_folder: Path, tmp_path: Path) -> None:
    test = Dataset.from_folder(mnist_folder / "test", progress=False)
    model = Model(ModelConfig(hidden_size=4), seed=1)
    path = str(model.save(tmp_path / "model"))
    files = [str(file) for file in sorted((mnist_folder / "test" / "0").iterdir())[:3]]
    done = CliRunner().invoke(main, ["predict", path, *files, "--json"])
    assert done.exit_code == 0, done.output
    rows = json.loads(done.output)
    assert [row["file"] for row in rows] == files
    assert [row["label"] for row in rows] == model.predict(test.images[:3]).tolist()
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    done = CliRunner().invoke(main, ["predict", path, str(broken)])
    assert done.exit_code == 1
    assert "broken.png: it is no picture that can be read" in done.output
    done = CliRunner().invoke(main, ["predict", path, str(tmp_path / "nowhere.png")])
    assert done.exit_code == 1
    assert "nowhere.png" in done.output
    with pytest.raises(FileNotFoundError, match="nowhere"):
        pictures.read_one(tmp_path / "nowhere.png", model.config.image_shape)


def test_a_picture_is_made_to_the_model_s_images(tmp_path: Path) -> None:
    for name in ("x", "y"):
        write_png(tmp_path / "a" / f"{name}.png", grey(30, 40, 3))
    found = Dataset.from_folder(
        tmp_path, class_names=["a"], image_size=(20, 36), channels=3, progress=False
    )
    size = {"image_height": 20, "image_width": 36, "image_channels": 3}
    model = Model(ModelConfig(num_classes=2, hidden_size=4, **size), seed=1)
    path = str(model.save(tmp_path / "model"))
    (tmp_path / "config.json").write_text(model.config.to_json())
    files = [str(tmp_path / "a" / f"{name}.png") for name in ("x", "y")]
    done = CliRunner().invoke(main, ["predict", path, *files, "--json"])
    assert done.exit_code == 0, done.output
    expected = Model.load(path).predict_proba(found.images).max(axis=1).tolist()
    assert [row["probability"] for row in json.loads(done.output)] == pytest.approx(expected)
    # An array of images has a command line of its own.
    numpy.save(tmp_path / "images.npy", found.images)
    done = CliRunner().invoke(main, ["predict", path, str(tmp_path / "images.npy"), files[0]])
    assert done.exit_code == 1
    assert "images.npy: it is no picture" in done.output


def test_an_undivided_folder_sets_a_tenth_aside(mnist_folder: Path, tmp_path: Path) -> None:
    config = mnistburn.TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=4))
    folder = str(mnist_folder / "train")
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=folder, progress=False)
    assert sum(run.history.train_steps["images"]) == 540
    assert sum(run.history.valid_steps["images"]) == 60


def test_formats_colours_and_sizes(tmp_path: Path) -> None:
    colour = grey(28, 28, 3)
    write_png(tmp_path / "a" / "one.PNG", colour)
    write_bmp(tmp_path / "a" / "nested" / "two.bmp", colour)
    # The first bytes say what a picture is, not the name.
    (tmp_path / "a" / "nested" / "two.bmp").rename(tmp_path / "a" / "zwei.jpg")
    found = Dataset.from_folder(tmp_path, class_names=["a"], channels=3, progress=False)
    assert found.images.shape == (2, 28, 28, 3)
    assert numpy.array_equal(found.images[0], colour)
    assert numpy.array_equal(found.images[1], colour)

    found = Dataset.from_folder(tmp_path, class_names=["a"], channels=1, progress=False)
    weights = numpy.array([0.2126, 0.7152, 0.0722])  # Rec. ITU-R BT.709, luma
    assert numpy.abs(found.images[0] - colour @ weights).max() <= 1.0

    # Half the size: the triangle filter weighs two pixels to either side with 1, 3, 3, 1.
    found = Dataset.from_folder(
        tmp_path, class_names=["a"], image_size=(14, 14), channels=3, progress=False
    )
    padded = numpy.pad(colour.astype(float), ((1, 1), (1, 1), (0, 0)), mode="edge")
    taps = enumerate((1, 3, 3, 1))
    rows = numpy.sum([weight * padded[k : k + 28 : 2] for k, weight in taps], axis=0) / 8
    taps = enumerate((1, 3, 3, 1))
    both = numpy.sum([weight * rows[:, k : k + 28 : 2] for k, weight in taps], axis=0) / 8
    inner = numpy.abs(found.images[0] - both)[1:-1, 1:-1]
    assert inner.max() <= 1.0


PICTURES = Path(__file__).parent / "fixtures" / "pictures"


def test_jpeg_and_webp_are_read() -> None:
    found = Dataset.from_folder(PICTURES, image_size=(16, 16), channels=3, progress=False)
    assert found.class_names == ("jpeg", "webp")
    # Both are a picture of one colour; JPEG rounds it.
    for image in found.images:
        assert numpy.abs(image.astype(int) - (200, 100, 50)).max() <= 3


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "turned.jpg").write_bytes((PICTURES / "turned.jpg").read_bytes())
    image = Dataset.from_folder(
        tmp_path, class_names=["a"], image_size=(16, 16), channels=1, progress=False
    ).images[0]
    assert image[:, :6].min() > 240
    assert image[:, -6:].max() < 15


def test_classes_are_sorted_as_numbers_where_all_are(tmp_path: Path) -> None:
    for name in ("10", "9", "2"):
        write_png(tmp_path / "numbers" / name / "x.png", grey(28, 28))
        write_png(tmp_path / "names" / f"c{name}" / "x.png", grey(28, 28))
    assert Dataset.from_folder(tmp_path / "numbers", progress=False).class_names == ("2", "9", "10")
    names = Dataset.from_folder(tmp_path / "names", progress=False).class_names
    assert names == ("c10", "c2", "c9")


def made(root: Path, *names: str) -> Path:
    """Return a folder with a picture in each of these folders."""
    for name in names:
        write_png(root / name / "x.png", grey(28, 28))
    return root


def test_parts_are_known_in_any_spelling(tmp_path: Path) -> None:
    for number, names in enumerate([("Train", "Test"), ("training", "testing"), ("train", "val")]):
        train, test = names
        folder = made(tmp_path / str(number), f"{train}/a", f"{train}/b", f"{test}/b")
        pair = load_pair(folder, progress=False)
        parts = (pair.train, pair.valid)
        assert [part.targets.tolist() for part in parts] == [[0, 1], [1]]
        assert load_part(folder, "test", progress=False).targets.tolist() == [1]


def test_a_missing_part_is_told(tmp_path: Path) -> None:
    folder = made(tmp_path / "test alone", "test/a", "test/b")
    with pytest.raises(DataError, match="must hold a folder train beside test"):
        load_pair(folder, progress=False)
    folder = made(tmp_path / "train alone", "train/a", "train/b")
    with pytest.raises(DataError, match="must hold a folder test beside train"):
        load_part(folder, "test", progress=False)


def test_a_class_may_have_the_name_of_a_part(tmp_path: Path) -> None:
    folder = made(tmp_path, "bus", "car", "train")
    assert load_part(folder, "test", progress=False).class_names == ("bus", "car", "train")


def test_a_path_is_no_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made(tmp_path, "mnist/a", "mnist/b")
    monkeypatch.chdir(tmp_path)
    for path in ("./mnist", "mnist/", str(tmp_path / "mnist")):
        assert len(load_part(path, "test", progress=False)) == 2
    assert len(load_part("mnist", "test", progress=False)) == 10_000
    with pytest.raises(DataError, match="no folder of that name"):
        load_part("pictures", "test")


def test_a_run_keeps_the_names_of_its_classes(tmp_path: Path) -> None:
    folder = made(tmp_path / "pictures", "cat", "dog", "emu")
    data = load_part(folder, "train", progress=False)
    config = mnistburn.TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=4, num_classes=3))
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(data, data), progress=False)
    assert run.class_names == ("cat", "dog", "emu")
    assert mnistburn.load_run(tmp_path / "run").class_names == run.class_names
    # A folder without the first class: the others keep their numbers.
    less = made(tmp_path / "less", "dog", "emu")
    done = CliRunner().invoke(main, ["evaluate", str(tmp_path / "run"), "--data", str(less)])
    assert done.exit_code == 0, done.output
    expected = run.model.evaluate(
        Dataset.from_folder(less, class_names=run.class_names, progress=False)
    )
    assert f"loss {expected.loss:.4f}" in done.output
    assert str(less) in done.output
    picture = folder / "cat" / "x.png"
    done = CliRunner().invoke(main, ["predict", str(tmp_path / "run"), str(picture)])
    assert done.output.split(": ")[1].split(",")[0] in run.class_names
    # A new run whose images have no names leaves none.
    plain = Dataset(data.images, data.targets)
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(plain, plain), progress=False)
    assert run.class_names is None


def test_a_large_picture_is_averaged(tmp_path: Path) -> None:
    # 500 is more than eight times 28: cells of one value stay what they are.
    image = numpy.kron(grey(28, 28), numpy.ones((18, 18), dtype=numpy.uint8))
    write_png(tmp_path / "a" / "x.png", image)
    (found,) = Dataset.from_folder(
        tmp_path, class_names=["a"], image_size=(28, 28), progress=False
    ).images
    exact = image.reshape(28, 18, 28, 18).mean((1, 3))
    assert numpy.corrcoef(found.ravel(), exact.ravel())[0, 1] > 0.9


def test_a_part_keeps_the_classes_of_the_whole(tmp_path: Path) -> None:
    for name in ("cat", "dog", "emu"):
        write_png(tmp_path / "train" / name / "x.png", grey(28, 28))
    write_png(tmp_path / "test" / "emu" / "x.png", grey(28, 28))
    train = Dataset.from_folder(tmp_path / "train", progress=False)
    test = Dataset.from_folder(tmp_path / "test", class_names=train.class_names, progress=False)
    assert test.targets.tolist() == [2]
    write_png(tmp_path / "test" / "gnu" / "x.png", grey(28, 28))
    with pytest.raises(DataError, match=r"must be classes of .* got \"gnu\""):
        Dataset.from_folder(tmp_path / "test", class_names=train.class_names, progress=False)


@pytest.fixture
def broken_folder(tmp_path: Path) -> Path:
    for index in range(3):
        write_png(tmp_path / "a" / f"{index}.png", grey(28, 28))
    whole = (tmp_path / "a" / "0.png").read_bytes()
    (tmp_path / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "empty.webp").write_bytes(b"")
    (tmp_path / "a" / "text.jpg").write_text("no picture")
    (tmp_path / "a" / "notes.txt").write_text("passed over")
    (tmp_path / "a" / ".hidden.png").write_bytes(b"passed over")
    return tmp_path


def test_broken_pictures_are_listed(broken_folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        found = Dataset.from_folder(broken_folder, class_names=["a"], progress=False)
    assert len(found) == 3
    assert [item.path.name for item in found.broken] == ["cut.png", "empty.webp", "text.jpg"]
    assert all(item.reason for item in found.broken)
    broken, other = (record.getMessage() for record in caplog.records)
    assert "3 of the 6 pictures" in broken
    assert "cut.png" in broken
    assert "1 file was passed over: .txt 1" in other
    assert found.passed_over == {".txt": 1}
    assert "passed over: .txt 1" in str(found.describe())


def test_broken_pictures_are_fatal_when_asked(broken_folder: Path) -> None:
    with pytest.raises(DataError, match=r"(?s)3 of the 6 pictures.*cut\.png.*strict"):
        Dataset.from_folder(broken_folder, class_names=["a"], strict=True, progress=False)


def test_of_many_broken_pictures_a_few_are_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "a").mkdir()
    for index in range(7):
        (tmp_path / "a" / f"{index}.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"7 of the 7 pictures.*4\.png: [^;]*; and 2 more$"):
        Dataset.from_folder(tmp_path, class_names=["a"], progress=False)
    # Whole ones after broken ones keep their pixels and their class.
    whole = grey(28, 28)
    write_png(tmp_path / "b" / "x.png", whole)
    with caplog.at_level(logging.WARNING, logger="mnistburn"):
        found = Dataset.from_folder(tmp_path, progress=False)
    assert found.targets.tolist() == [1]
    assert numpy.array_equal(found.images[0], whole)
    assert "7 of the 8 pictures" in caplog.text


def test_a_picture_of_untold_size_is_refused(tmp_path: Path) -> None:
    # 60,000 x 60,000 pixels in a header, with no data: 3.6 GB if it were believed.
    write_png(tmp_path / "a" / "x.png", grey(28, 28))
    bomb = bytearray((tmp_path / "a" / "x.png").read_bytes())
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    bomb[29:33] = zlib.crc32(bomb[12:29]).to_bytes(4, "big")
    (tmp_path / "a" / "bomb.png").write_bytes(bomb)
    found = Dataset.from_folder(tmp_path, class_names=["a"], progress=False)
    assert [item.path.name for item in found.broken] == ["bomb.png"]
    assert "imit" in found.broken[0].reason
    for width in (16_384, 16_385):
        write_png(tmp_path / "a" / f"{width}.png", grey(1, width))
    found = Dataset.from_folder(tmp_path, class_names=["a"], progress=False)
    assert [item.path.name for item in found.broken] == ["16385.png", "bomb.png"]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda _: None, "sub-folder for each class"),
        (lambda root: [(root / name).mkdir() for name in "ab"], "must hold pictures"),
        (lambda root: write_png(root / "x.png", grey(28, 28)), "sub-folder for each class"),
    ],
    ids=["empty", "empty class", "no class"],
)
def test_a_folder_without_pictures_is_told(tmp_path: Path, make: object, text: str) -> None:
    make(tmp_path)  # type: ignore[operator]
    with pytest.raises(DataError, match=text):
        Dataset.from_folder(tmp_path, progress=False)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"image_size": 28}, "pair"),
        ({"image_size": (28, 4)}, r"image_size\[1\]"),
        ({"channels": 4}, "1 .grey. or 3"),
        ({"channels": True}, "1 .grey. or 3"),
        ({"strict": 1}, "strict"),
        ({"progress": None}, "progress"),
        ({"class_names": "ab"}, "a list of str"),
        ({"class_names": ["0", "../1"]}, "names of sub-folders"),
        ({"channels": 3.0}, "1 .grey. or 3"),
    ],
)
def test_bad_arguments_are_named(
    mnist_folder: Path, arguments: dict[str, object], text: str
) -> None:
    with pytest.raises(DataError, match=text):
        Dataset.from_folder(mnist_folder / "train", **arguments)  # type: ignore[arg-type]


def test_a_folder_that_is_not_there_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        Dataset.from_folder(tmp_path / "nowhere")
    with pytest.raises(DataError, match="a folder of pictures"):
        mnistburn.train(tmp_path / "run", data=tmp_path / "nowhere")
    with pytest.raises(DataError, match="no data set"):
        mnistburn.train(tmp_path / "run", data="nowhere")


def test_folders_in_folders_have_an_end(tmp_path: Path) -> None:
    deepest = tmp_path.joinpath("a", *"0123456789abcdef")
    write_png(deepest / "x.png", grey(28, 28))
    assert len(Dataset.from_folder(tmp_path, class_names=["a"], progress=False)) == 1
    write_png(deepest / "g" / "x.png", grey(28, 28))
    with pytest.raises(DataError, match="16 deep in each other"):
        Dataset.from_folder(tmp_path, class_names=["a"], progress=False)


def test_pictures_that_would_fill_the_memory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    with (tmp_path / "a" / "000.png").open("wb") as file:
        file.truncate((256 << 20) + 1)  # no room on the disk
    (tmp_path / "a" / "001.png").touch()
    with pytest.raises(DataError, match=r"000\.png: it has more than 268435456 bytes"):
        Dataset.from_folder(tmp_path, class_names=["a"], progress=False)
    for index in range(171):
        (tmp_path / "a" / f"{index:03}.png").write_bytes(b"")
    size = {"image_size": (4096, 4096), "channels": 3}
    with pytest.raises(DataError, match="171 pictures of 4096 x 4096 x 3 would take 8606711808"):
        Dataset.from_folder(tmp_path, class_names=["a"], **size, progress=False)  # type: ignore[arg-type]


@pytest.mark.skipif(sys.platform == "win32", reason="a pipe without a reader")
def test_a_pipe_is_no_picture(tmp_path: Path) -> None:
    write_png(tmp_path / "a" / "x.png", grey(28, 28))
    os.mkfifo(tmp_path / "a" / "pipe.png")
    found = Dataset.from_folder(tmp_path, class_names=["a"], progress=False)
    assert [item.reason for item in found.broken] == ["it is no regular file"]


def test_the_progress_is_shown_in_lines_without_a_terminal(mnist_folder: Path) -> None:
    text = "import sys, mnistburn; mnistburn.Dataset.from_folder(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-c", text, str(mnist_folder / "train")],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "600 pictures in" in done.stderr


def test_a_model_of_a_folder_takes_its_images(mnist_folder: Path) -> None:
    valid = Dataset.from_folder(mnist_folder / "test", image_size=(20, 36), progress=False)
    model = Model(ModelConfig(hidden_size=4, image_height=20, image_width=36), seed=1)
    assert model.predict(valid.images).shape == (300,)
    with pytest.raises(DataError, match=r"28 x 28"):
        Model(ModelConfig(hidden_size=4)).evaluate(valid)


def test_what_systems_leave_is_no_class(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made(tmp_path, "cat", "dog", "__MACOSX/cat", "@eaDir", "lost+found", "$RECYCLE.BIN", ".cache")
    made(tmp_path, "cat/__MACOSX", "dog/@eaDir")
    for name in ("Thumbs.db", "desktop.ini", "._x.png", ".DS_Store"):
        (tmp_path / "cat" / name).write_bytes(b"left")
    found = Dataset.from_folder(tmp_path, strict=True, progress=False)
    assert found.class_names == ("cat", "dog")
    assert len(found) == 2
    assert not caplog.records


@pytest.mark.parametrize("names", [("pets/cat", "pets/dog"), ("a/pets/cat", "a/pets/dog")])
def test_a_folder_one_too_high_is_refused_with_the_right_path(
    tmp_path: Path, names: tuple[str, str]
) -> None:
    made(tmp_path, *names)
    with pytest.raises(DataError, match="too high") as refused:
        Dataset.from_folder(tmp_path, progress=False)
    right = str(refused.value).rpartition("pass ")[2]
    assert Dataset.from_folder(right, progress=False).class_names == ("cat", "dog")


def test_parts_are_no_classes(tmp_path: Path) -> None:
    made(tmp_path, "images/train/cat", "images/train/dog", "images/val/cat", "images/val/dog")
    for folder in (tmp_path, tmp_path / "images"):
        with pytest.raises(DataError, match="part") as refused:
            Dataset.from_folder(folder, progress=False)
        right = str(refused.value).rpartition(" ")[2]
        assert Dataset.from_folder(right, progress=False).class_names == ("cat", "dog")


def test_one_class_is_refused_unless_there_are_more_by_name(tmp_path: Path) -> None:
    made(tmp_path, "cat")
    with pytest.raises(DataError, match="one class is no classification"):
        Dataset.from_folder(tmp_path, progress=False)
    names = ["ant", "cat"]
    found = Dataset.from_folder(tmp_path, class_names=names, progress=False)
    assert found.targets.tolist() == [1]


def test_the_shape_follows_the_pictures(tmp_path: Path) -> None:
    for place, size in enumerate([(32, 40), (32, 40)]):
        write_png(tmp_path / "same" / str(place) / "x.png", grey(*size, 3))
        write_png(tmp_path / "grey" / str(place) / "x.png", numpy.stack([grey(9, 8)] * 3, -1))
    for place, size in enumerate([(100, 200), (300, 400), (50, 60)]):
        write_png(tmp_path / "mixed" / str(place) / "x.png", grey(*size))
    found = Dataset.from_folder(tmp_path / "same", progress=False)
    assert tuple(found.image_shape) == (32, 40, 3)
    assert "the size of all" in (found.shape_rule or "")
    assert tuple(Dataset.from_folder(tmp_path / "grey", progress=False).image_shape) == (9, 8, 1)
    found = Dataset.from_folder(tmp_path / "mixed", fit="pad", progress=False)
    assert tuple(found.image_shape) == (32, 64, 1)  # of 100 x 200
    assert found.preprocessing.fit == "pad"
    # A broken picture has no say.
    cut = tmp_path / "same" / "0" / "cut.png"
    write_png(cut, grey(90, 90))
    cut.write_bytes(cut.read_bytes()[:-20])
    found = Dataset.from_folder(tmp_path / "same", progress=False)
    assert tuple(found.image_shape) == (32, 40, 3)


def test_other_formats_are_counted_named_and_fatal_when_asked(tmp_path: Path) -> None:
    made(tmp_path, "cat", "dog")
    for name in ("i.heic", "j.HEIC", "notes", "k.avif"):
        (tmp_path / "cat" / name).write_text("text")
    (tmp_path / "x.png").write_bytes(b"beside")
    (tmp_path / "dog" / "x.png").rename(tmp_path / "dog" / "x")  # its first bytes say what it is
    found = Dataset.from_folder(tmp_path, progress=False)
    others = {".heic": 2, ".avif": 1, "no extension": 1, "pictures beside the class folders": 1}
    assert found.passed_over == others
    assert found.targets.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"5 files were passed over: \.avif 1, \.heic 2"):
        Dataset.from_folder(tmp_path, strict=True, progress=False)


def test_parts_and_copies_know_what_reading_the_folder_told(tmp_path: Path) -> None:
    for name in ("a", "b"):
        for place in range(4):
            write_png(tmp_path / name / f"{place}.png", grey(9, 9))
    (tmp_path / "a" / "cut.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "a" / "notes.txt").write_text("notes")
    whole = Dataset.from_folder(tmp_path, progress=False)
    told = (whole.broken, whole.passed_over, whole.shape_rule)
    assert [item.path.name for item in whole.broken] == ["cut.png"]
    assert whole.passed_over == {".txt": 1}
    assert whole.shape_rule
    unpickled = pickle.loads(pickle.dumps(whole))  # noqa: S301  of our own
    for part in (*whole.split(0.5), whole[1:], whole.subset([0]), copy.copy(whole), unpickled):
        assert (part.broken, part.passed_over, part.shape_rule) == told
        assert part.describe().passed_over == {".txt": 1}
    joined = whole.concat(whole)
    assert (joined.broken, joined.passed_over, joined.shape_rule) == ((), {}, None)


def test_a_training_tells_the_rule_of_the_shape_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a", "b"):
        for place in range(4):
            write_png(tmp_path / name / f"{place}.png", grey(9, 9))
    with caplog.at_level("INFO", logger="mnistburn"):
        pair: Any = load_pair(tmp_path, validation=0.25, progress=False)
        config = TrainingConfig(num_epochs=1)
        mnistburn.train(tmp_path / "run", config, "cpu", data=pair, progress=False)
    assert caplog.text.count("the size of all") == 1
    assert sum("the size of all" in line for line in pair.told) == 1  # for the command line


def files_of(root: Path) -> tuple[Path, ...]:
    return tuple(
        path
        for folder in sorted(root.iterdir(), key=lambda folder: int(folder.name))
        for path in sorted(folder.iterdir())
    )


def test_each_image_knows_its_file(mnist_folder: Path) -> None:
    found = Dataset.from_folder(mnist_folder / "train", progress=False)
    assert found.files == files_of(mnist_folder / "train")
    for place in (0, 17, 599):
        picture = mnistburn.read_picture(found.files[place])
        assert numpy.array_equal(picture, found.images[place])
    indices = [5, 3, 5]
    assert found.subset(indices).files == tuple(found.files[index] for index in indices)
    assert found[10:2:-3].files == found.files[10:2:-3]
    rest, share = found.split(0.25)
    assert set(rest.files or ()) | set(share.files or ()) == set(found.files)
    for path, (image, _) in zip(share.files or (), share, strict=True):
        assert numpy.array_equal(mnistburn.read_picture(path), image)
    assert rest.concat(share).files == (rest.files or ()) + (share.files or ())
    for again in (copy.copy(found), pickle.loads(pickle.dumps(share))):  # noqa: S301
        assert again.files == (found if len(again) == 600 else share).files


def test_images_without_files_have_none(mnist_folder: Path) -> None:
    found = Dataset.from_folder(mnist_folder / "train", progress=False)
    arrays = Dataset(found.images, found.targets, class_names=found.class_names)
    assert arrays.files is None
    assert arrays[:3].files is None
    assert arrays.concat(found).files is None


def test_broken_pictures_and_other_files_have_no_place_among_the_files(tmp_path: Path) -> None:
    for number in range(4):
        write_png(tmp_path / "ä <b>" / "deep" / f"{number}.png", grey(8, 8))
        write_png(tmp_path / "b" / f"{number}.png", grey(8, 8))
    (tmp_path / "b" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "b" / "0.txt").write_text("no picture")
    names = ["ä <b>", "without a folder", "b"]
    found = Dataset.from_folder(tmp_path, class_names=names, progress=False)
    expected = [tmp_path / "ä <b>" / "deep" / f"{number}.png" for number in range(4)]
    expected += [tmp_path / "b" / f"{number}.png" for number in (0, 2, 3)]
    assert found.files == tuple(expected)


def test_the_worst_images_name_their_files(mnist_folder: Path) -> None:
    found = Dataset.from_folder(mnist_folder / "test", progress=False)
    worst = Model(ModelConfig(hidden_size=4), seed=1).evaluate(found).worst(5)
    assert found.files is not None
    assert [image.file for image in worst] == [found.files[image.index] for image in worst]
