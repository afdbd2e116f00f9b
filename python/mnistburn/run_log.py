"""The log of trainings, under the name of the package."""

__all__ = ["log"]


def log(level: str, message: str) -> None:
    """Log a line; the level is ``"info"`` or ``"warning"``."""
    import logging  # noqa: PLC0415  only a training logs

    logging.getLogger("mnistburn").log(
        logging.WARNING if level == "warning" else logging.INFO, "%s", message
    )
