"""What is to be reached: accuracies on test images, and who tries."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["TARGETS", "Target"]

SCRIPTS: Final = Path(__file__).parent / "pytorch"


@dataclass(frozen=True)
class Target:
    """An accuracy on a data set.

    Attributes:
        name: What `--targets` takes.
        accuracy: The share of test images to classify right, in 0..1.
        recipe: mnistburn's recipe.
        script: PyTorch's script, in its folder.
        data: The name of the data set; None where a folder has to be given.
    """

    name: str
    accuracy: float
    recipe: str
    script: str
    data: str | None = None


TARGETS: Final = {
    target.name: target
    for target in (
        Target("mnist-99.0", 0.99, "fast", "mnist_990.py", "mnist"),
        Target("mnist-99.5", 0.995, "accurate", "mnist_995.py", "mnist"),
        Target("fashion-93.0", 0.93, "pictures", "fashion_930.py", "fashion-mnist"),
        Target("cifar-90.0", 0.90, "pictures", "cifar_900.py"),
    )
}
"""The targets by name."""
