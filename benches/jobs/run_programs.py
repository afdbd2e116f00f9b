"""Runs the programs of a page with small pictures, and prints how each ended.

``python benches/jobs/run_programs.py benches/jobs/keras.md``, where what they need is installed.
"""

import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

import numpy
from PIL import Image

PROGRAM: Final = re.compile(r"^## ([^\n]+)\n.*?^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)
COUNT: Final = 160


def write_pictures(folder: Path) -> None:
    """Write pictures of noise of two classes, the left half of one brighter, and some new ones."""
    generator = numpy.random.default_rng(1)
    for number in range(COUNT):
        image = generator.integers(0, 150, (12, 12, 3), dtype=numpy.uint8)
        if number % 2:
            image[:, :6] += 100
        label = ["dark", "light"][number % 2]
        for name in (f"pictures/{label}/{number}.png", *[f"new/{number}.png"] * (number % 6 == 0)):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def main() -> int:
    """Run the programs."""
    text = Path(sys.argv[1]).read_text("utf-8")
    if Path(sys.argv[1]).name == "fastai.md":
        # Those that were trained on ImageNet are fetched; for a trial any will do.
        text = re.sub(r"(vision_learner\(dls, \w+)", r"\1, pretrained=False", text)
    failed = 0
    with tempfile.TemporaryDirectory() as directory:
        folder = Path(directory)
        write_pictures(folder)
        for title, program in PROGRAM.findall(text):
            # Processes that a program starts import it.
            (folder / "program.py").write_text(program, "utf-8")
            done = subprocess.run(
                [sys.executable, "program.py"],
                cwd=folder,
                capture_output=True,
                text=True,
                check=False,
            )
            print(f"{title}: {done.returncode}")
            print((done.stderr if done.returncode else done.stdout)[-1000:])
            failed += done.returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
