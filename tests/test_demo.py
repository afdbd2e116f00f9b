"""The page of ``mnistburn demo`` in a browser: from its server, and as one file."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy
import pytest
from browser import violations, watched
from demo_server import served
from pictures import write_png
from playwright.sync_api import Browser, Page, expect

import mnistburn
from mnistburn import Dataset, TrainingResult
from mnistburn.demo.content import Content

# A two in a few points, as shares of the paper.
TWO = [(0.3, 0.28), (0.42, 0.2), (0.6, 0.22), (0.66, 0.36), (0.45, 0.62), (0.33, 0.75), (0.7, 0.76)]


@pytest.fixture(scope="module")
def samples() -> Dataset:
    return mnistburn.datasets.load("mnist", "test")[:40]


@pytest.fixture(scope="module", params=["served", "one file"])
def address(
    request: pytest.FixtureRequest,
    fast_run: TrainingResult,
    samples: Dataset,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[str]:
    """Return the address of the page."""
    if request.param == "one file":
        path = tmp_path_factory.mktemp("page") / "digits.html"
        yield mnistburn.export_page(fast_run.model, path, samples=samples).as_uri()
        return
    with served(Content(fast_run.model, "digits", drawn=True, samples=samples)) as port:
        yield f"http://127.0.0.1:{port}/"


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """Return the page, loaded; nothing may go wrong on it."""
    with opened(browser, address) as page:
        yield page


class opened:  # noqa: N801  a context manager
    """A page in a window of its own."""

    def __init__(self, browser: Browser, address: str, **window: object) -> None:
        self._browser, self._address, self._window = browser, address, window
        self._stack = ExitStack()

    def __enter__(self) -> Page:
        context = self._browser.new_context(**self._window)  # type: ignore[arg-type]
        self._stack.callback(context.close)
        page = context.new_page()
        self._stack.enter_context(watched(page))
        page.goto(self._address)
        expect(page.locator("body")).to_have_attribute("data-state", "ready")
        return page

    def __exit__(self, *exception: object) -> None:
        self._stack.__exit__(*exception)  # type: ignore[arg-type]


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke with the mouse."""
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


def settle(page: Page) -> None:
    """Wait until all is shown that belongs to what was drawn or opened last."""
    expect(page.locator("body")).to_have_attribute("data-state", "done")


def test_a_stroke_changes_the_probabilities(page: Page) -> None:
    share = page.locator("#bars li:nth-child(3) .share")
    expect(share).to_have_text("0.0 %")
    draw(page, TWO)
    settle(page)
    expect(page.locator("#label")).to_have_text("2")
    expect(share).not_to_have_text("0.0 %")
    expect(page.locator("#bars .best .name")).to_have_text("2")


def test_a_picture_of_a_file_is_read(page: Page, samples: Dataset, tmp_path: Path) -> None:
    digit = samples.images[0].reshape(28, 28)
    # Dark on light, and large.
    picture = numpy.kron(255 - digit, numpy.ones((9, 9), dtype=numpy.uint8))
    write_png(tmp_path / "seven.png", picture)
    page.locator("#file").set_input_files(tmp_path / "seven.png")
    settle(page)
    expect(page.locator("#label")).to_have_text("7")


def test_no_serious_violation_of_accessibility(page: Page) -> None:
    assert violations(page) == []
    draw(page, TWO)
    settle(page)
    assert violations(page) == []
