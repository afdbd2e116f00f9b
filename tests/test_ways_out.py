"""What messages on folders, runs and classes propose is done, and works then."""

import json
import pathlib
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_png

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig, TrainingResult
from mnistburn.cli import main
from mnistburn.errors import DataError, MnistburnError, RecordError

QUICK = TrainingConfig(num_epochs=1, batch_size=8, num_workers=0)


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(item) for item in arguments])


def write_pictures(
    folder: Path, shape: tuple[int, ...] = (13, 12, 3), names: str = "circle square star"
) -> Path:
    """Write eight pictures of each class; the classes differ in brightness."""
    generator = numpy.random.default_rng(1)
    for number, name in enumerate(names.split()):
        for place in range(8):
            image = generator.integers(0, 60, shape, dtype=numpy.uint8) + numpy.uint8(60 * number)
            write_png(folder / name / f"{place}.png", image)
    return folder


def code_in(message: str, start: str) -> str:
    """Return the call of a message that begins so, with its brackets."""
    text = message[message.index(start) :]
    depth = 0
    for place, letter in enumerate(text):
        depth += (letter in "([") - (letter in ")]")
        if letter in ")]" and depth == 0:
            return text[: place + 1]
    raise AssertionError(message)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with ``pictures``, ``smaller``, and the run ``own`` on the first."""
    place = tmp_path_factory.mktemp("place")
    write_pictures(place / "pictures")
    write_pictures(place / "smaller", (10, 12, 3))
    mnistburn.train(place / "own", QUICK, "cpu", data=place / "pictures", progress=False)
    return place


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def run(place: Path) -> TrainingResult:
    return mnistburn.load_run(place / "own")


def message_of(call: Callable[[], object], error: type[Exception] = DataError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


def test_a_folder_in_the_place_of_a_name_goes_to_from_folder(here: Path) -> None:
    message = message_of(lambda: mnistburn.datasets.load("pictures"))
    assert "no folder" not in message
    made = eval(code_in(message, "mnistburn.Dataset"))  # noqa: S307  that is the test
    assert made.class_names == ("circle", "square", "star")
    assert "folder" not in message_of(lambda: mnistburn.datasets.load("no-such"))


@pytest.mark.parametrize("fit", ["stretch", "pad"])
def test_images_of_another_size_are_read_in_that_of_the_model(here: Path, fit: Any) -> None:
    data = Dataset.from_folder("pictures", fit=fit, progress=False)
    run = mnistburn.train(here / fit, QUICK, "cpu", data=data.split(0.2), progress=False)
    smaller = Dataset.from_folder("smaller", progress=False)
    message = message_of(lambda: run.model.evaluate(smaller))
    assert "13 x 12 x 3, got 10 x 12 x 3" in message
    names = {"path": "smaller", "mnistburn": mnistburn}
    made = eval(code_in(message, "mnistburn.Dataset"), names)  # noqa: S307  that is the test
    assert (made.image_shape, made.preprocessing.fit) == ((13, 12, 3), fit)
    run.model.evaluate(made)


def test_two_folders_of_other_sizes_are_read_in_one(here: Path) -> None:
    first, second = (Dataset.from_folder(name, progress=False) for name in ("pictures", "smaller"))

    def train(valid: Dataset) -> object:
        return mnistburn.train("two", QUICK, "cpu", data=(first, valid), progress=False)

    message = message_of(lambda: train(second))
    assert "leave model out" not in message
    names = {"path": "smaller", "mnistburn": mnistburn}
    train(eval(code_in(message, "mnistburn.Dataset"), names))  # noqa: S307  that is the test


def test_a_model_in_a_file_gets_names(tmp_path: Path) -> None:
    model = Model(ModelConfig(num_classes=3, hidden_size=4), seed=1)
    images = numpy.zeros((2, 28, 28), numpy.uint8)
    message = message_of(lambda: model.predict_names(images))
    names = ["circle", "square", "star"]
    code = code_in(message, "Model.load").replace("[...]", "names")
    for path in (model.save(tmp_path / "a.mpk"), model.export(tmp_path / "a.safetensors")):
        found = eval(code, {"Model": Model, "path": path, "names": names})  # noqa: S307  as above
        assert found.class_names == tuple(names)
        assert set(found.predict_names(images)) <= set(names)
        numpy.testing.assert_array_equal(found.forward(images), Model.load(path).forward(images))
        # A file that has names keeps them.
        kept = found.save(tmp_path / "named.mpk")
        assert Model.load(kept, class_names=names).class_names == tuple(names)
        with pytest.raises(RecordError, match=r"must be those of the model.*star"):
            Model.load(kept, class_names=names[::-1])
        with pytest.raises(RecordError, match=r"each of the 3 classes.*got 2"):
            Model.load(path, class_names=names[:2])
        with pytest.raises(DataError, match="twice"):
            Model.load(path, class_names=["a", "a", "b"])


def test_numbers_are_proposed_where_they_fit_alone(run: TrainingResult) -> None:
    digits = mnistburn.datasets.load("mnist", "test")[:60]
    images = numpy.zeros((60, 13, 12, 3), numpy.uint8)
    unlike = Dataset(images, digits.targets, digits.class_names)
    message = message_of(lambda: run.model.evaluate(unlike))
    assert "by_number" not in message
    assert "take data of its classes" in message
    message = message_of(lambda: run.model.evaluate(unlike, by_number=True))
    assert "ModelConfig" not in message
    names = {"dataset": unlike, "numpy": numpy}
    rest = eval(code_in(message, "dataset.subset"), names)  # noqa: S307  that is the test
    assert len(rest) == int((digits.targets < 3).sum())
    assert "by_number=True" in message_of(lambda: run.model.evaluate(rest))
    run.model.evaluate(rest, by_number=True)


@pytest.mark.parametrize("given", ["pictures", Path("pictures"), "mnist", "data"])
def test_what_is_no_data_set_becomes_one(here: Path, run: TrainingResult, given: Any) -> None:
    model = run.model
    if given == "mnist":
        model = Model(ModelConfig(hidden_size=4), seed=1)
    value: Any = run.data if given == "data" else given
    message = message_of(lambda: model.evaluate(value))
    names = {"mnistburn": mnistburn, "Path": Path, "PosixPath": Path, "WindowsPath": Path}
    if given == "data":
        dataset = eval("value" + code_in(message, ".load("), {"value": value})  # noqa: S307  as above
    else:
        dataset = eval(code_in(message, "mnistburn."), names)  # noqa: S307  that is the test
    model.evaluate(dataset)


def test_the_directory_of_a_run_is_no_data(here: Path) -> None:
    done = command("train", "pictures", "--data", "own", "--no-progress")
    assert done.exit_code == 1
    assert "is the directory of a run; it comes first" in done.stderr
    message = message_of(lambda: Dataset.from_folder("own", progress=False))
    assert "no picture" in message
    assert "checkpoint" not in message
    done = command(
        *("train", "again", "--data", "pictures", "--no-progress", "--num-epochs=1"),
        *("--device=cpu", "--hidden-size=4"),
    )
    assert done.exit_code == 0, done.output


def test_a_single_class_gets_a_folder_for_each_other_one(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "one", names="circle")
    done = command("data", "describe", folder)
    assert done.exit_code == 1
    assert "class_names" not in done.stderr
    assert "an empty one" in done.stderr
    (folder / "square").mkdir()
    done = command("data", "describe", folder)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("classes: circle, square")


def test_a_changed_folder_is_told_with_numbers_and_ways_out(tmp_path: Path) -> None:
    pictures, directory = write_pictures(tmp_path / "pictures"), tmp_path / "run"
    train = ("train", directory, "--no-progress", "--device=cpu")
    done = command(*train, "--data", pictures, "--num-epochs=1", "--hidden-size=4")
    assert done.exit_code == 0, done.output
    whole = tmp_path / "whole"
    shutil.copytree(pictures, whole)
    for place in range(2):
        (pictures / "star" / f"{place}.png").unlink()
    resume = (*train, "--resume", "--num-epochs=2")
    done = command(*resume)
    assert done.exit_code == 1
    counts = re.search(
        r"began with (\d+) images to train with and (\d+) .* now these are (\d+) and (\d+)",
        done.stderr,
    )
    assert counts
    numbers = [int(count) for count in counts.groups()]
    assert (sum(numbers[:2]), sum(numbers[2:])) == (24, 22)
    assert "leave data out" not in done.stderr
    assert "with data= or --data" in done.stderr
    done = command(*resume, "--data", whole)
    assert done.exit_code == 0, done.output


def test_a_part_that_is_named_must_be_there(here: Path, run: TrainingResult) -> None:
    for arguments in (
        ("evaluate", "own"),
        ("evaluate", "own", "--data=pictures"),
        ("predict", "own", "--index=0"),
    ):
        done = command(*arguments, "--split=test")
        assert done.exit_code == 1, done.output
        assert "has no part test: there is train" in done.stderr
        assert "leave --split out" in done.stderr
        assert command(*arguments).exit_code == 0
    assert (
        "has no part valid: there is train"
        in command("data", "describe", "pictures", "--split=valid").stderr
    )
    assert run.data is not None
    with pytest.raises(DataError, match="no part test: there is train and valid"):
        run.data.load("test")


@pytest.mark.parametrize("classes", [2, 3, 12])
def test_the_number_of_classes_follows_from_labels(classes: int, tmp_path: Path) -> None:
    targets = numpy.arange(60) % classes
    images = numpy.random.default_rng(1).integers(0, 255, (60, 8, 8), dtype=numpy.uint8)
    data = (Dataset(images[:40], targets[:40]), Dataset(images[40:], targets[40:]))
    run = mnistburn.train(tmp_path / "run", QUICK, "cpu", data=data, progress=False)
    assert run.model.config.num_classes == classes
    assert "have none of the training images" not in (tmp_path / "run" / "train.log").read_text()


def test_a_class_that_only_validation_has_is_counted(tmp_path: Path) -> None:
    images = numpy.zeros((4, 8, 8), numpy.uint8)
    data = (Dataset(images, [0, 1, 1, 2]), Dataset(images, [0, 1, 2, 3]))
    run = mnistburn.train(tmp_path / "run", QUICK, "cpu", data=data, progress=False)
    assert run.model.config.num_classes == 4
    named = Dataset(images, [0, 1, 2, 3], ["a", "b", "c", "d"])
    with pytest.raises(MnistburnError, match="must have the 3 classes of the training data"):
        mnistburn.train(tmp_path / "b", QUICK, "cpu", data=(data[0], named), progress=False)


def test_a_configuration_for_digits_is_told_where_pictures_are_others(
    here: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def train(model: ModelConfig | None) -> str:
        caplog.clear()
        config = TrainingConfig(model=model, num_epochs=1)
        mnistburn.train("told", config, "cpu", data="pictures", progress=False)
        return caplog.text

    told = train(ModelConfig(hidden_size=4))
    assert "the pictures have 3 classes" in told
    assert "leave model out of TrainingConfig" in told
    assert "leave model out" not in train(None)
    assert "leave model out" not in train(ModelConfig(hidden_size=4, num_classes=3))


def test_images_that_were_trained_with_are_told(here: Path) -> None:
    done = command("evaluate", "own", "--data=pictures")
    assert "the model was trained with images of these (22 in all)" in done.stderr
    assert f"on 24 images (pictures (folder {here / 'pictures'}))\n" in done.stdout
    for arguments in (("--data=smaller",), ("--data=pictures", "--split=train"), ()):
        assert "was trained with" not in command("evaluate", "own", *arguments).stderr
    data = mnistburn.datasets.load("mnist", "test")[:40]
    numpy.savez(here / "a.npz", x_train=data.images[:30], y_train=data.targets[:30])
    numpy.savez(
        here / "b.npz",
        x_train=data.images[:30],
        y_train=data.targets[:30],
        x_test=data.images[30:],
        y_test=data.targets[30:],
    )
    options = ("--device=cpu", "--no-progress", "--num-epochs=1", "--hidden-size=4")
    assert command("train", "digits", "--data=b.npz", *options).exit_code == 0
    # Another file of the same content.
    assert "was trained with" in command("evaluate", "digits", "--data=a.npz").stderr
    assert "was trained with" not in command("evaluate", "digits", "--data=b.npz").stderr


def test_what_a_folder_becomes_is_described(here: Path, tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    shutil.copytree("pictures", folder)
    (folder / "star" / "0.png").write_bytes(b"no picture")
    done = command("data", "describe", folder)
    assert (
        "; not divided into train, valid and test\npictures are made to images of 13 x 12 x 3"
        in (done.stdout)
    )
    found = json.loads(command("data", "describe", folder, "--json").stdout)
    ((path, reason),) = [(item["path"], item["reason"]) for item in found["broken"]]
    assert path == str(folder / "star" / "0.png")
    assert reason
    assert found["shape_rule"].startswith("pictures are made to images of 13 x 12 x 3")


def test_folders_in_the_place_of_classes_are_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for year in ("2024", "2025"):
        write_pictures(tmp_path / year)
    data = Dataset.from_folder(tmp_path, progress=False)
    assert data.class_names == ("2024", "2025")
    assert "each of these holds the folders circle, square, star" in caplog.text
    caplog.clear()
    # One that lacks a class, or has a picture of its own, may be a class.
    (tmp_path / "2025" / "star").rename(tmp_path / "2025" / "moon")
    Dataset.from_folder(tmp_path, progress=False)
    shutil.rmtree(tmp_path / "2025" / "moon")
    write_pictures(tmp_path / "2025", names="star")
    write_png(tmp_path / "2025" / "a.png", numpy.zeros((9, 9), numpy.uint8))
    Dataset.from_folder(tmp_path, progress=False)
    assert "each of these" not in caplog.text


def test_a_folder_of_new_pictures_is_predicted(here: Path, run: TrainingResult) -> None:
    message = message_of(lambda: run.model.predict_names("pictures"))
    paths = eval(code_in(message, "sorted"), {"pathlib": pathlib})  # noqa: S307  that is the test
    assert len(run.model.predict_names(paths)) == 24


def test_a_finished_run_has_nothing_left_to_do(tmp_path: Path, place: Path) -> None:
    shutil.copytree(place / "own", tmp_path / "own")
    resume = ("train", tmp_path / "own", "--resume", "--device=cpu", "--no-progress")
    done = command(*resume)
    assert done.exit_code == 0, done.output
    assert done.stdout.startswith("nothing was left to do")
    assert "written to" not in done.stdout
    assert "larger --num-epochs" in done.stdout
    done = command(*resume, "--num-epochs=2")
    assert "nothing was left" not in done.stdout
    assert "written to" in done.stdout


def test_a_run_knows_its_data_where_they_were_moved_to(tmp_path: Path, place: Path) -> None:
    shutil.copytree(place / "pictures", tmp_path / "old")
    run = ("train", tmp_path / "run", "--device=cpu", "--no-progress")
    done = command(*run, "--data", tmp_path / "old", "--num-epochs=1", "--hidden-size=4")
    assert done.exit_code == 0, done.output
    (tmp_path / "old").rename(tmp_path / "new")
    assert "no longer exists" in command("evaluate", tmp_path / "run").stderr
    done = command(*run, "--resume", "--num-epochs=2", "--data", tmp_path / "new")
    assert done.exit_code == 0, done.output
    done = command("evaluate", tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "(new (folder" in done.stdout
    # Arrays are found nowhere: the run goes on knowing the folder.
    kept = mnistburn.load_run(tmp_path / "run").data
    assert kept is not None
    pair = kept.load_pair()
    mnistburn.train(
        tmp_path / "run", None, "cpu", data=(pair.train, pair.valid), resume=True, progress=False
    )
    assert mnistburn.load_run(tmp_path / "run").data == kept


def test_a_light_ground_is_told_of_characters_alone() -> None:
    images = numpy.full((6, 9, 9), 250, numpy.uint8)
    images[:, 4, 4] = numpy.arange(6)
    for names, told in ((None, True), (("7", "B"), True), (("circle", "square"), False)):
        warnings = " ".join(Dataset(images, [0, 1] * 3, names).describe().warnings)
        assert ("255 - images" in warnings) is told
