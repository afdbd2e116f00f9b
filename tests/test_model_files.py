"""What a model's file knows of its model: sizes of images, names of classes, preprocessing."""

import dataclasses
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy
import onnx
import pytest
import safetensors
import safetensors.numpy

import mnistburn
from mnistburn import Dataset, Model, ModelConfig, TrainingConfig, TrainingResult
from mnistburn.errors import ArtifactError, DataError, RecordError
from mnistburn.model import ExportFormat, Recorder
from mnistburn.preprocessing import Preprocessing

FIXTURES = Path(__file__).parent / "fixtures"
NAMES = ("circle", "cross", "größer")
SHAPES = {"64x64x3": (64, 64, 3), "32x48x1": (32, 48, 1)}
RECORDERS = get_args(Recorder)
PADDED = Preprocessing("pad", "digit")


def dataset(shape: tuple[int, int, int], count: int = 36) -> Dataset:
    """Return images whose classes are told by where they are bright."""
    generator = numpy.random.default_rng(count)
    targets = numpy.arange(count) % 3
    images = generator.integers(0, 60, (count, *shape), dtype=numpy.uint8)
    for image, target in zip(images, targets, strict=True):
        width = shape[1] // 3
        image[:, target * width : (target + 1) * width] += 150
    if shape[2] == 1:
        images = images[..., 0]
    data = Dataset(images, targets, class_names=NAMES)
    data._set(preprocessing=PADDED)
    return data


@pytest.fixture(scope="module", params=list(SHAPES.values()), ids=list(SHAPES))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> TrainingResult:
    data = dataset(request.param)
    height, width, channels = request.param
    model = ModelConfig(
        num_classes=3,
        hidden_size=8,
        image_height=height,
        image_width=width,
        image_channels=channels,
    )
    config = TrainingConfig(model=model, num_epochs=3, batch_size=9, learning_rate=5e-3)
    directory = tmp_path_factory.mktemp("runs") / "run"
    return mnistburn.train(directory, config, "cpu", data=(data, data), progress=False)


def assert_knows(model: Model, run: TrainingResult) -> None:
    """Check that a model knows what the run's knows."""
    assert model.config == run.config.model
    assert model.image_size == run.model.config.image_shape[:2]
    assert model.class_names == NAMES
    assert model.preprocessing == PADDED


@pytest.mark.parametrize("recorder", RECORDERS)
def test_a_record_that_was_moved_gives_the_numbers_of_its_run(
    run: TrainingResult, recorder: Recorder, tmp_path: Path
) -> None:
    path = run.model.save(tmp_path / "stripes", recorder, "full")
    (tmp_path / "moved").mkdir()
    for file in (path, Path(f"{path}.meta.json")):
        shutil.move(file, tmp_path / "moved" / file.name)
    loaded = Model.load(tmp_path / "moved" / path.name)
    assert_knows(loaded, run)
    data = dataset(run.model.config.image_shape)
    found = loaded.evaluate(data)
    assert found == run.model.evaluate(data)
    assert found.loss == pytest.approx(run.history["valid_loss"][-1], rel=1e-5)
    assert loaded.predict_names(data.images) == run.model.predict_names(data.images)


@pytest.mark.parametrize("extension", ["safetensors", "npz"])
def test_an_exported_file_gives_the_numbers_of_its_run(
    run: TrainingResult, extension: str, tmp_path: Path
) -> None:
    loaded = Model.load(run.model.export(tmp_path / f"stripes.{extension}"))
    assert_knows(loaded, run)
    data = dataset(run.model.config.image_shape)
    assert loaded.evaluate(data) == run.model.evaluate(data)
    again = Model.load(loaded.save(tmp_path / "again", "default"))
    assert_knows(again, run)
    assert [file.name for file in tmp_path.iterdir() if file.suffix == ".json"] == [
        "again.mpk.meta.json"
    ]


def test_the_files_of_a_run_know_their_model(run: TrainingResult, tmp_path: Path) -> None:
    loaded = mnistburn.load_run(run.artifact_dir)
    assert_knows(run.model, run)
    assert loaded.model.class_names == NAMES
    assert loaded.model.image_size == run.model.image_size
    copied = tmp_path / "elsewhere"
    copied.mkdir()
    for name in ("model.mpk", "model.mpk.meta.json"):
        shutil.copy(run.artifact_dir / name, copied)
    assert_knows(Model.load(copied / "model.mpk"), run)


def test_a_checkpoint_knows_what_its_run_does(run: TrainingResult, tmp_path: Path) -> None:
    copied = tmp_path / "run"
    shutil.copytree(run.artifact_dir, copied)
    data = json.loads((copied / "data.json").read_text())
    data |= {"class_names": NAMES, "preprocessing": PADDED._asdict(), "statistics": None}
    (copied / "data.json").write_text(json.dumps(data))
    (copied / "class_names.json").unlink()
    assert_knows(Model.load(copied / "checkpoint" / "epoch-0003" / "model.mpk"), run)
    assert_knows(mnistburn.load_run(copied).model, run)
    (copied / "model.mpk.meta.json").unlink()
    assert_knows(Model.load(copied / "model.mpk"), run)
    (copied / "data.json").write_text('{"class_names": [3]}')
    for load in (
        lambda: Model.load(copied / "model.mpk"),
        lambda: mnistburn.load_run(copied),
    ):
        with pytest.raises(ArtifactError, match=r"data\.json is damaged"):
            load()


def test_a_checkpoint_is_found_from_within_its_directory(
    run: TrainingResult, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(run.artifact_dir / "checkpoint" / "epoch-0003")
    assert Model.load("model.mpk").image_size == run.model.image_size


@pytest.mark.parametrize("name", get_args(ExportFormat))
def test_other_programs_find_the_names_of_the_classes(
    run: TrainingResult, name: ExportFormat, tmp_path: Path
) -> None:
    path = run.model.export(tmp_path / "stripes", name)
    match name:
        case "onnx":
            properties = {item.key: item.value for item in onnx.load(path).metadata_props}
            assert json.loads(properties["class_names"]) == list(NAMES)
        case "safetensors":
            with safetensors.safe_open(path, "numpy") as file:
                properties = file.metadata()
        case "npz":
            with zipfile.ZipFile(path) as archive:
                properties = json.loads(archive.comment)
    stated = json.loads(properties["mnistburn"])
    statistics = run.model.statistics
    assert statistics is not None
    assert stated == {
        "mnistburn": mnistburn.__version__,
        "config": json.loads(run.model.config.to_json())
        | {
            "dropout": 0.5,
            "image_height": run.model.config.image_height,
            "image_width": run.model.config.image_width,
            "image_channels": run.model.config.image_channels,
        },
        "class_names": list(NAMES),
        "preprocessing": {"fit": "pad", "prepare": "digit"},
        "statistics": dataclasses.asdict(statistics),
    }
    found = mnistburn.describe(path)
    assert (found.class_names, found.preprocessing) == (NAMES, PADDED)
    assert found.image_size == run.model.image_size


def test_statistics_are_read_from_a_file(tmp_path: Path) -> None:
    path = Model(ModelConfig(hidden_size=4), seed=1).export(tmp_path / "model.safetensors")
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    stated = json.loads(metadata["mnistburn"])
    stated["statistics"] = {
        "pixel_min": 0,
        "pixel_max": 255,
        "pixel_mean": 33.25,
        "pixel_std": 78.5,
        "border_mean": 0.5,
        "border_std": 0.0,
        "foreground": 0.25,
    }
    metadata["mnistburn"] = json.dumps(stated)
    safetensors.numpy.save_file(safetensors.numpy.load_file(path), path, metadata)
    expected = mnistburn.ImageStatistics(0, 255, 33.25, 78.5, 0.5, 0.0, 0.25)
    assert Model.load(path).statistics == expected
    assert Model.load(Model.load(path).save(tmp_path / "model")).statistics == expected
    assert mnistburn.describe(path).statistics == expected
    assert Model(seed=1).statistics is None


@pytest.mark.parametrize(
    "use",
    [
        lambda model: model.evaluate(Dataset(numpy.zeros((2, 28, 28), numpy.uint8), [0, 1])),
        lambda model: model.predict(numpy.zeros((2, 28, 28), numpy.uint8)),
        lambda model: model.forward(numpy.zeros((2, 30, 30), numpy.uint8)),
        lambda model: model.forward(numpy.zeros((0, 28, 28), numpy.uint8)),
        lambda model: model.forward_classification(numpy.zeros((1, 28, 28), numpy.uint8), [0]),
        lambda model: model.export("digits.onnx"),
        lambda model: model.summary(),
    ],
    ids=["evaluate", "predict", "forward", "nothing", "training", "export", "summary"],
)
@pytest.mark.parametrize("file", ["burn-0.21/default.mpk", "pytorch/state.pt"])
def test_a_model_of_unknown_size_is_used_for_nothing(
    use: Callable[[Model], object], file: str
) -> None:
    model = Model.load(FIXTURES / file)
    assert model.image_size is None
    with pytest.raises(DataError, match=r"Model\.load\(path, image_size=\(height, width\)\)"):
        use(model)
    size = (30, 30) if "30" in str(use.__code__.co_consts) else (28, 28)
    if use.__code__.co_consts != (None, "digits.onnx"):
        use(Model.load(FIXTURES / file, image_size=size))


def test_what_is_not_known_stays_so_until_it_is_given(tmp_path: Path) -> None:
    model = Model.load(FIXTURES / "burn-0.21" / "default.mpk")
    path = model.to("cpu").save(tmp_path / "model", "default")
    stated = json.loads((tmp_path / "model.mpk.meta.json").read_text())
    assert {"image_height", "image_width"}.isdisjoint(stated["config"])
    assert stated["config"]["image_channels"] == 1
    assert Model.load(path).image_size is None
    assert mnistburn.describe(path).image_size is None
    given = Model.load(path, image_size=(40, 20))
    assert given.image_size == (40, 20)
    assert Model.load(given.save(path, "default")).image_size == (40, 20)


def test_a_size_against_that_of_the_file_is_refused(run: TrainingResult, tmp_path: Path) -> None:
    path = run.model.save(tmp_path / "model")
    height, width = run.model.config.image_shape[:2]
    with pytest.raises(RecordError, match=rf"images of {height} x {width}, got 28 x 28"):
        Model.load(path, image_size=(28, 28))
    assert Model.load(path, image_size=(height, width)).image_size == (height, width)


def test_a_companion_of_another_file_is_refused_with_both_names(tmp_path: Path) -> None:
    one, other = (Model(ModelConfig(hidden_size=4, image_height=size), seed=1) for size in (28, 40))
    path = one.save(tmp_path / "one")
    shutil.copy(other.save(tmp_path / "other"), path)
    # Equal weights: the files differ in nothing.
    assert Model.load(path).image_size == (28, 28)
    changed = Model(other.config, seed=2)
    shutil.copy(changed.save(tmp_path / "other"), path)
    message = r"one\.mpk\.meta\.json: .*SHA-256 of .*one\.mpk,.*delete one\.mpk\.meta\.json"
    for load in (Model.load, mnistburn.describe):
        with pytest.raises(RecordError, match=message):
            load(path)
    (tmp_path / "one.mpk.meta.json").unlink()
    assert Model.load(path, image_size=(40, 28)).config == changed.config


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"config": None}, "config"),
        ({"config": {"num_classes": 10, "hidden_size": 5}}, "hidden_size 4.*hidden_size 5"),
        ({"config": {"num_classes": 10, "hidden_size": 4, "x": 1}}, "unknown key"),
        ({"class_names": ["a"] * 10}, "class_names"),
        ({"class_names": [str(number) for number in range(11)]}, "11 names"),
        ({"preprocessing": {"fit": "squeeze"}}, "squeeze"),
        ({"statistics": 3}, "3"),
        ({"sha256": 3}, "SHA-256"),
    ],
)
def test_a_damaged_companion_is_refused(change: Any, reason: str, tmp_path: Path) -> None:
    path = Model(ModelConfig(hidden_size=4), seed=1).save(tmp_path / "model")
    companion = tmp_path / "model.mpk.meta.json"
    companion.write_text(json.dumps(json.loads(companion.read_text()) | change))
    with pytest.raises(RecordError, match=rf"model\.mpk\.meta\.json: .*{reason}") as error:
        Model.load(path)
    assert "image_size=" in str(error.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"null", b"{" * 100_000])
def test_a_companion_of_rubbish_is_refused(content: bytes, tmp_path: Path) -> None:
    path = Model(ModelConfig(hidden_size=4), seed=1).save(tmp_path / "model")
    (tmp_path / "model.mpk.meta.json").write_bytes(content)
    with pytest.raises(RecordError, match=r"model\.mpk\.meta\.json"):
        Model.load(path)
    # Saving anew mends it.
    Model(ModelConfig(hidden_size=4), seed=2).save(path)
    assert Model.load(path).image_size == (28, 28)


def test_a_companion_speaks_of_the_older_file_until_it_is_replaced(tmp_path: Path) -> None:
    older = Model(ModelConfig(hidden_size=4, image_height=20), seed=1)
    newer = Model(ModelConfig(hidden_size=4, image_height=40), seed=2)
    path = older.save(tmp_path / "model")
    companion = tmp_path / "model.mpk.meta.json"
    before, stated = path.read_bytes(), json.loads(companion.read_text())
    newer.save(path)
    # As it is after the first and after the second of the three writes.
    companion.write_text(json.dumps(json.loads(companion.read_text()) | {"replaced": stated}))
    assert Model.load(path).config == newer.config
    path.write_bytes(before)
    assert Model.load(path).config == older.config


def test_a_new_file_that_can_not_be_written_leaves_no_companion(tmp_path: Path) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    with pytest.raises(OSError, match="absent"):
        model.save(tmp_path / "absent" / "model")
    (tmp_path / "model.mpk").symlink_to(tmp_path / "nowhere" / "x")
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model.mpk").image_size == (28, 28)
    with pytest.raises(RecordError, match=r"\.meta\.json"):
        model.save(tmp_path / "model.mpk.meta", "json")


@pytest.mark.parametrize("name", ["digits.onnx", "digits.safetensors", "digits.npz", "Digits.ONNX"])
def test_saving_to_the_name_of_an_export_is_refused(name: str, tmp_path: Path) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    with pytest.raises(RecordError, match=r"must end in \.mpk.*use Model\.export"):
        model.save(tmp_path / name)
    assert model.export(tmp_path / name).is_file()


@pytest.mark.parametrize("extension", ["pt", "pth", "h5", "keras", "tflite", "pkl", "ckpt"])
def test_saving_to_the_name_of_another_program_s_format_is_refused(
    extension: str, tmp_path: Path
) -> None:
    with pytest.raises(RecordError, match=rf"no \.{extension} file is written.*\.safetensors"):
        Model(ModelConfig(hidden_size=4), seed=1).save(tmp_path / f"digits.{extension}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "model.", "_orig_mod.module.net."])
@pytest.mark.parametrize("extension", ["safetensors", "npz"])
def test_a_prefix_of_all_names_is_dropped(prefix: str, extension: str, tmp_path: Path) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    path = tmp_path / f"model.{extension}"
    state = {prefix + name: array for name, array in model.state_dict().items()}
    write(state, path)
    found = Model.load(path).state_dict()
    assert all((found[name] == array).all() for name, array in model.state_dict().items())


def write(state: dict[str, numpy.ndarray], path: Path) -> None:
    if path.suffix == ".npz":
        numpy.savez(path, allow_pickle=False, **state)
    else:
        safetensors.numpy.save_file(state, path)


@pytest.mark.parametrize(
    ("prefixes", "others", "reason"),
    [
        (["module.", "ema."], [], 'behind "ema\\." and behind "module\\."'),
        (["", "ema."], [], 'behind no prefix and behind "ema\\."'),
        (["module."], ["module.linear3.weight"], r"module\.linear3\.weight"),
        (["module."], ["linear3.weight"], r"linear3\.weight"),
        (["state_dict.net."], ["state_dict.linear3.weight"], r"linear3\.weight"),
        ([""], ["optimizer.state"], r"optimizer\.state"),
        (["x"], [], "xconv1"),
    ],
)
def test_what_may_be_another_model_is_refused(
    prefixes: list[str], others: list[str], reason: str, tmp_path: Path
) -> None:
    state = Model(ModelConfig(hidden_size=4), seed=1).state_dict()
    stored = {prefix + name: array for prefix in prefixes for name, array in state.items()}
    stored |= {name: numpy.zeros((2, 2), numpy.float32) for name in others}
    write(stored, tmp_path / "model.safetensors")
    with pytest.raises(RecordError, match=reason):
        Model.load(tmp_path / "model.safetensors")


def test_what_a_checkpoint_holds_beside_its_model_is_passed_over(tmp_path: Path) -> None:
    model = Model(ModelConfig(hidden_size=4), seed=1)
    for prefix, others in (
        ("model.", ["optimizer.state.0.exp_avg", "scheduler.last"]),
        ("state_dict.model.", ["ema", "optimizer_states.0"]),
        ("model_state_dict.", ["loss"]),
    ):
        state = {prefix + name: array for name, array in model.state_dict().items()}
        state |= {name: numpy.ones((3, 2), numpy.float32) for name in others}
        write(state, tmp_path / "model.safetensors")
        found = Model.load(tmp_path / "model.safetensors").state_dict()
        assert all((found[name] == array).all() for name, array in model.state_dict().items())


@pytest.mark.parametrize("extension", ["safetensors", "npz"])
def test_names_that_a_format_has_no_room_for_are_refused(extension: str, tmp_path: Path) -> None:
    count = {"safetensors": 70_000, "npz": 4_000}[extension]
    names = [f"class number {number}" for number in range(count)]
    model = Model(ModelConfig(num_classes=count, hidden_size=1), seed=1, class_names=names)
    with pytest.raises(RecordError, match="names of the classes"):
        model.export(tmp_path / f"model.{extension}")
    found = mnistburn.describe(model.export(tmp_path / "model.onnx"))
    assert (found.class_names or ())[-1] == names[-1]
    assert (Model.load(model.save(tmp_path / "model")).class_names or ())[-1] == names[-1]
