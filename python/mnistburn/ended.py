"""Why a training ended."""

from typing import Literal

__all__ = ["Ended"]

Ended = Literal["completed", "stopped", "stopped_early", "interrupted"]
"""All its epochs are done; a callback stopped it; `EarlyStopping` did; Ctrl-C or the like did."""
