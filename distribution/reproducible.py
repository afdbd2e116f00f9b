"""Build the last commit twice, and compare: ``python distribution/reproducible.py``.

The builds lie in folders apart, and share the crates that Cargo has fetched and nothing else. What
they give, a wheel and an archive of the sources each, has to be the same bytes.
"""

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
# Paths of two lengths: neither may be in what is built, nor move anything there.
FOLDERS: Final = ("a", "a-folder-of-a-longer-name/in-another")


def build(folder: Path, features: str, out: Path) -> list[Path]:
    """Build the wheel and the archive of the sources in a clone; return both."""
    environment = {name: value for name, value in os.environ.items() if name != "CARGO_TARGET_DIR"}
    maturin = [sys.executable, "-m", "maturin", "sdist", f"--out={out}"]
    wheel = [sys.executable, "distribution/wheel.py", f"--features={features}", f"--out={out}"]
    subprocess.run(["git", "clone", "--quiet", ROOT, folder], check=True)  # noqa: S603, S607  no input
    for command in (maturin, wheel):
        subprocess.run(command, cwd=folder, env=environment, check=True)  # noqa: S603  no input
    return sorted(out.iterdir())


def digest(content: bytes) -> str:
    """Return the SHA-256 as it is written."""
    return hashlib.sha256(content).hexdigest()


def differences(one: Path, other: Path) -> list[str]:
    """Return what differs in two files, by the names of the members of a wheel."""
    if one.read_bytes() == other.read_bytes():
        return []
    if one.suffix != ".whl":
        return [one.name]
    with zipfile.ZipFile(one) as first, zipfile.ZipFile(other) as second:
        members = [
            {info.filename: (digest(archive.read(info)), info.date_time) for info in infos}
            for archive, infos in ((first, first.infolist()), (second, second.infolist()))
        ]
    names = sorted(members[0].keys() | members[1].keys())
    told = [name for name in names if members[0].get(name) != members[1].get(name)]
    return told or [f"the order or the compression of {one.name}"]


def main(arguments: list[str]) -> None:
    """Build twice, print the hashes, and fail where they differ."""
    parser = argparse.ArgumentParser(description="Build twice and compare.")
    parser.add_argument("--features", default="python", help="features of the crate (python)")
    options = parser.parse_args(arguments)
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "target") as place:
        built = []
        for folder in FOLDERS:
            out = Path(place) / "out" / folder
            built.append(build(Path(place) / folder, options.features, out))
        for files in built:
            for file in files:
                print(digest(file.read_bytes()), file.name)  # noqa: T201
        names = [{file.name for file in files} for files in built]
        told = sorted(names[0] ^ names[1])
        if not told:
            told = [name for pair in zip(*built, strict=True) for name in differences(*pair)]
    if told:
        raise SystemExit("these differ:\n  " + "\n  ".join(told))


if __name__ == "__main__":
    main(sys.argv[1:])
