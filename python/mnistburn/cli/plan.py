"""What `mnistburn train` is to train: the configuration, the data and the start asked for.

The configuration is a recipe or the defaults; over these what a file says; over this the options.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

import mnistburn
from mnistburn import TrainingConfig
from mnistburn.cli.config_file import ConfigFile
from mnistburn.config.fields import FIELDS, MODEL
from mnistburn.config.fields import Path as FieldPath
from mnistburn.config.settings import Given, changed, changed_network, kind_of, with_network
from mnistburn.datasets.loading import LoadedPair, load_pair
from mnistburn.datasets.picture_options import PictureOptions
from mnistburn.networks import NetworkConfig
from mnistburn.preprocessing import Fit, Preprocessing
from mnistburn.recipes import expected_seconds
from mnistburn.start import as_start
from mnistburn.training_data import DEFAULT_DATA, fitting_model, start_network

__all__ = ["Plan", "Request", "completed", "planned", "tell_time"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What the options of the command ask for.

    Attributes:
        data: The data; None for those of the run that goes on, or the default.
        file: What a configuration file says.
        recipe: The name of a recipe.
        start: A model to start from.
        validation: The share of the training images to validate on.
        fit: What happens to pictures of other proportions.
        resume: Whether a run goes on.
        progress: Whether fetching data is shown.
        given: What is said of single fields.
        tells: Whether lines about the data are printed: one of several ranks does.
    """

    data: str | None
    file: ConfigFile | None
    recipe: str | None
    start: Path | None
    validation: float | None
    fit: Fit
    resume: bool
    progress: bool
    given: Mapping[FieldPath, Given]
    tells: bool = True


@dataclass(frozen=True)
class Plan:
    """What is trained, as far as it is known.

    Attributes:
        config: The configuration; without a model until the data are known.
        start: The model to start from, as `mnistburn.train` takes it.
        like: The network of the start, where nothing else says which it is.
        data: The data, or what the options say of them.
    """

    config: TrainingConfig
    start: Any
    like: NetworkConfig | None
    data: Any


def planned(request: Request, stored: TrainingConfig | None) -> Plan:
    """Return what can be said before data are read, which may take long, or refuse it.

    Args:
        request: The options.
        stored: The configuration of the run that goes on.

    Returns:
        The plan.
    """
    if request.recipe is not None and request.resume:
        message = "--recipe starts a run of its own: leave out --resume"
        raise click.UsageError(message)
    file, given = request.file, request.given
    # An option changes the run that goes on, not the defaults.
    base = stored if file is None else file.config
    config = with_network(base or TrainingConfig(), given)
    start = None if request.start is None else as_start(request.start)
    unsaid = config.model is None and MODEL not in given
    like = start_network(start) if start is not None and unsaid else None
    kind = kind_of(given, config.model or like)
    if request.recipe is None:
        config = changed(config, given)
        changed_network(config.model or like or kind(), kind, given)
    else:
        # It is made for the data: what options say of its parts waits for them.
        config = changed(config, {path: said for path, said in given.items() if _is_plain(path)})
    return Plan(config, start, like, request.data)


def completed(plan: Plan, request: Request) -> Plan:
    """Read the data, tell about them, and return what is trained with them.

    Args:
        plan: What is known.
        request: The options.

    Returns:
        The plan, its configuration with a model.
    """
    config, given = plan.config, request.given
    images = load_pair(
        request.data or DEFAULT_DATA,
        validation=request.validation,
        seed=config.seed,
        options=_picture_options(config.model or plan.like, given, request.fit),
        progress=request.progress,
    )
    if request.tells:
        for line in images.told:
            click.echo(line, err=True)
    if request.recipe is not None:
        made = _of_recipe(request.recipe, images, plan, request)
        config = changed(with_network(made, given), given)
    if config.model is None:
        kind = kind_of(given, plan.like)
        fitting = fitting_model(images.train, images.valid, plan.like or kind)
        config = dataclasses.replace(config, model=changed_network(fitting, kind, given))
    return dataclasses.replace(plan, config=config, data=images)


def tell_time(name: str, plan: Plan) -> None:
    """Tell how long the training of a recipe takes.

    Args:
        name: The recipe.
        plan: The training, its data read.
    """
    config, images = plan.config, plan.data.train
    epochs = "1 epoch" if config.num_epochs == 1 else f"{config.num_epochs} epochs"
    click.echo(
        f"recipe {name}: {epochs} of {len(images):,} images, about "
        f"{_duration(expected_seconds(config, images))} on this machine's processor",
        err=True,
    )


def _duration(seconds: float) -> str:
    if seconds < 100:  # noqa: PLR2004  a minute and a half
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60)} minutes"


def _is_plain(path: FieldPath) -> bool:
    return len(path) == 1 and not FIELDS[path].kinds


def _of_recipe(name: str, images: LoadedPair, plan: Plan, request: Request) -> TrainingConfig:
    """Return the recipe for the images, with the network of a start and the keys of a file."""
    keys = frozenset[str]() if request.file is None else request.file.keys
    length = {
        item: getattr(plan.config, item)
        for item in ("num_epochs", "batch_size")
        if item in keys or (item,) in request.given
    }
    made = mnistburn.recipe(name, images.train, **length)
    if plan.like is not None:
        model = fitting_model(images.train, images.valid, plan.like)
        made = dataclasses.replace(made, model=model)
    return dataclasses.replace(made, **{key: getattr(plan.config, key) for key in keys})


def _picture_options(
    model: NetworkConfig | None, given: Mapping[FieldPath, Given], fit: Fit
) -> PictureOptions:
    """Return what pictures are made to: the model's images, or what the options ask for."""
    if model is not None:
        return PictureOptions.of(model.image_shape, Preprocessing(fit))
    height, width, channels = paths = [
        (*MODEL, f"image_{name}") for name in ("height", "width", "channels")
    ]
    asked = {path: given[path] for path in paths if path in given}
    if (height in asked) != (width in asked):
        message = "--image-height and --image-width go together: give both or neither"
        raise click.UsageError(message)
    # The rules for them are those of every network.
    shape = changed_network(mnistburn.ModelConfig(), mnistburn.ModelConfig, asked)
    size = (shape.image_height, shape.image_width) if height in asked else None
    return PictureOptions(size, shape.image_channels if channels in asked else None, fit)
