"""A place in a notebook whose content changes."""

import importlib
import sys
from typing import Any, Final, Protocol

__all__ = ["Display", "start_display"]

_KERNEL: Final = "IPKernelApp"


class Display(Protocol):
    """A place in a notebook."""

    def show(self, html: str) -> None:
        """Replace what is there."""


class _Place:
    def __init__(self) -> None:
        # Imported by name: it has no types.
        module: Any = importlib.import_module("IPython.display")
        self._html = module.HTML
        self._handle = module.display(module.HTML(""), display_id=True)

    def show(self, html: str) -> None:
        self._handle.update(self._html(html))


def start_display() -> Display | None:
    """Return a place below the cell that runs; None where there is no notebook."""
    # A notebook has imported IPython long before.
    module = sys.modules.get("IPython")
    shell = module.get_ipython() if module is not None and hasattr(module, "get_ipython") else None
    if shell is None or _KERNEL not in getattr(shell, "config", {}):
        return None
    return _Place()
