"""Groups of commands: the nearest right word for a wrong one, and options by their names."""

import difflib
import re
from collections.abc import Iterable
from typing import Any, Final

import click

__all__ = ["Group", "in_options"]

_COMMAND: Final = "mnistburn.command"

# What people are used to from elsewhere; the first that a command has is proposed.
_KNOWN_AS: Final = {
    "lr": ("learning-rate",),
    "rate": ("learning-rate",),
    "epochs": ("num-epochs", "epoch"),
    "epoch": ("num-epochs",),
    "n-epochs": ("num-epochs",),
    "max-epochs": ("num-epochs",),
    "batch": ("batch-size",),
    "bs": ("batch-size",),
    "workers": ("num-workers",),
    "jobs": ("threads",),
    "cpus": ("threads",),
    "hidden": ("hidden-size",),
    "height": ("image-height", "image-size"),
    "width": ("image-width", "image-size"),
    "channels": ("image-channels",),
    "colour": ("image-channels",),
    "color": ("image-channels",),
    "size": ("image-size", "image-height"),
    "image-size": ("image-height",),
    "imgsz": ("image-size", "image-height"),
    "val": ("validation",),
    "val-split": ("validation",),
    "validation-split": ("validation",),
    "dataset": ("data",),
    "data-dir": ("data",),
    "gpu": ("device",),
    "cuda": ("device",),
    "opt": ("optimizer",),
    "model": ("network",),
    "patience": ("early-stopping",),
    "wd": ("optimizer.weight-decay",),
    "scheduler": ("lr-scheduler",),
    "random-seed": ("seed",),
    "continue": ("resume",),
    "quiet": ("no-progress",),
    "onnx": ("format",),
    "recorder": ("format",),
}
_COMMANDS_KNOWN_AS: Final = {
    "test": "evaluate",
    "eval": "evaluate",
    "score": "evaluate",
    "fit": "train",
    "run": "train",
    "classify": "predict",
    "infer": "predict",
    "convert": "export",
    "info": "show",
    "describe": "show",
    "inspect": "show",
    "datasets": "data",
    "gpus": "devices",
    "benchmark": "bench",
    "ls": "list",
    "download": "fetch",
    "get": "fetch",
    "check": "verify",
    "reproduce": "verify",
    "monitor": "watch",
    "follow": "watch",
    "card": "report",
    "path": "where",
}
# Arguments of Python that a command calls otherwise.
_OPTION_FOR: Final = {
    "fraction": "validation",
    "config": "config_file",
    "device": "devices",
    "path": "output",
}


class Group(click.Group):
    """A group of commands; wrong names of commands and options get the nearest right one."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and keep it for the messages.

        Args:
            ctx: The context of the group.
            args: The words of the command line.

        Returns:
            The name, the command and the other words.

        Raises:
            UsageError: There is no such command.
        """
        try:
            found = super().resolve_command(ctx, args)
        except click.UsageError:
            names = self.list_commands(ctx)
            near = _nearest(args[0], names, [_COMMANDS_KNOWN_AS.get(args[0].lower(), "")])
            way_out = f"did you mean {near}?" if near else f"the commands are {', '.join(names)}"
            message = f"No such command {args[0]!r}; {way_out}"
            raise click.UsageError(message, ctx) from None
        ctx.meta[_COMMAND] = found[1]
        return found

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401  click's own signature
        """Run the command.

        Args:
            ctx: The context of the group.

        Returns:
            What the command returns.

        Raises:
            NoSuchOption: The command has no such option.
        """
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            command = ctx.meta.get(_COMMAND)
            if isinstance(command, click.Command):
                options = [
                    name
                    for parameter in command.params
                    if isinstance(parameter, click.Option)
                    for name in parameter.opts
                    if name.startswith("--")
                ]
                word = error.option_name.lstrip("-").replace("_", "-").lower()
                known = [f"--{name}" for name in _KNOWN_AS.get(word, ())]
                # The last name of a nested option: --rotate for --augmentation.rotate.
                known += [name for name in options if name.split(".")[1:][-1:] == [word]]
                near = _nearest(f"--{word}", options, known)
                advice = f"; did you mean {near}?" if near else ""
                raise click.NoSuchOption(
                    error.option_name, f"No such option {error.option_name}{advice}", ctx=error.ctx
                ) from None
            raise


def _nearest(word: str, names: list[str], known: Iterable[str]) -> str | None:
    for name in known:
        if name in names:
            return name
    found = difflib.get_close_matches(word.lower(), names, n=1, cutoff=0.7)
    return found[0] if found else None


def in_options(ctx: click.Context, message: str) -> str:
    """Return a message of the package with arguments by the names they have on the command line.

    Args:
        ctx: The context of the group that ran the command.
        message: The message, in the terms of Python.

    Returns:
        The message: an argument at its beginning, and a proposed ``argument=True``, is an option.
    """
    command = ctx.meta.get(_COMMAND)
    if not isinstance(command, click.Command):
        return message
    names = {}
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            names[str(parameter.name)] = next(
                (name for name in parameter.opts if name.startswith("--")), parameter.opts[0]
            )
        elif isinstance(parameter, click.Argument):
            names[str(parameter.name)] = parameter.human_readable_name.strip("[].")
    for argument, name in _OPTION_FOR.items():
        if name in names:
            names.setdefault(argument, names[name])
    start = re.match(r"([a-z_]+)(?= (must|of|has|is|and|begins)\b)", message)
    if start and start[1] in names:
        message = names[start[1]] + message[start.end() :]
    return re.sub(r"\b([a-z_]+)=True\b", lambda found: names.get(found[1], found[0]), message)
