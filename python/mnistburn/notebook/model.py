"""A model in a notebook."""

from collections.abc import Iterable

from mnistburn.notebook.parts import facts, framed
from mnistburn.pages.markup import Content, tag

__all__ = ["model_html"]


def model_html(rows: Iterable[tuple[str, Content]], summary: str | None) -> str:
    """Return a model for a notebook.

    Args:
        rows: What there is to know of it, by name.
        summary: The table of its layers; None where the size of its images is not known.

    Returns:
        The HTML.
    """
    return framed(facts(rows), None if summary is None else tag("pre", summary))
