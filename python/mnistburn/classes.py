"""Which class of a data set is which of a model: names decide, not positions.

Example:
    >>> import numpy
    >>> from mnistburn import Dataset
    >>> images = numpy.zeros((2, 28, 28), dtype=numpy.uint8)
    >>> dogs = Dataset(images, [0, 1], class_names=["dog", "cat"])
    >>> match_classes(dogs, ("cat", "cow", "dog"), 3).targets.tolist()
    [2, 0]
"""

from collections.abc import Sequence

import numpy

from mnistburn.dataset import Dataset
from mnistburn.errors import DataError

__all__ = ["match_classes"]


def match_classes(
    dataset: Dataset,
    class_names: tuple[str, ...] | None,
    num_classes: int,
    *,
    by_number: bool = False,
    what: str = "the data set",
    of: str = "model",
) -> Dataset:
    """Return a data set whose targets are the numbers of the classes of a model.

    Where both have names, a class is found by its name, whatever its number. Names that are the
    numbers themselves (``"0"`` to ``"9"``) go without saying. Numbers are taken as they are where
    nobody has other names.

    Args:
        dataset: The images with their classes.
        class_names: The names of the model's classes; None where they are not known.
        num_classes: The number of the model's classes.
        by_number: Whether the numbers count and the names do not.
        what: What the data set is called in messages.
        of: Whose the names are: ``"model"``, or ``"training data"`` where a training has both, and
            no argument ``by_number``.

    Returns:
        The data set, or one of the same images with other targets, and the model's class names.

    Raises:
        DataError: A class has a name that the model lacks, or one of the two has names and the
            other has not, and the numbers may mean something else.
    """
    found = dataset.class_names
    if by_number or found == class_names:
        return dataset
    is_model = of == "model"
    owner = "model" if is_model else "train"
    used = numpy.unique(dataset.targets)
    fits = is_model and bool(numpy.all(used < num_classes))
    way_out = ", or pass by_number=True if the numbers are right" if fits else ""
    if found is None:
        assert class_names is not None  # noqa: S101  they differ
        if _are_numbers(class_names):
            return dataset
        message = (
            f"{what} must have class names, as the {of} has: {_shown(class_names)}; make it with "
            f"Dataset(images, targets, class_names={owner}.class_names){way_out}"
        )
        raise DataError(message)
    if class_names is None:
        if len(found) == num_classes or (_are_numbers(found) and len(found) < num_classes):
            return dataset
        named = "Model.load(path, class_names=[...])" if is_model else "class_names= of a Dataset"
        message = (
            f"{what} must have the {num_classes} classes of the {of}, whose names are not known, "
            f"got {len(found)}: {_shown(found)}; {named} gives the {of} names{way_out}"
        )
        raise DataError(message)
    numbers = {name: number for number, name in enumerate(class_names)}
    unknown = [found[number] for number in used if found[number] not in numbers]
    if unknown:
        lacks = f", of which the {of} lacks {_shown(unknown)}; leave those images out, or name"
        if len(unknown) == len(used):
            lacks = f", of which the {of} has none; take data of its classes, or name"
        message = (
            f"the classes of {what} must be among those of the {of}, {_shown(class_names)}, got "
            f"{_shown(found)}{lacks} the classes alike{way_out}"
        )
        raise DataError(message)
    # A name without an image may be unknown: nothing is counted for it.
    table = numpy.array([numbers.get(name, -1) for name in found], dtype=numpy.int64)
    return dataset._with_classes(table[dataset.targets], class_names)  # noqa: SLF001


def _are_numbers(names: tuple[str, ...]) -> bool:
    """Whether each name is the number of its class."""
    return all(name == str(number) for number, name in enumerate(names))


def _shown(names: Sequence[str]) -> str:
    most = 12
    text = ", ".join(repr(name) for name in names[:most])
    return f"{text} and {len(names) - most} more" if len(names) > most else text
