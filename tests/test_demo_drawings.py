"""Thirty digits in ten hands, drawn on the page with mouse and pen: the network reads them."""

import json
from pathlib import Path
from typing import Any

import pytest
from demo_pages import answered, opened
from demo_server import served
from playwright.sync_api import Browser, CDPSession, Page

import mnistburn
from mnistburn import TrainingResult
from mnistburn.demo.content import Content

DRAWINGS = Path(__file__).parent / "fixtures" / "drawings" / "digits.json"
"""Of each drawing the digit, the style, the width of the pen as the page counts it, and the
strokes: points as shares of the paper's side, those of a pen with its pressure."""


def draw(page: Page, events: CDPSession, drawing: dict[str, Any]) -> None:
    """Draw on the page what a hand has drawn."""
    page.get_by_role("button", name="Clear").click()
    page.locator("#width").fill(str(drawing["pen"]))
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    for stroke in drawing["strokes"]:
        kinds = ["mousePressed", *["mouseMoved"] * (len(stroke) - 1), "mouseReleased"]
        for kind, (x, y, *pressure) in zip(kinds, [*stroke, stroke[-1]], strict=True):
            events.send(
                "Input.dispatchMouseEvent",
                {
                    "type": kind,
                    "x": box["x"] + x * box["width"],
                    "y": box["y"] + y * box["height"],
                    "button": "left",
                    "buttons": 0 if kind == "mouseReleased" else 1,
                    "clickCount": 1,
                    "pointerType": "pen" if pressure else "mouse",
                    "force": pressure[0] if pressure else 0.5,
                },
            )


def read(browser: Browser, address: str) -> list[tuple[str, int, str]]:
    """Draw all, and return the style, the digit and the answer of each."""
    found = []
    with opened(browser, address) as page:
        events = page.context.new_cdp_session(page)
        for drawing in json.loads(DRAWINGS.read_text()):
            draw(page, events, drawing)
            answered(page)
            found.append((drawing["style"], drawing["digit"], page.inner_text("#label")))
    return found


@pytest.mark.timeout(300)
@pytest.mark.parametrize("served_by", ["server", "file"])
def test_29_of_thirty_drawings_are_read_right(
    served_by: str, browser: Browser, fast_run: TrainingResult, tmp_path: Path
) -> None:
    if served_by == "file":
        path = mnistburn.export_page(fast_run.model, tmp_path / "digits.html")
        found = read(browser, path.as_uri())
    else:
        with served(Content(fast_run.model, "digits", drawn=True)) as port:
            found = read(browser, f"http://127.0.0.1:{port}/")
    assert len(found) == 30
    wrong = [row for row in found if str(row[1]) != row[2]]
    assert len(wrong) <= 1, wrong
