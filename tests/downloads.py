"""What the tests of fetching share: a file, limits and what is left of it."""

import gzip
import hashlib
from pathlib import Path

import numpy
import pytest

from mnistburn.datasets.download import Answer, Limits, NoMirrorError, fetch
from mnistburn.datasets.known import KnownFile

BODY = gzip.compress(
    numpy.random.default_rng(1).integers(0, 256, 300_000, dtype=numpy.uint8).tobytes(), mtime=0
)
FILE = KnownFile("images.gz", len(BODY), hashlib.sha256(BODY).hexdigest(), 300_000)

# Far above what a loaded machine needs for an honest answer, and short where one is waited for.
QUICK = Limits(connect=5.0, idle=0.5, total=1.5, bytes_per_second=1e9)
PATIENT = Limits(connect=5.0, idle=10.0, total=30.0)


def answers(urls: list[str], target: Path, limits: Limits = PATIENT) -> tuple[Answer, ...]:
    """Fetch what no mirror gives; nothing is under the final name afterwards."""
    with pytest.raises(NoMirrorError) as caught:
        fetch(FILE, urls, target, limits=limits)
    assert not target.exists()
    return caught.value.answers


def part_of(target: Path) -> Path:
    return target.with_name(target.name + ".part")


def flipped(position: int) -> bytes:
    body = bytearray(BODY)
    body[position] ^= 1
    return bytes(body)
