"""What was taken for classes and for parts, in a line for people."""

from collections.abc import Sequence
from typing import Final

from mnistburn.dataset import Dataset
from mnistburn.datasets.source import WHOLE, DataSource, printable

__all__ = ["classes_line", "listed"]

_NAMED: Final = 10
_UNDIVIDED: Final = "not divided into train, valid and test"


def classes_line(train: Dataset, source: DataSource) -> str:
    """Say in a line what was taken for classes and for parts."""
    if train.class_names is None:
        line = f"classes: {train.num_classes}, without names"
    else:
        line = f"classes: {listed(train.class_names)}"
    taken = {split: part for split, part in source.parts.items() if part is not None}
    if list(taken.values()) == [WHOLE] and source.validation is None:
        line += f"; {_UNDIVIDED}"
    elif source.validation is not None:
        held = f"{source.validation:g} of the training images validate (seed {source.seed})"
        others = [str(part) for part in taken.values()]
        line += f"; {_UNDIVIDED if len(others) == 1 else 'parts: ' + ', '.join(others)}; {held}"
    else:
        line += f"; parts: {', '.join(dict.fromkeys(taken.values()))}"
        if taken.get("valid") is not None and taken.get("valid") == taken.get("test"):
            line += f" ({taken['valid']} validates)"
    if source.left_out:
        line += f"; left out: {', '.join(source.left_out)}"
    return printable(line)


def listed(names: Sequence[str]) -> str:
    """Return names in a line, shortened."""
    if len(names) <= _NAMED:
        return ", ".join(names)
    return f"{', '.join(names[:_NAMED])}, ... ({len(names)})"
