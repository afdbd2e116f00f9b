"""Who is compared: mnistburn, Burn's own operations, PyTorch, JAX and onnxruntime."""

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from mnistburn.arguments import nearest
from mnistburn.bench.tasks import SECTIONS, Section
from mnistburn.errors import ConfigError


@dataclass(frozen=True)
class Peer:
    """What can be measured.

    Attributes:
        name: The name to choose it by.
        title: The name in the table.
        module: The module whose ``prepare`` makes it ready.
        needs: The modules that it takes, which are also the names to install them by.
        sections: What it can do.
        environment: What is set in the environment of its process.
        variants: What may be set there besides; what is fastest with several threads is taken.
    """

    name: str
    title: str
    module: str
    needs: tuple[str, ...] = ()
    sections: tuple[Section, ...] = SECTIONS
    environment: Mapping[str, str] = field(default_factory=dict)
    variants: Sequence[Mapping[str, str]] = ({},)

    def missing(self) -> str | None:
        """Return how to install what is missing, or None when nothing is."""
        if all(importlib.util.find_spec(module) for module in self.needs):
            return None
        return f"not installed: pip install {' '.join(self.needs)}"


OURS: Final = Peer("mnistburn", "mnistburn", "mnistburn.bench.ours")

PEERS: Final = (
    OURS,
    Peer(
        "stock",
        "mnistburn, Burn's operations",
        "mnistburn.bench.ours",
        environment={"MNISTBURN_KERNELS": "burn"},
    ),
    Peer(
        "pytorch",
        "PyTorch",
        "mnistburn.bench.pytorch",
        needs=("torch",),
        # Threads that spin while they wait are faster where every core is free, and several times
        # slower where one is not.
        variants=({}, {"OMP_WAIT_POLICY": "passive"}),
    ),
    Peer(
        "jax",
        "JAX",
        "mnistburn.bench.jax_xla",
        needs=("jax",),
        environment={"JAX_PLATFORMS": "cpu"},
    ),
    Peer(
        "onnxruntime",
        "onnxruntime",
        "mnistburn.bench.onnx_runtime",
        needs=("onnxruntime", "onnx"),
        sections=("inference",),
    ),
)


def chosen_peers(names: Sequence[str]) -> list[Peer]:
    """Return mnistburn and the peers of these names.

    Args:
        names: The names; none stands for all.

    Returns:
        The peers, in the order in which they are measured.

    Raises:
        ConfigError: There is no such peer.
    """
    known = [peer.name for peer in PEERS]
    for name in names:
        if name not in known:
            message = f"there is no peer {name!r}; the peers are {', '.join(known)}"
            raise ConfigError(message + nearest(name, known))
    return [peer for peer in PEERS if peer is OURS or not names or peer.name in names]
