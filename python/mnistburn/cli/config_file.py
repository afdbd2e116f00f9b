"""A configuration from a file or from standard input."""

import json
import sys
from pathlib import Path
from typing import Final, NamedTuple

from mnistburn.config import TrainingConfig
from mnistburn.errors import ConfigError

__all__ = ["ConfigFile", "read_config_file"]

_STANDARD_INPUT: Final = Path("-")
# A configuration takes about a kilobyte: what is longer is something else.
_LARGEST: Final = 1 << 20


class ConfigFile(NamedTuple):
    """What a configuration file says.

    Attributes:
        config: The configuration, with defaults for what it leaves out.
        keys: The fields that it does not leave out.
    """

    config: TrainingConfig
    keys: frozenset[str]


def read_config_file(path: Path) -> ConfigFile:
    """Read a configuration file.

    Args:
        path: The file; ``-`` for standard input.

    Returns:
        What it says.

    Raises:
        ConfigError: It holds no configuration.
        OSError: It cannot be read.
    """
    if path != _STANDARD_INPUT:
        config = TrainingConfig.load(path)
        return ConfigFile(config, frozenset(json.loads(path.read_text("utf-8-sig"))))
    content = sys.stdin.buffer.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        message = f"standard input is longer than {_LARGEST} bytes: this is no configuration"
        raise ConfigError(message)
    try:
        text = content.decode("utf-8-sig")
        config = TrainingConfig.from_json(text)
    except UnicodeDecodeError as error:
        message = f"standard input is not UTF-8 text: {error}"
        raise ConfigError(message) from None
    except ConfigError as error:
        message = f"standard input: {error}"
        raise ConfigError(message) from None
    return ConfigFile(config, frozenset(json.loads(text)))
