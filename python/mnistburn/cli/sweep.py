"""``mnistburn sweep``."""

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, get_args

import click

import mnistburn
from mnistburn import SuccessiveHalving
from mnistburn.cli.command_help import ConfigurationCommand
from mnistburn.cli.config_file import read_config_file
from mnistburn.cli.configuration_options import configuration_options, given_in
from mnistburn.cli.options import INTERRUPTED, PATH, data_option
from mnistburn.cli.plan import Request, completed, planned
from mnistburn.cli.termination import TERMINATED, termination_as_interrupt
from mnistburn.config.fields import CALLBACK_FIELDS, FIELDS
from mnistburn.config.settings import Json, key_of
from mnistburn.preprocessing import Fit
from mnistburn.recipes import RECIPES
from mnistburn.sweeps.halving import Direction
from mnistburn.sweeps.launch import Engine
from mnistburn.sweeps.space import RECIPE, Space

__all__ = ["sweep"]

_LIMITS: Final = 2
_PATIENCE: Final = ("early_stopping", "patience")


def _dimension(name: str) -> Callable[..., list[tuple[str, Any]]]:
    """Return what reads the option for choices, or for a distribution."""

    def read(
        _ctx: click.Context, _parameter: click.Parameter, texts: tuple[str, ...]
    ) -> list[tuple[str, Any]]:
        dimensions = []
        for text in texts:
            key, equals, values = text.partition("=")
            if not equals or not values:
                example = "1e-4,1e-2" if name else "32,64,128"
                message = f"{text!r} must be a key and its values, as in KEY={example}"
                raise click.BadParameter(message)
            found = _values(values)
            if name and len(found) != _LIMITS:
                message = f"{text!r} must have two limits, as in {key}=1,2"
                raise click.BadParameter(message)
            dimensions.append((key, {name: found} if name else found))
        return dimensions

    return read


def _values(text: str) -> list[Any]:
    """Return the values in a JSON list, or between commas."""
    if text.startswith("["):
        try:
            values: list[Any] = json.loads(text)
        except ValueError as error:
            message = f"{text!r} must be a JSON list: {error}"
            raise click.BadParameter(message) from None
        return values
    return [_value(word) for word in text.split(",")]


def _value(word: str) -> Any:  # noqa: ANN401  a value of any field
    try:
        return json.loads(word)
    except ValueError:
        return word


@click.command(cls=ConfigurationCommand)
@click.argument("sweep_dir", type=PATH)
@click.option(
    "--choice",
    "choices",
    multiple=True,
    metavar="KEY=A,B,...",
    callback=_dimension(""),
    help="Try each of these values of a field, or of `recipe`; [A, B] is read as JSON.",
)
@click.option(
    "--uniform",
    "uniforms",
    multiple=True,
    metavar="KEY=LOW,HIGH",
    callback=_dimension("uniform"),
    help="Draw the values of a field between limits.",
)
@click.option(
    "--log-uniform",
    "log_uniforms",
    multiple=True,
    metavar="KEY=LOW,HIGH",
    callback=_dimension("log_uniform"),
    help="Draw the values of a field between limits, each power of ten as likely.",
)
@click.option(
    "--integers",
    "integers",
    multiple=True,
    metavar="KEY=LOW,HIGH",
    callback=_dimension("integers"),
    help="Draw integers between limits, both included.",
)
@click.option(
    "--space",
    "space_file",
    type=PATH,
    metavar="FILE",
    help="Take the space from a JSON file, as sweep.json has it.",
)
@click.option(
    "--num-trials",
    type=int,
    metavar="N",
    help="Draw so many trials at random; every combination is tried unless given.",
)
@click.option(
    "--search-seed", type=int, metavar="INTEGER", help="Which trials are drawn; 0 unless given."
)
@click.option(
    "--metric", metavar="COLUMN", help="What decides which trial is best; valid_loss unless given."
)
@click.option(
    "--direction",
    type=click.Choice(get_args(Direction)),
    help="Which way the metric is better; needed for metrics of other names alone.",
)
@click.option(
    "--halving",
    type=int,
    metavar="FACTOR",
    help="Stop the worse trials early: one in FACTOR goes on at each rung of successive halving.",
)
@click.option(
    "--min-epochs",
    type=int,
    metavar="N",
    help="The epochs that each trial has at least with --halving; 1 unless given.",
)
@click.option(
    "--workers",
    type=int,
    metavar="N",
    help="How many trials run at the same time; one on each device unless given.",
)
@click.option(
    "--engine",
    type=click.Choice(get_args(Engine)),
    default="threads",
    show_default=True,
    help="Where trials run: in threads of this process, or on a Ray cluster.",
)
@data_option("MNIST, or with --resume the data of the sweep,")
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
    "--device",
    "devices",
    multiple=True,
    default=["auto"],
    show_default=True,
    help="Where to compute; given several times, each device computes trials of its own.",
)
@click.option("--resume", is_flag=True, help="Go on with the sweep in SWEEP_DIR.")
@click.option("--csv", "csv_file", type=PATH, metavar="FILE", help="Write the table to a CSV file.")
@click.option("--no-progress", is_flag=True, help="Show no progress.")
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
@click.pass_context
def sweep(
    ctx: click.Context,
    /,
    *,
    sweep_dir: Path,
    choices: list[tuple[str, Any]],
    uniforms: list[tuple[str, Any]],
    log_uniforms: list[tuple[str, Any]],
    integers: list[tuple[str, Any]],
    space_file: Path | None,
    num_trials: int | None,
    search_seed: int | None,
    metric: str | None,
    direction: Direction | None,
    halving: int | None,
    min_epochs: int | None,
    workers: int | None,
    engine: Engine,
    data: str | None,
    validation: float | None,
    fit: Fit,
    devices: tuple[str, ...],
    resume: bool,
    csv_file: Path | None,
    no_progress: bool,
    recipe_name: str | None,
    config_file: Path | None,
) -> None:
    """Train with each of many settings, and print the table.

    Each trial is a run in SWEEP_DIR, trial-0001 and so on, as any other.

    \b
    Examples:
      mnistburn sweep sweeps/first --choice optimizer=adam,sgd
          --choice learning_rate=0.001,0.01 --num-epochs 3
      mnistburn sweep sweeps/second --log-uniform learning_rate=1e-4,1e-1
          --integers model.hidden_size=16,128 --num-trials 20 --halving 3
      mnistburn sweep sweeps/own --data pictures --choice recipe=fast,pictures
      mnistburn sweep sweeps/second --resume --num-trials 40
    """  # noqa: D301  click takes the character itself
    if halving is None and min_epochs is not None:
        message = "--min-epochs is a setting of successive halving: give --halving too"
        raise click.UsageError(message)
    rule = (
        None if halving is None else SuccessiveHalving(factor=halving, min_epochs=min_epochs or 1)
    )
    space = _space([*choices, *uniforms, *log_uniforms, *integers], space_file)
    given = dict(given_in(ctx))
    patience = given.pop(_PATIENCE).value if _PATIENCE in given else None
    for path, said in given.items():
        if path in CALLBACK_FIELDS:
            message = f"{said.name} is no setting of a sweep; leave it out"
            raise click.UsageError(message)
    request = Request(
        data=data,
        file=None if config_file is None else read_config_file(config_file),
        recipe=recipe_name,
        start=None,
        validation=validation,
        fit=fit,
        resume=False,
        progress=not no_progress,
        given={path: said for path, said in given.items() if path in FIELDS},
    )
    config: mnistburn.TrainingConfig | None = None
    images: Any = data
    if not resume:
        config, images = _planned(request, space)
    elif recipe_name or config_file or given or validation is not None:
        message = "--resume goes on with the configuration of the sweep: leave out what changes it"
        raise click.UsageError(message)
    with termination_as_interrupt() as termination:
        result = mnistburn.sweep(
            space or None if resume else space,
            sweep_dir,
            config,
            list(devices),
            data=images,
            num_trials=num_trials,
            search_seed=search_seed,
            metric=metric,
            direction=direction,
            halving=rule,
            patience=patience,
            workers=workers,
            resume=resume,
            engine=engine,
            progress=not no_progress,
        )
    click.echo(result.table())
    if csv_file is not None:
        result.to_csv(csv_file)
    if result.interrupted:
        click.echo("stopped before its end; --resume goes on", err=True)
        ctx.exit(TERMINATED if termination.came else INTERRUPTED)
    if result.best is None:
        ctx.exit(1)


def _space(dimensions: list[tuple[str, Any]], file: Path | None) -> dict[str, Any]:
    """Return the space of the options, or of a file and the options."""
    space: dict[str, Any] = {}
    if file is not None:
        try:
            content = json.loads(file.read_text("utf-8-sig"))
        except ValueError as error:
            message = f"{file} is no JSON file: {error}"
            raise mnistburn.errors.ConfigError(message) from None
        if not isinstance(content, dict):
            message = f"{file} must hold a JSON object of keys and what is tried for each"
            raise mnistburn.errors.ConfigError(message)
        space.update(content)
    for key, values in dimensions:
        if key in space:
            message = f"{key} is given twice; leave one of them out"
            raise click.UsageError(message)
        space[key] = values
    return space


def _planned(
    request: Request, space: dict[str, Any]
) -> tuple[mnistburn.TrainingConfig | None, Any]:
    """Return what the trials change, and the images; nothing is read before the space is checked.

    Args:
        request: The options.
        space: The space, which options join where it has recipes.

    Returns:
        The configuration and the images.
    """
    given = dict(request.given)
    if RECIPE in space:
        if request.recipe is not None or request.file is not None:
            message = "--choice recipe takes the place of --recipe and --config: leave them out"
            raise click.UsageError(message)
        kept = {(name,) for name in ("threads", "num_workers")}
        for path in [path for path in given if path not in kept]:
            space.setdefault(key_of(path), [_constant(path, given.pop(path).value)])
    Space.of(space)
    request = dataclasses.replace(request, given=given)
    plan = completed(planned(request, None), request)
    config = plan.config
    if RECIPE in space:
        kept_values = {path[0]: getattr(config, path[0]) for path in given}
        config = mnistburn.TrainingConfig(**kept_values)
    return config, plan.data


def _constant(path: tuple[str, ...], value: Any) -> Any:  # noqa: ANN401  a value of any field
    """Return what an option says, as a space has it."""
    if isinstance(value, Json):
        return value.value
    words = {kind: word for word, kind in FIELDS[path].kinds.items()}
    return words[value] if isinstance(value, type) else value
