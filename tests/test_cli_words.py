"""The command line in its own words: options by their names, the nearest for a wrong word, ~."""

import re
from pathlib import Path

import click
import numpy
import pytest
from click.testing import CliRunner, Result

from mnistburn import Model, ModelConfig
from mnistburn.cli import main
from mnistburn.cli.groups import _COMMANDS_KNOWN_AS, _KNOWN_AS


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(item) for item in arguments])


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "start"),
    [
        (("--validation=20",), "--validation must be a number above 0 and below 1, got 20.0"),
        (("--num-epochs=0",), "--num-epochs must be a whole number"),
        (("--batch-size=0",), "--batch-size must be a whole number"),
        (("--hidden-size=0",), "--hidden-size must be a whole number"),
        (("--image-height=3", "--image-width=28"), "--image-height must be a whole number"),
        (("--learning-rate=-1",), "--learning-rate must be"),
        (("--dropout=1",), "--dropout must be"),
        (("--seed=-1",), "--seed must be"),
        (("--threads=0",), "--threads must be"),
        (("--data=no/such",), "--data must be"),
    ],
)
def test_messages_call_options_by_their_names(arguments: tuple[str, ...], start: str) -> None:
    done = command("train", "run", "--device=cpu", "--no-progress", *arguments)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"error: {start}"), done.stderr


def test_the_keys_of_a_file_keep_their_names(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"num_epochs": 0}')
    done = command("train", "run", "--config=c.json")
    assert "c.json: num_epochs must be" in done.stderr


def test_a_batch_size_of_evaluate_is_named(tmp_path: Path) -> None:
    Model(ModelConfig(hidden_size=8)).save(tmp_path / "m.mpk")
    done = command("evaluate", "m.mpk", "--data=mnist", "--batch-size=0")
    assert done.stderr.startswith("error: --batch-size must be"), done.stderr


@pytest.mark.parametrize(
    ("words", "proposed"),
    [
        (("train", "r", "--lr", "0.1"), "--learning-rate"),
        (("train", "r", "--epochs=2"), "--num-epochs"),
        (("train", "r", "--batch", "8"), "--batch-size"),
        (("train", "r", "--batch_size", "8"), "--batch-size"),
        (("train", "r", "--dataset", "mnist"), "--data"),
        (("train", "r", "--learnig-rate", "1"), "--learning-rate"),
        (("evaluate", "m.mpk", "--gpu"), "--device"),
        (("data", "list", "--jsn"), "--json"),
        (("tran",), "train"),
        (("test", "r"), "evaluate"),
        (("data", "ls"), "list"),
        (("data", "download", "mnist"), "fetch"),
    ],
)
def test_the_nearest_word_is_proposed(words: tuple[str, ...], proposed: str) -> None:
    done = command(*words)
    assert done.exit_code == 2
    assert re.search(rf"[Dd]id you mean:? '?{proposed}'?\?", done.stderr), done.stderr


def test_nothing_is_proposed_for_a_stranger() -> None:
    assert "id you mean" not in command("train", "r", "--zzzz").stderr
    assert "the commands are " in command("zzzz").stderr


def every_command(group: click.Group) -> list[click.Command]:
    found: list[click.Command] = []
    for item in group.commands.values():
        found += every_command(item) if isinstance(item, click.Group) else [item]
    return found


def test_every_word_that_is_known_leads_to_an_option_or_a_command() -> None:
    commands = every_command(main)
    options = {
        name.lstrip("-") for item in commands for option in item.params for name in option.opts
    }
    assert {name for names in _KNOWN_AS.values() for name in names} <= options
    names = {str(item.name) for item in commands} | set(main.commands)
    assert set(_COMMANDS_KNOWN_AS.values()) <= names


def test_a_leading_tilde_is_the_home_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    model = Model(ModelConfig(hidden_size=8))
    model.save("~/m.mpk")
    numpy.save(home / "a.npy", numpy.zeros((1, 28, 28), numpy.uint8))
    done = command("predict", "~/m.mpk", "~/a.npy")
    assert done.exit_code == 0, done.output
    done = command("export", "~/m.mpk", "~/m.onnx")
    assert done.exit_code == 0, done.output
    assert (home / "m.onnx").is_file()
    assert not (tmp_path / "~").exists()
    done = command("predict", "~/m.mpk", "~nobody-of-this-name/a.npy")
    assert done.exit_code != 0
    assert "~nobody-of-this-name" in done.stderr
