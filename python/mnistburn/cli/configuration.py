"""A training's configuration as options say it: an option for every field, and ``--set``."""

import dataclasses
import difflib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import click
from click.shell_completion import CompletionItem

from mnistburn.arguments import nearest
from mnistburn.cli.fields import FIELDS, Field, Path, children, described, subfields
from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError
from mnistburn.networks import ModelConfig, NetworkConfig

__all__ = [
    "MODEL",
    "ConfigurationOption",
    "Given",
    "changed",
    "changed_network",
    "configuration_options",
    "given_in",
    "kind_of",
    "with_network",
]

_Command = TypeVar("_Command", bound=Callable[..., object])

MODEL: Final[Path] = ("model",)
"""The network's configuration, whose options need not name it: ``--dropout``."""

_GIVEN: Final = "mnistburn.given"
# What is made from a shorthand; replacing a configuration takes the other along.
_SHORTHANDS: Final = {"widths": "blocks"}
_OF_IMAGES: Final = ("num_classes", "image_height", "image_width", "image_channels")
_NONE: Final = frozenset({"none", "null"})


@dataclass(frozen=True)
class _Json:
    """What JSON has for a part or for a list of parts."""

    value: object


@dataclass(frozen=True)
class Given:
    """What an option says of a field.

    Attributes:
        value: The value; of a part its class, or its JSON.
        name: The option, as messages call it.
    """

    value: Any
    name: str


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
        listed = field.items is str
        super().__init__(
            [_parameter(field.path), *_declarations(field)],
            is_flag=field.is_flag,
            multiple=listed,
            default=() if listed else None,
            type=None if field.is_flag else str,
            metavar=None if field.is_flag else _metavar(field),
            expose_value=False,
            callback=_note_option,
            shell_complete=_complete_value,
            help=_first_clause(field),
        )


def _parameter(path: Path) -> str:
    return "_".join(path[1:] if path[0] == MODEL[0] and len(path) > 1 else path)


def _declarations(field: Field) -> list[str]:
    """Return the names of an option: that of its key, before it a short one for the network's."""
    path = field.path
    names = [".".join(path).replace("_", "-")]
    if path == MODEL:
        names.insert(0, "network")
    elif path[0] == MODEL[0] and path[1:] not in FIELDS:
        names.insert(0, ".".join(path[1:]).replace("_", "-"))
    return [f"--{name}/--no-{name}" if field.is_flag else f"--{name}" for name in names]


def _metavar(field: Field) -> str:
    if field.kinds:
        words = list(field.kinds) if len(field.kinds) > 1 else ["JSON"]
        return "|".join([*words, *["none"] * field.optional])
    if field.lists_parts:
        return "JSON"
    if field.choices:
        return "|".join([*field.choices, *["none"] * field.optional])
    if field.items is not None:
        return "NAME" if field.items is str else "N,N,..."
    if field.types == {int}:
        return "INTEGER"
    return "NUMBER" if field.types <= {int, float} else "TEXT"


def _first_clause(field: Field) -> str:
    text = described(field.owners[0]).get(field.path[-1], "")
    return re.split(r"[.:;] |\.$", text)[0] + "." * bool(text)


def _words(field: Field) -> list[str]:
    several = list(field.kinds) if len(field.kinds) > 1 else []
    words = [*several, *field.choices]
    return [*words, "none"] if field.optional and words else words


def _complete_value(
    _ctx: click.Context, parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    words = _words(parameter.field) if isinstance(parameter, ConfigurationOption) else []
    return [CompletionItem(word) for word in words if word.startswith(incomplete)]


def _complete_setting(
    _ctx: click.Context, _parameter: click.Parameter, incomplete: str
) -> list[CompletionItem]:
    keys = [f"{'.'.join(path)}=" for path in FIELDS]
    return [CompletionItem(key) for key in keys if key.startswith(incomplete)]


def configuration_options(command: _Command) -> _Command:
    """Give a command an option for each field of `TrainingConfig` and of its parts, and ``--set``.

    They are no arguments of the command: `given_in` returns what they say.
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
    options += [click.option(cls=_option_class(field)) for field in FIELDS.values()]
    for option in reversed(options):
        command = option(command)
    return command


def _option_class(field: Field) -> Any:  # noqa: ANN401  as click takes classes of options
    return lambda *_names, **_attributes: ConfigurationOption(field)


def given_in(ctx: click.Context) -> dict[Path, Given]:
    """Return what the options of a command say of the configuration."""
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
    found = _value(field, value) if isinstance(value, str) else value
    _note(ctx, field.path, Given(found, parameter.opts[0]))


def _note_settings(
    ctx: click.Context, _parameter: click.Parameter, settings: tuple[str, ...]
) -> None:
    for setting in settings:
        key, equals, text = setting.partition("=")
        path = tuple(key.strip().replace("-", "_").split("."))
        if not equals:
            message = f"{setting!r} must be a key and a value, as in learning_rate=0.001"
            raise click.BadParameter(message)
        if path not in FIELDS:
            raise click.BadParameter(f"there is no field {key!r}" + _way_to(path))
        field = FIELDS[path]
        try:
            value = json.loads(text)
        except ValueError:
            # A word needs no quotation marks.
            value = _value(field, text)
        else:
            if isinstance(value, str):
                value = _value(field, value)
            elif field.holds_parts and value is not None:
                value = _Json(value)
        _note(ctx, path, Given(value, f"--set {'.'.join(path)}"))


def _way_to(path: Path) -> str:
    """Propose the field of that name elsewhere, or the nearest one of the same part."""
    same = [".".join(known) for known in FIELDS if known[-1] == path[-1]]
    if same:
        return f"; did you mean {' or '.join(map(repr, same))}?"
    beside = subfields(path[:-1]) or subfields(())
    keys = {field.path[-1]: ".".join(field.path) for field in beside}
    near = difflib.get_close_matches(path[-1], keys, n=1)
    if near:
        return f"; did you mean {keys[near[0]]!r}?"
    return f"; the fields are {', '.join(keys.values())}"


def _value(field: Field, text: str) -> object:
    """Return what a text says; one of a wrong type stays text, of which the rule tells."""
    word = text.strip()
    if field.optional and word.lower() in _NONE:
        return None
    if field.holds_parts:
        return _part(field, word)
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


def _part(field: Field, word: str) -> object:
    if word.startswith(("{", "[")):
        try:
            return _Json(json.loads(word))
        except ValueError as error:
            message = f"{word!r} must be JSON: {error}"
            raise click.BadParameter(message) from None
    if len(field.kinds) > 1:
        # As the classes write it too, OneCycle and one_cycle.
        plain = {re.sub("[-_]", "", name): kind for name, kind in field.kinds.items()}
        kind = plain.get(re.sub("[-_]", "", word.lower()))
        if kind is not None:
            return kind
        message = f"{word!r} is not one of {', '.join(map(repr, _words(field)))}."
        raise click.BadParameter(message + nearest(word, field.kinds).replace(";", ""))
    message = f"{word!r} must be JSON, as a configuration file has it"
    if field.optional:
        message += ", or none"
    if field.kinds:
        options = [_declarations(item)[-1].split("/")[0] for item in subfields(field.path)]
        message += f"; its fields have options of their own, {', '.join(options)}"
    raise click.BadParameter(message)


def kind_of(given: Mapping[Path, Given], model: NetworkConfig | None) -> type[NetworkConfig]:
    """Return the kind of network that is asked for, or that of the model there is."""
    if MODEL in given and isinstance(given[MODEL].value, type):
        kind: type[NetworkConfig] = given[MODEL].value
        return kind
    return ModelConfig if model is None else type(model)


def with_network(config: TrainingConfig, given: Mapping[Path, Given]) -> TrainingConfig:
    """Return the configuration with the network that was given as JSON, or without one for none."""
    said = given.get(MODEL)
    if said is None or isinstance(said.value, type):
        return config
    model = None if said.value is None else _read(MODEL, (), said)
    return dataclasses.replace(config, model=model)


def changed(config: TrainingConfig, given: Mapping[Path, Given]) -> TrainingConfig:
    """Return the configuration with the options given, those of the model where it has one."""
    model = config.model
    if model is not None:
        model = changed_network(model, kind_of(given, model), given)
        config = dataclasses.replace(config, model=model)
    rest = {path: value for path, value in given.items() if path[0] != MODEL[0]}
    whole: TrainingConfig = _changed_part(TrainingConfig, config, (), (), rest)
    return whole


def changed_network(
    model: NetworkConfig, kind: type[NetworkConfig], given: Mapping[Path, Given]
) -> NetworkConfig:
    """Return a network of that kind with the options given, for the images of the model."""
    settings = {path: value for path, value in given.items() if path[:-1] == MODEL}
    if not isinstance(model, kind):
        model = kind(**{name: getattr(model, name) for name in _OF_IMAGES})
    network: NetworkConfig = _changed_part(kind, model, MODEL, (kind,), settings)
    return network


def _changed_part(
    kind: type[Any],
    part: Any,  # noqa: ANN401  of that kind
    path: Path,
    kinds: tuple[type[Any], ...],
    given: Mapping[Path, Given],
) -> Any:  # noqa: ANN401
    """Return a part with the options given for its fields.

    Args:
        kind: Its class.
        part: The part; None to make one.
        path: Where it is.
        kinds: The classes of the parts from the outermost to this one.
        given: The options.

    Returns:
        The part.
    """
    fields = children(kind, path)
    values: dict[str, Any] = {}
    names: dict[str, str] = {}
    for place, said in given.items():
        if place[: len(path)] != path or len(place) == len(path):
            continue
        name = place[len(path)]
        if name not in fields:
            raise click.UsageError(_foreign(said.name, kind, path))
        names.setdefault(name, said.name)
        if name not in values:
            current = None if part is None else getattr(part, name, None)
            values[name] = _new_value(fields[name], current, kinds, given)
    for short, long in _SHORTHANDS.items():
        if short in values and part is not None:
            values.setdefault(long, None)
    if part is None:
        _check_complete(kind, path, values)
    try:
        return kind(**values) if part is None else dataclasses.replace(part, **values)
    except ConfigError as error:
        raise ConfigError(_by_option(str(error), names)) from None


def _new_value(
    field: Field,
    current: Any,  # noqa: ANN401  what the field holds
    kinds: tuple[type[Any], ...],
    given: Mapping[Path, Given],
) -> Any:  # noqa: ANN401
    said = given.get(field.path)
    if said is not None:
        if isinstance(said.value, _Json):
            current = _read(field.path, kinds, said)
        elif not field.kinds or said.value is None:
            current = said.value
        elif not isinstance(current, said.value):
            return _changed_part(said.value, None, field.path, (*kinds, said.value), given)
        # One of that kind keeps its values.
    below = [path for path in given if path[:-1][: len(field.path)] == field.path]
    if not below:
        return current
    if current is None:
        if said is None and len(field.kinds) == 1:
            (kind,) = field.kinds.values()
            return _changed_part(kind, None, field.path, (*kinds, kind), given)
        option = _declarations(FIELDS[field.path])[0]
        known = ", ".join(field.kinds) if len(field.kinds) > 1 else "one"
        message = f"{given[below[0]].name} is a setting of what {option} says: give {known}"
        raise click.UsageError(message)
    return _changed_part(type(current), current, field.path, (*kinds, type(current)), given)


def _read(path: Path, kinds: tuple[type[Any], ...], said: Given) -> Any:  # noqa: ANN401  any part
    """Return what a training's configuration with this JSON at the path holds there."""
    content: dict[str, Any] = {path[-1]: said.value.value}
    for name, kind in zip(reversed(path[:-1]), reversed(kinds), strict=True):
        tag = getattr(kind, "_tag", None)
        content = {name: content if tag is None else {tag: content}}
    # The largest learning rate: schedules have to fit below it.
    text = json.dumps({"learning_rate": 1.0, **content})
    try:
        part: Any = TrainingConfig.from_json(text)
    except ConfigError as error:
        raise ConfigError(_by_option(str(error), {path[-1]: said.name})) from None
    for name in path:
        part = getattr(part, name)
    return part


def _foreign(option: str, kind: type[Any], path: Path) -> str:
    """Say that a part of this kind has no such field."""
    field = FIELDS[path]
    chooser = _declarations(field)[0]
    (word,) = (word for word, other in field.kinds.items() if other is kind)
    noun = chooser.removeprefix("--").replace("-", " ")
    return (
        f"{option} is no setting of the {noun} {word!r}; leave it out, or choose another {chooser}"
    )


def _check_complete(kind: type[Any], path: Path, values: Mapping[str, object]) -> None:
    """Refuse a part that lacks values for which there is no default."""
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is parameter.empty and name not in values:
            option = _declarations(FIELDS[(*path, name)])[-1]
            text = described(kind).get(name, "").rstrip(".")
            words = [word for word, other in FIELDS[path].kinds.items() if other is kind]
            needs = " ".join([_declarations(FIELDS[path])[0], *words])
            message = f"{needs} needs {option}, which has no default: {_uncapitalised(text)}"
            raise click.UsageError(message)


def _uncapitalised(text: str) -> str:
    return text[:1].lower() + text[1:]


def _by_option(message: str, names: Mapping[str, str]) -> str:
    """Return a message of the configuration with the option in the place of the key."""
    start = re.match(r"[A-Za-z_][\w.\[\]]*(?= must\b)", message)
    keys = start[0].split(".") if start else []
    for place, key in enumerate(keys):
        name, bracket, index = key.partition("[")
        option = names.get(name.lower())
        if start is None or option is None:
            continue
        # In a list of parts the rest says which; else it is how Burn nests a value.
        inner = ".".join([f"{bracket}{index}", *keys[place + 1 :]]) if bracket else ""
        hint = "; write numbers as 16,32,64" if _is_list_of_numbers(name) else ""
        return option + inner + message[start.end() :] + hint
    if len(names) == 1 and not message.startswith("--"):
        (option,) = names.values()
        return f"{option}: {message}"
    return message


def _is_list_of_numbers(name: str) -> bool:
    return any(field.path[-1] == name and field.items in {int, float} for field in FIELDS.values())
