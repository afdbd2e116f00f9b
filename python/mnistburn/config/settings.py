"""A training's configuration with other values for single fields, and the callbacks asked for."""

import dataclasses
import difflib
import inspect
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from mnistburn.arguments import nearest
from mnistburn.callbacks import Callback
from mnistburn.config import TrainingConfig
from mnistburn.config.fields import (
    CALLBACKS,
    FIELDS,
    MODEL,
    Field,
    Path,
    children,
    described,
    subfields,
)
from mnistburn.errors import ConfigError
from mnistburn.networks import ModelConfig, NetworkConfig
from mnistburn.settings import KNOWN_AS

__all__ = [
    "Given",
    "Json",
    "SettingError",
    "callbacks_of",
    "changed",
    "changed_network",
    "field_at",
    "key_of",
    "kind_of",
    "named_part",
    "rule_of_part",
    "with_network",
]

# What is made from a shorthand; replacing a configuration takes the other along.
_SHORTHANDS: Final = {"widths": "blocks"}
_OF_IMAGES: Final = ("num_classes", "image_height", "image_width", "image_channels")


class SettingError(ConfigError):
    """What is said of single fields does not go together, or is said of a field that is none."""


def key_of(path: Path) -> str:
    """Return the key of a field, as in ``optimizer.weight_decay``."""
    return ".".join(path)


@dataclass(frozen=True)
class Json:
    """What JSON has for a part or for a list of parts."""

    value: object


@dataclass(frozen=True)
class Given:
    """What is said of a field.

    Attributes:
        value: The value; of a part its class, or its JSON.
        name: What messages call the field.
        name_of: What they call another one, by its path.
    """

    value: Any
    name: str
    name_of: Callable[[Path], str] = key_of


def field_at(key: str) -> Field:
    """Return the field with a key.

    Args:
        key: The key; its words may be joined by hyphens, as on the command line.

    Returns:
        The field.

    Raises:
        SettingError: There is none; the message proposes the nearest.
    """
    path = tuple(key.strip().replace("-", "_").split("."))
    if path not in FIELDS:
        message = f"there is no field {key!r}{_way_to(path)}"
        raise SettingError(message)
    return FIELDS[path]


def _way_to(path: Path) -> str:
    """Propose the field of that name elsewhere, or the nearest one of the same part."""
    name = KNOWN_AS.get(path[-1], path[-1])
    same = [key_of(known) for known in FIELDS if known[-1] == name]
    if same:
        return f"; did you mean {' or '.join(map(repr, same))}?"
    beside = subfields(path[:-1]) or subfields(())
    keys = {field.path[-1]: key_of(field.path) for field in beside}
    near = difflib.get_close_matches(path[-1], keys, n=1)
    if near:
        return f"; did you mean {keys[near[0]]!r}?"
    return f"; the fields are {', '.join(keys.values())}"


def named_part(field: Field, word: str, name_of: Callable[[Path], str] = key_of) -> object:
    """Return what a word, or JSON, says of a part.

    Args:
        field: The part, or list of parts.
        word: The word for a class, as in ``one-cycle``, or JSON.
        name_of: What messages call fields.

    Returns:
        The class, or the `Json`.

    Raises:
        SettingError: It is neither.
    """
    if word.startswith(("{", "[")):
        try:
            return Json(json.loads(word))
        except ValueError as error:
            message = f"{word!r} must be JSON: {error}"
            raise SettingError(message) from None
    if len(field.kinds) > 1:
        # As the classes write it too, OneCycle and one_cycle.
        plain = {re.sub("[-_]", "", name): kind for name, kind in field.kinds.items()}
        kind = plain.get(re.sub("[-_]", "", word.lower()))
        if kind is not None:
            return kind
        message = f"{word!r} is not one of {', '.join(map(repr, field.words))}."
        raise SettingError(message + nearest(word, field.kinds).replace(";", ""))
    message = f"{word!r} {rule_of_part(field, name_of)}"
    raise SettingError(message)


def rule_of_part(field: Field, name_of: Callable[[Path], str] = key_of) -> str:
    """Return what a value of a part must be, for the end of a message.

    Args:
        field: The part, or list of parts.
        name_of: What the message calls fields.

    Returns:
        The rule.
    """
    rule = "must be JSON, as a configuration file has it"
    if field.optional:
        rule += ", or none"
    if field.kinds:
        names = ", ".join(name_of(item.path) for item in subfields(field.path))
        rule += f"; its fields can be given instead, {names}"
    return rule


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
    model = None if said.value is None else _read(FIELDS[MODEL], (), said)
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


def callbacks_of(given: Mapping[Path, Given]) -> list[Callback]:
    """Return the callbacks that are asked for, with the options given for them."""
    asked = {path[0] for path in given}
    return [
        _changed_part(kind, None, (name,), (), given)
        for name, kind in CALLBACKS.items()
        if name in asked
    ]


def changed_network(
    model: NetworkConfig, kind: type[NetworkConfig], given: Mapping[Path, Given]
) -> NetworkConfig:
    """Return a network of that kind with the options given, for the images of the model."""
    settings = {path: said for path, said in given.items() if path[0] == MODEL[0] and path != MODEL}
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
            raise SettingError(_foreign(said, kind, path))
        names.setdefault(name, said.name)
        if name not in values:
            current = None if part is None else getattr(part, name, None)
            values[name] = _new_value(fields[name], current, kinds, given)
    for short, long in _SHORTHANDS.items():
        if short in values and part is not None:
            values.setdefault(long, None)
    if part is None:
        _check_complete(kind, path, values, next(iter(given.values())).name_of)
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
    if said is not None and isinstance(said.value, type):
        # One of that kind keeps its values.
        if not isinstance(current, said.value):
            return _changed_part(said.value, None, field.path, (*kinds, said.value), given)
    elif said is not None:
        if field.kinds and not (said.value is None or isinstance(said.value, Json)):
            message = f"{said.name} {rule_of_part(field, said.name_of)}, got {said.value}"
            raise SettingError(message)
        current = _read(field, kinds, said) if isinstance(said.value, Json) else said.value
    below = [path for path in given if path[:-1][: len(field.path)] == field.path]
    if not below:
        return current
    first = given[below[0]]
    if not field.kinds:
        # Another class has a part of that name.
        raise SettingError(_foreign(first, kinds[-1], field.path[:-1]))
    if isinstance(current, tuple(field.kinds.values())):
        return _changed_part(type(current), current, field.path, (*kinds, type(current)), given)
    if said is None and len(field.kinds) == 1:
        (kind,) = field.kinds.values()
        return _changed_part(kind, None, field.path, (*kinds, kind), given)
    known = ", ".join(field.kinds) if len(field.kinds) > 1 else "one"
    chooser = first.name_of(field.path)
    message = f"{first.name} is a setting of what {chooser} says: give {known}"
    raise SettingError(message)


def _read(field: Field, kinds: tuple[type[Any], ...], said: Given) -> Any:  # noqa: ANN401  any part
    """Return the part, or the list of parts, that JSON says.

    Args:
        field: Where it is.
        kinds: The classes of the parts around it.
        said: The option.

    Returns:
        The part.
    """
    value = said.value.value
    parts = {*field.kinds.values(), *field.item_kinds}
    # What may stand at the top too is read there, where nothing else has to be given.
    home = next((top for top in subfields(()) if parts and parts <= {*top.kinds.values()}), None)
    try:
        if home is None:
            return _read_at(field.path, kinds, value)
        if field.item_kinds and isinstance(value, list):
            return tuple(_read_at(home.path, (), item) for item in value)
        return _read_at(home.path, (), value)
    except ConfigError as error:
        name = (home or field).path[-1]
        raise ConfigError(_by_option(str(error), {name: said.name})) from None


def _read_at(path: Path, kinds: tuple[type[Any], ...], value: object) -> Any:  # noqa: ANN401
    """Return what a training's configuration with this JSON at the path holds there."""
    content: dict[str, Any] = {path[-1]: value}
    for name, kind in zip(reversed(path[:-1]), reversed(kinds), strict=True):
        tag = getattr(kind, "_tag", None)
        content = {name: content if tag is None else {tag: content}}
    # The largest learning rate: schedules have to fit below it.
    part: Any = TrainingConfig.from_json(json.dumps({"learning_rate": 1.0, **content}))
    for name in path:
        part = getattr(part, name)
    return part


def _foreign(said: Given, kind: type[Any], path: Path) -> str:
    """Say that a part of this kind has no such field."""
    field = FIELDS[path]
    chooser = said.name_of(path)
    (word,) = (word for word, other in field.kinds.items() if other is kind)
    noun = re.sub("[-_]", " ", chooser).strip()
    return (
        f"{said.name} is no setting of the {noun} {word!r}; leave it out, or choose another "
        f"{chooser}"
    )


def _check_complete(
    kind: type[Any], path: Path, values: Mapping[str, object], name_of: Callable[[Path], str]
) -> None:
    """Refuse a part that lacks values for which there is no default."""
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is parameter.empty and name not in values:
            words = [word for word, other in FIELDS[path].kinds.items() if other is kind]
            chooser = " ".join([name_of(path), *words])
            text = described(kind).get(name, "").rstrip(".")
            text = text[:1].lower() + text[1:]
            if (*path, name) in FIELDS:
                option = name_of((*path, name))
            else:
                option = f'{name}, as in \'{{"{getattr(kind, "_tag", "")}": {{"{name}": ...}}}}\''
            message = f"{chooser} needs {option}, which has no default: {text}"
            raise SettingError(message)


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
        on_command_line = option.startswith("--")
        hint = "; write numbers as 16,32,64" * (on_command_line and _is_list_of_numbers(name))
        return option + inner + message[start.end() :] + hint
    option = next(iter(names.values()), "")
    if len(names) == 1 and not message.startswith(("--", option)):
        return f"{option}: {message}"
    return message


def _is_list_of_numbers(name: str) -> bool:
    return any(field.path[-1] == name and field.items in {int, float} for field in FIELDS.values())
