"""The page's own scripts, run by Node.js without a browser."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy
import pytest
from numpy.typing import NDArray

from mnistburn.demo import files
from mnistburn.demo.content import Content, Precision

# The worker's script with a task in place of messages.
RUN = """
let onmessage, postMessage;
{worker}
const fs = require("node:fs");
const folder = process.argv[2];
const read = (name) => {{
  const bytes = fs.readFileSync(`${{folder}}/${{name}}`);
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length);
}};
{task}
"""
LOGITS = """
const about = JSON.parse(fs.readFileSync(`${folder}/about.json`, "utf8"));
TASKS.load(about, read("parameters"));
const images = new Uint8Array(read("images"));
const size = about.image.height * about.image.width * about.image.channels;
const logits = [];
for (let first = 0; first < images.length; first += size) {
  logits.push(...TASKS.logits([images.subarray(first, first + size)])[0]);
}
fs.writeFileSync(`${folder}/answer`, Float32Array.from(logits));
"""
IMAGES = """
const task = JSON.parse(fs.readFileSync(`${folder}/task.json`, "utf8"));
const { shape, preprocessing, pictures } = task;
const made = pictures.map(({ name, width, height }) =>
  imageOf({ data: new Uint8ClampedArray(read(name)), width, height }, shape, preprocessing));
fs.writeFileSync(`${folder}/answer`, Buffer.concat(made));
"""


def logits(
    content: Content, images: NDArray[numpy.uint8], precision: Precision, folder: Path
) -> NDArray[numpy.float32]:
    """Return the logits that the page's network computes."""
    (folder / "about.json").write_text(content.about(precision))
    (folder / "parameters").write_bytes(content.parameters(precision))
    (folder / "images").write_bytes(numpy.ascontiguousarray(images).tobytes())
    answer = numpy.frombuffer(_run(LOGITS, folder), dtype="<f4")
    return answer.reshape(len(images), -1)


def images_of(
    pictures: list[NDArray[numpy.uint8]],
    shape: tuple[int, int, int],
    preprocessing: dict[str, str | None],
    folder: Path,
) -> NDArray[numpy.uint8]:
    """Return pictures, ``[height, width, 4]``, as the images that the page makes of them."""
    described = []
    for number, picture in enumerate(pictures):
        name = f"picture-{number}"
        (folder / name).write_bytes(picture.tobytes())
        described.append({"name": name, "height": picture.shape[0], "width": picture.shape[1]})
    task = {
        "shape": dict(zip(("height", "width", "channels"), shape, strict=True)),
        "preprocessing": preprocessing,
        "pictures": described,
    }
    (folder / "task.json").write_text(json.dumps(task))
    made = numpy.frombuffer(_run(IMAGES, folder), dtype=numpy.uint8)
    return made.reshape(len(pictures), *shape)


def _run(task: str, folder: Path) -> bytes:
    node = shutil.which("node")
    if node is None:
        pytest.skip("there is no Node.js")
    script = folder / "script.js"
    script.write_text(RUN.format(worker=files.worker(), task=task), encoding="utf-8")
    subprocess.run([node, script, folder], check=True, timeout=100)
    return (folder / "answer").read_bytes()
