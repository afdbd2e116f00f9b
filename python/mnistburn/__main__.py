"""The command ``mnistburn``, and ``python -m mnistburn``."""

import signal

__all__ = ["main"]


def main() -> None:
    """Run the command line; before a command begins, Ctrl-C ends the process without a word."""
    # Where it is ignored, as in the background of a shell, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from mnistburn.cli import main as command_line  # noqa: PLC0415  it takes most of the start

    command_line(prog_name="mnistburn")


if __name__ == "__main__":
    main()
