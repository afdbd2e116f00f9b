"""Paths of the machine that builds: what a wheel shows instead, and whether a file has any.

A panic tells the file of the sources where it happened, and the compiler knows that file by its
whole path: the home of who builds the wheel would be in it.
"""

import os
import re
import subprocess
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
SEPARATOR: Final = "\x1f"  # of CARGO_ENCODED_RUSTFLAGS: paths may have spaces
AROUND: Final = 80


def cargo_home() -> Path:
    """Return where Cargo keeps the sources of crates."""
    return Path(os.environ.get("CARGO_HOME") or Path.home() / ".cargo")


def shown_as() -> dict[Path, str]:
    """Return the folders of this machine with the name that each has in a wheel."""
    sysroot = subprocess.run(
        ["rustc", "--print", "sysroot"],  # noqa: S607  Cargo takes the same
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.strip()
    # The compiler takes the last that fits, so the widest comes first.
    folders = {
        Path.home(): "/home",
        cargo_home(): "/cargo",
        Path(sysroot): "/rust",
        ROOT.resolve(): "/mnistburn",
    }
    for registry in sorted((cargo_home() / "registry" / "src").glob("*")):
        folders[registry] = "/crates"
    return {folder: name for folder, name in folders.items() if folder != Path(folder.anchor)}


def compiler_flags() -> str:
    """Return the value of CARGO_ENCODED_RUSTFLAGS that renames the folders.

    The crates have to be fetched: the folder of their sources is named after the registry.
    """
    before = os.environ.get("CARGO_ENCODED_RUSTFLAGS")
    flags = before.split(SEPARATOR) if before else os.environ.get("RUSTFLAGS", "").split()
    flags += [f"--remap-path-prefix={folder}={name}" for folder, name in shown_as().items()]
    return SEPARATOR.join(flags)


def private_folders() -> list[Path]:
    """Return the folders that no file of a wheel may name."""
    folders = {Path.home(), cargo_home(), ROOT.resolve()}
    return sorted(folder for folder in folders if folder != Path(folder.anchor))


def found_in(content: bytes) -> list[str]:
    """Return the texts in a file that begin with a folder of this machine, each once."""
    names = b"|".join(re.escape(str(folder).encode()) for folder in private_folders())
    pattern = re.compile(rb"(?:%s)[/\\][ -~]{0,%d}" % (names, AROUND))
    return sorted({match[0].decode() for match in pattern.finditer(content)})
