"""What the site makes of the pages: links into the repository as paths, and notebooks as pages."""

import json
import posixpath
import re
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

REPOSITORY_LINK: Final = re.compile(r"\[[^\]]*\]\((\.\./[^)#\s]+)(?:#[^)\s]*)?\)")
"""A link to a file of the repository that is not a page: the site does not have it."""

NOTEBOOK_LINK: Final = re.compile(r"(\]\((?!https?:)[^)#\s]+)\.ipynb\b")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each notebook."""
    for file in list(files):
        if file.src_uri.endswith(".ipynb"):
            page = posixpath.splitext(file.src_uri)[0] + ".md"
            files.append(File.generated(config, page, content=notebook_page(file.content_string)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Return the text with links that the site can follow."""
    folder = posixpath.dirname(page.file.src_uri)

    def as_path(found: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join("docs", folder, found[1]))
        return found[0] if target.startswith("docs/") else f"`{target}`"

    return NOTEBOOK_LINK.sub(r"\1.md", REPOSITORY_LINK.sub(as_path, markdown))


def notebook_page(text: str) -> str:
    """Return a notebook as Markdown: its text, its code, and what the code printed."""
    parts: list[str] = []
    for cell in json.loads(text)["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [f"```text\n{printed}\n```" for printed in map(printed_text, cell["outputs"])]
    return "\n\n".join(parts) + "\n"


def printed_text(output: dict[str, Any]) -> str:
    """Return an output of a cell as text."""
    if output["output_type"] == "stream":
        return "".join(output["text"]).rstrip()
    return "".join(output["data"]["text/plain"])
