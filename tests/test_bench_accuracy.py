"""``mnistburn bench --accuracy``: made sets of MedMNIST, and the area under the ROC curve."""

import itertools
import json
from pathlib import Path
from typing import Any

import known_files
import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn.bench.accuracy import PUBLISHED, area_under_curve
from mnistburn.cli import main
from mnistburn.datasets.medmnist import MEDMNIST
from mnistburn.datasets.registry import DATASETS

COUNTS = {"train": 64, "val": 8, "test": 24}


def bench(*arguments: object) -> Result:
    words = ["bench", "--accuracy=medmnist", *(str(argument) for argument in arguments)]
    return CliRunner().invoke(main, words)


@pytest.fixture(autouse=True)
def data_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty cache directory."""
    monkeypatch.setenv("MNISTBURN_DATA_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def two_sets(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put two small sets in the cache, whose classes differ in their grey."""
    for name in ("breastmnist", "bloodmnist"):
        arrays = known_files.medmnist_arrays(name, COUNTS)
        entry, content = known_files.medmnist(name, arrays)
        monkeypatch.setitem(DATASETS, name, entry)
        (data_dir / name).mkdir(parents=True)
        (data_dir / name / f"{name}.npz").write_bytes(content)


def test_every_set_has_published_figures() -> None:
    assert list(PUBLISHED) == [entry.name for entry in MEDMNIST]
    assert all(0.5 < each.accuracy < each.auc < 1.0 for each in PUBLISHED.values())


@pytest.mark.usefixtures("two_sets")
def test_what_is_here_is_trained_on_and_the_rest_is_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, seeds = mnistburn.train, []

    def train(folder: Path, config: mnistburn.TrainingConfig, *rest: Any, **more: Any) -> Any:
        seeds.append(config.seed)
        return real(folder, config, *rest, **more)

    monkeypatch.setattr(mnistburn, "train", train)
    file = tmp_path / "accuracy.json"
    done = bench("--recipe=fast", "--num-epochs=40", "--seed=5", f"--json={file}")
    assert done.exit_code == 0, done.output
    assert "recipe fast, seed 5\n" in done.stdout
    lines = done.stdout.splitlines()
    heading = next(place for place, line in enumerate(lines) if line.startswith("data set"))
    rows = {line.split()[0]: line for line in lines[heading + 1 :]}
    assert list(rows) == list(PUBLISHED)
    for name, row in rows.items():
        published = PUBLISHED[name]
        if name in ("breastmnist", "bloodmnist"):
            _, accuracy, beside, auc, beside_auc, epochs, _, unit = row.split()
            # Their greys tell the classes apart.
            assert float(accuracy) > 0.9
            assert float(auc) > 0.95
            assert (float(beside), float(beside_auc)) == (published.accuracy, published.auc)
            assert (epochs, unit) == ("40", "s")
        else:
            assert row.endswith(f"not here; `mnistburn data fetch {name}` gets it")
    assert seeds == [5, 5]
    content = json.loads(file.read_text("utf-8"))
    assert (content["recipe"], content["seed"]) == ("fast", 5)
    assert content["machine"]["cpu"]
    scores = {score["name"]: score for score in content["scores"]}
    assert scores["pathmnist"]["accuracy"] is None
    # The same seed gives the same figures, of all test images.
    again = tmp_path / "again.json"
    assert bench("--recipe=fast", "--num-epochs=40", "--seed=5", f"--json={again}").exit_code == 0
    for score in json.loads(again.read_text("utf-8"))["scores"]:
        first = scores[score["name"]]
        assert (score["accuracy"], score["auc"]) == (first["accuracy"], first["auc"])
        if score["accuracy"] is not None:
            right = score["accuracy"] * COUNTS["test"]
            assert right == pytest.approx(round(right))


def test_nothing_here_is_no_error() -> None:
    done = bench()
    assert done.exit_code == 0, done.output
    assert "recipe pictures, seed 42\n" in done.stdout
    assert done.stdout.count("gets it") == 9


@pytest.mark.usefixtures("two_sets")
def test_a_damaged_file_is_an_error(data_dir: Path) -> None:
    (data_dir / "breastmnist" / "breastmnist.npz").write_bytes(b"poison")
    done = bench("--recipe=fast", "--num-epochs=1")
    assert done.exit_code == 1
    assert "breastmnist.npz is damaged: its MD5 is" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "part"),
    [
        (("--peer=stock",), 2, "--peer cannot be used with --accuracy"),
        (("--rounds=2",), 2, "--rounds cannot be used with --accuracy"),
        (("--threads=1,2",), 2, "--threads must be one number with --accuracy, got 2"),
        (("--num-epochs=0",), 2, "--num-epochs"),
        (("--recipe=fats",), 2, "'fats' is not one of 'book', 'fast'"),
    ],
)
def test_options_that_mean_nothing_are_refused(
    arguments: tuple[str, ...], status: int, part: str
) -> None:
    done = bench(*arguments)
    assert (done.exit_code, part in done.stderr) == (status, True), done.output


@pytest.mark.parametrize("option", ["--recipe=fast", "--num-epochs=1", "--seed=1"])
def test_options_of_the_accuracy_need_it(option: str) -> None:
    done = CliRunner().invoke(main, ["bench", option])
    assert done.exit_code == 2
    assert f"{option.partition('=')[0]} needs --accuracy" in done.stderr


def by_pairs(positive: list[bool], scores: list[float]) -> float:
    """Count the pairs, as the area is defined."""
    ones = [score for score, one in zip(scores, positive, strict=True) if one]
    others = [score for score, one in zip(scores, positive, strict=True) if not one]
    won = [(a > b) + (a == b) / 2 for a, b in itertools.product(ones, others)]
    return sum(won) / len(won)


@pytest.mark.parametrize("classes", [2, 3, 5])
@pytest.mark.parametrize("levels", [4, 1000])
def test_the_area_is_the_share_of_pairs_in_order(classes: int, levels: int) -> None:
    generator = numpy.random.default_rng(classes * levels)
    targets = generator.permutation(numpy.arange(40) % classes)
    scores = generator.integers(0, levels, (40, classes)) / levels
    chosen = [1] if classes == 2 else range(classes)
    expected = [by_pairs((targets == each).tolist(), scores[:, each].tolist()) for each in chosen]
    assert area_under_curve(targets, scores) == pytest.approx(sum(expected) / len(expected))


def test_the_area_of_known_scores() -> None:
    targets = [0, 0, 1, 1]
    right = numpy.array([[0.9, 0.1], [0.8, 0.2], [0.3, 0.7], [0.1, 0.9]])
    assert area_under_curve(targets, right) == 1.0
    assert area_under_curve(targets, 1 - right) == 0.0
    assert area_under_curve(targets, numpy.full((4, 2), 0.5)) == 0.5
    # One pair of four is out of order.
    assert area_under_curve(targets, [[0, 0.1], [0, 0.4], [0, 0.35], [0, 0.8]]) == 0.75
    assert area_under_curve([0, 0, 1, 1], numpy.zeros((4, 3))) is None
