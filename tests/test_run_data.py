"""Runs know what they were trained on: data.json, and the commands that rely on it."""

import json
import shutil
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_png

import mnistburn
from mnistburn import Dataset, TrainingConfig, TrainingResult, load_run
from mnistburn.cli import main
from mnistburn.errors import ArtifactError, DataError

SHAPE = (16, 12, 3)
CLASSES = ("dark", "light", "middle")


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def fill(folder: Path, counts: dict[str, int], seed: int) -> None:
    """Write pictures whose brightness says their class."""
    random = numpy.random.default_rng(seed)
    for name, count in counts.items():
        (folder / name).mkdir(parents=True)
        low = {"dark": 0, "middle": 100, "light": 200}[name]
        for index in range(count):
            pixels = random.integers(low, low + 55, SHAPE, dtype=numpy.uint8)
            write_png(folder / name / f"{index}.png", pixels)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, TrainingResult]:
    """Return a folder of pictures, and a run on it."""
    root = tmp_path_factory.mktemp("run_data")
    folder = root / "pictures"
    fill(folder, {"dark": 20, "light": 20, "middle": 20}, seed=1)
    config = TrainingConfig(num_epochs=20, batch_size=8, learning_rate=1e-3)
    run = mnistburn.train(root / "run", config, "cpu", data=folder, progress=False)
    return folder, run


def test_a_run_keeps_what_it_was_trained_on(trained: tuple[Path, TrainingResult]) -> None:
    folder, run = trained
    data = load_run(run.artifact_dir).data
    assert data == run.data
    assert data is not None
    assert data.source is not None
    assert (data.source.kind, data.source.location) == ("folder", str(folder))
    assert (data.source.validation, data.source.seed) == (0.1, run.config.seed)
    assert (data.train.images, data.valid.images) == (54, 6)
    assert data.class_names == CLASSES
    assert data.image_shape == SHAPE
    assert data.preprocessing.fit == "stretch"
    content = json.loads((run.artifact_dir / "data.json").read_text())
    whole = Dataset.from_folder(folder, progress=False)
    train, _ = whole.split(0.1, run.config.seed)
    assert content["statistics"]["pixel_mean"] == pytest.approx(train.images.mean())
    assert data.load("train").targets.tolist() == train.targets.tolist()


def test_evaluate_takes_the_data_of_the_run_and_says_so(
    trained: tuple[Path, TrainingResult],
) -> None:
    folder, run = trained
    done = command("evaluate", run.artifact_dir, "--json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert row["images"] == 6
    assert str(folder) in row["data"]
    assert row["data"].endswith("valid")
    assert row["loss"] == pytest.approx(run.history["valid_loss"][-1])
    done = command("evaluate", run.artifact_dir, "--split", "train")
    assert "on 54 images" in done.stdout
    assert str(folder) in done.stdout


def test_predict_takes_an_image_of_the_data_of_the_run(
    trained: tuple[Path, TrainingResult],
) -> None:
    folder, run = trained
    done = command("predict", run.artifact_dir, "--index", 5, "--index", 0, "--json")
    assert done.exit_code == 0, done.output
    _, valid = Dataset.from_folder(folder, progress=False).split(0.1, run.config.seed)
    assert [row["target"] for row in json.loads(done.stdout)] == valid.targets[[5, 0]].tolist()
    assert str(folder) in done.stderr


def test_a_resumed_run_needs_no_word_of_its_data(
    trained: tuple[Path, TrainingResult], tmp_path: Path
) -> None:
    _, run = trained
    shutil.copytree(run.artifact_dir, tmp_path / "run")
    done = command("train", tmp_path / "run", "--resume", "--num-epochs", 21, "--no-progress")
    assert done.exit_code == 0, done.output
    assert load_run(tmp_path / "run").history["epoch"] == list(range(1, 22))
    again = mnistburn.train(tmp_path / "run", resume=True, device="cpu", progress=False)
    assert again.data == run.data


def test_data_that_no_longer_exist_are_named(
    trained: tuple[Path, TrainingResult], tmp_path: Path
) -> None:
    folder, _ = trained
    shutil.copytree(folder, tmp_path / "moved")
    config = TrainingConfig(num_epochs=1, batch_size=8)
    mnistburn.train(tmp_path / "run", config, "cpu", data=tmp_path / "moved", progress=False)
    (tmp_path / "moved").rename(tmp_path / "elsewhere")
    for done in (
        command("evaluate", tmp_path / "run"),
        command("predict", tmp_path / "run", "--index", 0),
        command("train", tmp_path / "run", "--resume", "--num-epochs", 2, "--no-progress"),
    ):
        assert done.exit_code == 1
        assert str(tmp_path / "moved") in done.stderr
        assert "--data" in done.stderr
    done = command("evaluate", tmp_path / "run", "--data", tmp_path / "elsewhere")
    assert done.exit_code == 0, done.output
    done = command(
        *("train", tmp_path / "run", "--resume", "--num-epochs", 2, "--no-progress"),
        *("--data", tmp_path / "elsewhere"),
    )
    assert done.exit_code == 0, done.output


def test_data_that_have_changed_are_refused(
    trained: tuple[Path, TrainingResult], tmp_path: Path
) -> None:
    folder, _ = trained
    shutil.copytree(folder, tmp_path / "pictures")
    config = TrainingConfig(num_epochs=1, batch_size=8)
    run = mnistburn.train(
        tmp_path / "run", config, "cpu", data=tmp_path / "pictures", progress=False
    )
    (tmp_path / "pictures/dark/0.png").unlink()
    assert run.data is not None
    with pytest.raises(DataError, match="changed since the run"):
        run.data.load("train")
    with pytest.raises(ArtifactError, match="data of its start"):
        mnistburn.train(
            tmp_path / "run",
            device="cpu",
            data=tmp_path / "pictures",
            resume=True,
            progress=False,
        )


def test_classes_are_matched_by_name(trained: tuple[Path, TrainingResult], tmp_path: Path) -> None:
    _, run = trained
    fill(tmp_path / "less", {"light": 10, "middle": 10}, seed=2)
    done = command("evaluate", run.artifact_dir, "--data", tmp_path / "less", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["accuracy"] > 0.9
    (tmp_path / "less/light").rename(tmp_path / "less/bright")
    done = command("evaluate", run.artifact_dir, "--data", tmp_path / "less")
    assert done.exit_code == 1
    assert "bright" in done.stderr
    for name in CLASSES:
        assert name in done.stderr


def test_a_run_on_arrays_says_that_it_does_not_keep_them(tmp_path: Path) -> None:
    images = numpy.random.default_rng(3).integers(0, 256, (40, 8, 8), dtype=numpy.uint8)
    pair = Dataset.from_numpy(images, numpy.arange(40) % 2, ["even", "odd"]).split(0.25)
    run = mnistburn.train(
        tmp_path / "run", TrainingConfig(num_epochs=1), "cpu", data=pair, progress=False
    )
    assert run.data is not None
    assert run.data.source is not None
    assert run.data.source.kind == "arrays"
    done = command("evaluate", tmp_path / "run")
    assert done.exit_code == 1
    assert "arrays" in done.stderr
    assert "--data" in done.stderr
    with pytest.raises(DataError, match="data="):
        mnistburn.train(tmp_path / "run", device="cpu", resume=True, progress=False)
    again = mnistburn.train(tmp_path / "run", device="cpu", data=pair, resume=True, progress=False)
    assert again.history == run.history


def test_a_damaged_description_of_data_is_an_artifact_error(
    trained: tuple[Path, TrainingResult], tmp_path: Path
) -> None:
    _, run = trained
    for index, text in enumerate(("", "[]", "{}", '{"source": 1}')):
        copy = tmp_path / str(index)
        shutil.copytree(run.artifact_dir, copy)
        (copy / "data.json").write_text(text)
        with pytest.raises(ArtifactError, match=r"data\.json is damaged"):
            load_run(copy)
