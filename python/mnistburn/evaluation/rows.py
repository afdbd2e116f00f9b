"""The rows of an evaluation: of its classes, of pairs of classes, of single images."""

from dataclasses import dataclass
from pathlib import Path

__all__ = ["ClassScores", "ConfusedPair", "WorstImage"]


@dataclass(frozen=True)
class ClassScores:
    """How good a model is at one class. A share of nothing is 0.

    Attributes:
        name: The name of the class.
        precision: Of the images taken for the class, the share that is of it.
        recall: Of the images of the class, the share that is taken for it.
        f1: The harmonic mean of both.
        support: The number of images of the class.
    """

    name: str
    precision: float
    recall: float
    f1: float
    support: int


@dataclass(frozen=True)
class ConfusedPair:
    """How often images of one class are taken for another one.

    Attributes:
        true: The name of the class that they are of.
        predicted: The name of the class that they are taken for.
        count: The number of such images.
        share: That number over the number of images of the class.
    """

    true: str
    predicted: str
    count: int
    share: float


@dataclass(frozen=True)
class WorstImage:
    """An image of high loss.

    Attributes:
        index: Its position in the data set.
        true: The name of its class.
        predicted: The name of the class that it is taken for.
        probability: The probability that the model gives to the class that it is taken for.
        true_probability: The probability that the model gives to its class.
        loss: Its cross-entropy.
        file: The file that it was read from; None where it comes from no file of its own.
    """

    index: int
    true: str
    predicted: str
    probability: float
    true_probability: float
    loss: float
    file: Path | None
