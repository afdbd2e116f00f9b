"""The examples of the README and of the docstrings run."""

import doctest
import importlib
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast, get_args

import pytest

import mnistburn
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


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "page",
    [README, README.parent / "docs/demo.md", README.parent / "docs/training.md"],
    ids=lambda page: page.name,
)
def test_examples_of_a_page(page: Path, tmp_path: Path) -> None:
    blocks = re.findall(r"^```python\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE)
    assert blocks
    # One after the other in one process: a later example may build on an earlier one.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", "\n".join(blocks)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout


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


DOCS = README.parent / "docs"


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
    [README, *sorted(DOCS.glob("*.md")), README.parent / "CONTRIBUTING.md"],
    ids=lambda page: page.name,
)
def test_links_lead_to_files_that_are_there(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        assert (page.parent / target).exists(), target
