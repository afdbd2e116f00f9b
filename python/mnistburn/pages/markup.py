"""HTML and SVG as text: whatever is no markup yet is escaped.

Example:
    >>> from mnistburn.pages.markup import tag
    >>> tag("th", "<b>", scope="row")
    Markup('<th scope="row">&lt;b&gt;</th>')
    >>> tag("img", src="a.png", alt="")
    Markup('<img src="a.png" alt="">')
"""

from collections.abc import Iterable
from typing import Final

__all__ = ["Content", "Markup", "escaped", "joined", "tag"]


class Markup(str):
    """Text that is HTML or SVG already."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Markup({super().__repr__()})"


Content = str | int | float | None
"""What an element may hold: text, which is escaped, markup, numbers, or nothing."""

_VOID: Final = frozenset({"br", "hr", "img", "link", "meta"})
_ESCAPES: Final = str.maketrans(
    {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;"}
)


def escaped(content: Content) -> Markup:
    """Return content as markup.

    Args:
        content: Markup, which stays as it is; text, in which every character that means something
            is escaped, and those that no page may hold are replaced; a number; or None for nothing.

    Returns:
        The markup.
    """
    if isinstance(content, Markup):
        return content
    if content is None:
        return Markup()
    text = "".join(
        one if one.isprintable() or one in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for one in str(content)
    )
    return Markup(text.translate(_ESCAPES))


def tag(name: str, /, *content: Content, **attributes: Content | bool) -> Markup:
    """Return an element.

    Args:
        name: Its name.
        *content: What is in it.
        **attributes: Its attributes; ``class_`` is ``class``, an underscore within a name is a
            hyphen. None and False leave one out, True gives it without a value.

    Returns:
        The element; without an end where it can hold nothing.
    """
    start = "".join(
        f" {_named(key)}" if value is True else f' {_named(key)}="{escaped(value)}"'
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    if name in _VOID:
        return Markup(f"<{name}{start}>")
    return Markup(f"<{name}{start}>{joined(content)}</{name}>")


def _named(attribute: str) -> str:
    return attribute.rstrip("_").replace("_", "-")


def joined(contents: Iterable[Content]) -> Markup:
    """Return contents one after the other."""
    return Markup("".join(map(escaped, contents)))
