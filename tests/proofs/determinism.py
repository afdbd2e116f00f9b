"""Results depend on the seed, not on how the work is divided."""

import hashlib
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy

import mnistburn
from mnistburn import Model
from proofs.row import Attempt, Outcome, Row, tried
from proofs.runs import CONFIGS, config, data, digest

__all__ = ["ROWS"]

THREADS = (1, 2, 4, 8)
WORKERS = (0, 1, 2, 4)
KERNELS = ("portable", "avx2", "avx512", "burn")
BATCHES = (1, 2, 63, 64, 65, 1000)

SCRIPT = """
import sys
from pathlib import Path
import mnistburn
from proofs.runs import config, data, digest
directory, name, threads = sys.argv[1:]
given = config(name, threads=int(threads))
mnistburn.train(directory, given, "cpu", data=data(), progress=False)
print(digest(Path(directory)))
"""


def _trained(directory: Path, name: str, **changes: object) -> str:
    given = config(name, checkpoint_every=None, **changes)
    mnistburn.train(directory, given, "cpu", data=data(), progress=False)
    return digest(directory)


def _expected(found: Iterable[tuple[str, str]], what: str, name: str, value: str) -> str | None:
    first = dict(found)[name]
    return None if value == first else f"{name}, {what}: {value} in place of {first}"


def divided_in_any_way(count: int, work: Path) -> Outcome:
    """Train with any number of threads and of workers, again and again."""
    solo = {name: _trained(work / f"solo-{name}", name) for name in CONFIGS}

    def attempt(number: int, name: str, threads: int, workers: int) -> str | None:
        value = _trained(work / str(number), name, threads=threads, num_workers=workers)
        return _expected(solo.items(), f"{threads} threads, {workers} workers", name, value)

    cases = itertools.cycle(itertools.product(CONFIGS, THREADS, WORKERS))
    attempts = [partial(attempt, number, *next(cases)) for number in range(count)]
    return tried(attempts, processes=1)


def at_once(count: int, work: Path) -> Outcome:
    """Train two and four times at once in threads of one process."""
    solo = {name: _trained(work / f"solo-{name}", name) for name in CONFIGS}

    def attempt(number: int, together: int) -> str | None:
        names = list(itertools.islice(itertools.cycle(CONFIGS), together))
        places = [work / f"{number}-{place}" for place in range(together)]
        with ThreadPoolExecutor(together) as pool:
            values = list(pool.map(_trained, places, names))
        answers = (
            _expected(solo.items(), f"{together} at once", name, value)
            for name, value in zip(names, values, strict=True)
        )
        return next((answer for answer in answers if answer), None)

    attempts = [partial(attempt, number, (2, 4)[number % 2]) for number in range(count)]
    return tried(attempts, processes=1)


def at_each_instruction_set(count: int, work: Path) -> Outcome:
    """Train with each instruction set that this processor has, with one and with two threads."""
    found: dict[tuple[str, str], str] = {}

    def attempt(number: int, kernels: str, name: str) -> str | None:
        words = [sys.executable, "-c", SCRIPT, str(work / str(number)), name, str(1 + number % 2)]
        environment = os.environ | {"MNISTBURN_KERNELS": kernels}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        value = done.stdout.strip()
        first = found.setdefault((kernels, name), value)
        return None if value == first else f"{kernels}, {name}: {value} in place of {first}"

    cases = [(kernels, name) for name in CONFIGS for kernels in KERNELS if _has(kernels)]
    attempts: list[Attempt] = [
        partial(attempt, number, *cases[number // 2 % len(cases)]) for number in range(count)
    ]
    outcome = tried(attempts, processes=1)
    hashes = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:12]
    names = sorted({kernels for kernels, _ in found})
    return Outcome(outcome.done, outcome.faults, f"{', '.join(names)}; all together {hashes}")


def _has(kernels: str) -> bool:
    """Whether this processor has an instruction set: asked for one that it lacks, none is used."""
    words = [sys.executable, "-c", "import mnistburn; mnistburn.Model(mnistburn.ModelConfig())"]
    environment = os.environ | {"MNISTBURN_KERNELS": kernels}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    return done.returncode == 0


def in_any_batch(count: int, work: Path) -> Outcome:
    """Predict images alone and in batches of any size."""
    del work
    images = data()[0].images[:1000]
    choice = numpy.random.default_rng(1)
    models = [Model(config(name).model, seed=3) for name in CONFIGS]

    def attempt(model: Model, size: int) -> str | None:
        chosen = images[choice.permutation(len(images))[:size]]
        together = model.forward(chosen)
        alone = numpy.concatenate([model.forward(image[None]) for image in chosen])
        return None if together.tobytes() == alone.tobytes() else f"{size} images"

    cases = itertools.cycle(itertools.product(models, BATCHES))
    return tried([partial(attempt, *next(cases)) for _ in range(count)], processes=1)


ROWS = (
    Row(
        "division",
        "a training has the same bits with 1, 2, 4 and 8 threads and 0, 1, 2 and 4 workers",
        4 * len(THREADS) * len(WORKERS) * 5,
        divided_in_any_way,
    ),
    Row("at-once", "two and four trainings at once have the bits of each alone", 40, at_once),
    Row(
        "instruction-sets",
        "each instruction set has the same bits in every process, with one thread and two",
        64,
        at_each_instruction_set,
    ),
    Row("batches", "an image has the same logits alone and in any batch", 240, in_any_batch),
)
