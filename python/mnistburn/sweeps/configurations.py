"""The configurations of the trials, each checked before anything trains."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import mnistburn.recipes
from mnistburn.config import TrainingConfig
from mnistburn.config.settings import changed, changed_network, kind_of, with_network
from mnistburn.datasets.loading import LoadedPair
from mnistburn.errors import ConfigError
from mnistburn.sweeps.space import RECIPE, Settings, given_of
from mnistburn.training_data import fitting_model

__all__ = ["check_metric", "trial_configs"]

_METRICS = ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy")


def trial_configs(
    base: TrainingConfig, trials: Sequence[Settings], data: LoadedPair
) -> list[TrainingConfig]:
    """Return the configurations of trials.

    Args:
        base: What the trials change.
        trials: Their settings.
        data: What they are trained on.

    Returns:
        The configurations, each with a model that fits the data unless it says another.

    Raises:
        ConfigError: One of them breaks a rule; the message names the trial.
    """
    configs = []
    for number, settings in enumerate(trials, start=1):
        try:
            configs.append(_trial_config(base, settings, data))
        except ConfigError as error:
            message = f"trial {number}, {_shown(settings)}: {error}"
            raise ConfigError(message) from None
    return configs


def _shown(settings: Settings) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items())


def _trial_config(base: TrainingConfig, settings: Settings, data: LoadedPair) -> TrainingConfig:
    given = given_of(settings)
    if RECIPE in settings:
        length: dict[str, Any] = {
            name: settings[name] for name in ("num_epochs", "batch_size") if name in settings
        }
        base = replace(
            mnistburn.recipes.recipe(settings[RECIPE], data.train, **length),
            num_workers=base.num_workers,
            threads=base.threads,
        )
    config = changed(with_network(base, given), given)
    if config.model is None:
        kind = kind_of(given, None)
        model = changed_network(fitting_model(data.train, data.valid, kind), kind, given)
        config = replace(config, model=model)
    return config


def check_metric(metric: str, configs: Sequence[TrainingConfig]) -> None:
    """Refuse a metric that a trial does not measure.

    Args:
        metric: A column of the history.
        configs: The configurations of the trials, with their models.

    Raises:
        ConfigError: The metric is another.
    """
    for number, config in enumerate(configs, start=1):
        known = [*_METRICS, *_columns(config)]
        if metric not in known:
            message = (
                f"metric must be one that each trial measures, of trial {number} "
                f"{', '.join(known)}, got {metric!r}; others are measured with "
                "TrainingConfig(metrics=[...])"
            )
            raise ConfigError(message)


def _columns(config: TrainingConfig) -> list[str]:
    """Return the columns of the metrics that have a number each."""
    columns = []
    for name in config.metrics:
        if name.endswith("_per_class") and config.model is not None:
            stem = name.removesuffix("_per_class")
            columns += [f"valid_{stem}_class_{place}" for place in range(config.model.num_classes)]
        elif name != "confusion":
            columns.append(f"valid_{name}")
    return columns
