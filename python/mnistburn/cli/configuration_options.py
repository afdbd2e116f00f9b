"""An option for every field of a training's configuration and of its callbacks, and ``--set``."""

import json
import re
from collections.abc import Callable
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from mnistburn.config.fields import CALLBACK_FIELDS, FIELDS, MODEL, Field, Path, described
from mnistburn.config.settings import (
    Given,
    Json,
    SettingError,
    field_at,
    key_of,
    named_part,
)

__all__ = [
    "ConfigurationOption",
    "configuration_options",
    "given_in",
    "json_value_of",
    "metavar_of",
    "names_of",
    "option_of",
    "value_of",
]

_Command = TypeVar("_Command", bound=Callable[..., object])

_GIVEN: Final = "mnistburn.given"
# Names by which people call what is further in.
_SHORT: Final = {MODEL: "network", ("early_stopping", "patience"): "early-stopping"}
# Help fits in 80 columns: longer choices stand in the description.
_WIDEST: Final = 40
# What is longer takes more than two lines of help.
_LONGEST: Final = 90
_NONE: Final = frozenset({"none", "null"})


class ConfigurationOption(click.Option):
    """The option for a field of the configuration.

    Attributes:
        field: The field.
    """

    def __init__(self, field: Field) -> None:
        """Make the option.

        Args:
            field: The field.
        """
        self.field = field
        super().__init__(
            [_parameter(field.path), *names_of(field)],
            is_flag=field.is_flag,
            multiple=field.items is str,
            default=None,
            type=None if field.is_flag else str,
            metavar=None if field.is_flag else metavar_of(field),
            expose_value=False,
            callback=_note_option,
            shell_complete=_complete_value,
            help=_in_short(field),
        )


def _parameter(path: Path) -> str:
    return "_".join(path[1:] if path[0] == MODEL[0] and len(path) > 1 else path)


def names_of(field: Field) -> list[str]:
    """Return the names of an option: that of its key, before it a short one for the network's.

    Those need not name it: ``--dropout``.
    """
    path = field.path
    names = [".".join(path).replace("_", "-")]
    if path in _SHORT:
        names.insert(0, _SHORT[path])
    elif path[0] == MODEL[0] and path[1:] not in FIELDS:
        names.insert(0, ".".join(path[1:]).replace("_", "-"))
    return [f"--{name}/--no-{name}" if field.is_flag else f"--{name}" for name in names]


def option_of(path: Path) -> str:
    """Return the option for a field, as messages call it."""
    return names_of((FIELDS | CALLBACK_FIELDS)[path])[0].split("/")[0]


def metavar_of(field: Field) -> str:
    """Return what stands for the value of a field's option."""
    words = field.words
    if words:
        joined = "|".join([*words, *["NUMBER"] * bool(field.types)])
        return joined if len(joined) <= _WIDEST else "NAME"
    if field.kinds:
        return "|".join(["JSON", *["NUMBER"] * bool(field.types), *["none"] * field.optional])
    if field.item_kinds:
        return "JSON"
    if field.items is not None:
        return "NAME" if field.items is str else "N,N,..."
    if field.types == {int}:
        return "INTEGER"
    return "NUMBER" if field.types <= {int, float} else "TEXT"


def _in_short(field: Field) -> str:
    """Return the first sentence of a description, without its last clauses where it is long."""
    text = described(field.owners[0]).get(field.path[-1], "")
    sentence = re.split(r"\.(?: |$)", text)[0]
    ends = [*(found.start() for found in re.finditer("[:;] ", sentence)), len(sentence)]
    end = max((place for place in ends if place <= _LONGEST), default=ends[0])
    return sentence[:end] + "." * bool(text)


def _complete_value(
    _ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    words = parameter.field.words if isinstance(parameter, ConfigurationOption) else []
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _complete_setting(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    keys = [f"{'.'.join(path)}=" for path in FIELDS]
    return [CompletionItem(key) for key in keys if key.startswith(incomplete)]


def configuration_options(command: _Command) -> _Command:
    """Give a command an option for each field of `TrainingConfig` and of its parts, and ``--set``.

    The callbacks that are settings have options too. None of them is an argument of the command:
    `given_in` returns what they say.
    """
    options = [
        click.option(
            "--set",
            "settings",
            multiple=True,
            metavar="KEY=VALUE",
            expose_value=False,
            callback=_note_settings,
            shell_complete=_complete_setting,
            help="Set a field by its key, as in optimizer.weight_decay=0.01; the value is JSON.",
        )
    ]
    fields = (*FIELDS.values(), *CALLBACK_FIELDS.values())
    options += [click.option(cls=_option_class(field)) for field in fields]
    for option in reversed(options):
        command = option(command)
    return command


def _option_class(field: Field) -> Any:  # noqa: ANN401  as click takes classes of options
    return lambda *_names, **_attributes: ConfigurationOption(field)


def given_in(ctx: click.Context) -> dict[Path, Given]:
    """Return what the options of a command say of the configuration and of callbacks."""
    given: dict[Path, Given] = ctx.meta.setdefault(_GIVEN, {})
    return given


def _note(ctx: click.Context, path: Path, given: Given) -> None:
    known = given_in(ctx)
    if path in known:
        message = f"{known[path].name} and {given.name} are the same field; leave one of them out"
        raise click.UsageError(message, ctx)
    known[path] = given


def _note_option(
    ctx: click.Context,
    parameter: click.Parameter,
    value: object,  # a text, several of them, or whether a flag is set
) -> None:
    # An empty list is that of --config.
    if value is None or value == () or not isinstance(parameter, ConfigurationOption):
        return
    field = parameter.field
    found = value_of(field, value) if isinstance(value, str) else value
    _note(ctx, field.path, Given(found, parameter.opts[0], option_of))


def _note_settings(
    ctx: click.Context, _parameter: click.Parameter, settings: tuple[str, ...]
) -> None:
    for setting in settings:
        key, equals, text = setting.partition("=")
        if not equals:
            message = f"{setting!r} must be a key and a value, as in learning_rate=0.001"
            raise click.BadParameter(message)
        try:
            field = field_at(key)
        except SettingError as error:
            raise click.BadParameter(str(error)) from None
        value = json_value_of(field, text)
        _note(ctx, field.path, Given(value, f"--set {key_of(field.path)}", option_of))


def json_value_of(field: Field, text: str) -> object:
    """Return what JSON says of a field, or a word, which needs no quotation marks."""
    try:
        value = json.loads(text)
    except ValueError:
        return value_of(field, text)
    if isinstance(value, str):
        return value_of(field, value)
    if field.holds_parts and isinstance(value, dict | list):
        return Json(value)
    return value


def value_of(field: Field, text: str) -> object:
    """Return what a text says; one of a wrong type stays text, of which the rule tells."""
    word = text.strip()
    if field.optional and word.lower() in _NONE:
        return None
    # One class may have a number where another has a part.
    may_be_plain = bool(field.types or field.choices)
    if field.holds_parts and (word.startswith("{") or not may_be_plain):
        try:
            return named_part(field, word, option_of)
        except SettingError as error:
            raise click.BadParameter(str(error)) from None
    if field.choices or str in field.types:
        return text
    if field.items is not None:
        return _list(field, word)
    return _number(word, text)


def _number(word: str, text: str) -> object:
    for number in (int, float):
        try:
            return number(word)
        except ValueError:
            continue
    return text


def _list(field: Field, word: str) -> object:
    try:
        values = json.loads(word) if word.startswith("[") else word.split(",") if word else []
    except ValueError:
        return word
    if field.items is str:
        return values
    return [_number(item, item) if isinstance(item, str) else item for item in values]
