"""``mnistburn train``."""

import dataclasses
from pathlib import Path
from typing import Any, get_args

import click

import mnistburn
from mnistburn import _native
from mnistburn.cli.networks import NETWORK_OPTIONS, changed_network, kind_of, network_options
from mnistburn.cli.options import INTERRUPTED, PATH, best_of, data_option, printable
from mnistburn.cli.termination import TERMINATED, termination_as_interrupt
from mnistburn.config.optimizers import OPTIMIZERS
from mnistburn.datasets.source import (
    DataSource,
    LoadedPair,
    PictureOptions,
    load_pair,
    source_of,
)
from mnistburn.device import resolve_devices
from mnistburn.errors import ArtifactError
from mnistburn.networks import NetworkConfig
from mnistburn.preprocessing import Fit, Preprocessing
from mnistburn.recipes import RECIPES, expected_seconds
from mnistburn.results import (
    CHECKPOINTS,
    CLASS_NAMES_FILE,
    CONFIG_FILE,
    HISTORY_FILE,
    LOG_FILE,
    MODEL_FILE,
    SUMMARY_FILE,
    stored_config,
)
from mnistburn.run_data import DATA_FILE, RunData
from mnistburn.run_start import START_FILE, START_MODEL_FILE
from mnistburn.start import as_start
from mnistburn.training import DEFAULT_DATA, fitting_model, start_network

__all__ = ["train"]


@click.command()
@click.argument("artifact_dir", type=PATH, default="artifacts/mnist")
@data_option
@click.option(
    "--config",
    "config_file",
    type=PATH,
    help="A config.json; the options below change single values of it.",
)
@click.option(
    "--recipe",
    "recipe_name",
    type=click.Choice(list(RECIPES)),
    help="A configuration chosen by measurement; `mnistburn recipes` lists them. The options below "
    "change single values of it.",
)
@click.option("--num-epochs", type=int, help="Passes over the training images.")
@click.option("--batch-size", type=int, help="Images of a step.")
@click.option("--learning-rate", type=float, help="The size of a step.")
@click.option(
    "--optimizer",
    type=click.Choice([tag.lower() for tag in OPTIMIZERS]),
    help="What makes steps of the gradients; its values are defaults or those of --config.",
)
@click.option("--seed", type=int, help="The seed of weights, order and dropout.")
@click.option("--num-workers", type=int, help="Threads that prepare batches.")
@click.option("--threads", type=int, help="Threads that compute; one for each core unless given.")
@network_options
@click.option(
    "--start",
    type=PATH,
    metavar="PATH|RUN",
    help="Begin with the weights of a model file or of a run, and unless --network says otherwise "
    "with its network; the output layer is initialised anew where the classes are others.",
)
@click.option(
    "--freeze",
    multiple=True,
    metavar="NAME",
    help="Leave a parameter or a layer as it is, as in conv1 or blocks.0; may be given several "
    "times.",
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
    "--checkpoint-every",
    type=float,
    metavar="SECONDS",
    help="Seconds between two checkpoints within an epoch.",
)
@click.option(
    "--early-stopping",
    type=int,
    metavar="PATIENCE",
    help="Stop after as many epochs without a lower validation loss, and keep the best model.",
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
    freeze: tuple[str, ...],
    devices: tuple[str, ...],
    validation: float | None,
    fit: Fit,
    resume: bool,
    overwrite: bool,
    no_progress: bool,
    network: str | None,
    early_stopping: int | None,
    **values: float | str | tuple[int, ...] | tuple[str, ...] | None,
) -> None:
    """Train on MNIST or other data; everything about the run goes to ARTIFACT_DIR.

    ARTIFACT_DIR is artifacts/mnist unless given.
    """
    given = {name: value for name, value in values.items() if value is not None}
    # An empty one is that of --config.
    given |= {"freeze": freeze} if freeze else {}
    if recipe_name is not None and (resume or config_file is not None):
        message = "--recipe starts a run of its own: leave out --config and --resume"
        raise click.UsageError(message)
    stored = stored_config(artifact_dir) if resume else None
    # An option changes the run that goes on, not the defaults.
    base = stored if config_file is None else mnistburn.TrainingConfig.load(config_file)
    config = base or mnistburn.TrainingConfig()
    begin, like = _start_of(start, config.model, network)
    kind = kind_of(network, config.model or like)
    config = _changed(config, kind, given)
    images: Any = data
    # Before data are read, which may take long.
    places = resolve_devices(devices)
    chosen = {name for name in ("artifact_dir", "overwrite") if _is_given(ctx, name)}
    if not (resume or chosen):
        _check_unnamed(artifact_dir, source_of(data or DEFAULT_DATA))
    if recipe_name is None:
        # A wrong option is told before data are read; a recipe's network follows from them.
        changed_network(config.model or like or kind(), kind, given)
    if not resume or validation is not None:
        images = load_pair(
            data or DEFAULT_DATA,
            validation=validation,
            seed=config.seed,
            options=_picture_options(config.model or like, given, fit),
            progress=not no_progress,
        )
        for line in images.told:
            click.echo(line, err=True)
        if recipe_name is not None:
            config = _of_recipe(recipe_name, images, network, like, given)
        elif config.model is None:
            fitting = fitting_model(images.train, images.valid, like or kind)
            model = changed_network(fitting, kind, given)
            config = dataclasses.replace(config, model=model)
    epochs_before = _epochs_done(artifact_dir) if resume else 0
    with termination_as_interrupt() as termination:
        run = mnistburn.train(
            artifact_dir,
            config,
            places,
            data=images,
            start=begin,
            resume=resume,
            overwrite=overwrite,
            callbacks=_callbacks(early_stopping),
            progress=not no_progress,
        )
    if epochs_before == run.config.num_epochs and run.ended == "completed":
        click.echo(
            f"nothing was left to do: the run in {click.format_filename(run.artifact_dir)} has "
            f"all of its {epochs_before} epochs; a larger --num-epochs goes on with it"
        )
    else:
        _tell(run)
    if run.interrupted:
        click.echo("stopped before its end; --resume goes on", err=True)
        ctx.exit(TERMINATED if termination.came else INTERRUPTED)


def _callbacks(patience: int | None) -> list[mnistburn.Callback]:
    return [] if patience is None else [mnistburn.EarlyStopping(patience=patience)]


def _start_of(
    path: Path | None, model: NetworkConfig | None, network: str | None
) -> tuple[Any, NetworkConfig | None]:
    """Return the start, and its network where nothing else says which it is."""
    if path is None:
        return None, None
    start = as_start(path)
    return start, start_network(start) if model is None and network is None else None


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


def _tell(run: mnistburn.TrainingResult) -> None:
    """Print what came of a training, and where it is."""
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


def _of_recipe(
    name: str,
    images: LoadedPair,
    network: str | None,
    start: NetworkConfig | None,
    given: dict[str, Any],
) -> mnistburn.TrainingConfig:
    """Return the recipe for the images with the options given, and tell how long it takes.

    The network of a start takes the place of the recipe's.
    """
    length = {item: given[item] for item in ("num_epochs", "batch_size") if item in given}
    config = mnistburn.recipe(name, images.train, **length)
    if start is not None:
        model = fitting_model(images.train, images.valid, start)
        config = dataclasses.replace(config, model=model)
    config = _changed(config, kind_of(network, config.model), given)
    seconds = expected_seconds(config, images.train)
    click.echo(
        f"recipe {name}: {config.num_epochs} epochs of {len(images.train):,} images, about "
        f"{_duration(seconds)} on this machine's processor",
        err=True,
    )
    return config


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004  a minute and a half
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes"


def _picture_options(
    model: NetworkConfig | None, given: dict[str, Any], fit: Fit
) -> PictureOptions:
    """Return what pictures are made to: the model's images, or what the options ask for."""
    if model is not None:
        return PictureOptions.of(model.image_shape, Preprocessing(fit))
    height, width, channels = (
        given.get(f"image_{name}") for name in ("height", "width", "channels")
    )
    if (height is None) != (width is None):
        message = "--image-height and --image-width go together: give both or neither"
        raise click.UsageError(message)
    size = None if height is None or width is None else (int(height), int(width))
    return PictureOptions(size, None if channels is None else int(channels), fit)


def _changed(
    config: mnistburn.TrainingConfig, kind: type[NetworkConfig], given: dict[str, Any]
) -> mnistburn.TrainingConfig:
    """Return the configuration with the options given, those of the model where it has one."""
    rest: dict[str, Any] = {k: value for k, value in given.items() if k not in NETWORK_OPTIONS}
    chosen = rest.pop("optimizer", None)
    for tag, optimizer in OPTIMIZERS.items():
        # One of that kind keeps its values.
        if tag.lower() == chosen and not isinstance(config.optimizer, optimizer):
            rest["optimizer"] = optimizer()
    model = None if config.model is None else changed_network(config.model, kind, given)
    return dataclasses.replace(config, model=model, **rest)
