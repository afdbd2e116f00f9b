"""What a path is, for people and as JSON."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from mnistburn.cli.options import printable

__all__ = ["Described"]

# Entries of a list that are shown.
_NAMED: Final = 12


@dataclass(frozen=True)
class Described:
    """What a path is.

    Attributes:
        kind: What it is, in a few words.
        facts: What else there is to know, by name.
        advice: The command that tells or does more with it; None for none.
    """

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)
    advice: str | None = None

    def to_json_object(self) -> dict[str, Any]:
        """Return the description as what JSON can hold."""
        return {"kind": self.kind, **self.facts, "advice": self.advice}

    def lines(self) -> Iterator[str]:
        """Yield the description as lines for people."""
        for name, value in {"kind": self.kind, **self.facts}.items():
            if value is not None:
                yield f"{name.replace('_', ' '):<13} {printable(_text(value))}"
        if self.advice is not None:
            yield f"{'more':<13} {self.advice}"


def _text(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_text(item)}" for name, item in value.items())
    if isinstance(value, list):
        more = f", ... ({len(value)})" if len(value) > _NAMED else ""
        return ", ".join(_text(item) for item in value[:_NAMED]) + more
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return f"{value:,}" if is_count else str(value)
