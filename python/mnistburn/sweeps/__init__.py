"""Sweeps: many trainings with other settings, side by side, and the table of what came of them.

Example:
    >>> import mnistburn
    >>> images = mnistburn.datasets.load("mnist", split="test")
    >>> config = mnistburn.TrainingConfig(num_epochs=1, threads=1)
    >>> data = (images[:128], images[128:192])
    >>> result = mnistburn.sweep(
    ...     {"learning_rate": [1e-3, 1e-2], "model.hidden_size": [8]},
    ...     "sweeps/example",
    ...     config,
    ...     "cpu",
    ...     data=data,
    ...     progress=False,
    ... )
    >>> len(result.trials), result.best.ended
    (2, 'completed')
"""

from mnistburn.sweeps.distributions import (
    Distribution,
    Integers,
    LogUniform,
    Uniform,
    integers,
    log_uniform,
    uniform,
)
from mnistburn.sweeps.halving import SuccessiveHalving
from mnistburn.sweeps.launch import sweep
from mnistburn.sweeps.result import SweepResult, load_sweep
from mnistburn.sweeps.trial import Trial, TrialEnded

__all__ = [
    "Distribution",
    "Integers",
    "LogUniform",
    "SuccessiveHalving",
    "SweepResult",
    "Trial",
    "TrialEnded",
    "Uniform",
    "integers",
    "load_sweep",
    "log_uniform",
    "sweep",
    "uniform",
]
