"""What licences the crates have, and what an SPDX expression allows."""

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent
WORD: Final = re.compile(r"[()]|[^\s()/]+|/")


@dataclass(frozen=True)
class Crate:
    """A crate of the lock file."""

    name: str
    version: str
    licence: str


class Unfetched(Exception):  # noqa: N818  it is a reason, not a fault
    """Cargo lacks the sources of crates that are compiled elsewhere."""


def crates_for(target: str) -> set[Crate]:
    """Return every crate that compiles, builds or tests this package for a system.

    Raises:
        Unfetched: Crates of that system are not on this machine.
    """
    command = ["cargo", "tree", "--locked", "--offline", "--all-features", f"--target={target}"]
    done = subprocess.run(
        [*command, "--edges=normal,build,dev", "--prefix=none", "--format={p}\t{l}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "--offline was specified" in done.stderr:
        raise Unfetched(done.stderr)
    assert done.returncode == 0, done.stderr
    crates = set()
    for line in done.stdout.splitlines():
        package, licence = line.removesuffix(" (*)").split("\t")
        name, version = package.split()[:2]
        crates.add(Crate(name, version.removeprefix("v"), licence))
    return crates


def is_allowed(expression: str, allowed: set[str]) -> bool:
    """Return whether a choice that an SPDX expression leaves is made of allowed licences.

    `OR` leaves a choice, as the older `/` does; `AND` does not, and binds tighter.
    """
    words = WORD.findall(expression)

    def choice() -> bool:
        value = every()
        while words and words[0] in {"OR", "/"}:
            words.pop(0)
            value = every() or value
        return value

    def every() -> bool:
        value = one()
        while words and words[0] == "AND":
            words.pop(0)
            value = one() and value
        return value

    def one() -> bool:
        if not words:
            return False
        word = words.pop(0)
        if word == "(":
            value = choice()
            assert words.pop(0) == ")", expression
            return value
        if words and words[0] == "WITH":
            words.pop(0)
            word = f"{word} WITH {words.pop(0)}"
        return word in allowed

    value = choice()
    assert not words, f"this is no SPDX expression: {expression!r}"
    return value
