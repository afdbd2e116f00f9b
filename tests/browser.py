"""A browser for tests: Debian's chromium, driven by playwright."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
# Of a machine with other things to do; what is there sooner is not waited for.
expect.set_options(timeout=30_000)
# A camera that shows a test picture, and asks nobody.
CAMERA = ("--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream")


@contextmanager
def started_browser() -> Iterator[Browser]:
    """Start the browser; without one the test is skipped, but not in CI."""
    if not CHROMIUM.is_file():
        reason = "there is no browser; Debian's chromium is one"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", *CAMERA]
        )
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def watched(page: Page) -> Iterator[list[str]]:
    """Note errors of a page, what its policy blocked, and what it asked others than its server.

    There may be nothing at the end but what the test takes out of the list.
    """
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on(
        "console",
        lambda message: (
            faults.append(f"{message.type}: {message.text}")
            if message.type in {"error", "warning"}
            else None
        ),
    )
    own = ("http://127.0.0.1:", "file:", "blob:", "data:")
    page.on(
        "request",
        lambda request: (
            None if request.url.startswith(own) else faults.append(f"request: {request.url}")
        ),
    )
    yield faults
    assert faults == [], faults


def violations(page: Page) -> list[str]:
    """Return what axe-core finds on a page that is serious or critical."""
    found = Axe().run(page).response["violations"]
    return [
        f"{item['id']}: {item['help']}: {[node['html'] for node in item['nodes']]}"
        for item in found
        if item["impact"] in {"serious", "critical"}
    ]
