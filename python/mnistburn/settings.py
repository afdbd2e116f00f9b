"""What all configurations share: a JSON text, and the Rust core that checks it."""

import contextlib
import errno
import inspect
import json
import math
import os
import threading
from dataclasses import fields
from typing import Any, ClassVar, Final, Self

import numpy

from mnistburn import _native
from mnistburn.arguments import as_path, nearest, shown
from mnistburn.errors import ConfigError
from mnistburn.system_errors import sync, trying

__all__ = ["KNOWN_AS", "File", "Part", "check_type", "json_fields", "json_value"]

# A configuration takes about a kilobyte: a larger file is something else.
_LARGEST_FILE: Final = 1 << 20
KNOWN_AS: Final = {"lr": "learning_rate", "max_epochs": "num_epochs", "workers": "num_workers"}
"""What people are used to from elsewhere, where the nearest name is none."""

# Wider integers are beyond what a JSON reader keeps exactly.
_WIDEST_INTEGER: Final = 64


def json_value(value: object) -> object:
    """Return the value as JSON can hold it.

    What JSON cannot hold is sent as text, so that the rule's own message names the value.
    """
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, int) and value.bit_length() > _WIDEST_INTEGER:
        return shown(value)
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        # A lone surrogate is no valid JSON.
        return value.encode("utf-8", "backslashreplace").decode()
    if value is None or isinstance(value, bool | int | float):
        return value
    return shown(value)


def json_fields(config: Any) -> dict[str, object]:  # noqa: ANN401  any of the dataclasses
    """Return the fields of a configuration as JSON values, nested ones as objects."""
    return {
        item.name: value._json_object() if isinstance(value, Part) else json_value(value)  # noqa: SLF001
        for item in fields(config)
        for value in [getattr(config, item.name)]
    }


def check_type(name: str, value: object, expected: type) -> None:
    """Refuse a value of another type."""
    if not isinstance(value, expected):
        article = "an" if expected.__name__[0] in "AEIOU" else "a"
        message = (
            f"{name} must be {article} {expected.__name__}, got {shown(value)}; "
            f"pass {expected.__name__}(...)"
        )
        raise ConfigError(message)


class Part:
    """What can be a part of a configuration's JSON."""

    def __new__(cls, *_: object, **values: object) -> Self:
        """Refuse a value of no field, and propose the nearest.

        Raises:
            TypeError: There is no such field.
        """
        # Not only its fields: a shorthand is none.
        names = [*inspect.signature(cls.__init__).parameters][1:]
        for name in values:
            if name not in names:
                known = KNOWN_AS.get(name, "")
                near = f"; did you mean {known!r}?" if known in names else nearest(name, names)
                message = f"{cls.__name__} has no {name!r}{near or f'; it has {names}'}"
                raise TypeError(message)
        return super().__new__(cls)

    def _json_object(self) -> dict[str, object]:
        return json_fields(self)

    def _keep(self, checked: dict[str, Any], names: tuple[str, ...]) -> None:
        """Take over the checked values: a NumPy number becomes a plain one, 1 becomes 1.0."""
        for name in names:
            object.__setattr__(self, name, checked[name])


class File(Part):
    """A configuration with a JSON text and a file of its own."""

    _kind: ClassVar[str]

    def _complete(self) -> dict[str, Any]:
        """Return the configuration as the Rust core understands it, every key present."""
        text = _native.complete_config(self._kind, json.dumps(self._json_object()))
        checked: dict[str, Any] = json.loads(text)
        return checked

    @classmethod
    def _from_checked(cls, checked: dict[str, Any]) -> Self:
        """Build the configuration from JSON that has every key."""
        return cls(**checked)

    def to_json(self) -> str:
        """Return the configuration as the pretty JSON of the Burn `Config` of this name.

        Keys that Burn's type lacks are left out while they hold their defaults.

        Returns:
            The JSON text, without a final line break.
        """
        return _native.burn_config(self._kind, json.dumps(self._json_object()))

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Build a configuration from JSON, as this package or Burn writes it.

        Args:
            text: The JSON text. Missing keys take their defaults.

        Returns:
            The configuration.

        Raises:
            ConfigError: The text is no JSON, a key is unknown, or a value breaks its rule.
        """
        if not isinstance(text, str):
            message = f"text must be a str that holds JSON, got {shown(text)}"
            raise ConfigError(message)
        try:
            text.encode()
        except UnicodeEncodeError as error:
            message = f"text must be Unicode text without lone surrogates: {error}"
            raise ConfigError(message) from None
        return cls._from_checked(json.loads(_native.complete_config(cls._kind, text)))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the configuration to a JSON file atomically.

        Args:
            path: The file; an existing one is replaced.

        Raises:
            ConfigError: The path is none, or is a device, a pipe or a socket.
            OSError: The file cannot be written.
        """
        target = as_path(path, "path", ConfigError)
        if target.is_dir():
            reason = f"could not write: {os.strerror(errno.EISDIR)}"
            raise IsADirectoryError(errno.EISDIR, reason, str(target))
        if target.exists() and not target.is_file():
            # The file would take its place.
            message = f"{target} is not a regular file; save to another path"
            raise ConfigError(message)
        temporary = target.with_name(f".mnistburn-{os.getpid()}-{threading.get_ident()}.tmp")
        text = self.to_json() + "\n"
        try:
            # The caller knows the target, not the temporary file.
            with trying("could not write", target):
                with temporary.open("w", encoding="utf-8", newline="\n") as file:
                    file.write(text)
                    file.flush()
                    sync(file.fileno())
                temporary.replace(target)
        finally:
            with contextlib.suppress(OSError):
                temporary.unlink()

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a configuration from a JSON file.

        Args:
            path: The file, for example the ``config.json`` of an artifact directory.

        Returns:
            The configuration.

        Raises:
            ConfigError: The file holds no valid configuration; the message names the file.
            OSError: The file cannot be read.
        """
        source = as_path(path, "path", ConfigError)
        if source.exists() and not source.is_file() and not source.is_dir():
            message = f"{source} is not a regular file"
            raise ConfigError(message)
        with trying("could not read", source), source.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        if len(content) > _LARGEST_FILE:
            message = f"{source} is larger than {_LARGEST_FILE} bytes: this is no configuration"
            raise ConfigError(message)
        try:
            return cls.from_json(content.decode("utf-8-sig"))
        except UnicodeDecodeError as error:
            message = f"{source} is not UTF-8 text: {error}"
            raise ConfigError(message) from None
        except ConfigError as error:
            message = f"{source}: {error}"
            raise ConfigError(message) from None
