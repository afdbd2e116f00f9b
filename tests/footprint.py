"""What the package takes: ``python tests/footprint.py`` prints it beside tests/footprint.toml.

None of the numbers is a time: they are the same on a busy machine.
"""

import json
import os
import struct
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

HERE: Final = Path(__file__).parent
TABLE: Final[dict[str, Any]] = tomllib.loads((HERE / "footprint.toml").read_text("utf-8"))
LOAD: Final = 1  # the kind of a part of an ELF file that is loaded
MOST: Final = 8
PYTHONPATH: Final = os.environ.get("PYTHONPATH", "")

# Nothing is imported before the statement but what an interpreter has.
CHILD: Final = """
import sys
files, before = [0], set(sys.modules)
sys.addaudithook(lambda event, _: files.__setitem__(0, files[0] + (event == "open")))
def peak():
    lines = open("/proc/self/status").read().splitlines() if sys.platform == "linux" else ()
    return sum(int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
bare = peak()
files[0] = 0
exec(sys.argv[1])
opened, modules = files[0], sorted(set(sys.modules) - before)
more = peak() - bare
import json
print(json.dumps({"modules": modules, "files": opened, "memory_kb": more}))
"""


@dataclass(frozen=True)
class Imported:
    """What a statement takes in an interpreter of its own."""

    modules: list[str]
    files: int
    memory_kb: int

    def numbers(self) -> dict[str, int]:
        """Return the numbers by their names in the table."""
        return {"modules": len(self.modules), "files": self.files, "memory_kb": self.memory_kb}

    def packages(self) -> str:
        """Return the packages with most modules, as in `numpy 102, mnistburn 60`."""
        counts = Counter(name.partition(".")[0] for name in self.modules)
        return ", ".join(f"{name} {count}" for name, count in counts.most_common(MOST))


def imported(statement: str) -> Imported:
    """Measure a statement, with the bytecode of all modules written before."""
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", CHILD, statement],
            # Each of NumPy's own threads takes memory.
            env={"OPENBLAS_NUM_THREADS": "1", "PATH": "", "PYTHONPATH": PYTHONPATH},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
    return Imported(**json.loads(done.stdout))


def loaded_bytes(library: Path) -> int:
    """Return how much of an ELF file is loaded: its size without symbols.

    Raises:
        ValueError: It is no ELF file for 64 bits.
    """
    content = library.read_bytes()
    if content[:5] != b"\x7fELF\x02":
        message = f"{library.name} is no ELF file for 64 bits: it starts with {content[:5]!r}"
        raise ValueError(message)
    (offset,) = struct.unpack_from("<Q", content, 32)
    size, count = struct.unpack_from("<HH", content, 54)
    return sum(
        struct.unpack_from("<Q", content, start + 32)[0]
        for start in range(offset, offset + size * count, size)
        if struct.unpack_from("<I", content, start)[0] == LOAD
    )


def grown(what: str, expected: Mapping[str, int], found: Mapping[str, int]) -> list[str]:
    """Return a line for each number that is beyond its limit."""
    return [
        f"{what}: {name} {found[name]:,}, where {number:,} was measured and "
        f"{number * (1 + TABLE['growth']):,.0f} is the limit of tests/footprint.toml"
        for name, number in expected.items()
        if found[name] > number * (1 + TABLE["growth"])
    ]


def main() -> None:
    """Print what is measured now beside the table."""
    from mnistburn import _native

    back_ends, library = _native.build_info()["backends"], Path(str(_native.__file__))
    row = "  {:<20}{:>14}{:>14}".format
    size = TABLE["extension"].get(back_ends, "-")
    lines = [row("", "table", "now"), "extension", row(back_ends, size, loaded_bytes(library))]
    for statement, expected in TABLE["imports"].items():
        found = imported(statement)
        lines += [statement, f"  {found.packages()}"]
        lines += [row(name, expected[name], now) for name, now in found.numbers().items()]
    print(*lines, sep="\n")  # noqa: T201  the table


if __name__ == "__main__":
    main()
