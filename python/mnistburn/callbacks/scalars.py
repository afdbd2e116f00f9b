"""What a training measures, as tools that draw curves name and place it."""

from mnistburn.results import History

__all__ = ["STEP_SCALARS", "last_step", "scalar_name", "steps_done"]

STEP_SCALARS = ("loss", "accuracy", "learning_rate")
"""The columns of a step that are scalars, with the prefix ``step/``."""


def scalar_name(column: str) -> str:
    """Return the name of a column of the history's epochs, as in ``train/loss``.

    Args:
        column: The column, as in ``train_loss``.

    Returns:
        The name, with a slash behind the part of the data, by which curves are put side by side.
    """
    part, _, rest = column.partition("_")
    return f"{part}/{rest}" if part in {"train", "valid"} else column


def steps_done(epoch: int, step: int, train_steps: int) -> int:
    """Return the number of training steps of a run that are done after a step of an epoch.

    Args:
        epoch: The epoch, from 1.
        step: The step in it, from 1.
        train_steps: The number of training steps of an epoch.
    """
    return (epoch - 1) * train_steps + step


def last_step(history: History, train_steps: int) -> int:
    """Return the number of training steps that a history has; 0 for that of a new run."""
    done = history.train_steps
    return (
        steps_done(int(done["epoch"][-1]), int(done["step"][-1]), train_steps)
        if done["epoch"]
        else 0
    )
