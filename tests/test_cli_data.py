"""The commands around data sets."""

import gzip
import json
import shutil
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner, Result
from pictures import write_png

import mnistburn
from mnistburn import Dataset, Model, ModelConfig
from mnistburn.cli import main
from mnistburn.datasets import store


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache directory; no network is at hand, and no copy of the system."""
    monkeypatch.setenv("MNISTBURN_DATA_DIR", str(tmp_path / "cache"))
    for scheme in ("http", "https"):
        monkeypatch.setenv(f"{scheme}_proxy", "http://127.0.0.1:9")
    return tmp_path / "cache"


def test_list_has_every_name(data_dir: Path) -> None:
    done = command("data", "list")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == [
        *("name", "train", "valid", "test", "classes", "MB", "licence", "here"),
    ]
    assert [line.split()[0] for line in lines[1:]] == mnistburn.datasets.names()
    (mnist,) = (line for line in lines if line.startswith("mnist "))
    megabytes = sum(path.stat().st_size for path in mnistburn.datasets.fetch("mnist")) / 1e6
    assert mnist.split()[1:6] == ["60,000", "-", "10,000", "10", f"{megabytes:.1f}"]
    assert mnist.endswith("in the package")
    (kmnist,) = (line for line in lines if line.startswith("kmnist"))
    assert kmnist.endswith("no; `mnistburn data fetch kmnist` gets it")
    # A file is enough to be told of; what it holds is for `verify`.
    (data_dir / "kmnist").mkdir(parents=True)
    (data_dir / "kmnist" / "t10k-labels-idx1-ubyte.gz").write_bytes(b"poison")
    (kmnist,) = (line for line in command("data", "list").stdout.splitlines() if "kmnist" in line)
    assert kmnist.endswith(f"1 of 4 files, in {data_dir / 'kmnist'}")


def test_list_as_json(data_dir: Path) -> None:
    rows = {row["name"]: row for row in json.loads(command("data", "list", "--json").stdout)}
    assert list(rows) == mnistburn.datasets.names()
    assert rows["mnist"]["files_here"] == rows["mnist"]["files"] == 4
    letters = rows["emnist-letters"]
    assert letters["class_names"] == list("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    assert (letters["train_images"], letters["test_images"]) == (124_800, 20_800)
    assert letters["folder"] == str(data_dir / "emnist-letters")
    assert letters["files_here"] == 0


def test_where(data_dir: Path) -> None:
    assert command("data", "where").stdout == f"{data_dir}\n"
    assert command("data", "where", "KMNIST").stdout == f"{data_dir / 'kmnist'}\n"
    assert command("data", "where", "mnist").stdout == f"{store._PACKAGE / 'mnist'}\n"


def test_fetch_of_what_is_there_prints_its_paths() -> None:
    done = command("data", "fetch", "mnist")
    assert done.exit_code == 0, done.output
    assert [Path(line).name for line in done.stdout.splitlines()] == [
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ]
    assert done.stderr == ""


def test_fetch_without_a_network_says_what_to_do(data_dir: Path) -> None:
    done = command("data", "fetch", "kmnist", "--no-progress")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: kmnist needs train-images-idx3-ubyte.gz and ")
    assert done.stderr.count("codh.rois.ac.jp/kmnist/dataset/kmnist/train-images") == 3
    assert done.stderr.count("curl -fL --create-dirs -o ") == 4
    assert str(data_dir / "kmnist" / "t10k-labels-idx1-ubyte.gz") in done.stderr


def test_verify_names_what_is_wrong(data_dir: Path) -> None:
    done = command("data", "verify", "mnist")
    assert done.exit_code == 0, done.output
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["ok", "mnist"]] * 4
    folder = data_dir / "kmnist"
    folder.mkdir(parents=True)
    (folder / "t10k-labels-idx1-ubyte.gz").write_bytes(b"poison")
    for arguments in (("kmnist",), ()):
        done = command("data", "verify", *arguments)
        assert done.exit_code == 1
        (line,) = (line for line in done.stdout.splitlines() if line.startswith("damaged"))
        assert str(folder / "t10k-labels-idx1-ubyte.gz") in line
        assert "qmnist" not in done.stdout
    done = command("data", "verify", "kmnist", "--json")
    assert done.exit_code == 1
    rows = json.loads(done.stdout)
    assert [row["state"] for row in rows] == ["missing", "missing", "missing", "damaged"]
    assert rows[3]["path"] == str(folder / "t10k-labels-idx1-ubyte.gz")


@pytest.mark.parametrize(
    "arguments",
    [
        ("data", "fetch", "emnist"),
        ("data", "verify", "emnist"),
        ("data", "where", "emnist"),
        ("train", "a", "--data=emnist"),
        ("train", "a", "--data=emnist", "--num-epochs=1", "--validation=0.1"),
    ],
)
def test_an_unknown_name_is_an_error(
    arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = command(*arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith("error: there is no data set 'emnist'")
    assert "'emnist-letters'" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_fetch_needs_a_name() -> None:
    assert command("data", "fetch").exit_code == 2


@pytest.fixture
def letters(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """Stand in for EMNIST's letters, which are never fetched in tests."""
    generator = numpy.random.default_rng(3)
    images = generator.integers(0, 256, (52, 28, 28), dtype=numpy.uint8)
    dataset = Dataset(images, numpy.arange(52) % 26)
    real = mnistburn.datasets.load

    def load(name: str, *arguments: object, **options: object) -> object:
        if name != "emnist-letters":
            return real(name, *arguments, **options)  # type: ignore[call-overload]
        return dataset.split(0.5) if options.get("validation") else dataset

    monkeypatch.setattr("mnistburn.datasets.load", load)
    return dataset


@pytest.mark.parametrize(
    "options", [(), ("--num-epochs=1",), ("--num-epochs=1", "--validation=0.5")]
)
def test_train_and_evaluate_take_a_name_and_its_classes(
    options: tuple[str, ...],
    letters: Dataset,
    artifact_dir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(artifact_dir.parent)
    done = command(
        *("train", artifact_dir, "--data=emnist-letters", "--device=cpu", "--no-progress"), *options
    )
    assert done.exit_code == 0, done.output
    run = mnistburn.load_run(artifact_dir)
    assert run.model.config.num_classes == 26
    done = command("evaluate", artifact_dir, "--data=emnist-letters", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["loss"] == run.model.evaluate(letters).loss
    done = command("predict", artifact_dir, "--data=emnist-letters", "--index=30", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)[0]["target"] == 4


def test_a_model_of_fewer_classes_is_no_match(letters: Dataset, tmp_path: Path) -> None:
    file = Model(ModelConfig(hidden_size=8), seed=1).save(tmp_path / "model")
    done = command("evaluate", file, "--data=emnist-letters")
    assert done.exit_code == 1
    assert "number of classes" in done.stderr


def test_fashion_mnist_is_evaluated_by_name(fashion_mnist: Path, tmp_path: Path) -> None:
    file = Model(ModelConfig(hidden_size=8), seed=1).save(tmp_path / "model")
    done = command("evaluate", file, "--data", "FashionMNIST", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["images"] == 10_000


def test_a_copy_put_there_by_hand_is_used(fashion_mnist: Path, data_dir: Path) -> None:
    shutil.copytree(fashion_mnist, data_dir / "fashion-mnist")
    assert command("data", "where", "fashion-mnist").stdout == f"{data_dir / 'fashion-mnist'}\n"
    done = command("data", "verify", "fashion-mnist")
    assert done.exit_code == 0, done.output
    assert done.stdout.count(str(data_dir)) == 4
    labels = data_dir / "fashion-mnist" / "t10k-labels-idx1-ubyte.gz"
    labels.with_suffix("").write_bytes(gzip.decompress(labels.read_bytes()))
    labels.unlink()
    assert command("data", "verify", "fashion-mnist").exit_code == 0


def test_describe_names_the_files_of_what_is_odd(tmp_path: Path) -> None:
    for place, name in enumerate(("dark", "light")):
        for part, count in (("train", 5), ("test", 3)):
            for number in range(count):
                image = numpy.full((8, 8), 100 * place + 10 * number, numpy.uint8)
                image[0, 0] = 7 if part == "train" else 9
                write_png(tmp_path / part / name / f"{number}.png", image)
    train, test = tmp_path / "train", tmp_path / "test"
    (train / "dark" / "1.png").write_bytes(b"no picture")
    (train / "dark" / "4.png").write_bytes((train / "dark" / "2.png").read_bytes())
    (test / "light" / "2.png").write_bytes((train / "light" / "3.png").read_bytes())
    done = command("data", "describe", tmp_path)
    files = ", ".join(str(train / "dark" / f"{number}.png") for number in (2, 4))
    assert f"first of duplicates: {files}\n" in done.stdout
    done = command("data", "describe", tmp_path, "--split=test", "--json")
    leak = [str(test / "light" / "2.png"), str(train / "light" / "3.png")]
    assert json.loads(done.stdout)["files"] == {"leaks": leak}
