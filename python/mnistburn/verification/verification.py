"""What came of a run that was trained again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from mnistburn.verification.difference import Difference

__all__ = ["Verification"]


@dataclass(frozen=True)
class Verification:
    """What came of a run that was trained again.

    Attributes:
        artifact_dir: Where the run is.
        same: Whether the weights are the same bits.
        sha256: The SHA-256 of the run's parameters: their float32 numbers, little-endian, in the
            order of `Model.state_dict`.
        retrained_sha256: That of the retrained ones; None where nothing was trained, as the
            training images are others.
        precision: How many bits of each number were compared: ``"full"``, or ``"half"`` where the
            run keeps no more.
        largest_difference: The largest absolute difference of two parameters; None as above.
        first_difference: Where the histories part; None where they have the same numbers.
        steps: The number of training steps.
        reasons: Why equal bits are not promised for the run; empty where they are.
        notes: What else there is to know: what was left out, or ended otherwise.
        seconds: How long the steps of the retraining took.
    """

    artifact_dir: Path
    same: bool
    sha256: str
    retrained_sha256: str | None
    precision: Literal["full", "half"]
    largest_difference: float | None
    first_difference: Difference | None
    steps: int
    reasons: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        """Return the result as lines for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        if self.retrained_sha256 is None:
            yield "not verified: nothing was trained"
        elif self.same:
            bits = "the same bits" if self.precision == "full" else "the same in half precision"
            yield f"verified: after {self.steps:,} steps the weights are {bits}"
            yield f"SHA-256 {self.sha256}"
        else:
            yield f"not the same: after {self.steps:,} steps the weights are other bits"
            yield f"SHA-256 {self.sha256} in the run, {self.retrained_sha256} in the retraining"
            yield f"the largest difference of two weights is {self.largest_difference:.3g}"
        if self.first_difference is not None:
            yield f"the histories part at {self.first_difference}"
        elif self.retrained_sha256 is not None and not self.same:
            yield "the histories have the same numbers: only the weights at the end differ"
        for reason in self.reasons:
            yield f"equal bits are not promised: {reason}"
        if not (self.same or self.reasons or self.retrained_sha256 is None):
            yield _UNEXPLAINED
        for note in self.notes:
            yield f"note: {note}"


_UNEXPLAINED: Final = (
    "equal bits are promised here: a file of the run is not as it was written, or the run was "
    "computed by other kernels that round otherwise (SSE2 alone, or what MNISTBURN_KERNELS asks "
    "for)"
)
