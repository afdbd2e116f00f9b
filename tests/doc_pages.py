"""The blocks of a documentation page, and a program that runs them as a reader would.

``python doc_pages.py PAGE`` runs the ``python`` and ``console`` blocks of a page one after the
other in the working directory, the Python ones in one namespace. It compares what they print where
the page shows it: below a command, or in an ``output`` block after a Python block. There ``...``
stands for any text. Comments in a page say:

- ``<!-- not run: REASON -->`` before a block: it is not run.
- ``<!-- run beside: NAME, NAME -->`` anywhere: what the directory has before, see `test_docs`.
"""

import contextlib
import doctest
import io
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

BLOCK: Final = re.compile(
    r"^(?:<!-- not run: (?P<reason>[^\n]+) -->\n+)?"
    r"```(?P<language>[\w-]*)\n(?P<text>.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
BESIDE: Final = re.compile(r"^<!-- run beside: (.+) -->$", re.MULTILINE)
FLAGS: Final = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE


@dataclass(frozen=True)
class Block:
    """A fenced block of a page.

    Attributes:
        language: What stands behind the fence.
        text: What is between the fences.
        line: The line of the page that its text begins in.
        reason: Why it is not run; None where it is.
    """

    language: str
    text: str
    line: int
    reason: str | None

    def commands(self) -> list[tuple[str, str]]:
        """Return the commands of a console block, each with the output that is shown below it."""
        found: list[tuple[str, str]] = []
        for line in self.text.splitlines(keepends=True):
            if line.startswith("$ "):
                found.append((line[2:], ""))
            elif found and found[-1][0].endswith("\\\n"):
                found[-1] = (found[-1][0] + line, "")
            elif found:
                found[-1] = (found[-1][0], found[-1][1] + line)
            else:
                message = f"line {self.line}: a console block begins with a command"
                raise ValueError(message)
        return found


def blocks_of(page: Path) -> list[Block]:
    """Return the fenced blocks of a page."""
    text = page.read_text("utf-8")
    return [
        Block(
            found["language"],
            found["text"],
            text.count("\n", 0, found.start("text")) + 1,
            found["reason"],
        )
        for found in BLOCK.finditer(text)
    ]


def beside(page: Path) -> list[str]:
    """Return the names of what the blocks of a page need in their directory."""
    return [name for found in BESIDE.findall(page.read_text("utf-8")) for name in found.split(", ")]


def run(page: Path) -> None:
    """Run the blocks of a page, and raise at the first that fails or prints something else."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(page):
        if block.reason is not None:
            continue
        place = f"{page}, line {block.line}"
        if block.language == "python":
            # Line numbers in a traceback are those of the page.
            code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
            with contextlib.redirect_stdout(io.StringIO()) as output:
                exec(code, namespace)  # noqa: S102  that is its purpose
            printed = output.getvalue()
            sys.stdout.write(printed)
        elif block.language == "output":
            compare(place, block.text, printed)
        elif block.language == "console":
            for command, shown in block.commands():
                compare(f"{place}: {command}", shown, shell(place, command), everything=False)


def shell(place: str, command: str) -> str:
    """Run a command, and return what it printed on standard output and standard error."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],  # noqa: S607  the reader's shell
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    sys.stdout.write(f"$ {command}{done.stdout}")
    if done.returncode != 0:
        message = f"{place}: {command} ended with the status {done.returncode}:\n{done.stdout}"
        raise AssertionError(message)
    return done.stdout


def compare(place: str, shown: str, printed: str, *, everything: bool = True) -> None:
    """Raise if something else was printed than a page shows.

    It may show nothing of a command's output.
    """
    if not everything and not shown.strip():
        return
    checker = doctest.OutputChecker()
    if not checker.check_output(shown, printed, FLAGS):
        example = doctest.Example("", shown)
        difference = checker.output_difference(example, printed, FLAGS)
        message = f"{place}: the page shows other output\n{difference}"
        raise AssertionError(message)


if __name__ == "__main__":
    run(Path(sys.argv[1]))
