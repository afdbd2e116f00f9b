"""The README, the pages of the documentation and the examples of the docstrings are true."""

import ast
import doctest
import importlib
import itertools
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_args

import click
import doc_pages
import nbclient
import nbformat
import numpy
import pytest
import yaml
from doc_pages import beside, blocks_of
from pictures import write_png
from PIL import Image

import mnistburn
from mnistburn.cli import main
from mnistburn.config.optimizers import OPTIMIZERS
from mnistburn.config.schedules import SCHEDULES
from mnistburn.model import ExportFormat, Recorder

README = Path(__file__).parent.parent / "README.md"

PEERS = {f"mnistburn.bench.{name}" for name in ("jax_xla", "onnx_runtime", "pytorch")}
"""Modules that need the peers of the comparison, which have no examples."""

MODULES = [
    mnistburn,
    *(
        importlib.import_module(item.name)
        for item in pkgutil.walk_packages(mnistburn.__path__, "mnistburn.")
        if not item.name.startswith("mnistburn._") and item.name not in PEERS
    ),
]


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.__name__)
def test_examples_of_a_module(
    module: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    failed, _ = doctest.testmod(module)
    assert failed == 0


def test_the_readme_is_found() -> None:
    assert README.is_file()


DOCS = README.parent / "docs"
PAGES = [README, *sorted(DOCS.rglob("*.md"))]
NOTEBOOKS = sorted(DOCS.rglob("*.ipynb"))

LANGUAGES = {"console", "json", "output", "python", "rust", "sh", "text", "yaml"}
"""What a fence may say; ``console``, ``output`` and ``python`` is run or compared."""

NOT_RUN: dict[str, list[str]] = {
    "README.md": ["builds the package"],
    "docs/burn-book.md": ["compiles the crate; tests/test_rust.py runs it"],
    "docs/data.md": ["needs a network"],
    "docs/distributed.md": ["is for a program that mpiexec starts"],
    "docs/demo.md": ["serves until it is stopped"],
    "docs/devices.md": ["needs a network"],
    "docs/interchange.md": ["needs PyTorch", "needs PyTorch"],
    "docs/jobs.md": ["takes minutes; tests/test_jobs.py runs it on a part"] * 2,
    "docs/reports.md": ["serves until it is stopped"],
    "docs/tutorial.md": ["builds the package"],
}
"""Each block that is not run, and why: one more is a decision, not an accident."""


def write_pictures(folder: Path, *, number: int = 100) -> None:
    """Write pictures of cats and dogs, as far as noise goes: the left half of a dog is brighter."""
    generator = numpy.random.default_rng(1)
    for index in range(number):
        image = generator.integers(0, 150, (12, 12), dtype=numpy.uint8)
        image[:, :6] += 100 * (index % 2)
        write_png(folder / ["cat", "dog"][index % 2] / f"{index:03}.png", image)


def write_photos(folder: Path) -> None:
    """Write two pictures without a class."""
    generator = numpy.random.default_rng(2)
    for index in range(2):
        image = generator.integers(0, 250, (16, 20, 3), dtype=numpy.uint8)
        write_png(folder / f"{index}.png", image)


BESIDE: dict[str, Callable[[Path], None]] = {
    "pictures": write_pictures,
    "new": write_photos,
    "folder-of-new-photos": write_photos,
    "scans": write_photos,
    "new-photo.jpg": lambda path: Image.radial_gradient("L").save(path),
}
"""What pages say that their blocks are run beside, and what writes it."""


def ids(page: Path) -> str:
    """Return the path of a page as tests are called by it."""
    return page.relative_to(README.parent).as_posix()


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if any(block.reason is None for block in blocks_of(page))],
    ids=ids,
)
def test_the_blocks_of_a_page_run_and_print_what_it_shows(
    page: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    for name in beside(page):
        if name == "fashion-mnist":
            request.getfixturevalue("fashion_mnist")
        else:
            BESIDE[name](tmp_path / name)
    commands = Path(sys.executable).parent
    done = subprocess.run(
        [sys.executable, "-W", "error", doc_pages.__file__, str(page)],
        cwd=tmp_path,
        env={
            **os.environ,
            "COLUMNS": "80",
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            # Of worker processes that an example starts, other packages are the matter.
            "PYTHONWARNINGS": "",
        },
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_runs_and_prints_what_is_stored_in_it(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    shown = [output_of(cell) for cell in notebook.cells]
    nbclient.NotebookClient(notebook, timeout=100).execute(cwd=tmp_path)
    for cell, text in zip(notebook.cells, shown, strict=True):
        doc_pages.compare(cell.source, text, output_of(cell))
    assert sum(map(bool, shown)) > 5


def output_of(cell: Any) -> str:
    """Return what a cell of a notebook printed."""
    outputs = cell.get("outputs", [])
    assert all(output["output_type"] == "stream" for output in outputs), "a cell prints text alone"
    return "".join(output["text"] for output in outputs)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=ids)
def test_a_notebook_is_small_and_says_nothing_of_who_ran_it(path: Path) -> None:
    assert path.stat().st_size < 20_000
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert not cell.metadata
        assert cell.get("execution_count") is None


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_scripts_and_settings_can_be_read(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "sh":
            subprocess.run(["/bin/bash", "-n"], input=block.text, text=True, check=True)
        elif block.language == "yaml":
            assert yaml.safe_load(block.text)
        elif block.language == "json":
            assert json.loads(block.text)


@pytest.mark.parametrize("page", PAGES, ids=ids)
def test_a_fence_says_one_of_few_languages(page: Path) -> None:
    text = page.read_text("utf-8")
    blocks = blocks_of(page)
    assert {block.language for block in blocks} <= LANGUAGES
    # None is overlooked: each has two fences.
    assert len(re.findall(r"^\s*```", text, re.MULTILINE)) == 2 * len(blocks)
    for before, block in itertools.pairwise(blocks):
        if block.language == "output":
            assert (before.language, before.reason) == ("python", None)


def test_blocks_that_are_not_run_are_listed_here() -> None:
    found = {
        ids(page): [block.reason for block in blocks_of(page) if block.reason] for page in PAGES
    }
    assert {page: reasons for page, reasons in found.items() if reasons} == NOT_RUN
    markers = sum(page.read_text("utf-8").count("<!-- not run") for page in PAGES)
    assert markers == sum(map(len, NOT_RUN.values())), "a marker stands before no block"


def check_command_line(arguments: list[str]) -> None:
    """Raise if a command line of mnistburn has an unknown command, option or kind of value."""
    command: click.Command = main
    while isinstance(command, click.Group):
        _, below, arguments = command.resolve_command(click.Context(command), arguments)
        assert below is not None
        command = below
    command.make_context("mnistburn", arguments)


def test_commands_that_are_not_run_are_commands_all_the_same() -> None:
    makefile = (README.parent / "Makefile").read_text()
    for page in PAGES:
        for block in blocks_of(page):
            if block.reason is None:
                continue
            if block.language == "python":
                ast.parse(block.text)
            for command, _ in block.commands() if block.language == "console" else []:
                words = shlex.split(command, comments=True)
                if words[0] == "mnistburn":
                    check_command_line(words[1:])
                elif words[0] == "make":
                    assert f"\n{words[1]}:" in makefile


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("```python\nprint(1)\n```\n\n```output\n2\n```\n", "line 6: the page shows other output"),
        ("```python\n1 / 0\n```\n", "line 2, in <module>"),
        ("```console\n$ echo one\ntwo\n```\n", "the page shows other output"),
        ("```console\n$ false\n```\n", "ended with the status 1"),
    ],
)
def test_a_page_that_is_false_fails(text: str, message: str, tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(text)
    command = [sys.executable, doc_pages.__file__, str(page)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert message in done.stderr


def test_no_example_of_the_readme_replaces_the_run_of_other_data() -> None:
    text = README.read_text("utf-8")
    on_the_command_line = dict(
        re.findall(r"^\$ mnistburn train (\S+) --data (\S+)", text, re.MULTILINE)
    )
    assert on_the_command_line["artifacts/own"] == "pictures"
    in_python = re.findall(r'mb\.train\(\s*"(\S+?)"(.*)', text)
    assert any(directory == "artifacts/own" for directory, _ in in_python)
    for directory, rest in in_python:
        data = on_the_command_line.get(directory)
        assert data is None or f'data="{data}"' in rest


def documented(page: str) -> dict[str, tuple[str, int]]:
    """Return extension and bytes of each format in the table of a page."""
    row = r'^\| `"?([\w-]+)"?` \|.*?`(\.[\w.]+)` \|.*?([\d,]{7,}) \|'
    found = re.findall(row, (DOCS / page).read_text("utf-8"), re.MULTILINE)
    return {name: (extension, int(size.replace(",", ""))) for name, extension, size in found}


def test_the_formats_in_the_docs_have_the_extensions_and_sizes_that_are_said(
    tmp_path: Path,
) -> None:
    records, exports = documented("records.md"), documented("interchange.md")
    assert records.keys() == set(get_args(Recorder))
    assert exports.keys() == set(get_args(ExportFormat))
    model = mnistburn.Model()
    sizes = {}
    for name, (extension, size) in (records | exports).items():
        stem = tmp_path / name
        if name in records:
            path = model.save(stem, cast("Any", name))
        else:
            path = model.export(stem, cast("Any", name))
        assert path.name == name + extension
        # Of compressed numbers and of numbers in decimal, the size depends on the weights.
        tolerance = 0.005 if extension.endswith("gz") or extension == ".json" else 0
        sizes[name] = abs(path.stat().st_size - size) <= tolerance * size
    assert all(sizes.values()), sizes


def test_the_recorders_and_precisions_in_the_docs_are_those_of_the_files(tmp_path: Path) -> None:
    row = r"^\| `\"([\w-]+)\"` \| (.*?) \| `\.[\w.]+` \| (\w+) \| [\d,]{7,} \|"
    rows = re.findall(row, (DOCS / "records.md").read_text("utf-8"), re.MULTILINE)
    assert {name for name, _, _ in rows} == set(get_args(Recorder))
    # Burn's names for the same recorder with half and with full precision.
    aliases = {"CompactRecorder": "NamedMpkFileRecorder", "DefaultRecorder": "NamedMpkFileRecorder"}
    model = mnistburn.Model(mnistburn.ModelConfig(hidden_size=1))
    for name, recorder, precision in rows:
        found = mnistburn.describe(model.save(tmp_path / name, cast("Any", name)))
        said = re.findall(r"`(\w+Recorder)`", recorder)
        assert [aliases.get(said[0], said[0])] == re.findall(r"\w+Recorder", found.format)
        assert {"half": "F16", "full": "F32"}[precision] == found.precision


def test_all_optimizers_and_schedules_are_in_the_docs() -> None:
    text = (DOCS / "training.md").read_text("utf-8")
    optimizers = re.findall(r"^\| `(\w+)` \| `(\w+)` \|", text, re.MULTILINE)
    assert optimizers == [(kind.__name__, tag.lower()) for tag, kind in OPTIMIZERS.items()]
    schedules = re.findall(r"^\| `(\w+LrSchedulerConfig)` \|", text, re.MULTILINE)
    assert sorted(schedules) == sorted(kind.__name__ for kind in SCHEDULES.values())


LINK = re.compile(r"\]\((?!https?:|#|mailto:)([^)#\s]+)")


@pytest.mark.parametrize(
    "page",
    [*PAGES, README.parent / "CONTRIBUTING.md"],
    ids=ids,
)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
