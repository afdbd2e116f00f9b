"""``python -m mnistburn``: the command line."""

from mnistburn.cli import main

if __name__ == "__main__":
    main(prog_name="mnistburn")
