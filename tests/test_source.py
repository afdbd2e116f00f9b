"""What `data` stands for: the name of a data set, or a folder of pictures, divided or not."""

import json
import shutil
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from pictures import write_png

import mnistburn
from mnistburn import Dataset, ModelConfig, TrainingConfig
from mnistburn.arrays import ImageShape
from mnistburn.cli import main
from mnistburn.datasets.loading import load_pair, load_part
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.errors import DataError

RANDOM = numpy.random.default_rng(11)
SHAPE = ImageShape(20, 12, 3)


def write(folder: Path, **counts: int) -> Path:
    """Write pictures of noise, so many of each class."""
    for name, count in counts.items():
        for index in range(count):
            image = RANDOM.integers(0, 256, (20, 12, 3), dtype=numpy.uint8)
            write_png(folder / name / f"{index:02}.png", image)
    return folder


@pytest.fixture(scope="module")
def undivided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("pictures"), cat=20, dog=20)


def equal(one: Dataset, other: Dataset) -> bool:
    return numpy.array_equal(one.images, other.images) and numpy.array_equal(
        one.targets, other.targets
    )


@pytest.mark.parametrize("train_name", ["train", "training"])
@pytest.mark.parametrize("test_name", ["test", "valid", "validation", "val"])
def test_a_divided_folder_has_the_classes_of_its_training_images(
    train_name: str, test_name: str, tmp_path: Path
) -> None:
    write(tmp_path / train_name, cat=1, dog=2, emu=1)
    write(tmp_path / test_name, emu=2)
    pair = load_pair(tmp_path, progress=False)
    train, valid = pair.train, pair.valid
    assert (train.targets.tolist(), valid.targets.tolist()) == ([0, 1, 1, 2], [2, 2])
    assert equal(load_part(tmp_path, "train", progress=False), train)
    assert equal(load_part(tmp_path, "test", progress=False), valid)


def test_a_share_is_one_of_the_training_images(tmp_path: Path) -> None:
    write(tmp_path / "train", cat=20, dog=20)
    write(tmp_path / "test", cat=1)
    whole = load_part(tmp_path, "train", progress=False)
    for seed in (1, 2):
        found = load_pair(tmp_path, validation=0.25, seed=seed, progress=False)
        assert all(map(equal, (found.train, found.valid), whole.split(0.25, seed)))


def test_a_class_may_be_called_test(tmp_path: Path) -> None:
    write(tmp_path, test=10, valid=10)
    pair = load_pair(tmp_path, progress=False)
    train, valid = pair.train, pair.valid
    assert train.class_names == valid.class_names == ("test", "valid")
    assert (len(train), len(valid)) == (18, 2)
    assert len(load_part(tmp_path, "test", progress=False)) == 20


def test_a_name_comes_before_a_folder_of_that_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(write(tmp_path / "mnist", cat=1, dog=1).parent)
    write(tmp_path / "pets", cat=1, dog=1)
    assert len(load_part("mnist", "test", progress=False)) == 10_000
    assert load_part("./mnist", "test", progress=False).class_names == ("cat", "dog")
    assert load_part("pets", "test", progress=False).class_names == ("cat", "dog")


def test_a_share_of_a_known_set_follows_from_the_seed() -> None:
    _, expected = mnistburn.datasets.load("mnist", validation=0.01, seed=3)
    found = load_pair("mnist", validation=0.01, seed=3).valid
    assert equal(found, expected)
    assert not equal(found, mnistburn.datasets.load("mnist", validation=0.01)[1])


def test_pictures_are_made_to_the_shape(undivided: Path) -> None:
    part = load_part(undivided, "train", options=PictureOptions((10, 7), 3), progress=False)
    assert part.image_shape == (10, 7, 3)


def test_a_run_reads_pictures_as_its_configuration_says(undivided: Path, tmp_path: Path) -> None:
    size = {"image_height": 20, "image_width": 12, "image_channels": 3}
    model = ModelConfig(num_classes=2, hidden_size=4, **size)
    config = TrainingConfig(model=model, num_epochs=1, seed=7)
    mnistburn.train(tmp_path / "run", config, "cpu", data=undivided, progress=False)
    # A resumed run refuses any other data, and reads what is stored.
    images = Dataset.from_folder(undivided, image_size=(20, 12), channels=3, progress=False)
    for data in (undivided, images.split(0.1, seed=7)):
        mnistburn.train(tmp_path / "run", None, "cpu", data=data, resume=True, progress=False)


def test_the_commands_read_pictures_as_the_model_takes_them(
    undivided: Path, tmp_path: Path
) -> None:
    run, data = str(tmp_path / "run"), f"--data={undivided}"
    size = ("--image-height=20", "--image-width=12", "--image-channels=3")
    train = ("train", run, data, "--device=cpu", "--no-progress")
    images = Dataset.from_folder(undivided, image_size=(20, 12), channels=3, progress=False)
    file = str(undivided / "dog" / "03.png")
    for command in (
        (*train, *size, "--hidden-size=4", "--seed=7", "--num-epochs=1", "--validation=0.25"),
        (*train, "--resume", "--num-epochs=2", "--validation=0.25"),
        ("evaluate", run, data, "--json"),
        ("predict", run, data, "--index=23", "--json"),
        ("predict", run, file, "--json"),
    ):
        done = CliRunner().invoke(main, command)
        assert done.exit_code == 0, done.output
        if command[0] == "evaluate":
            assert json.loads(done.stdout)["images"] == 40
        if command[0] == "predict":
            (row,) = json.loads(done.stdout)
            expected = mnistburn.load_run(run).model.predict_proba(images.images[23:24]).max()
            assert row["probability"] == pytest.approx(float(expected))
    result = mnistburn.load_run(run)
    assert result.model.config.image_shape == SHAPE
    assert (result.config.seed, sum(result.history.valid_steps["images"])) == (7, 20)
    pair = images.split(0.25, seed=7)
    mnistburn.train(run, None, "cpu", data=pair, resume=True, progress=False)


def test_the_command_compares_the_parts_of_a_folder(tmp_path: Path) -> None:
    write(tmp_path / "train", cat=2, dog=2)
    write(tmp_path / "test", cat=1, dog=1)
    shutil.copy(tmp_path / "train" / "dog" / "01.png", tmp_path / "test" / "dog")
    for split, count in (("test", 1), ("train", 0)):
        done = CliRunner().invoke(
            main, ["data", "describe", str(tmp_path), f"--split={split}", "--json"]
        )
        assert done.exit_code == 0, done.output
        assert json.loads(done.stdout)["leaks"]["count"] == count


def test_a_picture_of_nothing_is_an_error(tmp_path: Path) -> None:
    write(tmp_path, cat=1, dog=1)
    for name in ("cat", "dog"):
        (tmp_path / name / "00.png").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"2 of the 2 pictures .* cannot be read"):
        load_part(tmp_path, "train", progress=False)
