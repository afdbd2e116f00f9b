"""The help of every command is read well on a screen of 80 columns."""

import re
from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner

from mnistburn.cli import main


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Yield the words that name each command and each group."""
    yield words
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*words, name))
        else:
            yield (*words, name)


COMMANDS = [*commands(main), ("train", "--help-all")]


def help_of(words: tuple[str, ...]) -> str:
    done = CliRunner().invoke(main, [*words, *["--help"] * ("--help-all" not in words)])
    assert done.exit_code == 0
    return done.stdout


def test_all_commands_are_found() -> None:
    assert {("train",), ("data", "fetch"), ("completion",), ()} <= set(COMMANDS)
    assert len(COMMANDS) > 15


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_wrapped_between_words(words: tuple[str, ...]) -> None:
    lines = help_of(words).splitlines()
    assert max(map(len, lines)) <= 80
    for line in lines:
        assert not line.endswith("-"), line
        # A default stands on one line.
        assert line.count("[") == line.count("]"), line


@pytest.mark.parametrize("words", [(), ("data",)], ids=["mnistburn", "data"])
def test_what_a_command_does_fits_its_line(words: tuple[str, ...]) -> None:
    text = help_of(words)
    assert "..." not in text.partition("Commands:")[2]
    listed = re.findall(r"^  ([a-z-]+) +(\S.*\.)$", text.partition("Commands:")[2], re.MULTILINE)
    group: click.Group = main
    for word in words:
        inner = group.commands[word]
        assert isinstance(inner, click.Group)
        group = inner
    assert [name for name, _ in listed] == sorted(group.commands)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_each_option_says_what_it_does(words: tuple[str, ...]) -> None:
    command: click.Command = main
    for word in words:
        if isinstance(command, click.Group) and word in command.commands:
            command = command.commands[word]
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, parameter.opts


def test_the_data_that_are_taken_otherwise_are_those_of_the_command() -> None:
    for words, otherwise in (
        (("train",), "MNIST, or with --resume the data of the run, unless given."),
        (("find-rate",), "IDX file; MNIST unless given."),
        (("recipes",), "IDX file; MNIST unless given."),
        (("evaluate",), "IDX file; what the run was trained on unless given."),
    ):
        assert otherwise in " ".join(help_of(words).split())
