"""What Python trains is what Rust trains, and the Burn book's program agrees with it."""

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import doc_pages
import numpy
import pytest
from doc_pages import blocks_of

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig

ROOT: Final = Path(__file__).parent.parent
BOOK: Final = ROOT / "docs" / "burn-book.md"
IMAGES: Final = 200

# An example may have to be compiled first.
pytestmark = pytest.mark.timeout(900)


def run_example(name: str, *arguments: object) -> str:
    """Run an example of the crate, and return what it printed."""
    command = ["cargo", "run", "--release", "--locked", "--quiet", "--example", name, "--"]
    done = subprocess.run(
        [*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def data() -> tuple[Dataset, Dataset]:
    """Return the first images of each split."""
    train, test = mnistburn.datasets.load("mnist"), mnistburn.datasets.load("mnist", "test")
    return train[:IMAGES], test[:IMAGES]


def test_python_and_rust_give_the_same_bits(tmp_path: Path, data: tuple[Dataset, Dataset]) -> None:
    rust, python = tmp_path / "rust", tmp_path / "python"
    run_example("guide", rust, 2, IMAGES)
    mnistburn.train(python, TrainingConfig(num_epochs=2), "cpu", data=data, progress=False)
    files = ["config.json", "model.mpk", "summary.txt"]
    files += [
        f"checkpoint/epoch-000{epoch}/{name}.mpk"
        for epoch in (1, 2)
        for name in ("model", "optim", "scheduler")
    ]
    for name in files:
        assert (python / name).read_bytes() == (rust / name).read_bytes(), name


def test_the_page_of_the_burn_book_and_the_example_print_the_same_hash(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (command,) = re.findall(r"^\$ cargo run .* -- (.+)$", BOOK.read_text("utf-8"), re.MULTILINE)
    directory, *numbers = command.split()
    hashes = re.findall(
        "^SHA-256 [0-9a-f]{64}$", run_example("guide", tmp_path / directory, *numbers), re.MULTILINE
    )
    monkeypatch.chdir(tmp_path)
    doc_pages.run(BOOK)
    hashes += re.findall("^SHA-256 [0-9a-f]{64}$", capsys.readouterr().out, re.MULTILINE)
    assert len(hashes) == 2
    assert hashes[0] == hashes[1]


def test_the_rust_of_the_page_is_that_of_the_program() -> None:
    files = sorted((ROOT / "examples" / "burn_book").glob("*.rs"))
    sources = [path.read_text("utf-8") for path in files]
    blocks = [block for block in blocks_of(BOOK) if block.language == "rust"]
    assert len(blocks) >= 7
    for block in blocks:
        assert any(block.text in source for source in sources), f"line {block.line}"


def infer(artifact_dir: Path) -> list[int]:
    """Return the classes that the book's program predicts for the test images."""
    return [int(word) for word in run_example("burn_book", "infer", artifact_dir, IMAGES).split()]


def test_the_book_s_program_and_python_read_each_other_s_runs(
    tmp_path: Path, data: tuple[Dataset, Dataset]
) -> None:
    rust, python = tmp_path / "rust", tmp_path / "python"
    run_example("burn_book", "train", rust, IMAGES, 2)
    run = mnistburn.train(python, TrainingConfig(num_epochs=2), "cpu", data=data, progress=False)
    configurations = [json.loads((path / "config.json").read_bytes()) for path in (rust, python)]
    assert configurations[0] == configurations[1]
    assert TrainingConfig.load(rust / "config.json") == run.config
    trained_there = Model.load(rust / "model.mpk", image_size=(28, 28))
    assert infer(rust) == trained_there.predict(data[1].images).tolist()
    trained_here = mnistburn.load_run(python).model
    assert infer(python) == trained_here.predict(data[1].images).tolist()
    # It is no claim about models that predict the same for everything.
    assert len(set(infer(rust))) > 3


def test_the_book_s_program_and_python_take_the_same_steps_where_nothing_is_random(
    tmp_path: Path, data: tuple[Dataset, Dataset]
) -> None:
    start, rust, steps = tmp_path / "start.mpk", tmp_path / "rust", 6
    Model(ModelConfig(), seed=3).save(start)
    run_example("burn_book", "steps", rust, IMAGES, steps, start)
    config = TrainingConfig(
        model=ModelConfig(dropout=0.0), batch_size=IMAGES, num_epochs=steps, learning_rate=1e-4
    )
    run = mnistburn.train(
        tmp_path / "python", config, "cpu", data=data, start=start, progress=False
    )
    for split in ("train", "valid"):
        logs = [rust / split / f"epoch-{epoch}" / "Loss.log" for epoch in range(1, steps + 1)]
        losses = [float(path.read_text().partition(",")[0]) for path in logs]
        assert losses[0] - losses[-1] > 0.03
        numpy.testing.assert_allclose(losses, run.history[f"{split}_loss"], rtol=0, atol=1e-5)
