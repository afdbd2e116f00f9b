"""Shows the examples of docstrings as code.

griffe knows such a section as ``Examples:``, and the docstrings say ``Example:``.
"""

import re
from typing import Any

import griffe


class Examples(griffe.Extension):
    """Names the section of examples as griffe's parser of Google style does."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401  griffe's own options
        """Change the docstring of a module, class, function or attribute."""
        if obj.docstring is not None:
            obj.docstring.value = re.sub(
                r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE
            )
