"""Write the valid files of the corpus: ``python fuzz/seeds.py``, with the package installed.

Each is a real file of the smallest model there is. Files that fuzzing has found stay as they are.
"""

import gzip
import json
import shutil
import struct
import sys
import tempfile
from pathlib import Path
from typing import Any, cast, get_args

import numpy
from PIL import Image

from mnistburn import Dataset, Model, ModelConfig, TrainingConfig, train
from mnistburn.model import ExportFormat, Recorder

HERE = Path(__file__).parent
CORPUS = HERE / "corpus"
PYTORCH = HERE.parent / "tests" / "fixtures" / "pytorch"
FOLDERS = {".mpk": "record_mpk", ".bin": "record_bin", ".json": "record_json", ".gz": "record_gz"}


def smallest() -> Model:
    """Return a model whose numbers take few characters in JSON, and few bytes compressed."""
    model = Model(ModelConfig(hidden_size=1, num_classes=2), seed=1)
    state = model.state_dict()
    for index, name in enumerate(state):
        state[name] = numpy.full_like(state[name], 2.0**-index)
    model.load_state_dict(state)
    return model


def folder(name: str) -> Path:
    """Return a directory of the corpus."""
    path = CORPUS / name
    path.mkdir(parents=True, exist_ok=True)
    return path


def records(model: Model) -> None:
    """Write a record in each format and precision."""
    CORPUS.mkdir(exist_ok=True)
    for recorder in get_args(Recorder):
        if recorder in ("compact", "default"):
            continue
        for precision in ("half", "full", "double"):
            path = model.save(CORPUS / precision, recorder, cast("Any", precision))
            # Indented numbers are a line each: one such file is enough.
            if recorder == "json" and precision != "half":
                path.unlink()
                continue
            path.rename(folder(FOLDERS[path.suffix]) / f"{recorder}-{precision}{path.suffix}")
    for path in folder("record_gz").glob("json-gz-*.gz"):
        target = folder("record_json") / path.name.replace("-gz-", "-compact-").removesuffix(".gz")
        target.with_suffix(".json").write_bytes(gzip.decompress(path.read_bytes()))
    # Up to Burn 0.16, the three settings of a convolution were two nothings each.
    content = (folder("record_bin") / "bin-full.bin").read_bytes().replace(b"0.21.0", b"0.16.1")
    for outputs in (8, 16):
        shape_of_bias_to_groups = bytes([1, outputs, 1]) + bytes(5)
        before, found, after = content.partition(shape_of_bias_to_groups)
        if not found:
            sys.exit("bincode has another layout")
        content = before + found + bytes(3) + after
    (folder("record_bin") / "burn-0.16-full.bin").write_bytes(content)


def exports(model: Model) -> None:
    """Write a file for each other program, and forms that other programs write."""
    for name in get_args(ExportFormat):
        model.export(folder(name) / "model", name)
    state = model.state_dict()
    halves: Any = {
        name: numpy.asfortranarray(array.T if "linear" in name else array).astype(">f2")
        for name, array in state.items()
    }
    numpy.savez_compressed(folder("npz") / "halves.npz", **halves)
    doubles: Any = {name: array.astype("f8") for name, array in state.items()}
    numpy.savez_compressed(folder("npz") / "doubles.npz", **doubles)
    for name in ("half.pt", "views.pt"):
        shutil.copy(PYTORCH / name, folder("pytorch") / name)


def checkpoints() -> None:
    """Write what a checkpoint holds beside its model, of runs of one step."""
    runs: list[tuple[str, dict[str, Any], dict[str, Any] | None]] = [
        ("json", {"Sgd": {}}, None),
        ("compact", {"Sgd": {"momentum": {}}}, {"Exponential": {"gamma": 0.5}}),
        ("bin", {}, {"CosineAnnealing": {"num_iters": 9}}),
        ("json-gz", {"AdamW": {"amsgrad": True}}, {"Step": {"step_size": 9}}),
        ("bin-gz", {"Sgd": {}}, {"Linear": {"final_lr": 0.5, "num_iters": 9}}),
        ("named-mpk", {"Sgd": {}}, {"Noam": {}}),
    ]
    images = numpy.arange(50, dtype=numpy.uint8).reshape(2, 5, 5)
    data = Dataset(images, [0, 1])
    model = {"num_classes": 2, "hidden_size": 1, "image_height": 5, "image_width": 5}
    for recorder, optimizer, schedule in runs:
        values = {"model": model, "optimizer": optimizer, "recorder": recorder, "num_epochs": 1}
        config = TrainingConfig.from_json(json.dumps(values | {"lr_scheduler": schedule}))
        with tempfile.TemporaryDirectory() as run:
            train(run, config, "cpu", data=(data, data), progress=False)
            files = Path(run) / "checkpoint" / "epoch-0001"
            for stem, name in (("optim", "optimizer"), ("scheduler", "schedule")):
                (path,) = files.glob(f"{stem}.*")
                shutil.copy(path, folder(name) / f"{recorder}{path.suffix}")
            if recorder == "bin":
                # The state.json that is there holds its history, as earlier versions wrote it.
                shutil.copy(files / "state.json", folder("checkpoint") / "marked.json")
                shutil.copy(Path(run) / "history.jsonl", folder("history_rows"))


def descriptions() -> None:
    """Write what a run says of its files and its data, with names of the classes and without."""
    images = numpy.arange(50, dtype=numpy.uint8).reshape(2, 5, 5)
    model = ModelConfig(num_classes=2, hidden_size=1, image_height=5, image_width=5)
    config = TrainingConfig(model=model, num_epochs=1)
    for kind, names in (("plain", None), ("named", ["zero", "\N{GREEK SMALL LETTER ALPHA}"])):
        data = Dataset(images, [0, 1], names)
        with tempfile.TemporaryDirectory() as run:
            train(run, config, "cpu", data=(data, data), progress=False)
            for file, target in (("manifest.json", "manifest"), ("data.json", "run_data")):
                shutil.copy(Path(run) / file, folder(target) / f"{kind}.json")


def pictures() -> None:
    """Write a small picture in each format that is read, and in the kinds of JPEG and TIFF."""
    image = Image.fromarray(numpy.arange(9 * 17 * 3, dtype=numpy.uint8).reshape(9, 17, 3))
    kinds: list[tuple[str, dict[str, Any]]] = [
        ("plain.png", {}),
        ("plain.bmp", {}),
        ("plain.gif", {}),
        ("plain.ppm", {}),
        ("lossy.webp", {}),
        ("lossless.webp", {"lossless": True}),
        ("plain.tiff", {}),
        ("lzw.tiff", {"compression": "tiff_lzw"}),
        ("baseline.jpg", {"quality": 20}),
        ("restarts.jpg", {"quality": 20, "subsampling": 0, "restart_marker_blocks": 2}),
        ("progressive.jpg", {"quality": 20, "progressive": True}),
    ]
    for name, options in kinds:
        image.save(folder("picture") / name, **options)
    image.quantize(4).save(folder("picture") / "palette.tiff")
    image.convert("LA").save(folder("picture") / "alpha.png")


def others() -> None:
    """Write IDX files and configurations."""
    images = b"\0\0\x08\x03" + struct.pack(">III", 2, 3, 3) + bytes(range(18))
    (folder("idx") / "images.idx").write_bytes(images)
    (folder("idx") / "images.idx.gz").write_bytes(gzip.compress(images, mtime=0))
    labels = b"\0\0\x08\x01" + struct.pack(">I", 5) + bytes(5)
    (folder("idx") / "labels.idx").write_bytes(labels)
    schedules: list[dict[str, Any]] = [
        {"Exponential": {"gamma": 0.5}},
        {"CosineAnnealing": {"num_iters": 9}},
        {"Linear": {"final_lr": 0.5, "num_iters": 9}},
        {"Noam": {}},
        {"Step": {"step_size": 9}},
        {"WarmUp": {"num_iters": 3, "after": {"OneCycle": {}}}},
        {"Sequential": {"schedules": [None, {"Noam": {}}], "milestones": [3]}},
    ]
    penalty = {"weight_decay": {"penalty": 0.5}}
    optimizers: list[dict[str, Any]] = [
        {"amsgrad": True, "grad_clipping": {"Value": 1.0}} | penalty,
        {"AdamW": {"cautious_weight_decay": True, "grad_clipping": {"Norm": 1.0}}},
        {"Sgd": {}},
        {"Sgd": {"momentum": {"momentum": 0.5, "nesterov": True}} | penalty},
        {},
    ]
    configs: list[dict[str, Any]] = [
        {"lr_scheduler": schedule, "optimizer": optimizer, "threads": 1, "recorder": "bin"}
        for schedule, optimizer in zip(schedules, optimizers, strict=True)
    ]
    for index, config in enumerate(configs):
        text = TrainingConfig.from_json(json.dumps(config)).to_json()
        (folder("config") / f"training-{index}.json").write_text(text)


def main() -> None:
    """Write them all."""
    model = smallest()
    records(model)
    exports(model)
    checkpoints()
    descriptions()
    pictures()
    others()


if __name__ == "__main__":
    main()
