"""The reference runs have the weights of the documentation, whatever computes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

import mnistburn
from mnistburn import _native
from mnistburn.cli import main
from mnistburn.verification import reference

PAGE = Path(__file__).parents[1] / "docs" / "reliability.md"
LEVELS = ("portable", "avx2", "avx512")


def verified(kernels: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "-m", "mnistburn", "verify", "--reference", "--json"]
    environment = os.environ | {"MNISTBURN_KERNELS": kernels}
    return subprocess.run(words, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("kernels", LEVELS)
def test_the_weights_are_those_of_the_documentation(kernels: str) -> None:
    done = verified(kernels)
    if "one of the instruction sets of this processor" in done.stderr:
        pytest.skip(f"this processor has no {kernels}")
    assert done.returncode == 0, done.stdout + done.stderr
    runs = json.loads(done.stdout)
    assert [run["kernels"] for run in runs] == [kernels] * 3
    page = PAGE.read_text("utf-8")
    sets = "portable" if kernels == "portable" else "avx2, avx512"
    for run in runs:
        assert run["same"] is True
        assert f"| {run['name']} | {sets} | `{run['sha256']}` |" in page


def test_other_bits_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = _native.cpu_kernels()
    known = {**reference._SHA256[kernels], "guide": "0" * 64}
    monkeypatch.setitem(reference._SHA256, kernels, known)
    done = CliRunner().invoke(main, ["verify", "--reference"])
    assert done.exit_code == 1
    first, *rest = done.stdout.splitlines()
    assert first.startswith(f"other bits: guide, {kernels}, SHA-256 ")
    assert first.endswith(f", not {'0' * 64}")
    assert all(line.startswith("the same bits: ConvNet with ") for line in rest)


def test_burn_s_own_operations_have_no_known_weights() -> None:
    done = verified("burn")
    assert done.returncode == 1
    assert {run["expected"] for run in json.loads(done.stdout)} == {None}


def test_it_takes_a_run_or_the_reference(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["verify"])
    assert done.exit_code == 2
    assert "or pass --reference" in done.stderr
    done = CliRunner().invoke(main, ["verify", str(tmp_path), "--reference"])
    assert done.exit_code == 2
    assert "leave out all else" in done.stderr


def test_the_function_says_what_the_command_says() -> None:
    assert all(run.same for run in mnistburn.verify_reference())
