"""Training that several processes share, joined by MPI.

Each process is a rank and computes its share of every batch; the gradients are summed over all
ranks, which take the same step. `mnistburn.train` has the argument ``distributed`` for it:

    mpiexec -n 4 python -c 'import mnistburn; mnistburn.train("run", distributed="mpi")'

Example:
    >>> from mnistburn.distributed import Mpi
    >>> Mpi(parts=8)
    Mpi(parts=8)
"""

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from mnistburn import _native
from mnistburn.arguments import as_integer, shown
from mnistburn.errors import ConfigError

__all__ = ["Distributed", "Mpi", "Ranks", "as_ranks"]

LARGEST_NUMBER_OF_PARTS: Final = 65_536

# Where launchers say how many processes they started together, and what each needs to be told.
_LAUNCHERS: Final = (
    ("OMPI_COMM_WORLD_SIZE", "Open MPI's mpiexec", ""),
    ("PMI_SIZE", "MPICH's or Intel's mpiexec", ""),
    ("MV2_COMM_WORLD_SIZE", "MVAPICH's mpiexec", ""),
    ("SLURM_STEP_NUM_TASKS", "srun", "pass srun --mpi=pmi2 for MPICH, "),
)


@dataclass(frozen=True, slots=True)
class Mpi:
    """How the processes that MPI started share a training.

    Attributes:
        parts: Cut each batch into so many parts, a multiple of the number of ranks, and sum their
            gradients in order: then any number of ranks gives the same bits. None cuts it into one
            part for each rank, and leaves the sum to MPI, which is faster: then equal bits are
            promised for the same number of ranks, and others differ by rounding.
        communicator: An mpi4py communicator; None stands for ``MPI.COMM_WORLD``.
    """

    parts: int | None = None
    communicator: Any = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.parts is not None:
            parts = as_integer(
                self.parts, "parts", ConfigError, minimum=1, maximum=LARGEST_NUMBER_OF_PARTS
            )
            object.__setattr__(self, "parts", parts)


class Ranks:
    """The processes of one training.

    Attributes:
        rank: The number of this one, from 0.
        native: What the trainer takes.
    """

    def __init__(self, settings: Mpi) -> None:
        """Find the ranks.

        Args:
            settings: How they share the training.

        Raises:
            ConfigError: mpi4py is missing, MPI does not know all processes that were started
                together, or parts is no multiple of the number of ranks.
        """
        try:
            from mpi4py import MPI  # noqa: PLC0415  an extra, and MPI begins when it is imported
        except ImportError as error:
            message = (
                f'distributed="mpi" needs mpi4py and an MPI library, and {error}; install both '
                "with pip install 'mnistburn[mpi]'"
            )
            raise ConfigError(message) from None
        world = settings.communicator
        if world is None:
            world = MPI.COMM_WORLD
            _check_launcher(world.Get_size())
        elif not isinstance(world, MPI.Intracomm):
            message = f"communicator must be an intracommunicator of mpi4py, got {shown(world)}"
            raise ConfigError(message)
        if MPI.Query_thread() < MPI.THREAD_SERIALIZED:
            message = (
                "MPI must allow calls from several threads, and was initialised without; leave "
                "mpi4py.rc.thread_level as it is"
            )
            raise ConfigError(message)
        # One of its own: no message of the caller comes between.
        self._communicator = world.Dup()
        self._in_place = MPI.IN_PLACE
        self._float = MPI.FLOAT
        self.rank: int = world.Get_rank()
        self.native = _native.Ranks(
            self, self.rank, world.Get_size(), settings.parts, self._threads(MPI.COMM_TYPE_SHARED)
        )

    def all_reduce(self, values: memoryview) -> None:
        """Sum float32 numbers over all ranks, in place."""
        self._communicator.Allreduce(self._in_place, [values, self._float])

    def all_gather(self, content: bytes) -> list[bytes]:
        """Return the bytes of all ranks, in their order."""
        gathered: list[bytes] = self._communicator.allgather(content)
        return gathered

    @contextmanager
    def directory(self, artifact_dir: Path, *, resume: bool) -> Iterator[Path]:
        """Give the directory that this rank trains in: the run's own on rank 0, else a scratch one.

        Args:
            artifact_dir: The directory of the run. Ranks on other machines need not see it.
            resume: Whether the others get a copy of what is in it.
        """
        import tarfile  # noqa: PLC0415  few trainings are shared
        import tempfile  # noqa: PLC0415

        is_first = self.rank == 0
        content = None
        if resume:
            content = self._communicator.bcast(_packed(artifact_dir) if is_first else None)
        if is_first:
            yield artifact_dir
            return
        with tempfile.TemporaryDirectory(prefix="mnistburn-rank-") as scratch:
            own = Path(scratch) / "run"
            if content is not None:
                with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                    archive.extractall(own, filter="data")
            yield own

    @contextmanager
    def together(self) -> Iterator[None]:
        """Wait for all ranks at the end; where one of them fails, all do."""
        try:
            yield
        except BaseException as error:
            # It is this error that counts.
            with suppress(Exception):
                self.native.settle(f"{type(error).__name__}: {error}")
            raise
        self.native.settle(None)

    def close(self) -> None:
        """Free the communicator."""
        self._communicator.Free()

    def _threads(self, shared: int) -> int:
        """Return the share of this rank in the processors of its machine."""
        node = self._communicator.Split_type(shared)
        own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else {-1}
        sharers = sum(not own.isdisjoint(other) for other in node.allgather(own))
        node.Free()
        number = len(own) if -1 not in own else os.cpu_count() or 1
        return max(1, number // sharers)


Distributed: TypeAlias = Literal["mpi"] | Mpi | Ranks
"""How a training is shared: by all that MPI started, the same with settings, or ranks that have met
already."""


def as_ranks(distributed: object) -> Ranks | None:
    """Return the ranks of a training, or None where it has this process alone.

    Args:
        distributed: ``"mpi"``, an `Mpi`, ranks that have met, or None.

    Returns:
        The ranks.

    Raises:
        ConfigError: The argument is something else, or MPI cannot be used.
    """
    match distributed:
        case None | Ranks():
            return distributed
        case Mpi():
            return Ranks(distributed)
        case "mpi":
            return Ranks(Mpi())
    message = f'distributed must be "mpi", an Mpi or None, got {shown(distributed)}'
    raise ConfigError(message)


def _check_launcher(size: int) -> None:
    """Refuse where a launcher started processes that this MPI does not know of."""
    for variable, launcher, way_out in _LAUNCHERS:
        number = os.environ.get(variable, "")
        if number.isdecimal() and int(number) > 1 and size == 1:
            message = (
                f"{launcher} started {number} processes ({variable}), and mpi4py finds this one "
                "alone: each would train by itself. It uses another MPI library than the launcher; "
                f"{way_out}start the program with the mpiexec of that library (the one that "
                "pip install 'mnistburn[mpi]' puts beside python), or build mpi4py against yours: "
                "pip install --force-reinstall --no-binary mpi4py mpi4py"
            )
            raise ConfigError(message)


def _packed(directory: Path) -> bytes | None:
    """Return the files of a run as an archive, or None where they can't be read."""
    import tarfile  # noqa: PLC0415  few trainings are shared

    content = io.BytesIO()
    try:
        with tarfile.open(fileobj=content, mode="w") as archive:
            for name in _native.run_files():
                if (directory / name).exists():
                    archive.add(directory / name, arcname=name)
    except OSError:
        # This rank tells of it when it reads them itself.
        return None
    return content.getvalue()
