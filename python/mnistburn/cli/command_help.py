"""The help of a command whose options are a configuration: in groups, in short or whole."""

import inspect
from collections.abc import Iterator
from typing import Any, Final

import click

from mnistburn.cli.configuration_options import ConfigurationOption, metavar_of
from mnistburn.cli.help_text import Command, write_options
from mnistburn.config.fields import (
    CALLBACKS,
    MODEL,
    Field,
    Path,
    children,
    described,
    subfields,
    word_of,
)

__all__ = ["ConfigurationCommand"]

_GROUPS: Final = {
    "Data": ("data", "validation", "fit"),
    "Run": None,  # whatever is in no other group
    "Configuration": ("recipe_name", "config_file", "settings", "print_config"),
}
_RULE: Final = (
    "What is trained is a recipe or the defaults; over these what the file of --config says; over "
    "this what the options below and --set say. Each field of TrainingConfig is an option, by its "
    "key; the network's need no --model before them."
)
_TITLES: Final = {MODEL[0]: "Network", "lr_scheduler": "Learning-rate schedule"}
# What they are unless given is no default of theirs.
_OF_DATA: Final = frozenset({"num_classes", "image_height", "image_width", "image_channels"})


class ConfigurationCommand(Command):
    """A command with the options of `configuration_options`."""

    def __init__(self, *arguments: Any, **attributes: Any) -> None:  # noqa: ANN401  click's own
        """Make the command, with ``--help-all``.

        Args:
            *arguments: Those of `click.Command`.
            **attributes: Likewise.
        """
        super().__init__(*arguments, **attributes)
        self.params.append(
            click.Option(
                ["--help-all"],
                is_flag=True,
                is_eager=True,
                expose_value=False,
                callback=_print_all,
                help="Show this message with every field of every part, and its default.",
            )
        )

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options in groups.

        Args:
            ctx: The context of the command.
            formatter: What the text is written to.
        """
        whole = bool(ctx.meta.get(_WHOLE))
        plain = [
            option
            for option in self.get_params(ctx)
            if isinstance(option, click.Option) and not isinstance(option, ConfigurationOption)
        ]
        grouped = {name for names in _GROUPS.values() for name in names or ()}
        for title, names in _GROUPS.items():
            with formatter.section(title):
                if title == "Configuration":
                    formatter.write_text(_RULE)
                    formatter.write_paragraph()
                write_options(
                    formatter,
                    [
                        record
                        for option in plain
                        if (option.name in names if names else option.name not in grouped)
                        for record in [option.get_help_record(ctx)]
                        if record is not None
                    ],
                )
        options = {
            option.field.path: option
            for option in self.params
            if isinstance(option, ConfigurationOption)
        }
        with formatter.section("Training"):
            leaves = [field.path for field in subfields(()) if not field.kinds]
            write_options(formatter, [_record(options[path], whole=whole) for path in leaves])
        for field in subfields(()):
            if field.kinds:
                with formatter.section(_title(field)):
                    _write_part(formatter, field, options, whole=whole)
        for name in CALLBACKS:
            with formatter.section(name.replace("_", " ").capitalize()):
                _write_callback(formatter, name, options, whole=whole)


_WHOLE: Final = "mnistburn.help_all"
_Options = dict[Path, ConfigurationOption]
_Records = list[tuple[str, str]]


def _print_all(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:  # noqa: FBT001  click's own signature
    if value and not ctx.resilient_parsing:
        ctx.meta[_WHOLE] = True
        click.echo(ctx.get_help(), color=ctx.color)
        ctx.exit()


def _title(field: Field) -> str:
    name = field.path[-1]
    return _TITLES.get(name, name.replace("_", " ").capitalize())


def _record(
    option: ConfigurationOption, *, whole: bool, owner: type[Any] | None = None
) -> tuple[str, str]:
    """Return how an option is written, and what it is: in short, or all that there is to say.

    Args:
        option: The option.
        whole: Whether all is said.
        owner: Which of the classes that have the field is meant.

    Returns:
        Both.
    """
    field = option.field
    if owner is not None:
        field = children(owner, field.path[:-1])[field.path[-1]]
    name = option.opts[0]
    name += f" / {option.secondary_opts[0]}" if field.is_flag else f" {metavar_of(field)}"
    words = field.words
    listed = "" if not words or words[0] in name else f" NAME is one of {', '.join(words)}."
    if not whole:
        return name, (option.help or "") + listed
    owner = owner or field.owners[0]
    text = described(owner).get(field.path[-1], "") + listed
    default = inspect.signature(owner).parameters[field.path[-1]].default
    if field.kinds or default is inspect.Parameter.empty or field.path[-1] in _OF_DATA:
        return name, text
    return name, f"{text}  [default: {_shown(default)}]"


def _shown(default: object) -> str:
    if isinstance(default, bool):
        return "yes" if default else "no"
    if isinstance(default, tuple | list):
        return ",".join(map(str, default)) or "empty"
    return "none" if default is None else str(default)


def _write_part(
    formatter: click.HelpFormatter, part: Field, options: _Options, *, whole: bool
) -> None:
    """Write the option that chooses a part, and those of its fields."""
    own = [_record(options[part.path], whole=whole)]
    if not whole and part.path == MODEL:
        write_options(
            formatter,
            own + [_record(options[item.path], whole=False) for item in subfields(part.path)],
        )
        return
    if not whole:
        keys = ", ".join(_keys(part))
        write_options(
            formatter,
            [*own, (f"{options[part.path].opts[0]}.KEY VALUE", f"{keys}; see --help-all.")],
        )
        return
    write_options(formatter, own)
    for title, records in _kinds(part, options):
        formatter.write_paragraph()
        formatter.write_text(title)
        write_options(formatter, records)


def _write_callback(
    formatter: click.HelpFormatter, name: str, options: _Options, *, whole: bool
) -> None:
    """Write the options of a callback; in short those with a name of their own."""
    own = [option for path, option in options.items() if path[0] == name]
    if whole:
        summary = inspect.cleandoc(CALLBACKS[name].__doc__ or "").partition("\n")[0]
        formatter.write_text(f"{summary} It is asked for by any of its options.".strip())
        write_options(formatter, [_record(option, whole=True) for option in own])
        return
    below = [option for option in own if "." in option.opts[0]]
    keys = ", ".join(option.field.path[-1].replace("_", "-") for option in below)
    prefix = name.replace("_", "-")
    write_options(
        formatter,
        [
            *(_record(option, whole=False) for option in own if option not in below),
            (f"--{prefix}.KEY VALUE", f"{keys}; see --help-all."),
        ],
    )


def _keys(part: Field) -> Iterator[str]:
    """Yield the names of the fields below a part, those of its own parts with these."""
    for field in subfields(part.path):
        name = field.path[-1].replace("_", "-")
        if not field.kinds or field.types:
            yield name
        if len(field.kinds) > 1:
            yield from (name, f"{name}.KEY")
        elif field.kinds:
            yield from (f"{name}.{key}" for key in _keys(field))


def _kinds(part: Field, options: _Options) -> Iterator[tuple[str, _Records]]:
    """Yield what each kind of a part is, and its options."""
    for kind in part.kinds.values():
        summary = inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]
        title = f"{word_of(part.path[-1], kind)}: {summary}" if len(part.kinds) > 1 else summary
        yield title, list(_records(kind, part.path, options))


def _records(kind: type[Any], path: Path, options: _Options) -> Iterator[tuple[str, str]]:
    """Yield the options for the fields of a class, and for those of its parts."""
    for field in children(kind, path).values():
        if field.path not in options:
            continue
        yield _record(options[field.path], whole=True, owner=kind)
        if len(field.kinds) > 1:
            yield f"{options[field.path].opts[0]}.KEY VALUE", f"{', '.join(_keys(field))}."
        for inner in field.kinds.values() if len(field.kinds) == 1 else ():
            yield from _records(inner, field.path, options)
