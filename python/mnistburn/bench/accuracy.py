"""The accuracy of a recipe on the sets of MedMNIST, beside published figures."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy
from numpy.typing import ArrayLike, NDArray

import mnistburn
from mnistburn.datasets import store
from mnistburn.datasets.medmnist import MEDMNIST

__all__ = ["PUBLISHED", "Published", "Score", "area_under_curve", "as_json", "measure", "table"]


@dataclass(frozen=True)
class Published:
    """What a publication says of a data set.

    Attributes:
        accuracy: The share of test images classified right, in 0..1.
        auc: The area under the ROC curve; of several classes the mean of each against the others.
    """

    accuracy: float
    auc: float


PUBLISHED: Final = {
    "pathmnist": Published(0.907, 0.983),
    "octmnist": Published(0.743, 0.943),
    "pneumoniamnist": Published(0.854, 0.944),
    "breastmnist": Published(0.863, 0.901),
    "bloodmnist": Published(0.958, 0.998),
    "tissuemnist": Published(0.676, 0.930),
    "organamnist": Published(0.935, 0.997),
    "organcmnist": Published(0.900, 0.992),
    "organsmnist": Published(0.782, 0.972),
}
"""ResNet-18 on images of 28 by 28 pixels: J. Yang and others, Scientific Data 10, 41 (2023),
table 3. Each is a mean of at least three trainings of 100 epochs."""


@dataclass(frozen=True)
class Score:
    """What came of a data set.

    Attributes:
        name: Its name.
        published: The published figures.
        accuracy: The share of test images classified right, in 0..1; None where the file is not
            here.
        auc: The area under the ROC curve; None also where a class has no test image.
        epochs: The epochs of the training.
        seconds: How long it took, with the validation after each epoch.
    """

    name: str
    published: Published
    accuracy: float | None = None
    auc: float | None = None
    epochs: int | None = None
    seconds: float | None = None


def measure(
    recipe: str,
    *,
    seed: int,
    num_epochs: int | None = None,
    threads: int | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Iterator[Score]:
    """Train on each set whose file is here, and test.

    The model of the last epoch is tested; the part `valid` is validated on and changes nothing.

    Args:
        recipe: The name of the recipe.
        seed: The seed of each training.
        num_epochs: The number of epochs; None for the recipe's.
        threads: The threads to train with; None for one for each core.
        tell: Called with the name of each set before it is trained on.

    Yields:
        The scores, in the order of the paper.

    Raises:
        ConfigError: There is no such recipe, or not so many threads.
        DataError: A file is damaged.
    """
    for entry in MEDMNIST:
        published = PUBLISHED[entry.name]
        if not store.present(mnistburn.datasets.info(entry.name), None):
            yield Score(entry.name, published)
            continue
        tell(entry.name)
        train = mnistburn.datasets.load(entry.name, "train", download=False)
        valid = mnistburn.datasets.load(entry.name, "valid", download=False)
        test = mnistburn.datasets.load(entry.name, "test", download=False)
        config = mnistburn.recipe(recipe, train, num_epochs=num_epochs)
        config = replace(config, seed=seed, threads=threads)
        begin = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="mnistburn-bench-") as folder:
            run = mnistburn.train(
                Path(folder) / "run", config, "cpu", data=(train, valid), progress=False
            )
            seconds = time.perf_counter() - begin
            scores = run.model.predict_proba(test.images)
        accuracy = float((scores.argmax(axis=1) == test.targets).mean())
        auc = area_under_curve(test.targets, scores)
        yield Score(entry.name, published, accuracy, auc, config.num_epochs, seconds)


def area_under_curve(targets: ArrayLike, scores: ArrayLike) -> float | None:
    """Return the area under the ROC curve, as MedMNIST's evaluator has it.

    It is the share of pairs of an image of the class and one of another in which the first has the
    higher score, ties counted half.

    Args:
        targets: Class numbers of shape ``[n]``.
        scores: The score of each class, of shape ``[n, num_classes]``.

    Returns:
        Of two classes the area of the second, of more the mean of each against the others; None
        where a class has no image.
    """
    numbers, columns = numpy.asarray(targets), numpy.asarray(scores)
    classes = range(columns.shape[1])
    counts = numpy.bincount(numbers, minlength=columns.shape[1])
    if not counts.all():
        return None
    chosen = classes[1:] if len(classes) == 2 else classes  # noqa: PLR2004  of two one tells all
    areas = [_area(numbers == each, columns[:, each]) for each in chosen]
    return math.fsum(areas) / len(areas)


def _area(positive: NDArray[numpy.bool_], scores: NDArray[Any]) -> float:
    """Return the statistic of Mann and Whitney, by ranks whose ties share their mean."""
    _, places, counts = numpy.unique(scores, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    ranks = (ends - (counts - 1) / 2)[places]
    ones = int(positive.sum())
    pairs = ones * (len(positive) - ones)
    return float((ranks[positive].sum() - ones * (ones + 1) / 2) / pairs)


def table(scores: list[Score]) -> list[tuple[str, ...]]:
    """Return the rows of a table, with its heading.

    Args:
        scores: The scores.

    Returns:
        The rows; a set that is not here has the command that fetches it.
    """
    rows: list[tuple[str, ...]] = [
        ("data set", "accuracy", "ResNet-18", "AUC", "ResNet-18", "epochs", "time")
    ]
    for score in scores:
        published = (f"{score.published.accuracy:.3f}", f"{score.published.auc:.3f}")
        if score.accuracy is None or score.seconds is None:
            ours, rest = ("-", "-"), ("-", f"not here; `mnistburn data fetch {score.name}` gets it")
        else:
            auc = "-" if score.auc is None else f"{score.auc:.3f}"
            ours, rest = (
                (f"{score.accuracy:.3f}", auc),
                (str(score.epochs), f"{score.seconds:.1f} s"),
            )
        rows.append((score.name, ours[0], published[0], ours[1], published[1], *rest))
    return rows


def as_json(machine: dict[str, Any], recipe: str, seed: int, scores: list[Score]) -> dict[str, Any]:
    """Return all figures as what JSON can hold.

    Args:
        machine: What `machine.describe` returned.
        recipe: The recipe.
        seed: The seed.
        scores: The scores.

    Returns:
        The object.
    """
    return {
        "machine": machine,
        "recipe": recipe,
        "seed": seed,
        "scores": [asdict(score) for score in scores],
    }
