"""Help that is read well on a screen of 80 columns."""

import re
import textwrap
from collections.abc import Sequence
from typing import Final

import click

__all__ = ["ONE_LINE", "Command", "write_options"]

ONE_LINE: Final = 64
"""As long is what lists of commands say of one; click's own limit for shells is shorter."""

# Longer names have the description below them.
_COLUMN: Final = 32
_EXTRA: Final = re.compile(r"\[[^\[\]]*\]$")
_NO_BREAK: Final = "\N{NO-BREAK SPACE}"


class Command(click.Command):
    """A command whose options are listed by `write_options`."""

    def get_short_help_str(self, limit: int = ONE_LINE) -> str:
        """Return what the command does, as lists of commands and shells show it.

        Args:
            limit: The number of characters that there is room for.

        Returns:
            The first sentence of its help.
        """
        return super().get_short_help_str(limit)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options.

        Args:
            ctx: The context of the command.
            formatter: What the text is written to.
        """
        records = [parameter.get_help_record(ctx) for parameter in self.get_params(ctx)]
        with formatter.section("Options"):
            write_options(formatter, [record for record in records if record is not None])


def write_options(formatter: click.HelpFormatter, records: Sequence[tuple[str, str]]) -> None:
    """Write names and what they are beside each other.

    No word is cut at its hyphen, and a default stands on one line.

    Args:
        formatter: What the text is written to.
        records: The names and the descriptions.
    """
    indent = " " * formatter.current_indent
    column = min(max(len(name) for name, _ in records), _COLUMN) + 2 if records else 0
    width = formatter.width - len(indent) - column
    for name, text in records:
        lines = _wrapped(text, width) or [""]
        if len(name) > column - 2:
            lines.insert(0, "")
        if len(indent) + len(name) > formatter.width:
            first, slash, name = name.partition(" / ")  # noqa: PLW2901  the rest of it
            formatter.write(f"{indent}{first}{slash.rstrip()}\n")
        for place, line in enumerate(lines):
            start = "" if place else name
            formatter.write(f"{indent}{start:<{column}}{line}".rstrip() + "\n")


def _wrapped(text: str, width: int) -> list[str]:
    def whole(extra: re.Match[str]) -> str:
        return extra[0].replace(" ", _NO_BREAK) if len(extra[0]) <= width else extra[0]

    lines = textwrap.wrap(_EXTRA.sub(whole, text), width, break_on_hyphens=False)
    return [line.replace(_NO_BREAK, " ") for line in lines]
