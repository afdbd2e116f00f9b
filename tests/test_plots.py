"""Pictures: what is in them, and what they leave alone."""

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy
import pytest

mpl.use("Agg")

from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import mnistburn
from mnistburn import (
    ConvNetConfig,
    Dataset,
    Evaluation,
    Model,
    ModelConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.errors import ConfigError, DataError

RANDOM = numpy.random.default_rng(11)
ODD_NAMES = ["$a_b", "<i>ü</i> & co", "_hidden", "x" * 80, "line\nbreak"]


@pytest.fixture(autouse=True)
def _no_figure_is_left() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    small_data: tuple[Dataset, Dataset],
    small_config: TrainingConfig,
) -> TrainingResult:
    folder = tmp_path_factory.mktemp("plots") / "run"
    return mnistburn.train(folder, small_config, "cpu", data=small_data, progress=False)


@pytest.fixture(scope="module")
def evaluation(run: TrainingResult, test_data: Dataset) -> Evaluation:
    return run.model.evaluate(test_data)


def noise(count: int, num_classes: int, names: list[str] | None = None, **kind: Any) -> Dataset:
    shape = (count, *kind.get("sizes", (28, 28)))
    images = RANDOM.integers(0, 256, shape, dtype=numpy.uint8)
    return Dataset(images, numpy.arange(count) % num_classes, class_names=names)


def drawn(ax: Axes) -> Figure:
    """Draw a figure whole, as saving it does."""
    figure = ax.figure
    assert isinstance(figure, Figure)
    figure.canvas.draw()
    return figure


def texts(ax: Axes) -> list[str]:
    return [text.get_text() for text in ax.texts]


def test_curves_have_the_numbers_of_the_history(run: TrainingResult) -> None:
    loss, accuracy = run.plot()
    for ax, metric in ((loss, "loss"), (accuracy, "accuracy")):
        assert ax.get_ylabel() == metric
        lines = [line for line in ax.lines if len(line.get_xdata()) == 2]  # type: ignore[arg-type]
        for line, part in zip(lines, ("valid", "train"), strict=False):
            assert numpy.asarray(line.get_xdata()).tolist() == [1, 2]
            column = run.history[f"{part}_{metric}"]
            assert numpy.asarray(line.get_ydata()).tolist() == column
        legend = ax.get_legend()
        assert legend is not None
        names = [text.get_text() for text in legend.get_texts()]
        assert names[:2] == ["validation", "training"]
        assert f"best epoch, {run.best_epoch}" in names
        drawn(ax)


def test_steps_of_a_short_run_are_drawn_too(run: TrainingResult) -> None:
    (ax,) = run.plot("loss")
    steps = numpy.asarray(ax.lines[2].get_xdata())
    assert len(steps) == 8
    assert steps.tolist() == [0.25, 0.5, 0.75, 1.0, 1.25, 1.5, 1.75, 2.0]
    assert numpy.asarray(ax.lines[2].get_ydata()).tolist() == run.history.train_steps["loss"]


def test_a_column_is_drawn_by_its_name(run: TrainingResult) -> None:
    (ax,) = run.history.plot("learning_rate")
    assert numpy.asarray(ax.lines[0].get_ydata()).tolist() == run.history["learning_rate"]
    with pytest.raises(ConfigError, match=r"there is no metric 'los'.*did you mean 'loss'"):
        run.plot(["los"])
    for bad in (3, [], [1], None):
        with pytest.raises(ConfigError, match="metrics must be a name or a list of names"):
            run.plot(bad)  # type: ignore[arg-type]


def test_a_run_without_an_epoch_has_nothing_to_draw(run: TrainingResult) -> None:
    empty = mnistburn.History({"epoch": [], "train_loss": []}, {}, {})
    with pytest.raises(DataError, match="no epoch is finished"):
        empty.plot()


def test_the_confusion_matrix_has_its_counts(evaluation: Evaluation) -> None:
    ax = evaluation.plot_confusion()
    found = numpy.zeros((10, 10), dtype=int)
    for text in ax.texts:
        column, row = text.get_position()
        found[int(row), int(column)] = int(text.get_text())
    numpy.testing.assert_array_equal(found, evaluation.confusion)
    assert [label.get_text() for label in ax.get_yticklabels()] == list(evaluation.class_names)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")
    drawn(ax)


def test_the_reliability_curve_is_that_of_the_calibration(evaluation: Evaluation) -> None:
    ax = evaluation.plot_calibration(7)
    calibration = evaluation.calibration(7)
    filled = calibration.counts > 0
    line = ax.lines[1]
    numpy.testing.assert_array_equal(line.get_xdata(), calibration.confidence[filled])
    numpy.testing.assert_array_equal(line.get_ydata(), calibration.accuracy[filled])
    drawn(ax)


def test_the_worst_images_are_drawn_with_what_they_are_taken_for(evaluation: Evaluation) -> None:
    ax = evaluation.plot_worst(5)
    for image, shown in zip(evaluation.worst(5), ax.images, strict=True):
        numpy.testing.assert_array_equal(shown.get_array(), evaluation.dataset.images[image.index])
        assert image.true in texts(ax)
        assert f"→ {image.predicted}" in texts(ax)
        assert f"{100 * image.probability:.0f} %  #{image.index}" in texts(ax)
    drawn(ax)


def test_a_picture_of_a_data_set_has_a_row_for_each_class(test_data: Dataset) -> None:
    ax = test_data.plot()
    assert texts(ax) == [str(number) for number in range(10)]
    rows = numpy.minimum(test_data.class_counts, 10)
    assert len(ax.images) == rows.sum()
    first = numpy.flatnonzero(test_data.targets == 0)[0]
    numpy.testing.assert_array_equal(ax.images[0].get_array(), test_data.images[first])
    assert ax.images[0].get_cmap().name == "gray"
    assert ax.images[0].get_clim() == (0, 255)
    assert len(test_data.plot([3, 1]).images) == 2
    drawn(ax)


def test_a_data_set_of_many_classes_has_an_image_of_each() -> None:
    data = noise(100, 47, [f"class {number} with quite a long name" for number in range(47)])
    assert len(data.plot().images) == 47


def test_the_filters_are_the_weights() -> None:
    model = Model(ModelConfig(hidden_size=2), seed=1)
    ax = model.plot_filters()
    weights = model.state_dict()["conv1.weight"]
    assert len(ax.images) == len(weights)
    scale = 2 * numpy.abs(weights).max()
    for image, values in zip(ax.images, weights, strict=True):
        numpy.testing.assert_allclose(
            numpy.asarray(image.get_array()), values[0] / scale + 0.5, rtol=1e-5
        )
    assert len(model.plot_filters("conv2.weight").images) == 16 * 8
    with pytest.raises(ConfigError, match=r"layer must be one of conv1\.weight, conv2\.weight"):
        model.plot_filters("linear1.weight")
    colours = Model(ConvNetConfig(image_height=32, image_width=32, image_channels=3), seed=1)
    ax = colours.plot_filters()
    assert numpy.asarray(ax.images[0].get_array()).shape == (3, 3, 3)
    drawn(ax)


@pytest.mark.parametrize("names", [ODD_NAMES, ["no", "yes"], [f"n{i}" for i in range(47)]])
@pytest.mark.parametrize("sizes", [(28, 28), (9, 17), (16, 12, 3)])
def test_any_names_and_sizes_are_drawn_without_a_warning(
    names: list[str], sizes: tuple[int, ...]
) -> None:
    data = noise(60, len(names), names, sizes=sizes)
    config = ModelConfig(
        num_classes=len(names),
        hidden_size=2,
        image_height=sizes[0],
        image_width=sizes[1],
        image_channels=sizes[2] if len(sizes) == 3 else 1,
    )
    found = Model(config, seed=1, class_names=names).evaluate(data)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for ax in (
            found.plot_confusion(),
            found.plot_calibration(),
            found.plot_worst(),
            data.plot(),
            data.plot([1]),
        ):
            drawn(ax)


def test_names_are_no_formulas(evaluation: Evaluation) -> None:
    ax = noise(4, 2, ["$x$", "\\frac{"]).plot([0, 1])
    assert not any(text.get_parse_math() for text in ax.texts)
    drawn(ax)


def test_nothing_is_drawn_of_nothing() -> None:
    empty = Dataset(numpy.zeros((0, 28, 28), numpy.uint8), numpy.zeros(0, int))
    with pytest.raises(DataError, match="there is nothing to draw"):
        empty.plot()
    with pytest.raises(DataError, match="nothing to draw"):
        noise(3, 2).plot([])
    with pytest.raises(DataError, match="below 3"):
        noise(3, 2).plot([3])
    with pytest.raises(DataError, match="at most 400"):
        noise(401, 2).plot(range(401))


PICTURES: list[Callable[[TrainingResult, Evaluation, Any], Any]] = [
    lambda run, _, ax: run.plot("loss", ax=ax)[0],
    lambda run, _, ax: run.history.plot("loss", ax=ax)[0],
    lambda run, _, ax: run.model.plot_filters(ax=ax),
    lambda _, evaluation, ax: evaluation.plot_confusion(ax=ax),
    lambda _, evaluation, ax: evaluation.plot_calibration(ax=ax),
    lambda _, evaluation, ax: evaluation.plot_worst(ax=ax),
    lambda _, evaluation, ax: evaluation.dataset.plot(ax=ax),
    lambda _, evaluation, ax: evaluation.dataset.plot([0, 1], ax=ax),
]
NAMES = ["run", "history", "filters", "confusion", "calibration", "worst", "classes", "images"]


@pytest.mark.parametrize("picture", PICTURES, ids=NAMES)
def test_a_picture_is_drawn_into_the_axes_it_is_given(
    picture: Callable[[TrainingResult, Evaluation, Any], Any],
    run: TrainingResult,
    evaluation: Evaluation,
) -> None:
    figure, ax = pyplot.subplots(figsize=(2, 2))
    assert picture(run, evaluation, ax) is ax
    assert pyplot.get_fignums() == [figure.number]
    assert ax.images or ax.lines
    drawn(ax)
    for bad in (figure, "ax", 3, [ax, ax]):
        with pytest.raises(ConfigError, match="ax must be an Axes of matplotlib or None"):
            picture(run, evaluation, bad)


def test_several_metrics_take_an_array_of_axes(run: TrainingResult) -> None:
    _, grid = pyplot.subplots(1, 2)
    assert run.plot(ax=grid) == tuple(grid)
    with pytest.raises(ConfigError, match="2 Axes of matplotlib"):
        run.plot(ax=grid[0])


def test_no_picture_is_shown(
    run: TrainingResult, evaluation: Evaluation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pyplot, "show", lambda *_: pytest.fail("a figure was shown"))
    for picture in PICTURES:
        picture(run, evaluation, None)
    assert len(pyplot.get_fignums()) == len(PICTURES)


LEFT_ALONE = """
import matplotlib as mpl
from matplotlib import pyplot
import mnistburn
pyplot.close(pyplot.figure())  # chooses the backend
before = dict(mpl.rcParams)
model = mnistburn.Model(seed=1)
evaluation = model.evaluate(mnistburn.datasets.load("mnist", "test")[:50])
history = mnistburn.History({"epoch": [1, 2], "train_loss": [2, 1]}, {}, {})
for picture in (
    model.plot_filters,
    evaluation.plot_confusion,
    evaluation.plot_calibration,
    evaluation.plot_worst,
    evaluation.dataset.plot,
    lambda: history.plot("loss"),
):
    picture()
print([key for key, value in before.items() if mpl.rcParams[key] != value])
"""


def test_pictures_leave_settings_and_backend_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LEFT_ALONE],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_captions_that_could_not_be_read_are_left_out(evaluation: Evaluation) -> None:
    _, grid = pyplot.subplots(3, 3, figsize=(4, 4))
    assert texts(evaluation.plot_worst(ax=grid[0, 0])) == []
    assert len(grid[0, 0].images) == 16


def test_without_matplotlib_the_error_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = None\n"
        "import mnistburn\n"
        "try:\n"
        "    mnistburn.Model(seed=1).plot_filters()\n"
        "except mnistburn.errors.ConfigError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert 'pip install "mnistburn[plot]"' in done.stdout
