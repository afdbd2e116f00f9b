"""``mnistburn train``."""

import contextlib
import dataclasses
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final, get_args

import click

import mnistburn
from mnistburn import _native
from mnistburn.cli.command_help import ConfigurationCommand
from mnistburn.cli.config_file import read_config_file
from mnistburn.cli.configuration_options import configuration_options, given_in
from mnistburn.cli.options import INTERRUPTED, PATH, best_of, data_option, printable
from mnistburn.cli.plan import Plan, Request, completed, planned, tell_time
from mnistburn.cli.termination import TERMINATED, termination_as_interrupt
from mnistburn.config.fields import FIELDS
from mnistburn.config.settings import callbacks_of
from mnistburn.datasets.source import DataSource, source_of
from mnistburn.device import resolve_devices
from mnistburn.distributed import Mpi, Ranks
from mnistburn.errors import ArtifactError
from mnistburn.preprocessing import Fit
from mnistburn.recipes import RECIPES
from mnistburn.results import (
    CHECKPOINTS,
    CLASS_NAMES_FILE,
    CONFIG_FILE,
    HISTORY_FILE,
    MODEL_FILE,
    SUMMARY_FILE,
    stored_config,
)
from mnistburn.run_data import DATA_FILE, RunData
from mnistburn.run_provenance import LOG_FILE
from mnistburn.run_start import START_FILE, START_MODEL_FILE
from mnistburn.training_data import DEFAULT_DATA

__all__ = ["train"]

# An open page asks each second, and one in the background not at all.
_LONGEST_LOOK: Final = 3.0


@click.command(cls=ConfigurationCommand)
@click.argument("artifact_dir", type=PATH, default="artifacts/mnist")
@data_option("MNIST, or with --resume the data of the run,")
@click.option(
    "--validation",
    type=float,
    metavar="SHARE",
    help="Validate on this share of the training images, not on the test images.",
)
@click.option(
    "--fit",
    type=click.Choice(get_args(Fit)),
    default="stretch",
    show_default=True,
    help="What happens to pictures of other proportions than the images.",
)
@click.option(
    "--start",
    type=PATH,
    metavar="PATH|RUN",
    help="Begin with the weights of a model file or of a run, and unless --network says otherwise "
    "with its network; the output layer is initialised anew where the classes are others.",
)
@click.option(
    "--device",
    "devices",
    multiple=True,
    default=["auto"],
    show_default=True,
    help="Where to compute; given several times, the devices share each step.",
)
@click.option(
    "--distributed",
    type=click.Choice(["mpi"]),
    help="Share the run between the processes that mpiexec started.",
)
@click.option(
    "--parts",
    type=click.IntRange(min=1),
    metavar="N",
    help="With --distributed: cut each batch into N parts, and any number of processes gives the "
    "same bits.",
)
@click.option("--resume", is_flag=True, help="Continue the run in ARTIFACT_DIR.")
@click.option(
    "--overwrite/--no-overwrite",
    default=True,
    show_default=True,
    help="Whether a new run may take the place of one in ARTIFACT_DIR. Where ARTIFACT_DIR is not "
    "given, a run of other data is replaced with --overwrite alone.",
)
@click.option("--no-progress", is_flag=True, help="Show no progress.")
@click.option(
    "--watch",
    "is_watched",
    is_flag=True,
    help="Serve a page that follows the run, as `mnistburn watch` does, until it is over.",
)
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(list(RECIPES)),
    help="Begin with a configuration chosen by measurement; `mnistburn recipes` lists them.",
)
@click.option(
    "--config",
    "config_file",
    type=PATH,
    metavar="FILE",
    help="Take what a JSON file says, as the config.json of a run; - for standard input.",
)
@configuration_options
@click.option(
    "--print-config",
    is_flag=True,
    help="Print the configuration as JSON, as --config takes it, and train nothing.",
)
@click.pass_context
def train(
    ctx: click.Context,
    /,
    *,
    artifact_dir: Path,
    data: str | None,
    config_file: Path | None,
    recipe_name: str | None,
    start: Path | None,
    devices: tuple[str, ...],
    validation: float | None,
    fit: Fit,
    distributed: str | None,
    parts: int | None,
    resume: bool,
    overwrite: bool,
    no_progress: bool,
    is_watched: bool,
    print_config: bool,
) -> None:
    """Train on MNIST or other data, and keep the run.

    All of the run goes to ARTIFACT_DIR, which is artifacts/mnist unless given.

    \b
    Examples:
      mnistburn train runs/digits --num-epochs 3 --learning-rate 0.001
      mnistburn train runs/own --data pictures --recipe pictures
      mnistburn train runs/own --data pictures --network conv-net
          --augmentation.rotate 10 --augmentation.flip
      mnistburn train runs/sgd --optimizer sgd --learning-rate 0.05
          --optimizer.momentum.nesterov
      mnistburn train runs/digits --resume --num-epochs 6
      mnistburn train --recipe fast --print-config > fast.json
      mnistburn train runs/fast --config fast.json --seed 7
      mpiexec -n 4 mnistburn train runs/digits --distributed mpi
    """  # noqa: D301  click takes the character itself
    given = given_in(ctx)
    callbacks = callbacks_of(given)
    request = Request(
        data=data,
        file=None if config_file is None else read_config_file(config_file),
        recipe=recipe_name,
        start=start,
        validation=validation,
        fit=fit,
        resume=resume,
        progress=not no_progress,
        given={path: said for path, said in given.items() if path in FIELDS},
    )
    stored = stored_config(artifact_dir) if resume else None
    if print_config:
        _print_config(planned(request, stored), request, stored)
        return
    ranks = _ranks(distributed, parts)
    shows = ranks is None or ranks.rank == 0
    epochs_before = _epochs_done(artifact_dir) if resume else 0
    with contextlib.ExitStack() as stack:
        if not shows:
            request = dataclasses.replace(request, progress=False, tells=False)
            stack.enter_context(_told_by_first(ctx))
        with contextlib.nullcontext() if ranks is None else ranks.together():
            # Before data are read, which may take long.
            places = resolve_devices(devices)
            if not (resume or _is_given(ctx, "artifact_dir") or _is_given(ctx, "overwrite")):
                _check_unnamed(artifact_dir, source_of(data or DEFAULT_DATA))
            plan = planned(request, stored)
            if not resume or validation is not None:
                plan = completed(plan, request)
                if recipe_name is not None and shows:
                    tell_time(recipe_name, plan)
            if is_watched and shows:
                stack.enter_context(_watching(artifact_dir))
        termination = stack.enter_context(termination_as_interrupt())
        run = mnistburn.train(
            artifact_dir,
            plan.config,
            places,
            data=plan.data,
            start=plan.start,
            resume=resume,
            overwrite=overwrite,
            callbacks=callbacks,
            distributed=ranks,
            progress=not no_progress,
        )
    if shows:
        _tell(run, epochs_before)
    if run.interrupted:
        ctx.exit(TERMINATED if termination.came else INTERRUPTED)


def _ranks(distributed: str | None, parts: int | None) -> Ranks | None:
    """Return the processes that share the run."""
    if distributed is not None:
        return Ranks(Mpi(parts=parts))
    if parts is not None:
        message = "--parts is for runs that processes share; add --distributed mpi"
        raise click.UsageError(message)
    return None


@contextlib.contextmanager
def _told_by_first(ctx: click.Context) -> Iterator[None]:
    """Log nothing, and end without a word where something fails: rank 0 tells what."""
    # Without a handler, warnings go to standard error.
    silence = logging.NullHandler()
    logging.getLogger("mnistburn").addHandler(silence)
    try:
        yield
    except (mnistburn.errors.MnistburnError, OSError, click.ClickException):
        ctx.exit(1)
    finally:
        logging.getLogger("mnistburn").removeHandler(silence)


def _print_config(plan: Plan, request: Request, stored: mnistburn.TrainingConfig | None) -> None:
    """Print the configuration that a training would have."""
    if not request.resume:
        plan = completed(plan, request)
    config = plan.config
    if config.model is None and stored is not None:
        config = dataclasses.replace(config, model=stored.model)
    click.echo(config.to_json())


@contextlib.contextmanager
def _watching(directory: Path) -> Iterator[None]:
    """Serve the page of a run meanwhile, and until an open page shows the end."""
    from mnistburn.watch.server import WatchServer  # noqa: PLC0415  few trainings are watched

    with WatchServer(directory).in_background() as server:
        click.echo(f"watch it on {server.url}", err=True)
        yield
        server.wait_for_end_to_be_seen(_LONGEST_LOOK)


def _is_given(ctx: click.Context, name: str) -> bool:
    return ctx.get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _check_unnamed(directory: Path, source: DataSource) -> None:
    """Refuse to replace a run of other data in a directory that nobody named."""
    stored_config(directory)  # settles what a killed run left
    if not _native.holds_run(str(directory)):
        return
    run = RunData.read(directory)
    there = None if run is None else run.source
    if there is not None and (there.kind, there.location) == (source.kind, source.location):
        return
    trained = "other data" if there is None else str(there)
    message = (
        f"{directory}, which is taken where no ARTIFACT_DIR is given, holds a run trained on "
        f"{trained}, and this one is of {source}; name another directory for it, as in "
        f"`mnistburn train artifacts/own`, or replace that run with --overwrite"
    )
    raise ArtifactError(message)


def _tell(run: mnistburn.TrainingResult, epochs_before: int) -> None:
    """Print what came of a training that had so many epochs before."""
    if epochs_before == run.config.num_epochs and run.ended == "completed":
        click.echo(
            f"nothing was left to do: the run in {click.format_filename(run.artifact_dir)} has "
            f"all of its {epochs_before} epochs; a larger --num-epochs goes on with it"
        )
    else:
        _tell_result(run)
    if run.interrupted:
        click.echo("stopped before its end; --resume goes on", err=True)


def _tell_result(run: mnistburn.TrainingResult) -> None:
    """Print what a training gave, and where it is."""
    click.echo(run.summary().rstrip("\n"))
    accuracies = run.history["valid_accuracy"] if run.history.num_epochs else []
    if accuracies and run.best_epoch is not None:
        click.echo(
            f"validation accuracy: {accuracies[-1]:.4f} after the last epoch, "
            f"{accuracies[run.best_epoch - 1]:.4f} after the best one, epoch {run.best_epoch}, "
            f"which has the {best_of(run)}"
        )
    if run.ended == "stopped_early":
        click.echo(
            f"stopped early after {run.history.num_epochs} of {run.config.num_epochs} epochs; "
            "--resume with a larger --early-stopping goes on"
        )
    if accuracies and run.model_epoch != run.history.num_epochs:
        click.echo(f"the model is that of epoch {run.model_epoch}")
    if run.data is not None:
        click.echo(
            f"trained with {run.data.train.images:,} images of {run.data.source}, validated on "
            f"{run.data.valid.images:,}"
        )
    if run.start is not None:
        click.echo(f"started from {printable(str(run.start))}")
    if run.config.freeze:
        click.echo(f"frozen: {', '.join(run.config.freeze)}")
    click.echo(f"written to {click.format_filename(run.artifact_dir)}:")
    for name in (
        MODEL_FILE,
        CONFIG_FILE,
        HISTORY_FILE,
        SUMMARY_FILE,
        CLASS_NAMES_FILE,
        DATA_FILE,
        START_FILE,
        START_MODEL_FILE,
        LOG_FILE,
        CHECKPOINTS,
    ):
        path = run.artifact_dir / name
        if path.exists():
            click.echo(f"  {click.format_filename(path)}")


def _epochs_done(directory: Path) -> int:
    try:
        return mnistburn.load_run(directory).history.num_epochs
    except (mnistburn.errors.MnistburnError, OSError):
        return 0  # `train` says what is wrong
