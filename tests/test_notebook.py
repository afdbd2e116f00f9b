"""What a notebook shows: whole, escaped, small, and right."""

import base64
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, ClassVar

import numpy
import pytest
from PIL import Image

import mnistburn
from mnistburn import Dataset, LivePlot, Model, ModelConfig, TrainingConfig, TrainingResult
from mnistburn.errors import ConfigError

RANDOM = numpy.random.default_rng(5)
HOSTILE = ["<script>alert(1)</script>", '" onload="x', "a & b", "\x1b[31m'", "</div></table>"]
VOID = {"img"}


class Page(HTMLParser):
    """The elements of a page, all of which must be closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += f" {data} "

    def images(self) -> Iterator[numpy.ndarray[Any, Any]]:
        for tag, attributes in self.tags:
            if tag == "img":
                address = attributes["src"] or ""
                assert address.startswith("data:image/png;base64,")
                content = base64.b64decode(address.partition(",")[2])
                yield numpy.asarray(Image.open(io.BytesIO(content)))


def page_of(value: Any) -> Page:
    return Page(value._repr_html_())


def hostile_data(count: int = 20, sizes: tuple[int, ...] = (28, 28)) -> Dataset:
    images = RANDOM.integers(0, 256, (count, *sizes), dtype=numpy.uint8)
    return Dataset(images, numpy.arange(count) % len(HOSTILE), class_names=HOSTILE)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    folder = tmp_path_factory.mktemp("notebook") / "<b>run"
    data = hostile_data()
    config = TrainingConfig(num_epochs=3, batch_size=10, metrics=["f1_macro"])
    return mnistburn.train(folder, config, "cpu", data=(data, data), progress=False)


def test_text_of_anyone_is_escaped(run: TrainingResult) -> None:
    data = hostile_data()
    comparison = mnistburn.compare(run, run, data=data)
    for value in (run, run.history, run.model, run.model.evaluate(data), data, comparison):
        page = page_of(value)
        names = {tag for tag, _ in page.tags}
        assert not names & {"script", "b"}
        assert not any(key.startswith("on") for _, attributes in page.tags for key in attributes)
        assert "\x1b" not in page.text
    assert "<script>alert(1)</script>" in page_of(data).text
    assert "</div></table>" in page_of(run.model.evaluate(data)).text
    assert "<b>run" in page_of(run).text


def test_nothing_is_loaded_from_elsewhere(run: TrainingResult) -> None:
    for value in (run, run.model, run.model.evaluate(hostile_data()), hostile_data()):
        html = value._repr_html_()
        assert "http" not in html
        assert "url(" not in html
        assert len(html) < 300_000


def test_a_history_has_its_curves_and_numbers(run: TrainingResult) -> None:
    page = page_of(run.history)
    assert sum(tag == "svg" for tag, _ in page.tags) == 2
    for column in ("train_loss", "valid_accuracy", "valid_f1_macro"):
        for value in run.history[column]:
            assert f"{value:.4f}" in page.text
    assert "f1 macro" in page.text


def test_a_long_history_shows_the_last_epochs() -> None:
    epochs = {"epoch": [*range(1, 101)], "train_loss": [1 / n for n in range(1, 101)]}
    html = mnistburn.History(epochs, {}, {})._repr_html_()
    rows = re.findall(r"<td class=\"name\">(\d+)</td>", html)
    assert rows == [str(n) for n in range(93, 101)]
    assert "the last 8 of 100 epochs" in html


def test_histories_of_nothing_and_of_what_is_not_finite_are_shown() -> None:
    empty = mnistburn.History({}, {}, {})
    assert "no epoch is finished" in page_of(empty).text
    odd: dict[str, list[float]] = {
        "epoch": [1.0, 2.0],
        "train_loss": [float("nan"), float("inf")],
        "learning_rate": [0, 0],
    }
    assert "nan" in page_of(mnistburn.History(odd, {}, {})).text


def test_identifiers_of_two_cells_differ(run: TrainingResult) -> None:
    other = mnistburn.History({"epoch": [1.0], "train_loss": [3.0]}, {}, {})
    pages = [page_of(run.history), page_of(other)]
    first, second = ({a["id"] for _, a in page.tags if a.get("id")} for page in pages)
    assert first
    assert not first & second


def test_an_evaluation_has_its_numbers_and_images(run: TrainingResult) -> None:
    data = hostile_data()
    evaluation = run.model.evaluate(data, metrics=["f1_macro", "confusion"])
    page = page_of(evaluation)
    assert f"{evaluation.accuracy:.4f}, {evaluation.num_right} of 20 images" in page.text
    for scores in evaluation.per_class:
        assert f"{scores.f1:.4f}" in page.text
    worst = evaluation.worst(12)
    for image, found in zip(worst, page.images(), strict=True):
        numpy.testing.assert_array_equal(found, data.images[image.index])
    assert str(worst[0].index) in page.text


@pytest.mark.parametrize("sizes", [(28, 28), (40, 9, 3), (300, 200, 3), (5, 5)])
def test_images_are_those_of_the_data_set_and_small(sizes: tuple[int, ...]) -> None:
    data = hostile_data(10, sizes)
    order = [place for number in range(5) for place in (number, number + 5)]
    step = -(-max(sizes[:2]) // 40)
    for place, found in zip(order, page_of(data).images(), strict=True):
        numpy.testing.assert_array_equal(found, data.images[place][::step, ::step])


def test_many_classes_have_one_image_each() -> None:
    images = RANDOM.integers(0, 256, (200, 8, 8), dtype=numpy.uint8)
    page = page_of(Dataset(images, numpy.arange(200) % 60))
    assert len([*page.images()]) == 48
    assert "and 12 classes more" in page.text


def test_empty_data_sets_and_models_without_a_size_are_shown(tmp_path: Path) -> None:
    empty = Dataset(numpy.zeros((0, 28, 28), numpy.uint8), numpy.zeros(0, int))
    assert "0 of 28 x 28" in page_of(empty).text
    model = Model(ModelConfig(hidden_size=2), seed=1)
    model.save(tmp_path / "plain.mpk")
    (tmp_path / "plain.mpk.meta.json").unlink()
    assert "size not known" in page_of(Model.load(tmp_path / "plain.mpk")).text
    assert "AdaptiveAvgPool2d" in page_of(model).text
    many = Model(
        ModelConfig(num_classes=500, hidden_size=2), class_names=[f"c{n}" for n in range(500)]
    )
    assert "c11, ..." in page_of(many).text
    assert "c12" not in page_of(many).text


def test_a_comparison_has_its_tables(run: TrainingResult) -> None:
    comparison = mnistburn.compare(run, run, data=hostile_data())
    page = page_of(comparison)
    assert f"{comparison.evaluations[0].accuracy:.4f}" in page.text
    assert "McNemar's p" in page.text


class Shell:
    """What IPython has for a notebook."""

    config: ClassVar[dict[str, object]] = {"IPKernelApp": {}}


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what a notebook shows, one after the other."""
    import IPython
    import IPython.display

    found: list[str] = []

    class Handle:
        def update(self, html: Any) -> None:
            found.append(html.data)

    def display(html: Any, *, display_id: bool) -> Handle:
        assert display_id
        assert html.data == ""
        return Handle()

    monkeypatch.setattr(IPython, "get_ipython", Shell)
    monkeypatch.setattr(IPython.display, "display", display)
    return found


@pytest.mark.parametrize("every", [None, 2])
def test_a_live_plot_grows_with_the_training(
    every: int | None, shown: list[str], tmp_path: Path
) -> None:
    data = hostile_data()
    config = TrainingConfig(num_epochs=3, batch_size=5)
    run = mnistburn.train(
        tmp_path / "run",
        config,
        "cpu",
        data=(data, data),
        callbacks=[LivePlot(every=every)],
        progress=False,
    )
    # After each epoch and at the end, and after each second of twelve steps.
    assert len(shown) == 4 + (0 if every is None else 6)
    assert shown[-1] == run.history._repr_html_()
    if every is None:
        for number, html in enumerate(shown[:3], 1):
            assert f"{run.history['valid_loss'][number - 1]:.4f}" in html
            assert html.count('<td class="name">') == number
    else:
        assert "no epoch is finished" in shown[0]
        assert "training steps" in shown[0]


def test_a_live_plot_without_a_notebook_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    data = hostile_data()
    with caplog.at_level("INFO", "mnistburn"):
        mnistburn.train(
            tmp_path / "run",
            TrainingConfig(num_epochs=1),
            "cpu",
            data=(data, data),
            callbacks=[LivePlot()],
            progress=False,
        )
    assert "LivePlot draws in notebooks alone" in caplog.text
    with pytest.raises(ConfigError, match="every must be an integer of at least 1"):
        LivePlot(every=0)


def test_a_notebook_needs_neither_matplotlib_nor_ipython(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['matplotlib'] = sys.modules['IPython'] = None\n"
        "import mnistburn\n"
        "test = mnistburn.datasets.load('mnist', 'test')[:50]\n"
        "model = mnistburn.Model(seed=1)\n"
        "for value in (test, model, model.evaluate(test), mnistburn.History({}, {}, {})):\n"
        "    assert value._repr_html_().startswith('<div')\n"
        "print('shown')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert done.stdout == "shown\n"
