"""The errors this package raises.

Every error of the package is a `MnistburnError`, and each kind also derives from the built-in
error that fits it, so that ``except ValueError`` works as well as ``except ConfigError``. Errors of
the operating system stay what Python makes of them: a missing file is a `FileNotFoundError`, a
directory without permission a `PermissionError`.

A message names the rule that was broken, the value that broke it, and the way out.

Example:
    >>> import mnistburn
    >>> try:
    ...     mnistburn.ModelConfig(dropout=1.5)
    ... except mnistburn.errors.ConfigError as error:
    ...     print("dropout" in str(error), isinstance(error, ValueError))
    True True
"""

__all__ = [
    "ArtifactError",
    "ConfigError",
    "DataError",
    "DeviceError",
    "InternalError",
    "MnistburnError",
    "RecordError",
    "TrainingError",
]


class MnistburnError(Exception):
    """The common ancestor of every error below."""


class ConfigError(MnistburnError, ValueError):
    """A configuration or an argument breaks a rule, or a configuration file cannot be read."""


class DataError(MnistburnError, ValueError):
    """Images, targets or a data file have a wrong shape, type, value or content."""


class DeviceError(MnistburnError, RuntimeError):
    """A device does not exist, is not part of this build, or cannot be used on this machine."""


class RecordError(MnistburnError, ValueError):
    """A model file, or a state dictionary, is damaged or does not fit the model."""


class ArtifactError(MnistburnError, OSError):
    """An artifact directory holds no run, or holds files that are not this package's."""


class TrainingError(MnistburnError, RuntimeError):
    """A training cannot go on: the loss is not finite, or a gradient tape was used twice."""


class InternalError(MnistburnError, RuntimeError):
    """A defect of this package; please report it with the message."""
