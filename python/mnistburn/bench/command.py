"""What ``mnistburn bench`` does with its options."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from mnistburn.bench import accuracy, machine, table, workload
from mnistburn.bench.controller import Cell, Plan, measure
from mnistburn.bench.peers import chosen_peers
from mnistburn.bench.tasks import FEWEST_STEPS, SECTIONS, Section, Task
from mnistburn.errors import ConfigError


def planned(
    *,
    sections: Sequence[Section],
    threads: Sequence[int] | None,
    batch_sizes: Sequence[int],
    images: Sequence[int],
    rounds: int,
    seconds: float,
) -> Plan:
    """Make a plan of what the options ask for.

    Args:
        sections: What to measure; nothing stands for everything.
        threads: Numbers of threads; None stands for one for each core.
        batch_sizes: Images of a training step.
        images: Images of an inference call.
        rounds: How often each peer is measured.
        seconds: How long a measurement lasts, roughly.

    Returns:
        The plan.

    Raises:
        ConfigError: There are not so many cores or images.
    """
    cores = len(machine.usable_cores())
    threads = threads or [cores]
    limits = (
        ("threads", threads, cores, "the cores that are usable here"),
        (
            "batch-size",
            batch_sizes,
            workload.MOST_TRAINING_IMAGES // FEWEST_STEPS,
            f"an epoch of {FEWEST_STEPS} steps",
        ),
        ("images", images, workload.MOST_INFERENCE_IMAGES, "the test images of MNIST"),
    )
    for option, numbers, limit, what in limits:
        if max(numbers) > limit:
            message = f"--{option} must be at most {limit} ({what}), got {max(numbers)}"
            raise ConfigError(message)
    return Plan(
        sections=[each for each in SECTIONS if each in sections or not sections],
        threads=threads,
        batch_sizes=batch_sizes,
        images=images,
        rounds=rounds,
        seconds=seconds,
    )


def run(plan: Plan, names: Sequence[str], json_file: Path | None) -> bool:
    """Measure, and print a table after each task.

    Args:
        plan: What to measure.
        names: The peers; none stands for all.
        json_file: Where all figures go, if anywhere. It is written after each task, so that what
            was measured outlives Ctrl-C.

    Returns:
        Whether a peer failed.

    Raises:
        ConfigError: There is no such peer.
        OSError: The file cannot be written.
    """
    peers = chosen_peers(names)
    described = machine.describe()
    cells: list[Cell] = []

    def write() -> None:
        if json_file is not None:
            content = table.as_json(described, plan, cells)
            json_file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    write()
    for line in table.heading(described):
        click.echo(line)
    for cell in measure(plan, peers, _tell):
        cells.append(cell)
        write()
        click.echo()
        for line in table.table(cell):
            click.echo(line)
    click.echo(f"\n{table.LEGEND}")
    return any(row.error is not None for cell in cells for row in cell.rows)


def run_accuracy(
    *,
    recipe: str,
    seed: int,
    num_epochs: int | None,
    threads: int | None,
    json_file: Path | None,
) -> list[tuple[str, ...]]:
    """Train and test on the sets of MedMNIST.

    Args:
        recipe: The recipe.
        seed: The seed of each training.
        num_epochs: The number of epochs; None for the recipe's.
        threads: The threads to train with; None for one for each core.
        json_file: Where all figures go, if anywhere. It is written after each set.

    Returns:
        The rows of the table.

    Raises:
        ConfigError: There is no such recipe.
        DataError: A file is damaged.
        OSError: The file cannot be written.
    """
    described = machine.describe()
    scores: list[accuracy.Score] = []

    def write() -> None:
        if json_file is not None:
            content = accuracy.as_json(described, recipe, seed, scores)
            json_file.write_text(json.dumps(content, indent=1) + "\n", "utf-8")

    write()
    for line in table.heading(described):
        click.echo(line)
    click.echo(f"recipe {recipe}, seed {seed}")
    for score in accuracy.measure(
        recipe,
        seed=seed,
        num_epochs=num_epochs,
        threads=threads,
        tell=lambda name: click.echo(f"training on {name} ...", err=True),
    ):
        scores.append(score)
        write()
    return accuracy.table(scores)


def _tell(task: Task) -> None:
    images = f"{task.images:,} image{'s' if task.images > 1 else ''}"
    threads = f"{task.threads} thread{'s' if task.threads > 1 else ''}"
    click.echo(f"measuring {task.section} with {images} and {threads} ...", err=True)
