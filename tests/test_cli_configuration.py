"""Every field of a training's configuration on the command line."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import click
import numpy
import pytest
from click.testing import CliRunner, Result

import mnistburn
from mnistburn import (
    AdamConfig,
    AdamWConfig,
    AugmentationConfig,
    ConvBlock,
    ConvNetConfig,
    CosineAnnealingLrSchedulerConfig,
    GradientClippingConfig,
    ModelConfig,
    MomentumConfig,
    OneCycleLrSchedulerConfig,
    SgdConfig,
    TrainingConfig,
)
from mnistburn.cli import main
from mnistburn.cli.configuration_options import ConfigurationOption, value_of
from mnistburn.cli.training import train
from mnistburn.config.fields import CALLBACK_FIELDS, FIELDS, children, described, word_of
from mnistburn.config.fields import Path as KeyPath
from mnistburn.config.fields import _all_fields as all_fields
from mnistburn.config.optimizers import OPTIMIZERS
from mnistburn.config.schedules import SCHEDULES
from mnistburn.config.settings import Given, Json, SettingError, _changed_part
from mnistburn.networks import NETWORKS


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of 40 images of MNIST with all classes, and 20 to validate on."""
    images = mnistburn.datasets.load("mnist", "train")[:60]
    path = tmp_path_factory.mktemp("data") / "data.npz"
    numpy.savez(
        path,
        x_train=images.images[:40],
        y_train=images.targets[:40],
        x_test=images.images[40:],
        y_test=images.targets[40:],
    )
    return path


def command(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def printed(data: Path, *arguments: object) -> TrainingConfig:
    """Return the configuration that the command prints."""
    done = command("train", "run", "--print-config", "--data", data, *arguments)
    assert done.exit_code == 0, done.output
    return TrainingConfig.from_json(done.stdout)


def refused(data: Path, *arguments: object) -> str:
    """Return what the command says when it refuses to go on."""
    done = command("train", "run", "--print-config", "--data", data, *arguments)
    assert done.exit_code in {1, 2}, done.output
    assert done.stdout == ""
    return done.stderr.splitlines()[-1]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing here may write a file where it was started."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    assert list(folder.iterdir()) == []


GUIDE = ModelConfig()
# Options beside the configuration that they stand for.
CASES: dict[str, tuple[list[str], dict[str, Any]]] = {
    "nothing": ([], {}),
    "values": (
        ["--num-epochs=3", "--batch-size=8", "--learning-rate=.01", "--seed=1", "--num-workers=0"],
        {"num_epochs": 3, "batch_size": 8, "learning_rate": 0.01, "seed": 1, "num_workers": 0},
    ),
    "none": (["--checkpoint-every=none", "--threads=none"], {"checkpoint_every": None}),
    "network": (
        ["--hidden-size=9", "--dropout=0.1"],
        {"model": ModelConfig(hidden_size=9, dropout=0.1)},
    ),
    "network by its key": (["--model.hidden-size=9"], {"model": ModelConfig(hidden_size=9)}),
    "widths": (
        ["--network=conv-net", "--widths=4,8", "--hidden-sizes=16,32", "--no-average"],
        {"model": ConvNetConfig(widths=(4, 8), hidden_sizes=(16, 32), average=False)},
    ),
    "blocks": (
        ["--network=ConvNet", '--blocks=[{"channels": 4, "pool": true}]', "--pixel-mean=0.5"],
        {
            "model": ConvNetConfig(
                blocks=[ConvBlock(channels=4, pool=True)], pixel_mean=(0.5,), pixel_std=(0.25,)
            )
        },
    ),
    "optimizer": (
        ["--optimizer=adamw", "--optimizer.weight-decay=0.01", "--optimizer.amsgrad"],
        {"optimizer": AdamWConfig(weight_decay=0.01, amsgrad=True)},
    ),
    "default kind": (
        ["--optimizer.weight-decay=0.01", "--optimizer.grad-clipping.norm=1"],
        {
            "optimizer": AdamConfig(
                weight_decay=0.01, grad_clipping=GradientClippingConfig(norm=1.0)
            )
        },
    ),
    "part of a part": (
        ["--optimizer=SGD", "--optimizer.momentum.nesterov"],
        {"optimizer": SgdConfig(momentum=MomentumConfig(nesterov=True))},
    ),
    "schedule": (
        ["--lr-scheduler=one_cycle", "--lr-scheduler.num-iters=9", "--learning-rate=0.1"],
        {"lr_scheduler": OneCycleLrSchedulerConfig(num_iters=9), "learning_rate": 0.1},
    ),
    "augmentation": (
        ["--augmentation.rotate=10", "--augmentation.flip"],
        {"augmentation": AugmentationConfig(rotate=10, flip=True)},
    ),
    "freeze": (["--freeze=conv1", "--freeze=conv2"], {"freeze": ("conv1", "conv2")}),
    "set": (
        [
            *("--set=learning_rate=1e-3", '--set=freeze=["conv1"]', "--set=recorder=default"),
            *("--set=optimizer=sgd", "--set=optimizer.momentum.momentum=0.5"),
            *("--set=augmentation.flip=true", "--set=model.hidden_size=9"),
        ],
        {
            "learning_rate": 1e-3,
            "freeze": ("conv1",),
            "optimizer": SgdConfig(momentum=MomentumConfig(momentum=0.5)),
            "augmentation": AugmentationConfig(flip=True),
            "model": ModelConfig(hidden_size=9),
        },
    ),
    "JSON of parts": (
        [
            '--optimizer={"Sgd": {"momentum": {"momentum": 0.5}}}',
            *(
                "--learning-rate=0.1",
                '--set=lr_scheduler={"CosineAnnealing": {"num_iters": 5, "min_lr": 0.01}}',
            ),
            '--augmentation={"rotate": 10}',
            '--model={"ConvNet": {"widths": [4]}}',
        ],
        {
            "optimizer": SgdConfig(momentum=MomentumConfig(momentum=0.5)),
            "lr_scheduler": CosineAnnealingLrSchedulerConfig(num_iters=5, min_lr=0.01),
            "learning_rate": 0.1,
            "augmentation": AugmentationConfig(rotate=10),
            "model": ConvNetConfig(widths=(4,)),
        },
    ),
    "JSON of a part of a part": (
        ["--optimizer=sgd", '--optimizer.momentum={"nesterov": true}'],
        {"optimizer": SgdConfig(momentum=MomentumConfig(nesterov=True))},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_options_are_fields(data: Path, name: str) -> None:
    options, values = CASES[name]
    if name == "blocks":
        options = [*options, "--pixel-std=0.25"]
    assert printed(data, *options) == TrainingConfig(**{"model": GUIDE, **values})


def test_every_field_of_every_class_is_an_option() -> None:
    keys = {option.field.path for option in train.params if isinstance(option, ConfigurationOption)}
    assert keys == {*FIELDS, *CALLBACK_FIELDS}
    keys -= {*CALLBACK_FIELDS}
    expected: set[tuple[str, ...]] = {(name,) for name in TrainingConfig.__dataclass_fields__}
    for part, kinds in (
        ("model", NETWORKS),
        ("optimizer", OPTIMIZERS),
        ("lr_scheduler", SCHEDULES),
        ("augmentation", {"": AugmentationConfig}),
    ):
        for kind in kinds.values():
            expected |= {(part, name) for name in kind.__dataclass_fields__}
    assert {path for path in keys if len(path) < 3} == {
        path for path in expected if not path[-1].startswith("_")
    }
    for part, kinds in (("optimizer", OPTIMIZERS), ("lr_scheduler", SCHEDULES)):
        assert set(FIELDS[part,].kinds.values()) == set(kinds.values())
    assert ("optimizer", "momentum", "nesterov") in keys


def test_no_two_options_share_a_name() -> None:
    names = [
        name
        for option in train.params
        if isinstance(option, click.Option)
        for name in (*option.opts, *option.secondary_opts)
    ]
    assert len(names) == len(set(names))


def test_every_field_is_described_in_its_docstring() -> None:
    for item in FIELDS.values():
        for owner in item.owners:
            assert described(owner).get(item.path[-1]), item.path


@dataclass(frozen=True)
class Plain:
    """An optimizer with a number where another has a part."""

    _tag: ClassVar[str] = "Plain"

    momentum: float = 0.9
    after: "Plain | SgdConfig | None" = None


@dataclass(frozen=True)
class Outer:
    """What has either."""

    optimizer: Plain | SgdConfig = field(default_factory=Plain)


def test_a_number_may_stand_where_another_class_has_a_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = {item.path: item for item in all_fields([Outer])}
    either = fields["optimizer", "momentum"]
    assert list(either.kinds.values()) == [MomentumConfig]
    assert value_of(either, "0.5") == 0.5
    assert value_of(either, '{"momentum": 0.5}') == Json({"momentum": 0.5})
    monkeypatch.setitem(FIELDS, ("optimizer",), fields["optimizer",])
    part: KeyPath = ("optimizer",)
    given: dict[KeyPath, Given] = {(*part, "momentum"): Given(0.5, "--optimizer.momentum")}
    assert _changed_part(Plain, Plain(), part, (Plain,), given) == Plain(momentum=0.5)
    with pytest.raises(SettingError, match=r"--optimizer.momentum must be JSON.*, got 0.5"):
        _changed_part(SgdConfig, SgdConfig(), part, (SgdConfig,), given)
    given = {
        (*part, "momentum", "nesterov"): Given(value=True, name="--optimizer.momentum.nesterov")
    }
    with pytest.raises(SettingError, match="no setting of the optimizer 'plain'"):
        _changed_part(Plain, Plain(), part, (Plain,), given)
    nested = SgdConfig(momentum=MomentumConfig(nesterov=True))
    assert _changed_part(SgdConfig, SgdConfig(), part, (SgdConfig,), given) == nested


def test_a_part_within_itself_ends() -> None:
    paths = {item.path for item in all_fields([Outer])}
    assert ("optimizer", "after", "momentum") in paths
    assert ("optimizer", "after", "after") in paths
    assert ("optimizer", "after", "after", "momentum") not in paths


@dataclass(frozen=True)
class Grown(SgdConfig):
    """Another optimizer.

    Attributes:
        warmth: How warm it is,
            in two lines.
    """

    warmth: float | None = 1.5


def test_a_field_that_is_added_appears_by_itself() -> None:
    warmth = children(Grown, ("optimizer",))["warmth"]
    assert warmth.types == frozenset({float})
    assert warmth.optional
    option = ConfigurationOption(warmth)
    assert option.opts == ["--optimizer.warmth"]
    assert option.metavar == "NUMBER"
    assert option.help == "How warm it is, in two lines."


def test_words_of_kinds_are_plain() -> None:
    words = {kind: word_of("optimizer", kind) for kind in OPTIMIZERS.values()}
    assert (words[AdamWConfig], words[SgdConfig]) == ("adamw", "sgd")
    assert word_of("lr_scheduler", OneCycleLrSchedulerConfig) == "one-cycle"


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (
            ["--num-epochs=x"],
            'error: --num-epochs must be a whole number from 1 to 2147483647, got "x"',
        ),
        (
            ["--optimizer.weight-decay=x"],
            'error: --optimizer.weight-decay must be a number of at least 0, got "x"',
        ),
        (
            ["--set=optimizer.beta_1=2"],
            "error: --set optimizer.beta_1 must be a number of at least 0",
        ),
        (
            ["--optimizer=sgd", "--optimizer.momentum.momentum=2"],
            "error: --optimizer.momentum.momentum must be",
        ),
        (
            ["--optimizer.grad-clipping.norm=x"],
            "error: --optimizer.grad-clipping.norm must be a number above 0",
        ),
        (
            ["--augmentation.rotate=500"],
            "error: --augmentation.rotate must be a number of degrees from 0 to 180, got 500",
        ),
        (
            ["--set=augmentation.flip=yes"],
            'error: --set augmentation.flip must be true or false, got "yes"',
        ),
        (
            ["--lr-scheduler=noam", "--lr-scheduler.warmup-steps=0"],
            "error: --lr-scheduler.warmup-steps must be a whole number from 1",
        ),
        (
            ["--network=conv-net", '--blocks=[{"channels": "x"}]'],
            "error: --blocks[0].channels must be a whole number",
        ),
        (["--network=conv-net", "--widths=4;8"], "write numbers as 16,32,64"),
        (
            ['--augmentation={"rotat": 1}'],
            (
                'error: --augmentation: unknown key "rotat" (value 1) in augmentation: did you '
                'mean "rotate"?'
            ),
        ),
        (
            ["--lr-scheduler=step"],
            (
                "--lr-scheduler step needs --lr-scheduler.step-size, which has no default: "
                "the number of steps with the same learning rate"
            ),
        ),
        (["--lr-scheduler.num-iters=5"], "give exponential, cosine-annealing, linear"),
        (
            ["--optimizer.momentum.nesterov"],
            (
                "--optimizer.momentum.nesterov is no setting of the optimizer 'adam'; leave it "
                "out, or choose another --optimizer"
            ),
        ),
        (
            ["--hidden-size=8", "--network=conv-net"],
            (
                "--hidden-size is no setting of the network 'conv-net'; leave it out, or choose "
                "another --network"
            ),
        ),
        (["--optimizer=other"], "'other' is not one of 'adam', 'adamw'"),
        (
            ["--augmentation=3"],
            (
                "must be JSON, as a configuration file has it, or none; its fields can be given "
                "instead, --augmentation.flip"
            ),
        ),
        (["--blocks={"], "must be JSON: "),
        (
            ["--seed=1", "--set=seed=1"],
            "--seed and --set seed are the same field; leave one of them out",
        ),
        (["--set=seed"], "'seed' must be a key and a value, as in learning_rate=0.001"),
        (
            ["--set=optimizer.weigth_decay=1"],
            "there is no field 'optimizer.weigth_decay'; did you mean 'optimizer.weight_decay'?",
        ),
        (["--set=rotate=1"], "there is no field 'rotate'; did you mean 'augmentation.rotate'?"),
        (["--set=optimizer.zzz=1"], "; the fields are optimizer.beta_1, optimizer.beta_2"),
        (["--rotate=1"], "No such option --rotate; did you mean --augmentation.rotate?"),
        (
            ["--augmentation.rotat=1"],
            "No such option --augmentation.rotat; did you mean --augmentation.rotate?",
        ),
        (["--optimizer.weight_decay=1"], "did you mean --optimizer.weight-decay?"),
    ],
)
def test_errors_name_the_option(data: Path, options: list[str], part: str) -> None:
    assert part in refused(data, *options)


def test_options_come_before_the_file_and_that_before_the_recipe(
    data: Path, tmp_path: Path
) -> None:
    file = tmp_path / "config.json"
    file.write_text('{"learning_rate": 0.5, "num_epochs": 2, "optimizer": {"Sgd": {}}}')
    config = printed(data, "--config", file, "--num-epochs=3", "--optimizer.weight-decay=0.1")
    assert config == TrainingConfig(
        model=GUIDE, learning_rate=0.5, num_epochs=3, optimizer=SgdConfig(weight_decay=0.1)
    )
    recipe = mnistburn.recipe("fast", str(data), num_epochs=2)
    config = printed(data, "--recipe=fast", "--config", file, "--seed=7")
    assert config == replace(recipe, learning_rate=0.5, optimizer=SgdConfig(), seed=7)
    # The recipe follows a number of epochs, and its parts can be changed.
    config = printed(data, "--recipe=fast", "--num-epochs=4", "--lr-scheduler.pct-start=0.5")
    longer = mnistburn.recipe("fast", str(data), num_epochs=4)
    assert isinstance(longer.lr_scheduler, OneCycleLrSchedulerConfig)
    assert config == replace(longer, lr_scheduler=replace(longer.lr_scheduler, pct_start=0.5))
    config = printed(data, "--recipe=pictures", "--augmentation=none", "--lr-scheduler=none")
    assert (config.augmentation, config.lr_scheduler) == (None, None)
    assert "Precedence" not in command("train", "--help").stdout
    text = " ".join(command("train", "--help").stdout.split())
    assert (
        "What is trained is a recipe or the defaults; over these what the file of --config says; "
        "over this what the options below and --set say."
    ) in text


def test_what_is_printed_is_what_is_trained(data: Path, tmp_path: Path) -> None:
    options = ["--data", str(data), "--recipe=fast", "--num-epochs=1", "--optimizer.epsilon=1e-6"]
    done = command("train", "run", "--print-config", *options)
    assert done.exit_code == 0, done.output
    file = tmp_path / "printed.json"
    file.write_text(done.stdout)
    again = command("train", "run", "--print-config", "--data", data, "--config", file)
    assert again.stdout == done.stdout
    run = tmp_path / "run"
    assert command("train", run, *options, "--device=cpu", "--no-progress").exit_code == 0
    trained = json.loads((run / "config.json").read_text())
    expected = json.loads(done.stdout)
    trained_model = dict(trained["model"]["ConvNet"])
    # The mean and the deviation of the pixels are those of the images.
    for content in (trained, expected):
        del content["model"]["ConvNet"]["pixel_mean"], content["model"]["ConvNet"]["pixel_std"]
    # The schedule has the length of the run.
    assert expected["lr_scheduler"]["OneCycle"].pop("num_iters") is None
    assert trained["lr_scheduler"]["OneCycle"].pop("num_iters") == 2
    assert trained == expected
    resumed = command("train", run, "--resume", "--num-epochs=2", "--print-config")
    assert resumed.exit_code == 0, resumed.output
    assert json.loads(resumed.stdout)["num_epochs"] == 2
    assert mnistburn.load_run(run).config.num_epochs == 1
    file.write_text('{"seed": 1}')
    resumed = command("train", run, "--resume", "--config", file, "--print-config")
    assert json.loads(resumed.stdout)["model"]["ConvNet"] == trained_model


def test_one_of_a_kind_keeps_its_values(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    schedule = CosineAnnealingLrSchedulerConfig(num_iters=7, min_lr=1e-6)
    TrainingConfig(lr_scheduler=schedule, optimizer=SgdConfig(weight_decay=0.5)).save(file)
    config = printed(
        data,
        *("--config", file, "--lr-scheduler=cosine-annealing", "--lr-scheduler.num-iters=9"),
        *("--optimizer=adam",),
    )
    assert config.lr_scheduler == replace(schedule, num_iters=9)
    assert config.optimizer == AdamConfig()


@pytest.mark.parametrize("option", ["--help", "--help-all"])
def test_help_fits_the_screen_and_says_what_there_is(option: str) -> None:
    done = command("train", option)
    assert done.exit_code == 0
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert "Examples:" in done.stdout
    assert not [line for line in lines if line.endswith("-")]
    assert "NAME is one of exponential, cosine-annealing, " in " ".join(done.stdout.split())
    titles = [line for line in lines if re.fullmatch(r"[A-Z][\w -]+:", line)]
    assert titles == [
        *("Data:", "Run:", "Configuration:", "Training:", "Network:", "Optimizer:"),
        *("Learning-rate schedule:", "Augmentation:", "Early stopping:", "Checkpoint:"),
    ]
    for name in (
        "--num-epochs",
        "--hidden-size",
        "--optimizer",
        "--augmentation",
        "--print-config",
    ):
        assert re.search(rf"^ +{name}\b", done.stdout, re.MULTILINE), name
    nested = "--optimizer.momentum.nesterov" in done.stdout.replace("mnistburn train", "")
    if option == "--help":
        assert len(lines) < len(command("train", "--help-all").stdout.splitlines()) / 2
        assert "momentum.nesterov" in done.stdout
    else:
        assert nested
        assert "[default: 0.9]" in done.stdout
        for path in FIELDS:
            # Within a part of several kinds, those of a part of several kinds stand for all.
            several = [len(FIELDS[path[:end]].kinds) > 1 for end in range(2, len(path))]
            if path[0] != "model" and not any(several):
                assert f"--{'.'.join(path).replace('_', '-')}" in done.stdout, path


def test_a_printed_configuration_goes_back_by_a_pipe(data: Path, tmp_path: Path) -> None:
    options = ("--data", str(data), "--recipe", "fast", "--set", "learning_rate=0.02")
    printed = command("train", *options, "--print-config").stdout

    def piped(text: str | bytes, *words: str) -> Result:
        return CliRunner().invoke(main, ["train", *words, "--config", "-"], input=text)

    again = piped(printed, "--data", str(data), "--print-config")
    assert again.stdout == printed
    # Over a recipe it says what its keys are, as a file does.
    done = piped('{"batch_size": 7}', *options, "--print-config")
    assert json.loads(done.stdout)["batch_size"] == 7
    for text, message in (
        ("", "standard input: "),
        ('{"batch_sise": 7}', "batch_sise"),
        (b"\xff", "standard input is not UTF-8 text"),
        (" " * ((1 << 20) + 1), "standard input is longer than 1048576 bytes"),
    ):
        done = piped(text, str(tmp_path / "run"))
        assert done.exit_code == 1
        assert message in done.stderr
    assert not (tmp_path / "run").exists()


def examples() -> list[str]:
    """Return the commands that train in the help and in the docs, without their outputs."""
    text = command("train", "--help").stdout
    found = re.findall(r"mnistburn (train [^\n]+(?:\n {8}[^\n]+)*)", text)
    project = Path(__file__).parent.parent
    for page in (project / "README.md", project / "docs" / "command-line.md"):
        lines = page.read_text("utf-8")
        found += re.findall(r"^\$ mnistburn (train [^\n|]+)$", lines, re.MULTILINE)
    return [re.split(r" 2?> ", example)[0] for example in found]


def test_the_examples_of_the_help_and_the_docs_work(data: Path, tmp_path: Path) -> None:
    configuration = tmp_path / "file.json"
    mnistburn.recipe("fast").save(configuration)
    tried = 0
    for example in examples():
        text = re.sub("--data [a-z-]+", f"--data {data}", example)
        words = re.sub(r"\w+\.json", str(configuration), text).split()
        if "--resume" in words:
            continue
        done = command(*words, *["--print-config"] * ("--print-config" not in words))
        assert done.exit_code == 0, done.output
        tried += 1
    assert tried > 10
