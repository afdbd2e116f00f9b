"""``mnistburn completion``: the shells complete commands, options and their values."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from mnistburn.cli import main

# Each prints what its shell completes the words of the command line to, a line each.
SCRIPTS = {
    "bash": """
eval "$(mnistburn completion bash)"
compopt() { :; }  # known only while a key is pressed
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
COMPREPLY=()
"$(complete -p mnistburn | sed -E 's/.*-F ([^ ]+).*/\\1/')" mnistburn
printf '%s\\n' "${COMPREPLY[@]}"
""",
    # What the line editor does with them, it says itself only while a key is pressed.
    "zsh": """
autoload -Uz compinit
compinit -u -D
eval "$(mnistburn completion zsh)"
_describe() { print -rl -- ${${(P)@[-2]}%%:*} }
compadd() { print -rl -- ${(P)@[-1]} }
_path_files() { print files }
words=("$@")
CURRENT=$#
$_comps[mnistburn]
""",
    "fish": """
mnistburn completion fish | source
complete -C "$argv" | string replace -r '\\t.*' ''; or true
""",
}
# No file of the user is read.
PLAIN = {"bash": ["--norc"], "zsh": ["-f"], "fish": ["-N"]}


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return a PATH that leads to the command of this package."""
    folder = tmp_path_factory.mktemp("bin")
    script = folder / "mnistburn"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m mnistburn "$@"\n')
    script.chmod(0o755)
    return f"{folder}{os.pathsep}{os.environ['PATH']}"


@pytest.mark.parametrize("shell", SCRIPTS)
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["tr"], {"train"}),
        (["train", "run", "--optimizer.w"], {"--optimizer.weight-decay"}),
        (["train", "--no-aug"], {"--no-augmentation.flip"}),
        (["train", "--early-stopping.d"], {"--early-stopping.direction"}),
        (["train", "--early-stopping.direction", "m"], {"min", "max"}),
        (["train", "--lr-scheduler", "one"], {"one-cycle"}),
        (["train", "--recipe", "f"], {"fast"}),
        (["train", "--set", "augmentation.r"], {"augmentation.rotate="}),
        (["train", "--data", "emnist-l"], {"emnist-letters"}),
        (["data", "fe"], {"fetch"}),
        (["completion", ""], {"bash", "zsh", "fish"}),
    ],
    ids=str,
)
def test_a_shell_completes(path: str, shell: str, words: list[str], expected: set[str]) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    line = ["mnistburn", *words]
    # fish takes the line as it is typed; the others have their own name before the words.
    arguments = [" ".join(line)] if shell == "fish" else [shell, *line]
    done = subprocess.run(
        [program, *PLAIN[shell], "-c", SCRIPTS[shell], *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert done.stderr == ""
    assert set(done.stdout.split()) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_is_printed_whatever_shells_there_are(
    shell: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    done = CliRunner().invoke(main, ["completion", shell])
    assert done.exit_code == 0
    assert done.stderr == ""
    assert f"_MNISTBURN_COMPLETE={shell}_complete" in done.stdout
    assert "%(" not in done.stdout


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_the_script_is_one_of_its_shell(shell: str) -> None:
    program = shutil.which(shell)
    if program is None:
        pytest.skip(f"there is no {shell}")
    script = CliRunner().invoke(main, ["completion", shell]).stdout
    subprocess.run([program, "-n"], input=script, text=True, timeout=100, check=True)
