"""Lets Optuna stop the trainings that are not worth their time."""

from typing import Any, Literal

from mnistburn.arguments import nearest, shown
from mnistburn.callbacks.callback import Callback
from mnistburn.callbacks.early_stopping import EarlyStopping
from mnistburn.callbacks.events import EpochEnd, TrainBegin
from mnistburn.errors import ConfigError

__all__ = ["OptunaPruning"]


class OptunaPruning(Callback):
    """Reports a metric of each epoch to a trial of Optuna, and stops a training that it prunes.

    It needs Optuna: ``pip install "mnistburn[optuna]"``. The training of a pruned trial saves its
    work and raises ``optuna.TrialPruned``, as Optuna expects of the function that it optimises.

    The first epoch is step 0 of the trial, where Optuna's pruners begin to count. The epochs of a
    resumed run are reported too.

    Example:
        >>> import mnistburn, optuna
        >>> def objective(trial):
        ...     rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
        ...     run = mnistburn.train(
        ...         f"trials/{trial.number}",
        ...         mnistburn.TrainingConfig(learning_rate=rate),
        ...         callbacks=[mnistburn.OptunaPruning(trial)],
        ...     )
        ...     return min(run.history["valid_loss"])
        >>> study = optuna.create_study(direction="minimize")  # and study.optimize(objective)
    """

    def __init__(
        self,
        trial: Any,  # noqa: ANN401  Optuna is an extra
        metric: str = "valid_loss",
        *,
        direction: Literal["min", "max"] | None = None,
    ) -> None:
        """Report to a trial.

        Args:
            trial: The ``optuna.Trial`` that the function to optimise is called with.
            metric: What is reported, a column of the history's epochs.
            direction: Which way the metric is better, ``"min"`` or ``"max"``; None for what it is
                of the metrics of this package. One of your own needs it.

        Raises:
            ConfigError: The trial is none, the study has another direction than the metric, or
                Optuna is not installed.
        """
        try:
            import optuna  # noqa: PLC0415  of an extra
        except ImportError:
            message = (
                "OptunaPruning needs optuna, which is not installed; "
                'pip install "mnistburn[optuna]"'
            )
            raise ConfigError(message) from None
        if not callable(getattr(trial, "report", None)) or not callable(
            getattr(trial, "should_prune", None)
        ):
            message = f"trial must be a trial of Optuna, got {shown(trial)}"
            raise ConfigError(message)
        # The rule for both is that of early stopping.
        better = EarlyStopping(metric=metric, direction=direction).direction
        study = getattr(trial, "study", None)
        if study is not None and study.direction.name.lower()[:3] != better:
            verb = {"min": "minimize", "max": "maximize"}[better or "min"]
            message = (
                f"the study must {verb} {metric}, got {study.direction.name}; "
                f'optuna.create_study(direction="{verb}") does'
            )
            raise ConfigError(message)
        self.metric = metric
        self._trial = trial
        self._pruned = optuna.TrialPruned
        self._reported: set[int] = set()

    def on_train_begin(self, event: TrainBegin) -> None:
        """Report the epochs that a resumed run has."""
        history = event.run.history
        if history.num_epochs:
            for epoch, value in enumerate(history[self.metric], start=1):
                self._report(epoch, value)

    def on_epoch_end(self, event: EpochEnd) -> None:
        """Report an epoch, and stop where the trial is pruned."""
        row = event.row()
        if self.metric not in row:
            message = (
                f"metric must be one that the run measures, {', '.join(row)}, got {self.metric!r}"
                f"{nearest(self.metric, row)}"
            )
            raise ConfigError(message)
        self._report(event.epoch, row[self.metric])
        if self._trial.should_prune():
            message = f"pruned after epoch {event.epoch}, {self.metric} {row[self.metric]:.4g}"
            raise self._pruned(message)

    def _report(self, epoch: int, value: float) -> None:
        if epoch not in self._reported:
            self._reported.add(epoch)
            self._trial.report(value, epoch - 1)
