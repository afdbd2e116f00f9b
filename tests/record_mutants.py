"""Loads damaged model files and says how it went.

Called as ``python record_mutants.py RECORDER PRECISION COUNT SEED DIRECTORY``: a process of its
own, so that a test survives what it watches for.
"""

import gzip
import json
import random
import re
import sys
import time
from pathlib import Path
from typing import cast

from mnistburn import Model, ModelConfig
from mnistburn.errors import RecordError
from mnistburn.model import Precision, Recorder

# Lengths, numbers and lists that go on for ever: bincode's, MessagePack's and JSON's.
EXTREMES = [
    b"\xfb\xff\xff",
    b"\xfc\xff\xff\xff\x7f",
    b"\xfd" + b"\xff" * 8,
    b"\xfd\0\0\0\0\0\1\0\0",
    b"\xc6\xff\xff\xff\xff",
    b"\xdb\x7f\xff\xff\xff",
    b"\xdd\xff\xff\xff\xff",
    b"\xdf\xff\xff\xff\xff",
    b"99999999999999999999",
    b"1e400",
    b"-1",
    b"null",
    b"[" * 20_000,
    b"\x91" * 20_000,
    b"\x01" * 20_000,
]
NAMES = [b"metadata", b"item", b"conv1", b"linear2", b"weight", b"bias", b"param", b"id", b"pool"]
NAMES += [b"bytes", b"shape", b"dtype", b"F16", b"f16", b"0.21.0", b"activation"]
OTHERS = [
    b"conv3",
    b"conv2",
    b"F64",
    b"I32",
    b"BF16",
    b"f64",
    b"0.16.1",
    b"9.99.9",
    b"",
    b"x" * 300,
]


class Mutants:
    """Damaged forms of one file, the same for the same seed."""

    def __init__(self, file: bytes, seed: int, payloads: list[bytes]) -> None:
        """Find where in the file the tensors' bytes are, and where all else is."""
        self.compressed = file.startswith(b"\x1f\x8b")
        self.file = file
        self.content = gzip.decompress(file) if self.compressed else file
        self.random = random.Random(seed)  # noqa: S311  no secret is made of it
        self.payloads = [self._range(payload) for payload in payloads]
        inside = {place for start, end in self.payloads for place in range(start, end)}
        self.frame = [place for place in range(len(self.content)) if place not in inside]
        zeros = gzip.compress(bytes(1 << 24))
        start = self.content[: self.payloads[4][0]]
        self.bomb = gzip.compress(start) + zeros * 100

    def _range(self, payload: bytes) -> tuple[int, int]:
        start = self.content.find(payload)
        if start >= 0:
            return start, start + len(payload)
        numbers = rb"\s*,\s*".join(b"%d" % byte for byte in payload[:32])
        found = re.search(rb"\[\s*" + numbers, self.content)
        assert found, "the numbers must be in the file"
        return found.start() + 1, self.content.index(b"]", found.start())

    def draw(self) -> bytes:
        """Return the next one."""
        if self.compressed and self.random.random() < 0.003:
            return self.bomb
        if self.compressed and self.random.random() < 0.4:
            data = bytearray(self.file)
            self.random.choice([self.flip, self.truncate, self.splice, self.extreme])(
                data, range(len(data))
            )
            return bytes(data)
        data = bytearray(self.content)
        for _ in range(self.random.randint(1, 3)):
            kinds = [self.flip, self.truncate, self.splice, self.extreme, self.rename, self.fill]
            self.random.choice(kinds)(data, self.frame)
        return gzip.compress(data, 1) if self.compressed else bytes(data)

    def _place(self, data: bytearray, places: "range | list[int]") -> int:
        return min(self.random.choice(places), max(len(data) - 1, 0))

    def flip(self, data: bytearray, places: "range | list[int]") -> None:
        """Change bits of some bytes."""
        for _ in range(self.random.randint(1, 4)):
            if data:
                data[self._place(data, places)] ^= 1 << self.random.randrange(8)

    def truncate(self, data: bytearray, places: "range | list[int]") -> None:
        """Leave out the end."""
        del data[self._place(data, places) :]

    def splice(self, data: bytearray, places: "range | list[int]") -> None:
        """Put a piece of the file in another place, or leave one out."""
        start, target = self._place(data, places), self._place(data, places)
        piece = data[start : start + self.random.randint(0, 200)]
        data[target : target + self.random.choice([0, len(piece), 1, 50])] = piece

    def extreme(self, data: bytearray, places: "range | list[int]") -> None:
        """Write a length or a number that no file has, over another or before it."""
        value, place = self.random.choice(EXTREMES), self._place(data, places)
        data[place : place + self.random.choice([0, 1, len(value)])] = value

    def rename(self, data: bytearray, _places: "range | list[int]") -> None:
        """Write another name, number type or version in the place of one."""
        name, other = self.random.choice(NAMES), self.random.choice(NAMES + OTHERS)
        count = data.count(name)
        place = -1
        for _ in range(self.random.randint(1, count) if count else 0):
            place = data.find(name, place + 1)
        if place >= 0:
            data[place : place + len(name)] = other

    def fill(self, data: bytearray, _places: "range | list[int]") -> None:
        """Make all numbers of a tensor the same: NaN, or something else."""
        start, end = self.random.choice(self.payloads)
        piece = bytes(data[start:end])
        if b"," in piece:
            data[start:end] = re.sub(rb"\d+", b"255", piece)
        else:
            data[start:end] = self.random.choice([b"\xff", b"\0"]) * len(piece)


def memory(name: str) -> int:
    """Return a line of the process's state, in bytes."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.split(name + ":")[1].split()[0])


DTYPES: dict[Precision, str] = {"half": "<f2", "full": "<f4", "double": "<f8"}


def main(recorder: Recorder, precision: Precision, count: int, seed: int, directory: Path) -> None:
    """Print what was read and refused, the worst time and memory, and what must not be."""
    model = Model(ModelConfig(hidden_size=2, num_classes=3), seed=1)
    whole = model.save(directory / "whole", recorder, precision)
    state = model.state_dict()
    payloads = [values.astype(DTYPES[precision]).tobytes() for values in state.values()]
    mutants = Mutants(whole.read_bytes(), seed, payloads)
    result = {"read": 0, "refused": 0, "seconds": 0.0, "bytes": 0}
    faults = []
    for number in range(count):
        path = directory / f"mutant-{number}{''.join(whole.suffixes)}"
        path.write_bytes(mutants.draw())
        Path("/proc/self/clear_refs").write_text("5")
        before, start = memory("VmRSS"), time.process_time()
        try:
            assert Model.load(path).config.num_classes >= 2
            result["read"] += 1
        except RecordError as error:
            result["refused"] += 1
            text = str(error)
            if path.name not in text or not re.search("must|expected", text) or "panic" in text:
                faults.append(text)
        except BaseException as error:  # noqa: BLE001  anything else is what is looked for
            faults.append(repr(error))
        result["seconds"] = max(result["seconds"], time.process_time() - start)
        result["bytes"] = max(result["bytes"], memory("VmHWM") - before)
        path.unlink()
    print(json.dumps({**result, "faults": faults[:5]}))  # noqa: T201  the answer


if __name__ == "__main__":
    main(  # the caller's words
        cast("Recorder", sys.argv[1]),
        cast("Precision", sys.argv[2]),
        int(sys.argv[3]),
        int(sys.argv[4]),
        Path(sys.argv[5]),
    )
