"""Trainings whose weights are known for each instruction set."""

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from mnistburn import _native, datasets
from mnistburn.config import (
    AdamWConfig,
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    ModelConfig,
    MomentumConfig,
    OneCycleLrSchedulerConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.training import train
from mnistburn.verification.weights_hash import sha256_of

__all__ = ["ReferenceRun", "verify_reference"]


@dataclass(frozen=True)
class ReferenceRun:
    """A training whose weights are known, and what came of it here.

    Attributes:
        name: What is trained.
        kernels: What computed: ``"avx512"``, ``"avx2"`` or ``"portable"``, or ``"burn"`` for Burn's
            own operations.
        sha256: The SHA-256 of its weights here, as `Verification.sha256`.
        expected: That of the documentation; None for Burn's own operations, which promise none.
    """

    name: str
    kernels: str
    sha256: str
    expected: str | None

    @property
    def same(self) -> bool:
        """Whether the weights are those of the documentation."""
        return self.sha256 == self.expected

    def __str__(self) -> str:
        """Return the result as a line for people."""
        if self.same:
            return f"the same bits: {self.name}, {self.kernels}, SHA-256 {self.sha256}"
        expected = self.expected or "none is known"
        return f"other bits: {self.name}, {self.kernels}, SHA-256 {self.sha256}, not {expected}"


def verify_reference() -> list[ReferenceRun]:
    """Train the reference runs on the CPU, and compare their weights with those that are known.

    Each takes a second or two: two epochs of 2,000 images of MNIST, which come with the package.

    Returns:
        The runs. Other bits come from a compiler, a C library or a processor that rounds otherwise:
        results then repeat on this machine, and differ from those of others in the last digits.

    Raises:
        DeviceError: MNISTBURN_KERNELS asks for an instruction set that this processor lacks.
        OSError: The temporary directory cannot be written.

    Example:
        >>> import mnistburn
        >>> [run.name for run in mnistburn.verify_reference()]
        ['guide', 'ConvNet with batch norm', 'ConvNet with group norm']
    """
    return list(_reference_runs(_native.cpu_kernels()))


def _reference_runs(kernels: str) -> Iterator[ReferenceRun]:
    data = (datasets.load("mnist", "train")[:2000], datasets.load("mnist", "test")[:100])
    expected = _SHA256.get(kernels, {})
    for name, config in _CONFIGS.items():
        with tempfile.TemporaryDirectory(prefix="mnistburn-") as temporary:
            run = train(Path(temporary) / "run", config, "cpu", data=data, progress=False)
        yield ReferenceRun(name, kernels, sha256_of(run.model.state_dict()), expected.get(name))


_BLOCKS: Final = {
    norm: ConvNetConfig(
        blocks=[
            ConvBlock(channels=8, pool=True, norm=norm),
            ConvBlock(channels=16, pool=True, norm=norm),
            ConvBlock(channels=16, norm=norm, residual=1),
        ],
        hidden_sizes=(32,),
        dropout=0.3,
    )
    for norm in ("batch", "group")
}
_CONFIGS: Final = {
    "guide": TrainingConfig(
        model=ModelConfig(hidden_size=64), num_epochs=2, learning_rate=1e-3, checkpoint_every=None
    ),
    "ConvNet with batch norm": TrainingConfig(
        model=_BLOCKS["batch"],
        optimizer=SgdConfig(momentum=MomentumConfig(nesterov=True)),
        num_epochs=2,
        learning_rate=0.02,
        lr_scheduler=OneCycleLrSchedulerConfig(),
        augmentation=AugmentationConfig(shift=0.1, rotate=10.0, flip=True),
        label_smoothing=0.1,
        checkpoint_every=None,
    ),
    "ConvNet with group norm": TrainingConfig(
        model=_BLOCKS["group"],
        optimizer=AdamWConfig(weight_decay=0.01),
        num_epochs=2,
        learning_rate=3e-3,
        class_weights="balanced",
        average_decay=0.9,
        checkpoint_every=None,
    ),
}
_WITHOUT_FMA: Final = {
    "guide": "92bf39fbf06468e6055e4688ff25ce9e44320381c590e0973f60219115d694c3",
    "ConvNet with batch norm": "ae61ced7a259186787d814db0a881f209cb23e0ca2140950e58a954025d72afa",
    "ConvNet with group norm": "94e6d3d9f7a86b66e5445a5940990a9836e0ea65a508921bc44b076525697fea",
}
_WITH_FMA: Final = {
    "guide": "d9818a1db30dc838c0ca25d040096e09b245294315f4be9ac2c6a5aaa937a8dc",
    "ConvNet with batch norm": "1ea10d2812d0fb20e811a3357f0c6a30b60416788c15a6b7193c1e8857ca0623",
    "ConvNet with group norm": "5228aee77558efbab5d451d5cfcdc607181aab43299ff70cb90231eed1823a46",
}
# By what computes and what is trained; the table of docs/reliability.md.
_SHA256: Final[dict[str, dict[str, str]]] = {
    "avx512": _WITH_FMA,
    "avx2": _WITH_FMA,
    "portable": _WITHOUT_FMA,
}
