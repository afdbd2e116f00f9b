"""Reads damaged copies of a model file, and reports: ``python mutants.py FILE COUNT SEED``.

A program of its own, so that a crash, a word on stderr or memory that grows is seen from outside.
"""

import io
import json
import random
import resource
import sys
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy

from mnistburn import Model, describe
from mnistburn.errors import RecordError

NUMBERS = (0, 1, 2, 0x7F, 0xFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**63, 2**64 - 1)
EDGE = 1500
"""Headers and directories lie this near to the start and the end of a file."""


def place(content: bytearray, rng: random.Random) -> int:
    """Return a position, most often where the description of the file is."""
    end = len(content)
    if rng.random() < 0.2 or end < 2 * EDGE:
        return rng.randrange(max(end, 1))
    return rng.randrange(EDGE) if rng.random() < 0.5 else rng.randrange(end - EDGE, end)


def truncated(content: bytearray, rng: random.Random) -> bytearray:
    return content[: place(content, rng)]


def flipped(content: bytearray, rng: random.Random) -> bytearray:
    for _ in range(rng.randint(1, 8)):
        content[place(content, rng)] ^= 1 << rng.randrange(8)
    return content


def spliced(content: bytearray, rng: random.Random) -> bytearray:
    start, to = place(content, rng), place(content, rng)
    piece = content[start : start + rng.randint(1, 200)]
    end = to + (len(piece) if rng.random() < 0.5 else 0)
    return content[:to] + piece + content[end:]


def numbered(content: bytearray, rng: random.Random) -> bytearray:
    width = rng.choice([1, 2, 4, 8])
    at = place(content, rng)
    number = rng.choice(NUMBERS) % (1 << 8 * width)
    return content[:at] + number.to_bytes(width, "little") + content[at + width :]


def renamed(content: bytearray, rng: random.Random) -> bytearray:
    old = rng.choice([b"conv1.weight", b"conv2.bias", b"linear1.weight", b"linear2.bias"])
    new = rng.choice([b"conv1.weight", b"\x00" * 12, b"extra.weight", b"linear1.weight"])
    return content.replace(old, new[: len(old)].ljust(len(old), b"x"), rng.choice([1, -1]))


def redigited(content: bytearray, rng: random.Random) -> bytearray:
    """Change a digit: a number in a header that is text."""
    digits = [at for at, byte in enumerate(content[:EDGE]) if chr(byte).isdigit()]
    if digits:
        content[rng.choice(digits)] = rng.choice(b"0123456789-.e")
    return content


def poisoned(content: bytearray, rng: random.Random) -> bytearray:
    number = rng.choice([numpy.nan, numpy.inf, -numpy.inf])
    at = rng.randrange(len(content) // 4) * 4
    content[at : at + 4] = numpy.float32(number).tobytes()
    return content


MUTATIONS: tuple[Callable[[bytearray, random.Random], bytearray], ...] = (
    *(truncated, flipped, spliced, numbered, renamed, redigited, poisoned),
)


def mutated(content: bytes, rng: random.Random) -> bytes:
    """Return a damaged copy; of an archive, often one whose checksums are right."""
    mutation = rng.choice(MUTATIONS)
    if not content.startswith(b"PK") or rng.random() < 0.5:
        return bytes(mutation(bytearray(content), rng))
    source = zipfile.ZipFile(io.BytesIO(content))
    names = source.namelist()
    damaged = rng.choice([name for name in names if name.endswith((".npy", ".pkl"))])
    out = io.BytesIO()
    with zipfile.ZipFile(
        out, "w", rng.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    ) as target:
        for name in names:
            part = source.read(name)
            target.writestr(
                name, bytes(mutation(bytearray(part), rng)) if name == damaged else part
            )
    return out.getvalue()


def main() -> None:
    """Read the mutants, and print a report as JSON."""
    path, count, seed = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    content = path.read_bytes()
    rng = random.Random(seed)  # noqa: S311  mutants that come again are the point
    loadable = path.suffix != ".onnx"
    mutant = path.with_name(f"mutant{path.suffix}")
    if loadable:
        Model.load(path)
    describe(path)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused, slowest, wrong = 0, 0.0, []
    for number in range(count):
        mutant.write_bytes(mutated(content, rng))
        start = time.process_time()
        try:
            problem = None
            if loadable and number % 5:
                Model.load(mutant)
            else:
                problem = describe(mutant).problem
            refused += problem is not None
        except RecordError as error:
            refused += 1
            problem = str(error)
        except BaseException as error:  # noqa: BLE001  whatever it is, it is reported
            wrong.append(f"{number}: {error!r}")
            problem = None
        if problem is not None and mutant.name not in problem:
            wrong.append(f"{number}: {problem}")
        slowest = max(slowest, time.process_time() - start)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    print(  # noqa: T201  the report
        json.dumps(
            {"refused": refused, "slowest": slowest, "megabytes": grown / 1024, "wrong": wrong[:5]}
        )
    )


if __name__ == "__main__":
    main()
