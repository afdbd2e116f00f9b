"""Pages of the demo, opened in a browser."""

from collections.abc import Iterator
from contextlib import contextmanager

from browser import watched
from playwright.sync_api import Browser, Page, expect


@contextmanager
def opened(browser: Browser, address: str, **window: object) -> Iterator[Page]:
    """Open a page in a window of its own, and wait for its model; nothing may go wrong on it."""
    context = browser.new_context(**window)  # type: ignore[arg-type]
    try:
        page = context.new_page()
        with watched(page):
            page.goto(address)
            expect(page.locator("body")).to_have_attribute("data-state", "ready")
            yield page
    finally:
        context.close()


def answered(page: Page) -> None:
    """Wait for the answer to what was drawn or opened last."""
    page.wait_for_selector("body:is([data-state=answered], [data-state=done])")


def settle(page: Page) -> None:
    """Wait until all is shown that belongs to what was drawn or opened last."""
    expect(page.locator("body")).to_have_attribute("data-state", "done")
