"""Runs beside each other: what they differ in, and whether that is more than chance."""

from mnistburn.comparison.comparison import Comparison, PairTest
from mnistburn.comparison.runs import compare

__all__ = ["Comparison", "PairTest", "compare"]
