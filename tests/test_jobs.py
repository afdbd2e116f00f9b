"""The programs of docs/jobs.md and docs/scikit-learn.md do what these pages say."""

import ast
import csv
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy
import pytest
from doc_pages import blocks_of
from pictures import write_png

import mnistburn

DOCS: Final = Path(__file__).parent.parent / "docs"
PEERS: Final = DOCS.parent / "benches" / "jobs"


def programs_of(page: Path) -> dict[str, str]:
    """Return the programs of a page by the headings above them."""
    program = re.compile(
        r"^## ([^\n]+)\n(?:(?!^## ).)*?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE
    )
    return dict(program.findall(page.read_text("utf-8")))


PROGRAMS: Final = programs_of(DOCS / "jobs.md")

# Kills the process in the midst of a training.
KILL: Final = """
import os
import mnistburn
real = mnistburn.train

class Kill(mnistburn.Callback):
    def on_step_end(self, step):
        if step.epoch == 3:
            os.kill(os.getpid(), 9)

mnistburn.train = lambda *arguments, **options: real(*arguments, callbacks=[Kill()], **options)
"""


def program(start: str) -> str:
    """Return the program below the heading that begins so."""
    (found,) = (text for title, text in PROGRAMS.items() if title.startswith(start))
    return found


def run(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", text],
        cwd=folder,
        env={**os.environ, "PYTHONWARNINGS": ""},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )


def done(folder: Path, text: str) -> str:
    """Run a program, and return what it printed."""
    finished = run(folder, text)
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


def write_pictures(folder: Path, *, told_apart: bool) -> None:
    """Write 30 pictures of noise of each of two classes, the left half of one brighter."""
    generator = numpy.random.default_rng(1)
    for number in range(60):
        image = generator.integers(0, 150, (12, 12), dtype=numpy.uint8)
        if told_apart and number % 2:
            image[:, :6] += 100
        write_png(folder / ["dark", "light"][number % 2] / f"{number}.png", image)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with pictures of two classes that are told apart."""
    write_pictures(tmp_path / "pictures", told_apart=True)
    return tmp_path


def test_each_program_is_whole_and_short() -> None:
    assert len(PROGRAMS) == 6
    for title, text in PROGRAMS.items():
        ast.parse(text)
        assert lines_of(text) <= 12, title
    assert lines_of(program("Own pictures")) <= 4
    (call,) = (node for node in ast.parse(program("Fashion")).body if isinstance(node, ast.Assign))
    assert call.end_lineno is not None
    assert call.end_lineno - call.lineno < 6


def lines_of(text: str) -> int:
    """Count lines that are not empty."""
    return len([line for line in text.splitlines() if line.strip()])


def test_the_numbers_of_lines_are_those_that_the_page_says() -> None:
    pages = [DOCS / "jobs.md", *(PEERS / f"{peer}.md" for peer in ("keras", "fastai", "skorch"))]
    found = [programs_of(page) for page in pages]
    rows = re.findall(
        r"^\| ([A-Z][^|]+?) \|((?: \d+ \|){4})$", pages[0].read_text("utf-8"), re.MULTILINE
    )
    assert [title for title, _ in rows] == list(found[1])
    for title, cells in rows:
        assert [int(cell) for cell in re.findall(r"\d+", cells)] == [
            lines_of(programs[title]) for programs in found
        ]
    for programs in found:
        for text in programs.values():
            ast.parse(text)
            assert max(map(len, text.splitlines())) <= 100


def test_a_training_stops_when_it_gets_no_better(tmp_path: Path) -> None:
    # Noise in both classes: what is learnt of it does not hold for other pictures.
    write_pictures(tmp_path / "pictures", told_apart=False)
    done(tmp_path, program("Own pictures"))
    result = mnistburn.load_run(tmp_path / "artifacts" / "own")
    assert result.ended == "stopped_early"
    losses = result.history["valid_loss"]
    assert len(losses) < 50
    assert len(losses) - losses.index(min(losses)) == 5
    best = mnistburn.Model.load(tmp_path / "best.mpk").state_dict()
    expected = mnistburn.load_run(tmp_path / "artifacts" / "own", epoch="best").model.state_dict()
    for name, value in expected.items():
        numpy.testing.assert_allclose(best[name], value, atol=1e-3)  # half precision


def test_a_killed_training_goes_on_to_the_same_bits(folder: Path, tmp_path: Path) -> None:
    text = program("Go on after a kill")
    killed = run(folder, KILL + text)
    assert killed.returncode == -9, killed.stderr
    kept = Path("artifacts") / "long" / "model.mpk"
    printed = done(folder, text)
    assert "resumed after epoch 2" in (folder / kept).with_name("train.log").read_text()
    write_pictures(tmp_path / "other" / "pictures", told_apart=True)
    assert printed == done(tmp_path / "other", text)
    assert (folder / kept).read_bytes() == (tmp_path / "other" / kept).read_bytes()


def test_a_learning_rate_of_ones_own_trains(folder: Path) -> None:
    accuracy = re.search(r"accuracy +([\d.]+)", done(folder, program("A learning rate")))
    assert accuracy is not None
    assert float(accuracy[1]) > 0.9


def test_a_folder_becomes_a_table(folder: Path) -> None:
    data = mnistburn.Dataset.from_folder(folder / "pictures", progress=False)
    config = mnistburn.TrainingConfig(num_epochs=20, learning_rate=1e-3)
    mnistburn.train(
        folder / "artifacts" / "own", config, "cpu", data=(data, data[:20]), progress=False
    )
    new = folder / "new"
    for path in sorted((folder / "pictures").rglob("*.png"))[::6]:
        new.mkdir(exist_ok=True)
        (new / f"{path.parent.name}-{path.name}").write_bytes(path.read_bytes())
    done(folder, program("Predict"))
    with (folder / "new.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert len(rows) == 10
    assert all(Path(path).name.startswith(label) for path, label in rows)


def test_eight_settings_are_searched(folder: Path) -> None:
    found = re.fullmatch(r"(\{.*\}) ([\d.]+)\n", done(folder, program("Search eight")))
    assert found is not None
    assert ast.literal_eval(found[1]).keys() == {"config", "learning_rate", "batch_size"}
    assert float(found[2]) > 0.9


# Puts small parts of Fashion-MNIST in its place.
SUBSET: Final = """
import mnistburn
real = mnistburn.train
parts = [mnistburn.datasets.load("fashion-mnist", split)[:400] for split in ("train", "test")]

def train(artifact_dir, config, *, data, **options):
    assert data == "fashion-mnist"
    return real(artifact_dir, config, data=tuple(parts), **options)

mnistburn.train = train
"""


def test_fashion_mnist_is_trained_in_one_call_as_on_the_command_line(
    tmp_path: Path, fashion_mnist: Path
) -> None:
    printed = done(tmp_path, SUBSET + program("Fashion"))
    found = re.fullmatch(r"(\w+) (\d+) ([\d.]+)\n", printed)
    assert found is not None
    result = mnistburn.load_run(tmp_path / "artifacts" / "fashion")
    assert result.ended == found[1]
    losses = result.history["valid_loss"]
    assert int(found[2]) == result.model_epoch == losses.index(min(losses)) + 1
    assert float(found[3]) > 0.5  # of ten classes
    assert result.config.augmentation is not None
    assert isinstance(result.config.lr_scheduler, mnistburn.OneCycleLrSchedulerConfig)
    text = (DOCS / "jobs.md").read_text("utf-8")
    (words,) = re.findall(r"^\$ mnistburn (train .*--data fashion-mnist.*)", text, re.MULTILINE)
    printed = done(
        tmp_path,
        f"import sys\nfrom mnistburn.cli import main\nmain({words.split()} + ['--print-config'])",
    )
    config = mnistburn.TrainingConfig.from_json(printed)
    # But for what follows from the images that it trains with: their mean, and how many they are.
    assert isinstance(result.config.model, mnistburn.ConvNetConfig)
    model = replace(result.config.model, pixel_mean=None, pixel_std=None)
    schedule = replace(result.config.lr_scheduler, num_iters=None)
    assert config == replace(result.config, model=model, lr_scheduler=schedule)
    assert "--early-stopping 3" in words


def test_the_first_example_for_scikit_learn_has_the_accuracy_that_is_said(tmp_path: Path) -> None:
    first = blocks_of(DOCS / "scikit-learn.md")[0]
    accuracy = re.fullmatch(r"accuracy (0\.\d{3})\n", done(tmp_path, first.text))
    said = re.search(r"accuracy of about (0\.\d+)", (DOCS / "scikit-learn.md").read_text("utf-8"))
    assert accuracy is not None
    assert said is not None
    # Other processors round otherwise.
    assert float(accuracy[1]) == pytest.approx(float(said[1]), abs=0.012)
