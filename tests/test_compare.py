"""Runs beside each other."""

import json
import logging
import shutil
from pathlib import Path

import numpy
import pytest
from click.testing import CliRunner
from pictures import write_png
from scipy import stats

import mnistburn
from mnistburn import Comparison, Dataset, ModelConfig, TrainingConfig, TrainingResult
from mnistburn.cli import main
from mnistburn.comparison.text import shown_p_value
from mnistburn.errors import ArtifactError, ConfigError, DataError
from mnistburn.text_table import width_of

RANDOM = numpy.random.default_rng(3)


def folder_of(root: Path, per_class: int, parts: tuple[str, ...] = ("train", "test")) -> Path:
    """Make pictures of two classes, bright to the left or to the right."""
    for part in parts:
        for index in range(2 * per_class):
            image = RANDOM.integers(0, 150, (16, 16), dtype=numpy.uint8)
            image[:, 8 * (index % 2) :][:, :8] += 60
            name = ("left <b>", "right")[index % 2]
            write_png(root / part / name / f"{index:03}.png", image)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("pictures"), 40)


@pytest.fixture(scope="module")
def runs(
    tmp_path_factory: pytest.TempPathFactory, folder: Path
) -> tuple[TrainingResult, TrainingResult]:
    root = tmp_path_factory.mktemp("runs")
    found = []
    for name, rate, epochs in (("first", 1e-2, 2), ("second", 1e-4, 1)):
        config = TrainingConfig(num_epochs=epochs, batch_size=8, learning_rate=rate)
        found.append(mnistburn.train(root / name, config, "cpu", data=folder, progress=False))
    return found[0], found[1]


@pytest.fixture(scope="module")
def comparison(runs: tuple[TrainingResult, TrainingResult]) -> Comparison:
    return mnistburn.compare(*runs)


def test_runs_are_measured_on_their_test_images(
    comparison: Comparison, runs: tuple[TrainingResult, TrainingResult], folder: Path
) -> None:
    test = Dataset.from_folder(folder / "test", image_size=(16, 16), channels=1, progress=False)
    for run, found in zip(runs, comparison.evaluations, strict=True):
        assert found == run.model.evaluate(test)
        assert found.dataset.files == test.files
    assert comparison.names == ("first", "second")
    assert comparison.data.endswith(", test")


def test_the_test_is_that_of_the_images_of_which_one_is_right(comparison: Comparison) -> None:
    first, second = (found.right for found in comparison.evaluations)
    counts = [int((first & ~second).sum()), int((second & ~first).sum())]
    assert sum(counts) > 0
    (pair,) = comparison.tests
    assert (pair.first, pair.second) == ("first", "second")
    assert [pair.test.first_only, pair.test.second_only] == counts
    if sum(counts) < 25:
        assert pair.test.p_value == pytest.approx(stats.binomtest(counts[0], sum(counts)).pvalue)
    assert comparison.test() == comparison.test("first", "second") == pair.test
    turned = comparison.test(1, 0)
    assert [turned.first_only, turned.second_only] == counts[::-1]


def test_directories_and_results_give_the_same(
    comparison: Comparison, runs: tuple[TrainingResult, TrainingResult]
) -> None:
    again = mnistburn.compare(str(runs[0].artifact_dir), runs[1].artifact_dir)
    assert again.to_json_object() == comparison.to_json_object()


def test_the_differences_are_those_of_the_configurations(comparison: Comparison) -> None:
    assert comparison.differences == {"num_epochs": (2, 1), "learning_rate": (1e-2, 1e-4)}


def test_text_has_eighty_columns_and_all_numbers(comparison: Comparison) -> None:
    text = str(comparison)
    assert all(width_of(line) <= 80 and line.isprintable() for line in text.splitlines() if line)
    for found in comparison.evaluations:
        assert f"{found.accuracy:.4f}" in text
    assert shown_p_value(comparison.test().p_value) in text
    assert "learning_rate" in text


def test_names_are_distinct(runs: tuple[TrainingResult, TrainingResult], tmp_path: Path) -> None:
    copied = tmp_path / ("a very long name of a directory " * 4) / "first"
    shutil.copytree(runs[0].artifact_dir, copied)
    found = mnistburn.compare(runs[0], copied, runs[1])
    assert found.names == tuple(map(str, [runs[0].artifact_dir, copied, runs[1].artifact_dir]))
    assert all(width_of(line) <= 80 for line in str(found).splitlines())
    assert len(found.tests) == 3
    assert found.test(0, 1).p_value == 1.0
    assert len(set(mnistburn.compare(runs[0], runs[0]).names)) == 2


def test_a_data_set_or_a_source_can_be_named(
    runs: tuple[TrainingResult, TrainingResult], folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    images = RANDOM.integers(0, 256, (30, 16, 16), dtype=numpy.uint8)
    given = Dataset(images, numpy.arange(30) % 2, class_names=["right", "left <b>"])
    found = mnistburn.compare(*runs, data=given)
    assert found.evaluations[0] == runs[0].model.evaluate(given)
    with caplog.at_level(logging.WARNING, "mnistburn"):
        trained_with = mnistburn.compare(*runs, data=folder, split="train")
    assert len(trained_with.evaluations[0].dataset) == 80
    assert caplog.text.count("was trained with these images") == 2


def test_models_of_different_images_are_compared_on_the_same_files(
    runs: tuple[TrainingResult, TrainingResult], folder: Path, tmp_path: Path
) -> None:
    config = TrainingConfig(
        model=ModelConfig(num_classes=2, hidden_size=4, image_height=12, image_width=10),
        num_epochs=1,
    )
    other = mnistburn.train(tmp_path / "other", config, "cpu", data=folder, progress=False)
    found = mnistburn.compare(runs[0], other)
    shapes = [evaluation.dataset.image_shape for evaluation in found.evaluations]
    assert shapes == [(16, 16, 1), (12, 10, 1)]
    assert found.evaluations[0].dataset.files == found.evaluations[1].dataset.files


def test_runs_of_different_data_need_data(
    runs: tuple[TrainingResult, TrainingResult], tmp_path: Path, small_config: TrainingConfig
) -> None:
    other = folder_of(tmp_path / "other pictures", 5)
    config = TrainingConfig(num_epochs=1)
    second = mnistburn.train(tmp_path / "second", config, "cpu", data=other, progress=False)
    with pytest.raises(DataError, match=r"must have the same test images.*with data= or --data"):
        mnistburn.compare(runs[0], second)
    assert len(mnistburn.compare(runs[0], second, data=other).evaluations[1].dataset) == 10
    arrays = Dataset.from_folder(other / "train", progress=False)
    third = mnistburn.train(
        tmp_path / "third", config, "cpu", data=arrays.split(0.4), progress=False
    )
    with pytest.raises(DataError, match="trained on arrays"):
        mnistburn.compare(runs[0], third)


def test_what_is_no_pair_of_runs_is_refused(
    runs: tuple[TrainingResult, TrainingResult], tmp_path: Path, comparison: Comparison
) -> None:
    for few in ((), (runs[0],)):
        with pytest.raises(ConfigError, match="two runs or more"):
            mnistburn.compare(*few)
    with pytest.raises(ConfigError, match="a run must be what train or load_run returns"):
        mnistburn.compare(runs[0], 3)  # type: ignore[arg-type]
    with pytest.raises(ArtifactError, match="holds no run"):
        mnistburn.compare(runs[0], tmp_path)
    with pytest.raises(ConfigError, match="split must be one of"):
        mnistburn.compare(*runs, split="tset")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="split is for"):
        mnistburn.compare(*runs, data=comparison.evaluations[0].dataset, split="test")
    for bad in ("frist", 2, -1, True, None):
        with pytest.raises(ConfigError, match="a run is named 'first', 'second'"):
            comparison.test(bad)  # type: ignore[arg-type]


def test_curves_of_all_runs_are_drawn(comparison: Comparison) -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot

    (ax,) = comparison.plot("loss")
    legend = ax.get_legend()
    assert legend is not None
    names = [text.get_text() for text in legend.get_texts()]
    assert names == [
        "first, validation",
        "first, training",
        "second, validation",
        "second, training",
    ]
    values = [numpy.asarray(line.get_ydata()).tolist() for line in ax.lines]
    histories = [run.history for run in comparison.runs]
    assert values == [
        history[f"{part}_loss"] for history in histories for part in ("valid", "train")
    ]
    pyplot.close("all")


def test_the_command_prints_the_comparison(
    comparison: Comparison, runs: tuple[TrainingResult, TrainingResult]
) -> None:
    paths = [str(run.artifact_dir) for run in runs]
    done = CliRunner().invoke(main, ["compare", *paths])
    assert (done.exit_code, done.stdout) == (0, f"{comparison}\n")
    done = CliRunner().invoke(main, ["compare", *paths, "--json"])
    assert json.loads(done.stdout) == json.loads(json.dumps(comparison.to_json_object()))
    done = CliRunner().invoke(main, ["compare", paths[0]])
    assert done.exit_code == 1
    assert "two runs or more" in done.stderr


@pytest.mark.parametrize(
    ("value", "text"), [(1.0, "1.0000"), (0.04999, "0.0500"), (3e-7, "3.0e-07"), (0.0, "<1e-99")]
)
def test_p_values_are_short(value: float, text: str) -> None:
    assert shown_p_value(value) == text
