"""The fields of a configuration as its classes have them: their keys, types and descriptions.

Everything is read from `TrainingConfig`, the classes of its fields and those of callbacks that are
settings alone, so that a field or a class that is added there is known here.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from dataclasses import InitVar, dataclass, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

from mnistburn.callbacks import Checkpoint, EarlyStopping
from mnistburn.config import TrainingConfig

__all__ = [
    "CALLBACKS",
    "CALLBACK_FIELDS",
    "FIELDS",
    "MODEL",
    "Field",
    "Path",
    "children",
    "described",
    "subfields",
    "word_of",
]

Path = tuple[str, ...]
"""The names of a field and of the parts around it, from the outermost: the keys of JSON."""

MODEL: Final[Path] = ("model",)
"""The network's configuration."""


@dataclass(frozen=True)
class Field:
    """A field of a configuration, or of the several ones that may stand in its place.

    Attributes:
        path: Where it is.
        kinds: The classes of a part, by the words of the command line; empty for a plain value.
        types: The types of a plain value, None left out.
        optional: Whether it may be None.
        items: The type of the items of a list; None for what is no list.
        choices: The texts of a `Literal`.
        owners: The classes that have the field.
    """

    path: Path
    kinds: dict[str, type[Any]]
    types: frozenset[type[Any]]
    optional: bool
    items: Any
    choices: tuple[str, ...]
    owners: tuple[type[Any], ...]

    @property
    def is_flag(self) -> bool:
        """Whether it is true or false."""
        return self.types == {bool}

    @property
    def item_kinds(self) -> tuple[type[Any], ...]:
        """The classes of the items of a list of parts."""
        items = (self.items, *get_args(self.items))
        return tuple(item for item in items if isinstance(item, type) and is_dataclass(item))

    @property
    def words(self) -> list[str]:
        """The words that it takes; none for one that takes other values."""
        several = list(self.kinds) if len(self.kinds) > 1 else []
        words = [*several, *self.choices]
        return [*words, "none"] if self.optional and words else words

    @property
    def holds_parts(self) -> bool:
        """Whether it is a part, or a list of parts, which JSON alone can say whole."""
        return bool(self.kinds or self.item_kinds)


def word_of(field: str, kind: type[Any]) -> str:
    """Return the word of the command line for a class: one-cycle for OneCycleLrSchedulerConfig."""
    tag = getattr(kind, "_tag", kind.__name__)
    # The names of optimizers are single words: adamw.
    separator = "" if field == "optimizer" else "-"
    return re.sub("(?<=[a-z])(?=[A-Z])", separator, tag).lower()


def children(kind: type[Any], path: Path = ()) -> dict[str, Field]:
    """Return what a class is made from, shorthands too, by name.

    Args:
        kind: The class of a configuration.
        path: Where it stands.

    Returns:
        The fields.
    """
    hints = get_type_hints(kind)
    return {
        name: _field(kind, (*path, name), hints[name])
        for name in inspect.signature(kind).parameters
    }


def _field(owner: type[Any], path: Path, hint: Any) -> Field:  # noqa: ANN401  any type
    if isinstance(hint, InitVar):
        hint = hint.type
    parts = get_args(hint) if get_origin(hint) in {Union, UnionType} else (hint,)
    kinds: dict[str, type[Any]] = {}
    types: set[type[Any]] = set()
    choices: list[str] = []
    items: Any = None
    for part in parts:
        origin = get_origin(part)
        if origin is Literal:
            choices += get_args(part)
        elif origin is not None and issubclass(origin, Sequence):
            (items,) = get_args(part)
        elif isinstance(part, type) and is_dataclass(part):
            kinds[word_of(path[-1], part)] = part
        elif part is not NoneType:
            types.add(part)
    return Field(
        path,
        kinds,
        frozenset(types),
        NoneType in parts,
        items,
        tuple(choices),
        (owner,),
    )


def _merged(one: Field, other: Field) -> Field:
    """Return what two classes that may stand in the same place have by the same name."""
    return Field(
        one.path,
        one.kinds | other.kinds,
        one.types | other.types,
        one.optional or other.optional,
        one.items or other.items,
        tuple(dict.fromkeys(one.choices + other.choices)),
        one.owners + other.owners,
    )


def _all_fields(
    kinds: Sequence[type[Any]], path: Path = (), around: tuple[type[Any], ...] = ()
) -> Iterator[Field]:
    own: dict[str, Field] = {}
    around = (*around, *kinds)
    for kind in kinds:
        for name, field in children(kind, path).items():
            own[name] = _merged(own[name], field) if name in own else field
    for field in own.values():
        yield field
        # A part that may stand within itself has no end; JSON says what is further in.
        inner = [kind for kind in field.kinds.values() if around.count(kind) <= 1]
        yield from _all_fields(inner, field.path, around)


FIELDS: Final[dict[Path, Field]] = {field.path: field for field in _all_fields([TrainingConfig])}
"""Every field of a training's configuration and of its parts, each part before its own fields."""

CALLBACKS: Final[dict[str, type[Any]]] = {
    "early_stopping": EarlyStopping,
    "checkpoint": Checkpoint,
}
"""The callbacks that the core itself does, which are settings alone."""

CALLBACK_FIELDS: Final[dict[Path, Field]] = {
    field.path: field
    for name, kind in CALLBACKS.items()
    for field in children(kind, (name,)).values()
}
"""The fields of these, below the names of their classes."""


def subfields(path: Path) -> list[Field]:
    """Return the fields right below a part."""
    return [field for field in FIELDS.values() if field.path[:-1] == path]


def described(kind: type[Any]) -> dict[str, str]:
    """Return what the docstring of a class says of its attributes and arguments, by name.

    Args:
        kind: The class; its docstring is in Google's style.

    Returns:
        The descriptions, each a single line; empty where docstrings were stripped.
    """
    return _sections(kind.__doc__ or "")


@cache
def _sections(docstring: str) -> dict[str, str]:
    found: dict[str, str] = {}
    name, within = "", False
    for line in inspect.cleandoc(docstring).splitlines():
        if line and not line.startswith(" "):
            within = line in {"Attributes:", "Args:"}
        elif within and (start := re.match(r" {4}(\w+): (.*)", line)):
            name = start[1]
            found[name] = start[2]
        elif within and name and line.strip():
            found[name] += " " + line.strip()
    return {key: text.replace("`", "") for key, text in found.items()}
