"""The process of a peer: ``python -m mnistburn.bench.runner MODULE TASK``."""

import importlib
import json
import os
import sys
from dataclasses import asdict

from mnistburn.bench.tasks import Task


def main() -> None:
    """Prepare the peer, then answer each line of standard input with a measurement."""
    # Libraries that print do not get between the answers.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    module, text = sys.argv[1:]
    task = Task.from_json(text)
    # Before the peer is loaded: libraries count the processors, and threads inherit the choice.
    if task.cores and sys.platform == "linux":
        os.sched_setaffinity(0, task.cores)

    def answer(content: dict[str, object]) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    prepared = importlib.import_module(module).prepare(task)
    answer({"version": prepared.version, "settings": prepared.settings})
    for _ in sys.stdin:
        answer(asdict(prepared.measure()))


if __name__ == "__main__":
    main()
