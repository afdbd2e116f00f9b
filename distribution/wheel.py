"""Build a wheel: ``python distribution/wheel.py --features python``; further options are maturin's.

The extension names no folder of this machine, and the wheel has the list of its components. A wheel
that breaks one of the two is refused.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import build_paths
import sbom

ROOT: Final = Path(__file__).parent.parent
SHOWN: Final = 5
# The first second that a zip archive can name.
OLDEST: Final = "315532800"


class BadWheel(Exception):  # noqa: N818  it is said of the wheel
    """A wheel is not one to give away."""


def source_date() -> str:
    """Return SOURCE_DATE_EPOCH: what the caller set, or when the last commit was made.

    Two builds of the same sources give their files the same time, and so the same bytes.
    """
    if given := os.environ.get("SOURCE_DATE_EPOCH"):
        return given
    if not (ROOT / ".git").exists():
        return OLDEST
    return subprocess.run(
        ["git", "log", "-1", "--format=%ct"],  # noqa: S607  the one of the path
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    ).stdout.strip()


def check(wheel: Path) -> None:
    """Refuse a wheel that names folders of this machine, or lacks the list of its components.

    Raises:
        BadWheel: It says what is wrong.
    """
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        lists = [name for name in names if name.endswith(f".dist-info/sboms/{sbom.NAME}")]
        if len(lists) != 1:
            message = (
                f"{wheel.name} has no .dist-info/sboms/{sbom.NAME}; maturin 1.12 puts it there"
            )
            raise BadWheel(message)
        crates = {one["name"] for one in json.loads(archive.read(lists[0]))["components"]}
        if "burn" not in crates:
            message = f"{lists[0]} of {wheel.name} does not name Burn, which is linked"
            raise BadWheel(message)
        for name in names:
            if paths := build_paths.found_in(archive.read(name)):
                some = "\n  ".join(["", *paths[:SHOWN]])
                message = (
                    f"{name} of {wheel.name} names folders of this machine ({len(paths)}):{some}\n"
                    "`make wheel` builds one that does not"
                )
                raise BadWheel(message)


def build(features: str, target: str | None, out: Path, options: list[str]) -> Path:
    """Build a wheel, check it and put it into a folder.

    Raises:
        BadWheel: It is not one to give away; the folder is as it was.
    """
    # With the sources here, the folder that they lie in has its name.
    subprocess.run(["cargo", "fetch", "--locked"], cwd=ROOT, check=True)  # noqa: S607
    components = ROOT / "target" / "sbom" / sbom.NAME
    components.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(sbom.bill_of_materials(features, target), indent=1)
    components.write_text(text + "\n", "utf-8")
    command = [sys.executable, "-m", "maturin", "build", "--release", "--strip", "--locked"]
    command += [f"--features={features}", f"--sbom-include={components}", *options]
    command += [f"--target={target}"] if target else []
    environment = {
        **os.environ,
        "CARGO_ENCODED_RUSTFLAGS": build_paths.compiler_flags(),
        "SOURCE_DATE_EPOCH": source_date(),
    }
    with tempfile.TemporaryDirectory(dir=components.parent) as folder:
        subprocess.run(  # noqa: S603  the options are maturin's to check
            [*command, f"--out={folder}"], cwd=ROOT, env=environment, check=True
        )
        (wheel,) = Path(folder).glob("*.whl")
        check(wheel)
        out.mkdir(parents=True, exist_ok=True)
        return Path(shutil.move(wheel, out / wheel.name))


def main(arguments: list[str]) -> None:
    """Build a wheel, or check some that are there."""
    parser = argparse.ArgumentParser(
        description="Build a wheel, or check some.", allow_abbrev=False
    )
    parser.add_argument("--features", default="python", help="features of the crate (python)")
    parser.add_argument("--target", help="what to build for, as Rust names it (this machine)")
    parser.add_argument(
        "--out", type=Path, default=ROOT / "dist", help="where the wheel goes (dist)"
    )
    parser.add_argument("--check", type=Path, nargs="+", metavar="WHEEL", help="build nothing")
    options, rest = parser.parse_known_args(arguments)
    try:
        if options.check:
            for wheel in options.check:
                check(wheel)
        else:
            print(build(options.features, options.target, options.out, rest))  # noqa: T201
    except BadWheel as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main(sys.argv[1:])
