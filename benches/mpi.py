"""What processes that share a training gain: images per second by ranks and batch size.

    .venv/bin/python benches/mpi.py [ROUNDS]

Each row is a batch size with the book's network on MNIST: one process with one thread and with two,
and two ranks with a thread each. The runs take turns; a figure is the median over the rounds of the
median step. The last column is an all-reduce of the network's gradients alone, between two ranks.
"""

import json
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

import numpy

import mnistburn as mb

BATCH_SIZES = (64, 256, 1024, 4096)
STEPS = 24


def rank(batch_size: int, threads: int) -> None:
    """Train some steps as one rank; rank 0 prints the median seconds of a step, and of a sum."""
    from mpi4py import MPI  # noqa: PLC0415  the process that starts ranks is none

    world = MPI.COMM_WORLD
    images = min(batch_size * STEPS, 60_000)
    train = mb.datasets.load("mnist", "train")[:images]
    epochs = -(-STEPS * batch_size // images)
    config = mb.TrainingConfig(
        model=mb.ModelConfig(), batch_size=batch_size, num_epochs=epochs, threads=threads
    )
    valid = mb.datasets.load("mnist", "test")[:64]
    with tempfile.TemporaryDirectory() as path:
        run = mb.train(
            f"{path}/run",
            config,
            "cpu",
            data=(train, valid),
            progress=False,
            distributed="mpi" if world.Get_size() > 1 else None,
        )
    length = sum(array.size for array in run.model.state_dict().values())
    values, sums = numpy.ones(length, numpy.float32), []
    for _ in range(50):
        world.Barrier()
        start = time.perf_counter()
        world.Allreduce(MPI.IN_PLACE, values)
        sums.append(time.perf_counter() - start)
        values[:] = 1
    if world.Get_rank() == 0:
        # The first steps find cold caches.
        steps = run.history.train_steps["seconds"][4:]
        print(json.dumps([statistics.median(steps), statistics.median(sums)]))


def measured(ranks: int, batch_size: int, threads: int) -> tuple[float, float]:
    """Return the seconds of a step, and of a sum of gradients."""
    mpiexec = Path(sysconfig.get_path("scripts")) / "mpiexec"
    command = [str(mpiexec), "-n", str(ranks), sys.executable, __file__, "rank"]
    done = subprocess.run(  # noqa: S603  this script itself
        [*command, str(batch_size), str(threads)], stdout=subprocess.PIPE, check=True, text=True
    )
    step, summed = json.loads(done.stdout.splitlines()[-1])
    return step, summed


def main() -> None:
    """Print the table."""
    if sys.argv[1:2] == ["rank"]:
        rank(int(sys.argv[2]), int(sys.argv[3]))
        return
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    print("batch  1 rank, 1 thread  1 rank, 2 threads  2 ranks, 1 thread each  all-reduce, ms")
    for batch_size in BATCH_SIZES:
        seen: dict[tuple[int, int], list[tuple[float, float]]] = {}
        for _ in range(rounds):
            for place in ((1, 1), (1, 2), (2, 1)):
                ranks, threads = place
                seen.setdefault(place, []).append(measured(ranks, batch_size, threads))
        steps = {place: statistics.median(step for step, _ in all_) for place, all_ in seen.items()}
        summed = statistics.median(summed for _, summed in seen[2, 1])
        one, two, ranks_ = (batch_size / steps[place] for place in ((1, 1), (1, 2), (2, 1)))
        print(
            f"{batch_size:5}  {one:16,.0f}  {two:17,.0f}  {ranks_:22,.0f}  {summed * 1e3:14.2f}",
            flush=True,
        )


if __name__ == "__main__":
    main()
