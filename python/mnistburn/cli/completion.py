"""``mnistburn completion``."""

from typing import Final

import click
from click.shell_completion import get_completion_class

from mnistburn.cli.help_text import Command

__all__ = ["completion"]

_SHELLS: Final = ("bash", "zsh", "fish")


@click.command(cls=Command)
@click.argument("shell", type=click.Choice(_SHELLS))
@click.pass_context
def completion(ctx: click.Context, /, *, shell: str) -> None:
    """Print the script with which a shell completes commands.

    SHELL then completes commands, options and their values.

    \b
    Load it where the shell starts:
      bash  eval "$(mnistburn completion bash)"   in ~/.bashrc
      zsh   eval "$(mnistburn completion zsh)"    in ~/.zshrc
      fish  mnistburn completion fish | source    in ~/.config/fish/config.fish

    bash has to be 4.4 or newer.
    """  # noqa: D301  click takes the character itself
    root = ctx.find_root()
    kind = get_completion_class(shell)
    if kind is None:  # pragma: no cover  click knows all three
        message = f"click has no completion for {shell}"
        raise click.UsageError(message)
    # The name by which the command is found, whatever it was called by here.
    complete = kind(root.command, {}, "mnistburn", "_MNISTBURN_COMPLETE")
    click.echo(complete.source_template % complete.source_vars())
