"""Model.export and Model.load with the files of other programs."""

import json
import zipfile
from pathlib import Path
from typing import Any, cast, get_args

import numpy
import onnx
import onnxruntime
import pytest
import safetensors
import safetensors.numpy
from click.testing import CliRunner

import mnistburn
from mnistburn import Model, ModelConfig
from mnistburn.cli import main
from mnistburn.errors import ConfigError, RecordError
from mnistburn.model import ExportFormat

TORCH = Path(__file__).parent / "fixtures" / "pytorch"
LOGITS = numpy.array(json.loads((TORCH / "expected.json").read_text())["logits"])
PIXELS = numpy.random.default_rng(3).integers(0, 256, (2, 28, 28), dtype=numpy.uint8)
"""The images of the PyTorch fixture."""


def session(path: Path) -> onnxruntime.InferenceSession:
    onnx.checker.check_model(onnx.load(path), full_check=True)
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def as_torch(model: Model) -> dict[str, numpy.ndarray]:
    """Return the parameters as a PyTorch state_dict has them."""
    return {
        name: array.T.copy() if array.ndim == 2 else array
        for name, array in model.state_dict().items()
    }


def equal(left: Model, right: Model) -> bool:
    states = left.state_dict(), right.state_dict()
    return all((states[0][name] == states[1][name]).all() for name in states[0])


@pytest.fixture
def model() -> Model:
    return Model(ModelConfig(hidden_size=5, num_classes=3, dropout=0.25), seed=4)


@pytest.mark.parametrize("normalise", [True, False])
def test_onnxruntime_gives_the_logits_of_the_model(tmp_path: Path, *, normalise: bool) -> None:
    model = Model(ModelConfig(hidden_size=32), seed=1)
    images = mnistburn.datasets.load("mnist", "test").images
    path = model.export(tmp_path / "model.onnx", normalise=normalise)
    run = session(path)
    (given,) = run.get_inputs()
    if normalise:
        assert (given.name, given.type) == ("pixels", "tensor(uint8)")
        assert given.shape == ["batch", 28, 28]
        values: Any = images
    else:
        assert (given.name, given.type) == ("images", "tensor(float)")
        assert given.shape == ["batch", 1, 28, 28]
        values = ((images[:, None] / 255 - 0.1307) / 0.3081).astype(numpy.float32)
    assert run.get_outputs()[0].shape == ["batch", 10]
    (logits,) = run.run(["logits"], {given.name: values})
    assert len(logits) == 10_000
    assert numpy.abs(logits - model.forward(images)).max() < 1e-5
    assert (logits.argmax(axis=1) == model.predict(images)).all()
    (single,) = run.run(["logits"], {given.name: values[:1]})
    assert numpy.abs(single - logits[:1]).max() < 1e-5


@pytest.mark.parametrize(("hidden_size", "num_classes"), [(1, 2), (3, 3), (1024, 47)])
def test_onnx_takes_any_size(tmp_path: Path, hidden_size: int, num_classes: int) -> None:
    config = ModelConfig(hidden_size=hidden_size, num_classes=num_classes)
    model = Model(config, seed=2)
    run = session(model.export(tmp_path / "model.onnx"))
    (logits,) = run.run(None, {"pixels": PIXELS})
    assert numpy.abs(logits - model.forward(PIXELS)).max() < 1e-5


def test_an_onnx_file_says_what_it_is(model: Model, tmp_path: Path) -> None:
    content = onnx.load(model.export(tmp_path / "model.onnx"))
    assert content.producer_name == "mnistburn"
    assert content.producer_version == mnistburn.__version__
    assert [(item.domain, item.version) for item in content.opset_import] == [("", 17)]
    properties = {item.key: item.value for item in content.metadata_props}
    assert ModelConfig.from_json(properties["config"]) == model.config
    assert properties["version"] == mnistburn.__version__
    names = {item.name for item in content.graph.initializer}
    assert set(model.state_dict()) < names


def test_safetensors_of_python_reads_what_is_written(model: Model, tmp_path: Path) -> None:
    path = model.export(tmp_path / "model.safetensors")
    read = safetensors.numpy.load_file(path)
    expected = model.state_dict()
    assert read.keys() == expected.keys()
    assert all(read[name].dtype == numpy.float32 for name in read)
    assert all((read[name] == expected[name]).all() for name in read)
    with safetensors.safe_open(path, "numpy") as file:
        metadata = file.metadata()
    assert (metadata["format"], metadata["linear_layout"]) == ("pt", "[in, out]")
    assert ModelConfig.from_json(metadata["config"]) == model.config


def test_numpy_reads_what_is_written(model: Model, tmp_path: Path) -> None:
    path = model.export(tmp_path / "model.npz")
    expected = model.state_dict()
    with numpy.load(path, allow_pickle=False) as read:
        assert sorted(read) == sorted(expected)
        assert all((read[name] == expected[name]).all() for name in expected)
        assert all(read[name].dtype == numpy.float32 for name in expected)
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        metadata = json.loads(archive.comment)
    assert ModelConfig.from_json(metadata["config"]) == model.config


@pytest.mark.parametrize("name", ["model.safetensors", "model.npz"])
def test_what_is_exported_is_loaded_with_every_bit(model: Model, tmp_path: Path, name: str) -> None:
    read = Model.load(model.export(tmp_path / name))
    assert read.config == model.config
    assert equal(read, model)


@pytest.mark.parametrize("layout", ["[in, out]", "[out, in]"])
@pytest.mark.parametrize("sizes", [(1024, 10), (1024, 1024), (64, 64), (1, 1024)])
def test_linear_weights_of_either_layout_load(
    tmp_path: Path, sizes: tuple[int, int], layout: str
) -> None:
    model = Model(ModelConfig(hidden_size=sizes[0], num_classes=sizes[1]), seed=3)
    state = model.state_dict() if layout == "[in, out]" else as_torch(model)
    # Square weights are of the stated layout, else of PyTorch's.
    stated = {"linear_layout": layout} if layout == "[in, out]" else {}
    safetensors.numpy.save_file(state, tmp_path / "model.safetensors", stated)
    assert equal(Model.load(tmp_path / "model.safetensors"), model)


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("save", [numpy.savez, numpy.savez_compressed])
def test_files_of_numpy_load(model: Model, tmp_path: Path, save: Any, dtype: str) -> None:
    state = {name: array.astype(dtype) for name, array in as_torch(model).items()}
    # NumPy writes a transposed array with its first dimension fastest.
    state["linear1.weight"] = numpy.asfortranarray(state["linear1.weight"])
    state["conv2.weight"] = numpy.asfortranarray(state["conv2.weight"])
    save(tmp_path / "model.npz", **state)
    read = as_torch(Model.load(tmp_path / "model.npz"))
    assert all((read[name] == state[name].astype(numpy.float32)).all() for name in state)


@pytest.mark.parametrize("dtype", [numpy.float16, numpy.float32, numpy.float64])
def test_files_of_safetensors_load(model: Model, tmp_path: Path, dtype: Any) -> None:
    state = {name: array.astype(dtype) for name, array in as_torch(model).items()}
    safetensors.numpy.save_file(state, tmp_path / "model.safetensors")
    read = Model.load(tmp_path / "model.safetensors")
    assert all((as_torch(read)[name] == state[name].astype("f4")).all() for name in state)
    assert read.config.dropout == 0.5
    ModelConfig(hidden_size=5, num_classes=3, dropout=0.125).save(tmp_path / "config.json")
    assert Model.load(tmp_path / "model.safetensors").config.dropout == 0.125


STATES = ["state.pt", "views.pt", "half.pt", "wrapped.pt", "checkpoint.pt"]


@pytest.mark.parametrize(
    ("name", "tolerance"), [(name, 1e-2 if name == "half.pt" else 1e-5) for name in STATES]
)
def test_a_state_dict_of_pytorch_gives_the_logits_of_pytorch(name: str, tolerance: float) -> None:
    model = Model.load(TORCH / name, image_size=(28, 28))
    assert model.config == ModelConfig(hidden_size=4, num_classes=6)
    assert numpy.abs(model.forward(PIXELS) - LOGITS).max() < tolerance


@pytest.mark.parametrize("name", ["model.safetensors", "model.npz", "state.pt"])
def test_the_content_tells_the_format_where_the_name_does_not(
    model: Model, tmp_path: Path, name: str
) -> None:
    if name == "state.pt":
        content, model = (TORCH / name).read_bytes(), Model.load(TORCH / name)
    else:
        content = model.export(tmp_path / name).read_bytes()
    (tmp_path / "weights").write_bytes(content)
    assert equal(Model.load(tmp_path / "weights"), model)


@pytest.mark.parametrize("name", get_args(ExportFormat))
def test_equal_models_give_equal_files_that_replace_older_ones(
    model: Model, tmp_path: Path, name: Any
) -> None:
    path = model.export(tmp_path / "my.model.v2", name)
    assert path == tmp_path / f"my.model.v2.{name}"
    first = path.read_bytes()
    path.write_bytes(b"older")
    assert model.export(path) == path
    assert path.read_bytes() == first
    assert [item.name for item in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("model", {}, (RecordError, r"\.onnx or \.safetensors or \.npz")),
        ("model.mpk", {}, (RecordError, r"Model\.save")),
        ("model.pt", {}, (RecordError, "load_state_dict")),
        ("model.npz", {"format": "onnx"}, (RecordError, "change the format or the name")),
        ("model", {"format": "onxx"}, (ConfigError, 'did you mean "onnx"')),
        ("model", {"format": 3}, (ConfigError, "3")),
        ("model.onnx", {"normalise": 1}, (ConfigError, "normalise")),
        ("model.npz", {"normalise": False}, (ConfigError, "normalise")),
    ],
)
def test_a_wrong_argument_of_export_is_named(
    model: Model, tmp_path: Path, name: str, arguments: Any, expected: tuple[Any, str]
) -> None:
    error, message = expected
    with pytest.raises(error, match=message):
        model.export(tmp_path / name, **arguments)
    assert list(tmp_path.iterdir()) == []


def test_weights_that_are_no_numbers_are_not_exported(model: Model, tmp_path: Path) -> None:
    state = model.state_dict()
    state["linear2.bias"] = numpy.array([0.0, numpy.nan, 0.0], numpy.float32)
    model.load_state_dict(state)
    with pytest.raises(RecordError, match=r"linear2\.bias .*NaN at index 1"):
        model.export(tmp_path / "model.onnx")


def test_the_command_exports_a_model_file(model: Model, tmp_path: Path) -> None:
    path = str(model.save(tmp_path / "model", "default"))
    out = str(tmp_path / "out.npz")
    done = CliRunner().invoke(main, ["export", path, out])
    assert (done.exit_code, done.output) == (0, f"{out}\n")
    assert equal(Model.load(out), model)
    done = CliRunner().invoke(main, ["export", path, str(tmp_path / "o"), "--format=onnx"])
    assert done.output == f"{tmp_path / 'o.onnx'}\n"
    done = CliRunner().invoke(main, ["export", path, str(tmp_path / "o.txt")])
    assert done.exit_code == 1
    assert "error: an export must end in" in done.output


WRONG: dict[str, tuple[Any, str]] = {
    "missing": (lambda state: state.pop("conv2.bias"), r"conv2\.bias is missing"),
    "extra": (lambda state: state.update(extra=state["conv1.bias"]), 'found "extra"'),
    "layouts of both": (
        lambda state: state.update({"linear1.weight": state["linear1.weight"].T.copy()}),
        r"linear1\.weight must have the shape \[5, 1024\].* found \[1024, 5\]",
    ),
    "a bias of two dimensions": (
        lambda state: state.update({"linear2.bias": state["linear2.bias"].reshape(1, -1)}),
        r"linear2\.bias must have one dimension, found \[1, 3\]",
    ),
    "integers": (
        lambda state: state.update({"conv1.bias": state["conv1.bias"].astype("i4")}),
        r"conv1\.bias must hold F16, BF16, F32 or F64",
    ),
    "NaN": (
        lambda state: state["linear2.bias"].fill(numpy.nan),
        r"linear2\.bias must hold finite numbers, found NaN at index 0",
    ),
    "one dimension": (
        lambda state: state.update({"linear2.weight": state["linear2.weight"].reshape(-1)}),
        r"linear2\.weight must have the shape \[3, 5\].* found \[15\]",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("name", ["model.safetensors", "model.npz"])
def test_what_does_not_fit_is_named(model: Model, tmp_path: Path, name: str, wrong: str) -> None:
    change, message = WRONG[wrong]
    state = {key: value.copy() for key, value in as_torch(model).items()}
    change(state)
    path = tmp_path / name
    if name.endswith("npz"):
        cast("Any", numpy.savez)(path, **state)
    else:
        safetensors.numpy.save_file(state, path)
    with pytest.raises(RecordError, match=f"{name}.*{message}"):
        Model.load(path)


def test_an_onnx_file_is_not_loaded_and_the_message_says_what_is(
    model: Model, tmp_path: Path
) -> None:
    path = model.export(tmp_path / "model.onnx")
    with pytest.raises(RecordError, match=r"model\.onnx: .*safetensors, npz or PyTorch"):
        Model.load(path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.npz", "model.pt", "model.onnx"])
def test_another_file_of_that_name_is_refused(model: Model, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    model.save(tmp_path / "record").rename(path)
    with pytest.raises(RecordError, match=name):
        Model.load(path)
    path.write_bytes(b"")
    with pytest.raises(RecordError, match=name):
        Model.load(path)


@pytest.mark.parametrize("name", get_args(ExportFormat))
def test_an_export_is_described(model: Model, tmp_path: Path, name: Any) -> None:
    found = mnistburn.describe(model.export(tmp_path / "model", name))
    assert (found.format, found.precision, found.problem) == (name, "F32", None)
    assert found.config == model.config
    assert found.num_params == model.num_params
    state = as_torch(model) if name == "onnx" else model.state_dict()
    shapes = {parameter: array.shape for parameter, array in state.items()}
    assert {item.name: item.shape for item in found.tensors} == shapes
    assert found.metadata["version"] == mnistburn.__version__
    assert found.metadata["producer"] == "mnistburn"


def test_a_file_of_pytorch_is_described() -> None:
    found = mnistburn.describe(TORCH / "half.pt")
    assert (found.format, found.precision, found.problem) == ("pytorch", "F16", None)
    assert found.config == ModelConfig(hidden_size=4, num_classes=6)


@pytest.mark.parametrize(
    ("arguments", "number", "format_name"),
    [
        (("compact",), "F16", "NamedMpkFileRecorder"),
        (("default",), "F32", "NamedMpkFileRecorder"),
        (("json-gz", "double"), "F64", "JsonGzFileRecorder"),
        (("named-mpk-gz",), "F32", "NamedMpkGzFileRecorder"),
        (("bin", "half"), "F16", "BinFileRecorder"),
        (("bin-gz", "double"), "F64", "BinGzFileRecorder"),
    ],
)
def test_a_record_of_burn_is_described(
    model: Model, tmp_path: Path, arguments: Any, number: str, format_name: str
) -> None:
    found = mnistburn.describe(model.save(tmp_path / "model", *arguments))
    assert format_name in found.format
    assert found.precision == number
    assert found.metadata["version"] == "0.21.0"
    assert found.num_params == model.num_params


def test_tensors_that_are_no_network_are_described_with_the_reason(tmp_path: Path) -> None:
    safetensors.numpy.save_file({"other": numpy.zeros((2, 3), "i4")}, tmp_path / "x.safetensors")
    found = mnistburn.describe(tmp_path / "x.safetensors")
    assert found.config is None
    assert [(item.name, item.shape, item.number) for item in found.tensors] == [
        ("other", (2, 3), "I32")
    ]
    assert 'found "other"' in str(found.problem)


def test_the_command_shows_a_file(model: Model, tmp_path: Path) -> None:
    path = str(model.export(tmp_path / "model.onnx"))
    done = CliRunner().invoke(main, ["show", path])
    assert done.exit_code == 0
    image = "image_height 28, image_width 28, image_channels 1"
    for line in (
        "format        onnx",
        "precision     F32",
        f"parameters    {model.num_params:,}",
        "config        num_classes 3, hidden_size 5, dropout 0.25, " + image,
        "opset         17",
        "  linear1.weight  F32   [5, 1024]",
    ):
        assert line in done.output.splitlines()
    done = CliRunner().invoke(main, ["show", "--json", path])
    assert json.loads(done.output)["config"]["hidden_size"] == 5
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"x")
    done = CliRunner().invoke(main, ["show", str(broken)])
    assert done.exit_code == 1
    assert "broken.npz: expected a NumPy .npz file" in done.output
