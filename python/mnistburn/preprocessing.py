"""How pictures become images."""

from typing import Any, Final, Literal, NamedTuple, get_args

from mnistburn.arguments import nearest, shown
from mnistburn.errors import DataError

__all__ = ["STRETCHED", "Fit", "Prepare", "Preprocessing", "as_fit", "as_prepare"]

Fit = Literal["stretch", "pad", "crop"]
"""What happens to pictures of other proportions than the images."""

Prepare = Literal["digit"]
"""What else is done to pictures, so that they look as the training images do."""


class Preprocessing(NamedTuple):
    """How pictures become images; a run keeps it with its model.

    Attributes:
        fit: What happens to pictures of other proportions: ``"stretch"`` scales each side by
            itself, ``"pad"`` keeps the whole picture and fills the rest with the colour of its
            border, ``"crop"`` fills the image and cuts off what overhangs.
        prepare: ``"digit"`` makes pictures as MNIST was made: light strokes on a dark ground,
            fitted into 20 x 20 pixels, centred by their mass; None leaves them. Arrays are never
            prepared.
    """

    fit: Fit = "stretch"
    prepare: Prepare | None = None


STRETCHED: Final = Preprocessing()
"""What is done where nothing else was asked for."""


def as_fit(value: object) -> Fit:
    """Return the name of a fit.

    Args:
        value: The name.

    Returns:
        The name.

    Raises:
        DataError: There is no such fit.
    """
    found: Fit = _known("fit", value, get_args(Fit))
    return found


def as_prepare(value: object) -> Prepare | None:
    """Return the name of a preparation, or None.

    Args:
        value: The name, or None.

    Returns:
        The same.

    Raises:
        DataError: There is no such preparation.
    """
    found: Prepare | None = None if value is None else _known("prepare", value, get_args(Prepare))
    return found


def _known(argument: str, value: object, names: tuple[str, ...]) -> Any:  # noqa: ANN401  a name
    if isinstance(value, str) and value in names:
        return value
    near = nearest(value, names) if isinstance(value, str) else ""
    choices = ", ".join(map(repr, names))
    choices = f"one of {choices}" if len(names) > 1 else choices
    message = f"{argument} must be {choices}, got {shown(value)}{near}"
    raise DataError(message)
