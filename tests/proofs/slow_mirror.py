"""A data set of noise on a slow server of this machine, for downloads that last."""

import contextlib
import dataclasses
import gzip
import hashlib
import time
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

import numpy
from download_server import Request, running

from mnistburn.datasets.known import KnownDataset, KnownFile, KnownSplit
from mnistburn.datasets.registry import DATASETS

__all__ = ["FILES", "NAME", "known", "serving"]

NAME: Final = "fashion-mnist"
"""The data set that the files stand for."""

_COUNTS: Final = {"train": 600, "t10k": 300}
_CHUNK: Final = 8192
_SECONDS_BETWEEN_CHUNKS: Final = 0.005


def _contents() -> dict[str, bytes]:
    """Return the decompressed files: noise, which no compression makes smaller."""
    noise = numpy.random.default_rng(1)
    contents = {}
    for part, count in _COUNTS.items():
        images = noise.integers(0, 256, (count, 28, 28), dtype=numpy.uint8)
        sizes = numpy.array(images.shape, dtype=">u4").tobytes()
        contents[f"{part}-images-idx3-ubyte.gz"] = b"\0\0\x08\x03" + sizes + images.tobytes()
        labels = (numpy.arange(count) % 10).astype(numpy.uint8)
        contents[f"{part}-labels-idx1-ubyte.gz"] = b"\0\0\x08\x01" + sizes[:4] + labels.tobytes()
    return contents


_CONTENTS: Final = _contents()
FILES: Final = {name: gzip.compress(content, mtime=0) for name, content in _CONTENTS.items()}
"""What the server has, by name; the same in every process."""


def known(mirror: str) -> KnownDataset:
    """Return what is known of the data set where that mirror alone has it."""

    def file(name: str) -> KnownFile:
        digest = hashlib.sha256(FILES[name]).hexdigest()
        return KnownFile(name, len(FILES[name]), digest, len(_CONTENTS[name]))

    splits = {
        part: KnownSplit(
            count, file(f"{part}-images-idx3-ubyte.gz"), file(f"{part}-labels-idx1-ubyte.gz")
        )
        for part, count in _COUNTS.items()
    }
    return dataclasses.replace(
        DATASETS[NAME],
        train=splits["train"],
        test=splits["t10k"],
        mirrors=(mirror,),
        system_folders=(),
        torchvision="",
    )


@contextlib.contextmanager
def serving() -> Iterator[tuple[str, str]]:
    """Serve the files; yields the addresses of a slow mirror and of a quick one."""

    def slowly(request: Request) -> None:
        body = FILES[PurePosixPath(request.path).name]
        begin = request.offset()
        request.serve(body, until=begin)
        for start in range(begin, len(body), _CHUNK):
            time.sleep(_SECONDS_BETWEEN_CHUNKS)
            request.wfile.write(body[start : start + _CHUNK])

    def quickly(request: Request) -> None:
        request.serve(FILES[PurePosixPath(request.path).name])

    with running() as server:
        for name in FILES:
            server.on(f"/slow/{name}", slowly)
            server.on(f"/quick/{name}", quickly)
        yield f"{server.url}/slow/", f"{server.url}/quick/"
