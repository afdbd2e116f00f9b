"""The package does not grow unseen: the extension, and what an import reads and keeps."""

import platform
import subprocess
import sys
from pathlib import Path
from typing import Final

import footprint
import pytest
from footprint import TABLE

from mnistburn import _native

LINUX: Final = sys.platform == "linux"
BACK_ENDS: Final = _native.build_info()["backends"]


@pytest.mark.skipif(
    (sys.platform, platform.machine()) != ("linux", "x86_64"),
    reason="the table has the size for Linux on x86-64",
)
def test_the_extension_is_as_large_as_it_was() -> None:
    found = footprint.loaded_bytes(Path(str(_native.__file__)))
    if BACK_ENDS not in TABLE["extension"]:
        pytest.skip(f"tests/footprint.toml has no `{BACK_ENDS}` under [extension]: {found:,}")
    expected = {BACK_ENDS: TABLE["extension"][BACK_ENDS]}
    assert footprint.grown("the extension", expected, {BACK_ENDS: found}) == []


@pytest.mark.parametrize("statement", TABLE["imports"])
def test_an_import_takes_what_it_took(statement: str) -> None:
    found = footprint.imported(statement)
    expected = {
        name: number
        for name, number in TABLE["imports"][statement].items()
        if LINUX or name != "memory_kb"
    }
    lines = footprint.grown(f"`{statement}`", expected, found.numbers())
    assert not lines, "\n".join([*lines, f"modules by package: {found.packages()}"])


def test_growth_is_told_with_both_numbers() -> None:
    grown = footprint.grown(
        "`import x`", {"files": 1000, "modules": 20}, {"files": 1151, "modules": 23}
    )
    (line,) = grown
    assert line.startswith(
        "`import x`: files 1,151, where 1,000 was measured and 1,150 is the limit"
    )


def test_what_an_import_takes_is_seen(tmp_path: Path) -> None:
    (tmp_path / "large.py").write_text(
        "kept = b'x' * 30_000_000\nopen(__file__).close()\n", "utf-8"
    )
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r}); import json"
    less, more = footprint.imported(path), footprint.imported(f"{path}; import large")
    assert set(more.modules) - set(less.modules) == {"large"}
    # The bytecode, and the file that it opens.
    assert more.files - less.files == 2
    if LINUX:
        assert 28_000 < more.memory_kb - less.memory_kb < 34_000


@pytest.mark.skipif(not LINUX, reason="only Linux has ELF files")
def test_symbols_do_not_count(tmp_path: Path) -> None:
    source, library = tmp_path / "empty.rs", tmp_path / "empty.so"
    source.write_text("#[no_mangle] pub static PART: [u8; 500_000] = [1; 500_000];", "utf-8")
    command = ["rustc", "--crate-type=cdylib", str(source), "-o", str(library)]
    subprocess.run([*command, "-Cdebuginfo=2"], check=True, capture_output=True)
    whole = footprint.loaded_bytes(library)
    subprocess.run([*command, "-Cstrip=symbols"], check=True, capture_output=True)
    assert whole == pytest.approx(footprint.loaded_bytes(library), rel=0.01)
    assert 500_000 < whole < library.stat().st_size + 4096


def test_a_file_of_another_kind_is_told() -> None:
    with pytest.raises(ValueError, match=r"footprint.toml is no ELF file"):
        footprint.loaded_bytes(Path(footprint.__file__).with_suffix(".toml"))
