"""The views of an image, over which predictions can be averaged."""

from collections.abc import Collection
from typing import Literal

from mnistburn.arguments import shown
from mnistburn.errors import ConfigError

__all__ = ["Augment", "View", "as_views"]

View = Literal["flip", "shift"]
"""A kind of views: each mirrored as well, or shifted by one pixel up, down, left and right."""

Augment = bool | View | Collection[View]
"""Which views: none but the image, those that the model was trained with, or those named."""


def as_views(augment: object) -> list[str] | None:
    """Return the names of views as the core takes them.

    Args:
        augment: What the user passed.

    Returns:
        The names; None for the image alone.

    Raises:
        ConfigError: It is none of what it can be.
    """
    match augment:
        case False:
            return None
        case True:
            return ["trained"]
        case str():
            return [augment]
        case list() | tuple() | set() | frozenset():
            if all(isinstance(name, str) for name in augment):
                return [*augment]
    message = f"augment must be True, False, or one or more of flip, shift, got {shown(augment)}"
    raise ConfigError(message)
