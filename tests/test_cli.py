"""The command line."""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_png

import mnistburn
from mnistburn import (
    AdaGradConfig,
    AdamConfig,
    AdamWConfig,
    Dataset,
    Model,
    ModelConfig,
    MuonConfig,
    RmsPropConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.cli import main


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def small_mnist(monkeypatch: pytest.MonkeyPatch, small_data: tuple[Dataset, Dataset]) -> None:
    """Make MNIST small, so that the whole command is run in a second."""

    def load(
        name: str,
        split: str = "train",
        *,
        validation: float | None = None,
        seed: int = 42,
        progress: bool = True,
    ) -> Any:
        assert name == "mnist"
        dataset = small_data[0] if split == "train" else small_data[1]
        return dataset if validation is None else dataset.split(validation, seed)

    monkeypatch.setattr("mnistburn.datasets.load", load)


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    model = Model(ModelConfig(hidden_size=8), seed=1)
    return model.save(tmp_path_factory.mktemp("model") / "model")


@pytest.mark.usefixtures("small_mnist")
def test_train_prints_the_summary_the_accuracies_and_the_paths(artifact_dir: Path) -> None:
    done = command(
        *("train", artifact_dir, "--num-epochs=2", "--hidden-size=8", "--device=cpu"),
        *("--batch-size=32", "--learning-rate=0.001", "--seed=7", "--num-workers=0"),
        *("--dropout=0.25", "--no-progress"),
    )
    assert done.exit_code == 0, done.output
    run = mnistburn.load_run(artifact_dir)
    accuracies = run.history["valid_accuracy"]
    assert accuracies[0] != accuracies[1]
    assert run.best_epoch is not None
    assert (
        f"{accuracies[-1]:.4f} after the last epoch, {accuracies[run.best_epoch - 1]:.4f} after "
        f"the best one, epoch {run.best_epoch}, which has the lowest validation loss\n"
    ) in done.stdout
    assert run.config == TrainingConfig(
        model=ModelConfig(hidden_size=8, dropout=0.25),
        num_epochs=2,
        batch_size=32,
        learning_rate=0.001,
        seed=7,
        num_workers=0,
    )
    assert run.summary().strip() in done.stdout
    assert str(artifact_dir / "model.mpk") in done.stdout
    assert done.stderr.startswith("classes: 0, 1, 2")


@pytest.mark.usefixtures("small_mnist")
def test_train_reads_a_config_and_resumes(artifact_dir: Path, tmp_path: Path) -> None:
    config = TrainingConfig(model=ModelConfig(hidden_size=8), num_epochs=1)
    config.save(tmp_path / "config.json")
    options = ("--device=cpu", "--no-progress")
    done = command("train", artifact_dir, "--config", tmp_path / "config.json", *options)
    assert done.exit_code == 0, done.output
    done = command("train", artifact_dir, "--resume", "--num-epochs=2", *options)
    assert done.exit_code == 0, done.output
    run = mnistburn.load_run(artifact_dir)
    assert run.history["epoch"] == [1, 2]
    assert isinstance(run.model.config, mnistburn.ModelConfig)
    assert run.model.config.hidden_size == 8


@pytest.mark.usefixtures("small_mnist")
def test_train_chooses_the_optimizer(artifact_dir: Path, tmp_path: Path) -> None:
    options = ("--device=cpu", "--no-progress", "--num-epochs=1", "--hidden-size=8")
    for name, optimizer in (
        ("adam", AdamConfig()),
        ("adamw", AdamWConfig()),
        ("sgd", SgdConfig()),
        ("rmsprop", RmsPropConfig()),
        ("adagrad", AdaGradConfig()),
        ("muon", MuonConfig()),
    ):
        done = command("train", artifact_dir, "--optimizer", name, *options)
        assert done.exit_code == 0, done.output
        assert mnistburn.load_run(artifact_dir).config.optimizer == optimizer
    # One of that kind keeps its values, of a file and of a run.
    file = tmp_path / "config.json"
    TrainingConfig(optimizer=SgdConfig(weight_decay=0.5)).save(file)
    sgd = ("train", artifact_dir, "--optimizer=sgd")
    done = command(*sgd, "--config", file, *options)
    assert done.exit_code == 0, done.output
    done = command(*sgd, "--resume", "--device=cpu", "--no-progress", "--num-epochs=2")
    assert done.exit_code == 0, done.output
    assert mnistburn.load_run(artifact_dir).config.optimizer == SgdConfig(weight_decay=0.5)


@pytest.mark.usefixtures("small_mnist")
def test_train_refuses_another_optimizer_for_a_run_that_goes_on(artifact_dir: Path) -> None:
    options = ("--device=cpu", "--no-progress", "--num-epochs=1", "--hidden-size=8")
    assert command("train", artifact_dir, *options).exit_code == 0
    done = command("train", artifact_dir, "--resume", "--optimizer=sgd", *options)
    assert done.exit_code == 1
    assert "may change only" in done.stderr
    assert "optimizer was" in done.stderr
    done = command("train", artifact_dir, "--optimizer=lion", *options)
    assert done.exit_code == 2
    assert "'adam', 'adamw', 'sgd', 'rmsprop', 'adagrad', 'muon'" in done.stderr


@pytest.mark.usefixtures("small_mnist")
def test_train_sets_validation_images_aside(artifact_dir: Path) -> None:
    options = ("--validation=0.25", "--device=cpu", "--no-progress")
    done = command("train", artifact_dir, "--num-epochs=1", "--hidden-size=8", "--seed=3", *options)
    assert done.exit_code == 0, done.output
    run = mnistburn.load_run(artifact_dir)
    assert sum(run.history.train_steps["images"]) == 192
    # The same images are set aside again: others would be refused.
    done = command("train", artifact_dir, "--resume", "--num-epochs=2", *options)
    assert done.exit_code == 0, done.output


@pytest.mark.usefixtures("small_mnist")
def test_a_run_of_other_data_is_replaced_where_that_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for number in range(20):
        for name in ("dark", "light"):
            image = numpy.full((8, 8), number + (200 if name == "light" else 0), numpy.uint8)
            write_png(tmp_path / "pictures" / name / f"{number}.png", image)
    options = ("--num-epochs=1", "--hidden-size=8", "--device=cpu", "--no-progress")
    own = ("train", "--data=pictures", *options)
    directory = Path("artifacts/mnist")
    assert command("train", *options).exit_code == 0
    before = {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    done = command(*own)
    assert done.exit_code == 1
    assert "holds a run trained on mnist, and this one is of pictures" in done.stderr
    assert before == {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}
    # The ways out; and the same data, or an older run, may be trained on again.
    (proposed,) = re.findall("`mnistburn train (.*?)`", done.stderr)
    assert command("train", proposed, *own[1:]).exit_code == 0
    assert command("train", *options).exit_code == 0
    assert command(*own, "--overwrite").exit_code == 0
    assert command(*own).exit_code == 0
    assert "holds a run trained on pictures" in command("train", *options).stderr
    (directory / "data.json").unlink()
    assert "holds a run trained on other data" in command("train", *options).stderr
    assert command("train", directory, *options).exit_code == 0
    assert command("train", "--resume", *options).exit_code == 0
    help_text = " ".join(command("train", "--help").stdout.split())
    assert "ARTIFACT_DIR, which is artifacts/mnist unless given" in help_text
    assert "replaced with --overwrite alone" in help_text


def test_help_says_which_epoch_is_the_best() -> None:
    for name in ("evaluate", "predict", "export"):
        assert "best (of lowest validation loss)" in " ".join(command(name, "-h").stdout.split())


def test_a_size_that_no_file_says_is_told(tmp_path: Path) -> None:
    config = ModelConfig(hidden_size=8, image_height=64, image_width=63)
    path = Model(config, seed=1).save(tmp_path / "m.mpk")
    image = ("predict", path, tmp_path / "a.png")
    write_png(tmp_path / "a.png", numpy.zeros((9, 9), numpy.uint8))
    done = command(*image, "--image-size=64x63")
    assert done.exit_code == 0, done.output
    assert "assumed" not in done.stderr
    assert "image_height 64, image_width 63" in command("show", path).stdout
    companion = tmp_path / "m.mpk.meta.json"
    assert companion.is_file()
    companion.unlink()
    assert "<its name>.meta.json" in command(*image).stderr
    done = command(*image, "--image-size=63x64")
    assert done.exit_code == 0, done.output
    assert "height 63 and width 64 are assumed, as --image-size has it" in done.stderr
    shown = command("show", path).stdout
    assert "image_height" not in shown
    assert "image size    not known" in shown
    described = json.loads(command("show", path, "--json").stdout)
    assert described["config"]["image_height"] is None


@pytest.mark.usefixtures("small_mnist")
def test_evaluate_prints_what_the_model_measures(
    model_file: Path, small_data: tuple[Dataset, Dataset]
) -> None:
    done = command("evaluate", model_file, "--data=mnist", "--json", "--device=cpu")
    assert done.exit_code == 0, done.output
    expected = Model.load(model_file).evaluate(small_data[1])
    found = json.loads(done.stdout)
    assert (found["data"], found["images"]) == ("mnist, test", 64)
    assert (found["loss"], found["accuracy"]) == (expected.loss, expected.accuracy)
    assert tuple(found["accuracy_interval"]) == expected.accuracy_interval()
    assert found["expected_calibration_error"] == expected.calibration().expected_error
    assert [row["recall"] for row in found["per_class"]] == [
        row.recall for row in expected.per_class
    ]
    assert [image["index"] for image in found["worst"]] == [
        image.index for image in expected.worst()
    ]
    pairs = [(pair["true"], pair["predicted"], pair["count"]) for pair in found["most_confused"]]
    assert pairs == [(pair.true, pair.predicted, pair.count) for pair in expected.most_confused()]
    done = command("evaluate", model_file, "--data=mnist", "--split=train", "--batch-size=100")
    assert "on 256 images" in done.stdout
    done = command("evaluate", model_file, "--data=mnist", "--batch-size=0")
    assert done.exit_code == 1
    assert "--batch-size must" in done.stderr


@pytest.mark.usefixtures("small_mnist")
def test_predict_tells_label_and_probability(model_file: Path, tmp_path: Path) -> None:
    images = mnistburn.datasets.load("mnist", "test").images[:3]
    probabilities = Model.load(model_file).predict_proba(images)
    done = command("predict", model_file, "--data=mnist", "--index=2", "--index=0", "--json")
    assert done.exit_code == 0, done.output
    rows = json.loads(done.stdout)
    assert [row["index"] for row in rows] == [2, 0]
    assert rows[0]["label"] == int(probabilities[2].argmax())
    assert rows[0]["probability"] == pytest.approx(float(probabilities[2].max()))

    numpy.save(tmp_path / "images.npy", images)
    done = command("predict", model_file, tmp_path / "images.npy", "--device=cpu")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"0: {int(probabilities[0].argmax())}, probability 0.")


def test_devices_prints_a_table() -> None:
    lines = command("devices").stdout.splitlines()
    assert lines[0].split() == ["device", "kind", "name", "state"]
    assert lines[1].startswith("cpu")


def test_version_is_that_of_the_package() -> None:
    assert command("--version").stdout == f"mnistburn, version {mnistburn.__version__}\n"


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("evaluate", "no.mpk"), 1, "error: could not read no.mpk: No such file or directory"),
        (("train", "a", "--device=gpu"), 1, "error: "),
        (("train", "a", "--num-epochs=0"), 1, "--num-epochs must"),
        (("train", "a", "--config=no.json"), 1, "no.json"),
        (("train", "a", "--resume", "--num-epochs=2"), 1, "run to resume"),
        (("train", "a", "--validation=2"), 1, "--validation must"),
        (("train", ""), 2, "must not be empty"),
        (("evaluate", ""), 2, "must not be empty"),
        (("train", "a", "--epochs=1"), 2, "--epochs"),
        (("train", "a", "--num-epochs=x"), 1, "--num-epochs must be a whole number"),
        (("predict", "no.mpk"), 2, "--index"),
        (("predict", "no.mpk", "a.npy", "--index=1"), 2, "--index"),
        (("evaluate",), 2, "PATH"),
        (("evaluate", ".", "--split=half"), 2, "--split"),
        (("evaluate", "."), 1, "config.json"),
        (("nothing",), 2, "nothing"),
    ],
)
def test_errors_are_one_line_and_a_status(
    arguments: tuple[str, ...],
    status: int,
    part: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.exit_code == status, done.output
    assert part in done.stderr
    assert done.stdout == ""
    if status == 1:
        assert done.stderr.startswith("error: ")
        assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_pickled_array_is_never_read(model_file: Path, tmp_path: Path) -> None:
    numpy.save(tmp_path / "evil.npy", numpy.array([object()]), allow_pickle=True)
    done = command("predict", model_file, tmp_path / "evil.npy", "--device=cpu")
    assert done.exit_code == 1
    assert "evil.npy" in done.stderr


def test_a_file_without_images_is_named(model_file: Path, tmp_path: Path) -> None:
    numpy.savez(tmp_path / "several.npz", images=numpy.zeros((1, 28, 28), numpy.uint8))
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d, 28, 28)}\n" % 10**12
    huge = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header
    npy, picture = "must be a .npy file", "no picture"
    for name, content, text in (
        ("text.npy", b"{}", npy),
        ("nothing.npy", b"", npy),
        ("huge", huge, npy),
        ("text", b"{}", picture),
        ("nothing", b"", picture),
        ("several.npz", None, picture),
    ):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        done = command("predict", model_file, tmp_path / name, "--device=cpu")
        assert done.exit_code == 1, done.output
        assert name in done.stderr
        assert text in done.stderr
        assert "unsafe" not in done.stderr


def test_the_module_is_the_command(model_file: Path) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "mnistburn",
            "predict",
            model_file,
            "--data=mnist",
            "--index=0",
            "--json",
        ],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert json.loads(done.stdout)[0]["target"] == 7
    assert done.stderr == "images of mnist, test\n"
