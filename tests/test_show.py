"""``mnistburn show`` tells of every kind of path what it is."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_png

import mnistburn
from mnistburn import CsvLogger, Dataset, JsonLinesLogger, Model, ModelConfig, TrainingConfig
from mnistburn.cli import main


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def shown(path: Path) -> dict[str, Any]:
    """Return what the command says as JSON, and check that it says the same as text."""
    done = command("show", path, "--json")
    assert done.exit_code == 0, done.output
    content: dict[str, Any] = json.loads(done.stdout)
    text = command("show", path).stdout
    assert text.startswith(f"kind          {content['kind']}\n")
    assert "\x1b" not in text
    if content["advice"] is not None:
        assert text.endswith(f"more          {content['advice']}\n")
    return content


def refused(path: Path) -> str:
    done = command("show", path)
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    return done.stderr


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    small_data: tuple[Dataset, Dataset],
    small_config: TrainingConfig,
) -> Path:
    """Return a run with a start, beside logs of its callbacks."""
    folder = tmp_path_factory.mktemp("runs")
    mnistburn.train(
        folder / "run",
        small_config,
        "cpu",
        data=small_data,
        start=Model(ModelConfig(hidden_size=16), seed=1),
        callbacks=[CsvLogger(folder / "log.csv"), JsonLinesLogger(folder / "log.jsonl")],
        progress=False,
    )
    return folder / "run"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("config.json", "configuration of a training"),
        ("history.json", "history of a run"),
        ("history.jsonl", "history of a run, a line for each step and epoch"),
        ("data.json", "data of a run"),
        ("start.json", "start of a run"),
        ("class_names.json", "names of the classes of a run"),
        ("manifest.json", "manifest of a run"),
        ("model.mpk.meta.json", "what a model file of Burn has no room for"),
        ("summary.txt", "table of the metrics of a run"),
        ("train.log", "log of a run"),
        ("checkpoint", "checkpoints of a run"),
        ("checkpoint/epoch-0002", "checkpoint of a run"),
        ("checkpoint/epoch-0002/state.json", "checkpoint of a run"),
        ("checkpoint/epoch-0002/optim.mpk", "state of an optimizer, of a checkpoint"),
        ("checkpoint/epoch-0002/scheduler.mpk", "state of a learning-rate schedule, of a check"),
        ("../log.csv", "log of CsvLogger, a row for each epoch"),
        ("../log.jsonl", "log of JsonLinesLogger, a line for each row"),
    ],
)
def test_each_file_of_a_run_is_told(run: Path, name: str, kind: str) -> None:
    assert shown(run / name)["kind"].startswith(kind)


def test_every_file_of_a_run_is_known(run: Path) -> None:
    for path in run.rglob("*"):
        if path.is_file() and path.stat().st_size:
            assert command("show", path).exit_code == 0, path


def test_what_is_told_is_what_is_in_the_files(run: Path) -> None:
    assert shown(run / "history.json")["steps"] == 8
    assert shown(run / "history.jsonl")["lines"] == 8 + 2 + 2
    assert shown(run / "class_names.json")["names"] == list("0123456789")
    state = shown(run / "checkpoint/epoch-0002/optim.mpk")
    assert (state["epoch"], state["step"], state["epoch_ended"]) == (2, 4, "yes")
    assert state["optimizer"].startswith("AdamConfig(")
    assert state["bytes"] == (run / "checkpoint/epoch-0002/optim.mpk").stat().st_size
    assert shown(run / "checkpoint/epoch-0002")["advice"] == f"mnistburn show {run}"
    config = shown(run / "config.json")
    assert (config["epochs"], config["learning_rate"], config["seed"]) == (2, "0.001", "42")
    assert config["advice"].endswith(f"--config {run / 'config.json'}")


def test_a_configuration_of_a_network_and_of_each_key_alone_is_told(tmp_path: Path) -> None:
    mnistburn.ConvNetConfig(num_classes=3, widths=(4,)).save(tmp_path / "network.json")
    assert shown(tmp_path / "network.json")["network"].startswith("ConvNetConfig(")
    (tmp_path / "own.json").write_text('{"batch_size": 7}')
    assert shown(tmp_path / "own.json")["batch_size"] == 7
    (tmp_path / "own.json").write_text('{"batch_size": 0}')
    assert "batch_size must be" in refused(tmp_path / "own.json")


def test_models_in_json_are_models(tmp_path: Path) -> None:
    model = Model(ModelConfig(hidden_size=4))
    path = model.save(tmp_path / "model", "json")
    assert command("show", path).stdout.startswith("format ")


def test_data_are_told_with_the_command_that_counts_them(
    tmp_path: Path, small_data: tuple[Dataset, Dataset]
) -> None:
    train, test = small_data
    npz = tmp_path / "data.npz"
    numpy.savez(npz, x_train=train.images, y_train=train.targets, x_test=test.images[:1])
    content = shown(npz)
    assert content["kind"] == "images and labels in a .npz file"
    assert content["taken"] == {"train": "x_train"}
    assert content["advice"] == f"mnistburn data describe {npz}"
    assert command(*content["advice"].split()[1:]).exit_code == 0
    table = tmp_path / "data.csv"
    table.write_text("label," + ",".join(f"pixel{place}" for place in range(784)) + "\n")
    assert shown(table)["kind"] == "images and labels in a table"
    for folder in ("train/circle", "train/square", "test/circle"):
        write_png(tmp_path / "pictures" / folder / "1.png", numpy.zeros((4, 4), numpy.uint8))
    content = shown(tmp_path / "pictures")
    assert (content["kind"], content["parts"]) == ("folder of pictures", ["train", "test"])


def test_idx_files_are_told_with_their_numbers(tmp_path: Path) -> None:
    images = numpy.arange(24, dtype=numpy.uint8).reshape(2, 3, 4)
    header = b"\0\0\x08\x03" + b"".join(size.to_bytes(4, "big") for size in images.shape)
    path = tmp_path / "train-images-idx3-ubyte.gz"
    path.write_bytes(gzip.compress(header + images.tobytes()))
    content = shown(path)
    assert (content["images"], content["size"]) == (2, "3 x 4")
    assert "needs its labels beside it" in content["problem"]
    labels = tmp_path / "train-labels-idx1-ubyte"
    labels.write_bytes(b"\0\0\x08\x01\0\0\0\x02\1\0")
    assert shown(labels)["labels"] == 2
    content = shown(path)
    assert (content["images"], content["parts"]) == (2, ["train"])
    labels.write_bytes(b"\0\0\x08\x01\0\0")
    assert "ends within its header" in refused(labels)


def test_pictures_and_arrays_are_told(tmp_path: Path) -> None:
    write_png(tmp_path / "grey.png", numpy.full((5, 7), 9, numpy.uint8))
    content = shown(tmp_path / "grey.png")
    assert (content["kind"], content["height"], content["width"]) == ("picture", 5, 7)
    assert content["colours"] == "grey"
    colours = numpy.zeros((5, 7, 3), numpy.uint8)
    colours[..., 0] = 200
    # What a file is, its first bytes tell, not its name.
    write_png(tmp_path / "model.mpk", colours)
    assert shown(tmp_path / "model.mpk")["colours"] == "red, green, blue"
    numpy.save(tmp_path / "a.npy", numpy.zeros((3, 28, 28), numpy.float32))
    content = shown(tmp_path / "a.npy")
    assert (content["shape"], content["numbers"]) == ([3, 28, 28], "float32")


def test_a_model_in_npz_is_a_model_and_other_arrays_are_refused(tmp_path: Path) -> None:
    path = Model(ModelConfig(hidden_size=4)).export(tmp_path / "model.npz")
    assert command("show", path).stdout.startswith("format        npz")
    numpy.savez(tmp_path / "broken.npz", a=numpy.zeros(3))
    (tmp_path / "broken.npz").write_bytes((tmp_path / "broken.npz").read_bytes()[:40])
    assert "is neither data nor a model" in refused(tmp_path / "broken.npz")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty", b"", "is empty; show takes"),
        ("notes.txt", b"my notes\n", "show takes the directory of a run, a model file"),
        ("random.bin", bytes(range(255)), "show takes the directory of a run, a model file"),
        ("other.json", b'{"a": 1}', "is JSON of no kind that is known here"),
        ("list.json", b"[1, 2]", "is JSON of no kind that is known here"),
        ("broken.json", b'{"a": ', "must be JSON"),
        ("deep.json", b"[" * 100_000, "must be JSON"),
        ("latin.json", b'{"a": "\xe9"}', "must be JSON"),
        ("history.json", b'{"epochs": 1, "train_steps": 2, "valid_steps": 3}', "is damaged"),
        ("data.json", b'{"source": 1, "train": 2, "valid": 3, "shape": 4}', "is damaged"),
        ("state.json", b'{"state": 1, "files": 2, "sha256": 3}', "is damaged"),
        ("history.jsonl", b"{}\n", "its first line is none"),
        ("history.jsonl", b"7\n", "its first line is none"),
        ("a.npy", b"\x93NUMPY", "as numpy.save writes it"),
        ("cut.png", b"\x89PNG\r\n\x1a\n", "cut.png"),
    ],
)
def test_what_is_nothing_of_that_gets_a_clear_error(
    tmp_path: Path, name: str, content: bytes, said: str
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    assert said in refused(path)


def test_directories_of_nothing_get_a_clear_error(tmp_path: Path) -> None:
    assert "without a run and without data" in refused(tmp_path)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    assert "there is no picture in or below it" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "none")


@pytest.mark.skipif(os.name == "nt", reason="a file name of Windows has no such characters")
def test_names_that_a_terminal_would_obey_are_shown_safely(tmp_path: Path) -> None:
    name = "\x1b[31mred'\"é"
    write_png(tmp_path / name / "a" / "1.png", numpy.zeros((4, 4), numpy.uint8))
    write_png(tmp_path / name / "b\x1b" / "1.png", numpy.zeros((4, 4), numpy.uint8))
    done = command("show", tmp_path / name)
    assert done.exit_code == 0
    assert "\x1b" not in done.stdout
