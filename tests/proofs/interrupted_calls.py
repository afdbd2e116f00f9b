"""One long call again and again, in a process of its own: ``KIND DIRECTORY SLOW QUICK``.

The process says when a call begins, and what came of it. It goes on with a line on standard input,
and then checks what the call has left before the next one begins.
"""

import hashlib
import os
import shutil
import signal
import sys
from collections.abc import Callable
from pathlib import Path

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig
from mnistburn.datasets.registry import DATASETS
from proofs import slow_mirror

__all__ = ["CALLS"]

CALLS = ("train", "evaluate", "predict", "from_folder", "describe", "download", "report")
"""What is called."""


class _Training:
    """Trains for two epochs."""

    def __init__(self, work: Path, images: Dataset) -> None:
        self._directory = work / "run"
        self._pair = (images[:20_000], images[:500])
        self._config = TrainingConfig(model=ModelConfig(hidden_size=16), num_epochs=2)

    def __call__(self) -> None:
        run = mnistburn.train(self._directory, self._config, "cpu", data=self._pair, progress=False)
        if run.interrupted:
            raise KeyboardInterrupt


class _Download:
    """Fetches four files from a slow server."""

    def __init__(self, work: Path, slow: str, quick: str) -> None:
        self._cache = work / "cache"
        os.environ["MNISTBURN_DATA_DIR"] = str(self._cache)
        for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
            os.environ.pop(name, None)
            os.environ.pop(name.upper(), None)
        self._slow = slow_mirror.known(slow)
        self._quick = slow_mirror.known(quick)

    def __call__(self) -> None:
        DATASETS[slow_mirror.NAME] = self._slow
        mnistburn.datasets.fetch(slow_mirror.NAME, progress=False)

    def check(self, *, done: bool) -> None:
        """What has come is right, and the next download brings the rest."""
        folder = self._cache / slow_mirror.NAME
        there = {path.name: path.read_bytes() for path in folder.glob("*")}
        there.pop(".lock", None)
        whole = {name for name, content in there.items() if slow_mirror.FILES.get(name) == content}
        for name in there.keys() - whole:
            begun = slow_mirror.FILES.get(name.removesuffix(".part"), b"")
            assert name.endswith(".part"), f"{name} is torn"
            assert begun.startswith(there[name]), f"{name} has other bytes"
        assert not done or whole == slow_mirror.FILES.keys(), "a whole download left files out"
        DATASETS[slow_mirror.NAME] = self._quick
        mnistburn.datasets.fetch(slow_mirror.NAME, progress=False)
        names = {path.name for path in folder.iterdir()} - {".lock"}
        assert names == slow_mirror.FILES.keys(), f"after the next download there are {names}"
        assert len(mnistburn.datasets.load(slow_mirror.NAME)) == self._quick.train.count
        shutil.rmtree(self._cache)


class _Report:
    """Writes a report over one of other images."""

    def __init__(self, work: Path, images: Dataset) -> None:
        pair = (images[:1000], images[:200])
        config = TrainingConfig(model=ModelConfig(hidden_size=16), num_epochs=2)
        self._run = mnistburn.train(work / "reported", config, "cpu", data=pair, progress=False)
        self._page = work / "pages" / "page.html"
        self._page.parent.mkdir()
        self._many, self._few = images[:15_000], images[1000:1100]
        self._new = self._written(self._many)
        self._old = self._written(self._few)

    def _written(self, images: Dataset) -> str:
        self._run.report(self._page, data=images)
        return hashlib.sha256(self._page.read_bytes()).hexdigest()

    def __call__(self) -> None:
        self._run.report(self._page, data=self._many)

    def check(self, *, done: bool) -> None:
        """The older report or the new one is there, whole and alone; the next one is right."""
        names = [path.name for path in self._page.parent.iterdir()]
        assert names == ["page.html"], f"there are {names}"
        found = hashlib.sha256(self._page.read_bytes()).hexdigest()
        expected = (self._new,) if done else (self._old, self._new)
        assert found in expected, "the report is torn"
        assert self._written(self._few) == self._old, "the next report is another"


def _call(kind: str, work: Path, slow: str, quick: str) -> Callable[[], object]:
    images = mnistburn.datasets.load("mnist", "train")
    model = Model(ModelConfig(), seed=1)
    calls: dict[str, Callable[[], Callable[[], object]]] = {
        "train": lambda: _Training(work, images),
        "evaluate": lambda: lambda: model.evaluate(images),
        "predict": lambda: lambda: model.predict(images.images),
        "from_folder": lambda: lambda: Dataset.from_folder(work / "pictures", progress=False),
        "describe": lambda: lambda: Dataset.from_numpy(images.images, images.targets).describe(),
        "download": lambda: _Download(work, slow, quick),
        "report": lambda: _Report(work, images),
    }
    return calls[kind]()


def _repeat(call: Callable[[], object]) -> None:
    images = mnistburn.datasets.load("mnist", "test").images[:3]
    model = Model(ModelConfig(), seed=1)
    while True:
        done = False
        try:
            print("begin", flush=True)  # noqa: T201  the proof reads it
            call()
            done = True
            print("done", flush=True)  # noqa: T201
            more = sys.stdin.readline()
        except KeyboardInterrupt:
            print("interrupted", flush=True)  # noqa: T201
            more = sys.stdin.readline()
        if not more:
            return
        assert len(model.predict(images)) == len(images)
        if isinstance(call, _Download | _Report):
            call.check(done=done)


def _main(kind: str, work: str, slow: str, quick: str) -> None:
    # A process in the background of a shell ignores Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _repeat(_call(kind, Path(work), slow, quick))


if __name__ == "__main__":
    _main(*sys.argv[1:])
