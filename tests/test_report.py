"""Reports of runs: whole, safe to open, and never in the place of a stranger's file."""

import base64
import dataclasses
import hashlib
import io
import json
import os
import re
import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy
import pytest
from click.testing import CliRunner, Result
from page_elements import Elements
from pictures import write_png
from PIL import Image

import mnistburn
from mnistburn import (
    Callback,
    ConvNetConfig,
    Dataset,
    ModelConfig,
    TrainingConfig,
    TrainingResult,
)
from mnistburn.callbacks import StepEnd
from mnistburn.cli import main
from mnistburn.errors import ArtifactError, ConfigError, DataError
from mnistburn.report.model_card import escaped_markdown

Pair = tuple[Dataset, Dataset]
ATTACK = "<script>alert(1)<|script>\"'&"


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def write_pictures(folder: Path, names: list[str], count: int = 6, size: int = 12) -> Path:
    """Write pictures of classes that differ in brightness, in two parts."""
    generator = numpy.random.default_rng(1)
    for part in ("train", "test"):
        for number, name in enumerate(names):
            for place in range(count):
                noise = generator.integers(0, 60, (size, size, 3), dtype=numpy.uint8)
                write_png(folder / part / name / f"{place}.png", noise + numpy.uint8(60 * number))
    return folder


def write_npz(path: Path, data: Pair) -> Path:
    train, test = data
    numpy.savez(
        path, x_train=train.images, y_train=train.targets, x_test=test.images, y_test=test.targets
    )
    return path


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory, small_data: Pair, small_config: TrainingConfig
) -> Path:
    folder = tmp_path_factory.mktemp("reported")
    data = write_npz(folder / "data.npz", small_data)
    mnistburn.train(folder / "run", small_config, "cpu", data=data, progress=False)
    return folder


@pytest.fixture(scope="module")
def run(made: Path) -> TrainingResult:
    return mnistburn.load_run(made / "run")


@pytest.fixture(scope="module")
def page(run: TrainingResult, made: Path) -> str:
    return run.report(made / "page.html").read_text("utf-8")


def rows_of(page: str, identifier: str) -> list[list[str]]:
    """Return the cells of a table, its head first."""
    table = re.search(rf'id="{identifier}".*?<table.*?</table>', page, re.DOTALL)
    assert table is not None
    rows = re.findall(r"<tr.*?</tr>", table[0], re.DOTALL)
    return [
        [re.sub(r"<[^>]+>", "", cell) for cell in re.findall(r"<t[hd][^>]*>.*?</t[hd]>", row)]
        for row in rows
    ]


def test_the_numbers_are_those_of_the_evaluation(
    run: TrainingResult, page: str, small_data: Pair
) -> None:
    evaluation = run.model.evaluate(small_data[1])
    text = Elements(page).text()
    lower, upper = evaluation.accuracy_interval()
    for number in (
        f"{evaluation.accuracy:.4f}",
        f"{evaluation.loss:.4f}",
        f"{lower:.4f} to {upper:.4f}",
        f"{evaluation.calibration().expected_error:.4f}",
    ):
        assert number in text
    scores = rows_of(page, "classes-table")[1:]
    assert scores == [
        [one.name, f"{one.precision:.4f}", f"{one.recall:.4f}", f"{one.f1:.4f}", str(one.support)]
        for one in evaluation.per_class
    ]
    matrix = rows_of(page, "confusion-table")
    assert matrix[0] == ["", *map(str, range(10))]
    assert [[int(cell) for cell in row[1:]] for row in matrix[1:]] == evaluation.confusion.tolist()
    epochs = rows_of(page, "epochs-table")
    assert [row[4] for row in epochs[1:]] == [f"{x:.4f}" for x in run.history["valid_accuracy"]]
    bins = rows_of(page, "calibration-table")[1:]
    assert sum(int(row[3]) for row in bins) == 64


def test_the_page_says_what_the_run_was_made_of(run: TrainingResult, page: str) -> None:
    text = Elements(page).text()
    assert run.data is not None
    for told in (
        run.data.train.sha256,
        run.data.valid.sha256,
        mnistburn.__version__,
        mnistburn.build_info()["burn"],
        f"Device {'cpu'}",
        "256",
        run.config.to_json(),
    ):
        assert told in re.sub(r"\s+", " ", text) or told in text, told


def test_the_images_are_those_of_highest_loss(
    run: TrainingResult, page: str, small_data: Pair
) -> None:
    worst = run.model.evaluate(small_data[1]).worst(12)
    shown = [one for one in Elements(page).all("img") if str(one["alt"]).startswith("Of the class")]
    assert len(shown) == 12
    for element, one in zip(shown, worst, strict=True):
        assert str(element["alt"]).endswith(f"(image {one.index})")
        assert f"Of the class {one.true}, taken for {one.predicted}" in str(element["alt"])
        content = base64.b64decode(str(element["src"]).removeprefix("data:image/png;base64,"))
        pixels = numpy.asarray(Image.open(io.BytesIO(content)))
        assert numpy.array_equal(pixels, small_data[1].images[one.index])


def test_the_page_needs_nothing_else(page: str) -> None:
    elements = Elements(page)
    assert elements.all("script") == elements.all("link") == elements.all("iframe") == []
    for name, one in elements.found:
        for attribute in ("src", "href", "srcset", "action", "poster"):
            value = one.get(attribute)
            assert value is None or value.startswith(("#", "data:image/png;base64,")), (name, value)
    style = "".join(text for tag, text in elements.texts if tag == "style")
    assert not re.search(r"url\(|@import", style)
    policy = next(one for one in elements.all("meta") if "http-equiv" in one)["content"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; img-src data:"
    elements.check_policy()


def test_the_page_has_what_a_screen_reader_needs(page: str) -> None:
    elements = Elements(page)
    elements.check_structure()
    titles = {str(one["id"]) for one in elements.all("h2")}
    assert [one["aria-labelledby"] in titles for one in elements.all("section")] == [True] * 10


def test_the_table_of_many_epochs_is_folded_and_needs_no_script(
    run: TrainingResult, tmp_path: Path
) -> None:
    epochs = {name: values * 20 for name, values in run.history.epochs.items()}
    history = dataclasses.replace(run.history, epochs=epochs)
    longer = dataclasses.replace(run, history=history)
    elements = Elements(longer.report(tmp_path / "page.html").read_text("utf-8"))
    assert "The table of 40 epochs" in elements.text("summary")
    elements.check_structure()


def test_a_report_is_the_same_each_time(run: TrainingResult, page: str, tmp_path: Path) -> None:
    again = run.report(tmp_path / "other.html").read_text("utf-8")
    assert again == page


@pytest.fixture(scope="module")
def attacked(tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    """Return a run of classes, files and a directory with names that mean something elsewhere."""
    folder = tmp_path_factory.mktemp("attacked") / ("plain" if os.name == "nt" else ATTACK)
    names = ["plain", "né 鳥", "a|b`c" if os.name != "nt" else "abc"]
    if os.name != "nt":
        names.append(ATTACK)
    data = write_pictures(folder / "data", names)
    config = TrainingConfig(num_epochs=1, batch_size=8, model=None)
    return mnistburn.train(folder / "run", config, "cpu", data=data, progress=False)


@pytest.mark.skipif(os.name == "nt", reason="a file name of Windows has no such characters")
def test_names_of_strangers_are_text(attacked: TrainingResult, tmp_path: Path) -> None:
    page = attacked.report(tmp_path / "page.html").read_text("utf-8")
    elements = Elements(page)
    assert elements.all("script") == []
    elements.check_structure()
    elements.check_policy()
    named = [row[0] for row in rows_of(page, "classes-table")[1:]]
    assert len(named) == 4
    assert "&lt;script&gt;alert(1)&lt;|script&gt;&quot;&#39;&amp;" in named
    assert "<script" not in page.replace("&lt;script", "")
    # The images know their files.
    assert any(str(one["alt"]).endswith(".png)") for one in elements.all("img"))


@pytest.mark.skipif(os.name == "nt", reason="a file name of Windows has no such characters")
def test_names_of_strangers_break_no_table_of_the_card(attacked: TrainingResult) -> None:
    card = attacked.model_card()
    outside = re.sub(r"^(`{3,})\w*\n.*?^\1$", "", card, flags=re.DOTALL | re.MULTILINE)
    assert "<script" not in outside
    for row in outside.splitlines():
        if row.startswith("|"):
            # Bars that are escaped are text.
            assert len(re.findall(r"(?<!\\)\|", row)) in {3, 5, 6}, row
    assert r"a\|b\`c" in outside


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain name 7", "plain name 7"),
        ("a*b_c", r"a\*b\_c"),
        ("[x](y)", r"\[x\](y)"),
        ("<b>&", "&lt;b&gt;&amp;"),
        ("two\nlines\x1b", "two lines\ufffd"),
        ("https://x www.y.z :smile:", r"https\://x www\.y.z \:smile:"),
    ],
)
def test_markdown_shows_just_the_text(text: str, shown: str) -> None:
    assert escaped_markdown(text) == shown


def test_the_card_has_the_numbers_and_metadata(run: TrainingResult, small_data: Pair) -> None:
    card = run.model_card()
    head, _, _ = card.removeprefix("---\n").partition("\n---\n")
    assert "library_name: mnistburn" in head
    assert "pipeline_tag: image-classification" in head
    evaluation = run.model.evaluate(small_data[1])
    assert f"| Accuracy | {evaluation.accuracy:.4f} |" in card
    for scores in evaluation.per_class:
        assert f"| {scores.name} | {scores.precision:.4f} | {scores.recall:.4f} |" in card
    blocks = dict(re.findall(r"^```(\w+)\n(.*?)^```$", card, re.DOTALL | re.MULTILINE))
    assert json.loads(blocks["json"]) == json.loads(run.config.to_json())
    titles = re.findall(r"^## (.*)$", card, re.MULTILINE)
    assert titles == ["Use", "Results", "Limits", "Training", "Repeat"]


def weights(run: TrainingResult) -> bytes:
    return b"".join(values.tobytes() for values in run.model.state_dict().values())


def repeated(run: TrainingResult, monkeypatch: pytest.MonkeyPatch, place: Path) -> TrainingResult:
    """Run the command of the report as it is printed."""
    found = re.search(r"^```sh\n(mnistburn train .*)\n```$", run.model_card(), re.MULTILINE)
    assert found is not None
    monkeypatch.chdir(place)
    words = shlex.split(found[1])
    done = command(*words[1:], "--no-progress")
    assert done.exit_code == 0, done.output
    return mnistburn.load_run(place / "again")


def test_the_command_repeats_the_run(
    run: TrainingResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert weights(repeated(run, monkeypatch, tmp_path)) == weights(run)


@pytest.mark.skipif(os.name == "nt", reason="a file name of Windows has no such characters")
def test_the_command_repeats_a_run_whose_paths_have_quotes(
    attacked: TrainingResult, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert weights(repeated(attacked, monkeypatch, tmp_path)) == weights(attacked)


def test_the_command_repeats_a_share_a_fit_and_a_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = write_pictures(tmp_path / "data", ["circle", "square"]) / "train"
    start = mnistburn.Model(
        ConvNetConfig(num_classes=2, widths=(4,), image_height=10, image_width=14), seed=1
    ).save(tmp_path / "start.mpk", "default")
    done = command(
        *("train", tmp_path / "run", "--data", data, "--validation", "0.3", "--fit", "pad"),
        *("--start", start, "--num-epochs=1", "--seed=5", "--device=cpu", "--no-progress"),
    )
    assert done.exit_code == 0, done.output
    start.unlink()
    run = mnistburn.load_run(tmp_path / "run")
    assert weights(repeated(run, monkeypatch, tmp_path)) == weights(run)


def test_lines_of_python_repeat_a_run_on_arrays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_data: Pair
) -> None:
    config = TrainingConfig(num_epochs=1, model=ModelConfig(hidden_size=4))
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=small_data, progress=False)
    card = run.model_card()
    assert "The model was not measured: the run was trained on arrays" in card
    lines = re.findall(r"^```python\n(import .*?)^```$", card, re.DOTALL | re.MULTILINE)[-1]
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"data": small_data}
    exec(lines, names)  # noqa: S102  that is the test
    assert weights(names["run"]) == weights(run)


def test_a_run_whose_data_are_gone_says_so(made: Path, tmp_path: Path, small_data: Pair) -> None:
    data = tmp_path / "data.npz"
    shutil.copy(made / "data.npz", data)
    run = mnistburn.train(
        tmp_path / "run", TrainingConfig(num_epochs=1), "cpu", data=data, progress=False
    )
    data.unlink()
    page = run.report(tmp_path / "page.html").read_text("utf-8")
    elements = Elements(page)
    elements.check_structure()
    assert "The model was not measured, and no image is shown" in elements.text()
    assert "data.npz" in elements.text("p")
    assert elements.all("img") == []
    sections = [one["id"] for one in elements.all("section")]
    assert sections == ["result", "curves", "data", "configuration", "versions", "repeat"]
    # Others may be given in their place.
    for given in (small_data[1], made / "data.npz"):
        page = run.report(tmp_path / "page.html", data=given).read_text("utf-8")
        assert "The model was not measured" not in page
    with pytest.raises(DataError, match="no such file"):
        run.report(tmp_path / "page.html", data=tmp_path / "none.npz")


def test_data_that_have_changed_are_told(tmp_path: Path, small_data: Pair) -> None:
    train, valid = small_data
    data = tmp_path / "data.npz"
    write_npz(data, (train, valid))
    run = mnistburn.train(
        tmp_path / "run", TrainingConfig(num_epochs=1), "cpu", data=data, progress=False
    )
    write_npz(data, (train[:100], valid))
    page = run.report(tmp_path / "page.html", split="train").read_text("utf-8")
    assert "have changed since the run" in Elements(page).text("p")


def test_runs_without_an_epoch_and_of_older_versions_have_a_report(
    tmp_path: Path, small_data: Pair, small_config: TrainingConfig
) -> None:
    class Stop(Callback):
        def on_step_end(self, event: StepEnd) -> bool:
            return True

    run = mnistburn.train(
        tmp_path / "run", small_config, "cpu", data=small_data, callbacks=[Stop()], progress=False
    )
    for name in ("data.json", "train.log", "manifest.json"):
        (tmp_path / "run" / name).unlink()
    run = mnistburn.load_run(tmp_path / "run")
    page = run.report(tmp_path / "page.html").read_text("utf-8")
    text = Elements(page).text()
    Elements(page).check_structure()
    for told in (
        "No epoch is finished yet",
        "the run does not say what it was trained on",
        "not known: there is no log",
        "an unknown version",
    ):
        assert told in text, told
    assert "of an unknown version" in run.model_card()


def test_many_classes_have_no_matrix_and_one_image_is_enough(tmp_path: Path) -> None:
    images = numpy.random.default_rng(1).integers(0, 256, (80, 28, 28), dtype=numpy.uint8)
    data = Dataset.from_numpy(images, numpy.arange(80) % 40)
    config = TrainingConfig(num_epochs=1, model=ModelConfig(num_classes=40, hidden_size=4))
    run = mnistburn.train(tmp_path / "run", config, "cpu", data=(data, data), progress=False)
    page = run.report(tmp_path / "page.html", data=data).read_text("utf-8")
    assert "confusion-table" not in page
    assert len(rows_of(page, "pairs-table")) == 1 + 10
    assert len(rows_of(page, "classes-table")) == 1 + 40
    one = run.report(tmp_path / "page.html", data=data[:1]).read_text("utf-8")
    Elements(one).check_structure()
    card = run.model_card(data=data[:1])
    assert "No image of these classes was measured: 1, 2, 3, 4, 5 and 34 more" in card


def test_a_file_of_a_stranger_stays(run: TrainingResult, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<p>mine")
    with pytest.raises(ArtifactError, match="is no report that mnistburn wrote"):
        run.report(path)
    assert path.read_text() == "<p>mine"
    run.report(path, overwrite=True)
    # Its own it replaces, unless somebody wrote something there.
    run.report(path)
    path.write_text(path.read_text("utf-8").replace("Result", "My result"), "utf-8")
    with pytest.raises(ArtifactError, match="or was changed since"):
        run.report(path)
    card = tmp_path / "README.md"
    run.report(card)
    run.report(card)
    card.write_text(card.read_text("utf-8") + "\nMy notes.\n", "utf-8")
    with pytest.raises(ArtifactError, match="or was changed since"):
        run.report(card)


def test_a_run_whose_directory_was_taken_has_no_report(
    made: Path, tmp_path: Path, small_data: Pair
) -> None:
    directory = shutil.copytree(made / "run", tmp_path / "run")
    run = mnistburn.load_run(directory)
    mnistburn.train(directory, TrainingConfig(num_epochs=1), "cpu", data=small_data, progress=False)
    with pytest.raises(ArtifactError, match="holds another run by now"):
        run.report(tmp_path / "page.html")
    with pytest.raises(ArtifactError, match="holds another run by now"):
        run.model_card()


def test_a_report_is_written_whole_or_not_at_all(
    run: TrainingResult, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = run.report(tmp_path / "page.html")
    before = path.read_bytes()

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="could not write: No space left") as caught:
        run.report(path)
    assert caught.value.filename == str(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_paths_that_are_no_place_for_a_report_are_refused(
    run: TrainingResult, tmp_path: Path
) -> None:
    with pytest.raises(ArtifactError, match="must not be in the directory of its run"):
        run.report(run.artifact_dir / "page.html")
    with pytest.raises(ArtifactError, match="must not be in the directory of its run"):
        run.report(run.artifact_dir / "checkpoint" / ".." / "page.html")
    with pytest.raises(ConfigError, match="is a directory"):
        run.report(tmp_path, format="html")
    with pytest.raises(ConfigError, match=r"path must end in \.html"):
        run.report(tmp_path / "page.pdf")
    with pytest.raises(ConfigError, match="format must be one of html, markdown"):
        run.report(tmp_path / "page.pdf", format="pdf")  # type: ignore[arg-type]
    with pytest.raises(DataError, match="split must be one of"):
        run.report(tmp_path / "page.html", split="tset")  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="overwrite must be True or False"):
        run.report(tmp_path / "page.html", overwrite="yes")  # type: ignore[arg-type]
    with pytest.raises(FileNotFoundError, match="could not write"):
        run.report(tmp_path / "none" / "page.html")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_beside_the_run_or_prints(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = shutil.copytree(made / "run", tmp_path / "runs" / "digits")
    done = command("report", run)
    assert done.exit_code == 0, done.output
    assert done.stdout == f"{tmp_path / 'runs' / 'digits-report.html'}\n"
    assert Path(done.stdout.strip()).read_text("utf-8").startswith("<!doctype html>")
    done = command("report", run, "--format=markdown")
    assert done.stdout == f"{tmp_path / 'runs' / 'digits-model-card.md'}\n"
    done = command("report", run, "-o", tmp_path / "README.md")
    assert (tmp_path / "README.md").read_text("utf-8").startswith("---\n")
    done = command("report", run, "-o", "-", "--format=markdown", "--epoch=1")
    assert "| Model of epoch | 1 |" in done.stdout
    done = command("report", run, "-o", tmp_path / "card.pdf")
    assert done.stderr.startswith("error: --output must end in .html")
    (tmp_path / "README.md").write_text("mine")
    done = command("report", run, "-o", tmp_path / "README.md")
    assert done.exit_code == 1
    assert "replace it with --overwrite" in done.stderr
    assert command("report", run, "-o", tmp_path / "README.md", "--overwrite").exit_code == 0
    # In the directory of the run itself, whose name is then not said.
    monkeypatch.chdir(run)
    done = command("report", ".")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "runs" / "digits-report.html").is_file()
