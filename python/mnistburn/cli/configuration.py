"""A training's configuration with what options say of it."""

import dataclasses
import inspect
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import click

from mnistburn.cli.configuration_options import MODEL, Given, Json, names_of
from mnistburn.cli.fields import FIELDS, Field, Path, children, described
from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError
from mnistburn.networks import ModelConfig, NetworkConfig

__all__ = ["changed", "changed_network", "kind_of", "with_network"]

# What is made from a shorthand; replacing a configuration takes the other along.
_SHORTHANDS: Final = {"widths": "blocks"}
_OF_IMAGES: Final = ("num_classes", "image_height", "image_width", "image_channels")


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
        if isinstance(said.value, Json):
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
        option = names_of(FIELDS[field.path])[0]
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
    chooser = names_of(field)[0]
    (word,) = (word for word, other in field.kinds.items() if other is kind)
    noun = chooser.removeprefix("--").replace("-", " ")
    return (
        f"{option} is no setting of the {noun} {word!r}; leave it out, or choose another {chooser}"
    )


def _check_complete(kind: type[Any], path: Path, values: Mapping[str, object]) -> None:
    """Refuse a part that lacks values for which there is no default."""
    for name, parameter in inspect.signature(kind).parameters.items():
        if parameter.default is parameter.empty and name not in values:
            option = names_of(FIELDS[(*path, name)])[-1]
            text = described(kind).get(name, "").rstrip(".")
            words = [word for word, other in FIELDS[path].kinds.items() if other is kind]
            needs = " ".join([names_of(FIELDS[path])[0], *words])
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
