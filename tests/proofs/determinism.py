"""Results depend on the seed, not on how the work is divided."""

import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import numpy

import mnistburn
from mnistburn import Model
from proofs.row import Outcome, Row, tried
from proofs.runs import digest
from proofs.trainings import TRAININGS, data, network, training

__all__ = ["ROWS", "trained"]

THREADS = (1, 2, 4, 8)
WORKERS = (0, 1, 2, 4)
KERNELS = ("portable", "avx2", "avx512", "burn")
BATCHES = (1, 2, 63, 64, 65, 1000)

SCRIPT = """
import sys
from pathlib import Path
from proofs.determinism import trained
directory, threads, names = sys.argv[1:]
for number, name in enumerate(names.split("|")):
    print(trained(Path(directory, str(number)), name, threads=int(threads)))
"""


def trained(directory: Path, name: str, **changes: object) -> str:
    """Train one of `TRAININGS`, and return the digest of the run."""
    pair = data(network(name).image_channels)
    mnistburn.train(directory, training(name, **changes), "cpu", data=pair, progress=False)
    value = digest(directory)
    shutil.rmtree(directory)
    return value


def _expected(found: Mapping[str, str], what: str, name: str, value: str) -> str | None:
    return None if value == found[name] else f"{name}, {what}: {value} in place of {found[name]}"


def divided_in_any_way(count: int, work: Path) -> Outcome:
    """Train with any number of threads and of workers, again and again."""
    solo = {name: trained(work / "solo", name) for name in TRAININGS}

    def attempt(name: str, threads: int, workers: int) -> str | None:
        value = trained(work / "divided", name, threads=threads, num_workers=workers)
        return _expected(solo, f"{threads} threads, {workers} workers", name, value)

    cases = itertools.cycle(itertools.product(THREADS, WORKERS, TRAININGS))
    attempts = [
        partial(attempt, name, threads, workers)
        for threads, workers, name in itertools.islice(cases, count)
    ]
    figures = f"{len(TRAININGS)} trainings"
    return tried(attempts, processes=1, figures=figures)


def at_once(count: int, work: Path) -> Outcome:
    """Train two and four times at once in threads of one process."""
    solo = {name: trained(work / "solo", name) for name in TRAININGS}
    names = itertools.cycle(TRAININGS)

    def attempt(together: int) -> str | None:
        chosen = list(itertools.islice(names, together))
        places = [work / str(place) for place in range(together)]
        with ThreadPoolExecutor(together) as pool:
            values = list(pool.map(trained, places, chosen))
        answers = (
            _expected(solo, f"{together} at once", name, value)
            for name, value in zip(chosen, values, strict=True)
        )
        return next((answer for answer in answers if answer), None)

    return tried([partial(attempt, (2, 4)[number % 2]) for number in range(count)], processes=1)


def at_each_instruction_set(count: int, work: Path) -> Outcome:
    """Train with each instruction set that this processor has, with one thread and with two."""
    sets = [kernels for kernels in KERNELS if _has(kernels)]
    names = list(TRAININGS)[: max(1, count // (len(sets) * 2))]
    found: dict[str, dict[str, str]] = {}

    def process(kernels: str, threads: int) -> list[str]:
        words = [sys.executable, "-c", SCRIPT, str(work / kernels), str(threads), "|".join(names)]
        environment = os.environ | {"MNISTBURN_KERNELS": kernels}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    faults: list[str] = []
    for kernels, threads in itertools.product(sets, (1, 2)):
        values = dict(zip(names, process(kernels, threads), strict=True))
        first = found.setdefault(kernels, values)
        answers = (
            _expected(first, f"{kernels}, {threads} threads", name, value)
            for name, value in values.items()
        )
        faults += [answer for answer in answers if answer]
    hashes = hashlib.sha256(repr(sorted(found.items())).encode()).hexdigest()[:12]
    figures = f"{', '.join(sorted(found))}; all together {hashes}"
    return Outcome(len(names) * len(sets) * 2, tuple(faults), figures)


def _has(kernels: str) -> bool:
    """Whether this processor has an instruction set: asked for one that it lacks, none is used."""
    words = [sys.executable, "-c", "import mnistburn; mnistburn.Model(mnistburn.ModelConfig())"]
    environment = os.environ | {"MNISTBURN_KERNELS": kernels}
    done = subprocess.run(words, env=environment, capture_output=True, check=False)
    return done.returncode == 0


def in_any_batch(count: int, work: Path) -> Outcome:
    """Predict images alone and in batches of any size."""
    del work
    choice = numpy.random.default_rng(1)
    networks = dict.fromkeys(network(name) for name in TRAININGS)
    models = [Model(config, seed=3) for config in networks]

    def attempt(model: Model, size: int) -> str | None:
        images = data(model.config.image_channels)[0].images
        chosen = images[choice.integers(len(images), size=size)]
        together = model.forward(chosen)
        alone = numpy.concatenate([model.forward(image[None]) for image in chosen])
        return None if together.tobytes() == alone.tobytes() else f"{model.config}, {size} images"

    cases = itertools.cycle(itertools.product(models, BATCHES))
    attempts = [partial(attempt, *next(cases)) for _ in range(count)]
    return tried(attempts, processes=1, figures=f"{len(models)} networks")


ROWS = (
    Row(
        "division",
        "a training of each network, optimizer, schedule, loss and augmentation has the same bits "
        "with 1, 2, 4 and 8 threads and 0, 1, 2 and 4 workers, five times each",
        len(TRAININGS) * len(THREADS) * len(WORKERS) * 5,
        divided_in_any_way,
    ),
    Row("at-once", "two and four trainings at once have the bits of each alone", 48, at_once),
    Row(
        "instruction-sets",
        "at each instruction set they have the same bits in every process, with one thread and two",
        len(TRAININGS) * len(KERNELS) * 2,
        at_each_instruction_set,
    ),
    Row("batches", "an image has the same logits alone and in any batch", 240, in_any_batch),
)
