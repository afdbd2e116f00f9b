"""How good a model is on a data set, where it is wrong, and how sure that is."""

from mnistburn.evaluation.calibration import Calibration
from mnistburn.evaluation.evaluation import Evaluation
from mnistburn.evaluation.rows import ClassScores, ConfusedPair, WorstImage
from mnistburn.evaluation.significance import McNemarTest, mcnemar_test, wilson_interval

__all__ = [
    "Calibration",
    "ClassScores",
    "ConfusedPair",
    "Evaluation",
    "McNemarTest",
    "WorstImage",
    "mcnemar_test",
    "wilson_interval",
]
