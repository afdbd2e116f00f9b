"""Tables for a terminal: columns of equal widths, whatever letters are in them."""

import unicodedata
from collections.abc import Sequence

__all__ = ["clipped", "printable", "table", "width_of"]


def printable(text: str) -> str:
    """Return text of a stranger without what a terminal would not show as a letter."""
    return "".join(character if character.isprintable() else "?" for character in text)


def width_of(text: str) -> int:
    """Return how many columns of a terminal a text takes: letters of East Asia take two."""
    return sum(_width(character) for character in text)


def _width(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def clipped(text: str, width: int) -> str:
    """Return a printable text that takes no more columns than it may, with an ellipsis if cut.

    It is cut within: names often differ at their ends.

    Args:
        text: The text, of anyone.
        width: The columns, at least 1.

    Returns:
        The text, whole where it fits.
    """
    text = printable(text)
    if width_of(text) <= width:
        return text
    end = (width - 1) // 3
    start = width - 1 - end
    return f"{_first(text, start)}…{_first(text[::-1], end)[::-1]}"


def _first(text: str, width: int) -> str:
    """Return the first letters of a text, as many as fit."""
    used = 0
    for place, character in enumerate(text):
        used += _width(character)
        if used > width:
            return text[:place]
    return text


def table(rows: Sequence[Sequence[str]], *, gap: int = 2) -> list[str]:
    """Return the lines of a table: the first column to the left, all others to the right.

    Args:
        rows: The cells, as many in each row.
        gap: The columns between two of them.

    Returns:
        The lines.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
        cells = [first + " " * (widths[0] - width_of(first))]
        cells += [
            " " * (width - width_of(cell)) + cell
            for cell, width in zip(others, widths[1:], strict=True)
        ]
        lines.append((" " * gap).join(cells).rstrip())
    return lines
