"""The space of a sweep: which settings are tried, and the trials that are drawn from it."""

import itertools
import json
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy

from mnistburn.arguments import nearest, shown
from mnistburn.config.fields import Field
from mnistburn.config.settings import Given, Json, field_at, key_of, named_part
from mnistburn.errors import ConfigError
from mnistburn.recipes import RECIPES
from mnistburn.settings import Part, json_value
from mnistburn.sweeps.distributions import DISTRIBUTIONS, Distribution, Integers

__all__ = ["RECIPE", "Settings", "Space", "given_of"]

Settings = dict[str, Any]
"""What a trial has for each key of the space, as JSON holds it."""

RECIPE: Final = "recipe"
"""The key that is no field: the recipe that the other settings change."""

# More trials than anyone trains are a mistake.
_MOST: Final = 100_000
_NONE: Final = frozenset({"none", "null"})


@dataclass(frozen=True)
class Space:
    """The choices and the distributions of settings, by their keys.

    Attributes:
        dimensions: A list of choices, as JSON holds them, or a distribution for each key.
    """

    dimensions: dict[str, list[Any] | Distribution]

    @classmethod
    def of(cls, space: object) -> "Space":
        """Check a space.

        Args:
            space: A dict of lists of choices and of distributions.

        Returns:
            The space.

        Raises:
            ConfigError: It is none, is empty, or has a key that is no field.
        """
        if isinstance(space, Space):
            return space
        if not isinstance(space, Mapping):
            message = (
                "space must be a dict of keys and what is tried for each, as in "
                f'{{"learning_rate": [1e-3, 1e-2]}}, got {shown(space)}'
            )
            raise ConfigError(message)
        if not space:
            message = (
                'space must have at least one key, as in {"learning_rate": [1e-3, 1e-2]}, got none'
            )
            raise ConfigError(message)
        dimensions: dict[str, list[Any] | Distribution] = {}
        for name, values in space.items():
            key = _key(name)
            if key in dimensions:
                message = f"space must have each key once, got {key!r} twice"
                raise ConfigError(message)
            dimensions[key] = _dimension(key, values)
        return cls(dimensions)

    @property
    def size(self) -> int | None:
        """The number of combinations; None where a number has no end of values."""
        size = 1
        for values in self.dimensions.values():
            if isinstance(values, list):
                size *= len(values)
            elif isinstance(values, Integers):
                size *= values.count
            else:
                return None
        return size

    def trials(self, num_trials: int | None, seed: int) -> list[Settings]:
        """Return the settings of the trials.

        Args:
            num_trials: How many are drawn at random, no two alike; None for every combination.
            seed: Which are drawn. The first trials are the same whatever their number.

        Returns:
            The settings; fewer than asked for where there are not as many combinations.

        Raises:
            ConfigError: Every combination is asked for where there is no end of them.
        """
        if num_trials is None and (self.size or 0) > _MOST:
            message = (
                f"num_trials must say how many trials are drawn, as the space has {self.size:,} "
                f"combinations, more than {_MOST:,}"
            )
            raise ConfigError(message)
        if num_trials is None:
            return list(self._grid())
        return list(itertools.islice(self._draws(seed), num_trials))

    def _grid(self) -> Iterator[Settings]:
        for key, values in self.dimensions.items():
            if not isinstance(values, list | Integers):
                message = (
                    f"num_trials must say how many trials are drawn, as {key} has no end of "
                    "values; or give it a list of choices"
                )
                raise ConfigError(message)
        choices = [
            list(range(values.low, values.high + 1)) if isinstance(values, Integers) else values
            for values in self.dimensions.values()
            if isinstance(values, list | Integers)
        ]
        for combination in itertools.product(*choices):
            yield dict(zip(self.dimensions, combination, strict=True))

    def _draws(self, seed: int) -> Iterator[Settings]:
        size = self.size
        seen: set[str] = set()
        draw = 0
        while size is None or len(seen) < size:
            draw += 1
            settings = {
                # The draw of a key depends on no other key, nor on the order of the keys.
                key: _drawn(values, random.Random(f"{seed}/{draw}/{key}").random())  # noqa: S311
                for key, values in self.dimensions.items()
            }
            text = json.dumps(settings, sort_keys=True)
            if text not in seen:
                seen.add(text)
                yield settings

    def to_json_object(self) -> dict[str, Any]:
        """Return the space as what JSON can hold, and `of` takes."""
        names = {kind: name for name, kind in DISTRIBUTIONS.items()}
        return {
            key: values
            if isinstance(values, list)
            else {names[type(values)]: [values.low, values.high]}
            for key, values in self.dimensions.items()
        }


def _key(name: object) -> str:
    if not isinstance(name, str):
        message = f"space must have keys as in 'optimizer.weight_decay', got {shown(name)}"
        raise ConfigError(message)
    if name == RECIPE:
        return name
    try:
        return key_of(field_at(name).path)
    except ConfigError as error:
        message = f"space: {error}"
        raise ConfigError(message) from None


def _dimension(key: str, values: object) -> list[Any] | Distribution:
    if isinstance(values, Distribution):
        return values
    if isinstance(values, Mapping) and len(values) == 1:
        # As JSON has it.
        ((name, limits),) = values.items()
        kind = DISTRIBUTIONS.get(name)
        if kind is not None and isinstance(limits, list | tuple) and len(limits) == 2:  # noqa: PLR2004
            distribution: Distribution = kind(*limits)
            return distribution
    if not isinstance(values, list | tuple):
        message = (
            f"space[{key!r}] must be a list of choices, or mnistburn.uniform, log_uniform or "
            f"integers, got {shown(values)}"
        )
        if isinstance(values, str | int | float):
            message += f"; a single value is [{values!r}]"
        raise ConfigError(message)
    return _choices(key, values)


def _choices(key: str, values: Sequence[Any]) -> list[Any]:
    choices = [_plain(key, value) for value in values]
    if not choices:
        message = f"space[{key!r}] must have at least one choice, got an empty list"
        raise ConfigError(message)
    texts = [json.dumps(choice, sort_keys=True) for choice in choices]
    for place, text in enumerate(texts):
        if text in texts[:place]:
            message = f"space[{key!r}] must have each choice once, got {text} twice"
            raise ConfigError(message)
    if key == RECIPE:
        for choice in choices:
            if choice not in RECIPES:
                near = nearest(str(choice), RECIPES)
                message = (
                    f"space['recipe'] must have names of recipes, {', '.join(RECIPES)}, "
                    f"got {shown(choice)}{near}"
                )
                raise ConfigError(message)
    return choices


def _plain(key: str, value: Any) -> Any:  # noqa: ANN401  a value of any field
    """Return a choice as JSON holds it."""
    if isinstance(value, Part):
        # Where several classes can stand, JSON says which one it is.
        tagged = getattr(value, "_tagged", None)
        return tagged() if tagged is not None else value._json_object()  # noqa: SLF001  of this package
    if isinstance(value, Mapping):
        return {str(name): _plain(key, item) for name, item in value.items()}
    if isinstance(value, list | tuple | numpy.ndarray):
        return [_plain(key, item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        message = f"space[{key!r}] must have finite numbers, got {value}"
        raise ConfigError(message)
    if value is None or isinstance(value, bool | int | float | str | numpy.generic):
        return json_value(value)
    message = f"space[{key!r}] must have values that a configuration takes, got {shown(value)}"
    raise ConfigError(message)


def _drawn(values: list[Any] | Distribution, share: float) -> object:
    if isinstance(values, list):
        return values[min(int(share * len(values)), len(values) - 1)]
    return values.at(share)


def given_of(settings: Settings) -> dict[tuple[str, ...], Given]:
    """Return the settings of a trial as what is said of the fields of its configuration.

    Args:
        settings: The settings; a recipe is none of the fields.

    Returns:
        What is said, by path.

    Raises:
        SettingError: A word stands for no class.
    """
    given = {}
    for key, value in settings.items():
        if key != RECIPE:
            field = field_at(key)
            given[field.path] = Given(_value(field, value), key)
    return given


def _value(field: Field, value: Any) -> Any:  # noqa: ANN401  a value of any field
    if isinstance(value, str):
        if field.optional and value.lower() in _NONE:
            return None
        if field.holds_parts and not field.choices and str not in field.types:
            return named_part(field, value)
    if field.holds_parts and isinstance(value, dict | list):
        return Json(value)
    return value
