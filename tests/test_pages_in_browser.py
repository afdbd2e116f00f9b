"""Reports and the page of `watch` in a browser: they work, are readable, and ask nobody else."""

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import pytest
from browser import violations, watched
from playwright.sync_api import Browser, Page, expect

import mnistburn
from mnistburn import Dataset, TrainingConfig
from mnistburn.watch.server import WatchServer

Scheme = Literal["light", "dark"]


@pytest.fixture(scope="module")
def made(
    tmp_path_factory: pytest.TempPathFactory,
    small_data: tuple[Dataset, Dataset],
    small_config: TrainingConfig,
) -> Path:
    """Return a folder with the run ``run`` and its report, whose classes have long names."""
    folder = tmp_path_factory.mktemp("browser")
    names = [f"a class with a long name, number {number} <b>" for number in range(10)]
    train, valid = (
        Dataset.from_numpy(part.images, part.targets, class_names=names) for part in small_data
    )
    run = mnistburn.train(folder / "run", small_config, "cpu", data=(train, valid), progress=False)
    run.report(folder / "report.html", data=valid)
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def server(run: Path) -> Iterator[WatchServer]:
    with WatchServer(run).in_background() as served:
        yield served


def fits(page: Page) -> bool:
    """Whether nothing is wider than the window, so that no text is read by scrolling sideways."""
    return bool(
        page.evaluate(
            "document.documentElement.scrollWidth <= document.documentElement.clientWidth"
        )
    )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("script", [True, False], ids=["script", "no script"])
def test_a_report_is_readable(browser: Browser, made: Path, scheme: Scheme, script: bool) -> None:
    with browser.new_context(
        viewport={"width": 320, "height": 640}, color_scheme=scheme, java_script_enabled=script
    ) as context:
        page = context.new_page()
        with watched(page):
            page.goto((made / "report.html").as_uri())
            expect(page.get_by_role("heading", level=1)).to_have_text("Report of the run run")
            assert page.get_by_role("img", name="Loss", exact=True).count() == 1
            assert page.get_by_role("table").count() >= 4
            if script:
                assert fits(page)
        if script:
            assert violations(page) == []


def test_a_report_is_used_with_the_keyboard(browser: Browser, made: Path) -> None:
    with browser.new_context(viewport={"width": 320, "height": 640}) as context:
        page = context.new_page()
        page.goto((made / "report.html").as_uri())
        page.keyboard.press("Tab")
        expect(page.get_by_text("Skip to the report")).to_be_focused()
        expect(page.get_by_text("Skip to the report")).to_be_in_viewport()
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Result")).to_be_focused()
        # What is wider than the window is scrolled by the keys.
        table = page.get_by_role("region", name="Confusion matrix")
        table.focus()
        page.keyboard.press("ArrowRight")
        # The page's policy lets nothing wait within it.
        for _ in range(200):
            if table.evaluate("one => one.scrollLeft") > 0:
                return
            page.wait_for_timeout(50)
        pytest.fail("the matrix did not move")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_of_a_run_is_readable(
    browser: Browser, server: WatchServer, scheme: Scheme
) -> None:
    with browser.new_context(
        viewport={"width": 320, "height": 640}, color_scheme=scheme
    ) as context:
        page = context.new_page()
        with watched(page):
            page.goto(server.url)
            expect(page.get_by_role("status")).to_have_text("Complete, after 2 of 2 epochs")
            assert fits(page)
        assert violations(page) == []


def test_the_page_renews_itself_until_it_is_paused(
    browser: Browser, server: WatchServer, run: Path
) -> None:
    history = (run / "history.json").read_text()
    with browser.new_context() as context:
        page = context.new_page()
        with watched(page):
            page.goto(server.url)
            status, numbers = page.get_by_role("status"), page.locator("#numbers")
            expect(status).to_have_text("Complete, after 2 of 2 epochs")
            page.locator("#epochs-table").focus()
            (run / "history.json").unlink()
            expect(status).to_have_text(re.compile("^No news"))
            with (run / "history.jsonl").open("a") as file:
                row = {"epoch": 3, "valid_loss": 0.5, "valid_accuracy": 0.875}
                file.write(json.dumps({"epoch": row}) + "\n")
            expect(numbers).to_contain_text("0.8750")
            # The table is another one by now, and the focus is where it was.
            expect(page.locator("#epochs-table")).to_contain_text("0.8750")
            expect(page.locator("#epochs-table")).to_be_focused()
            pause = page.get_by_role("button", name="Pause")
            pause.click()
            expect(pause).to_have_attribute("aria-pressed", "true")
            (run / "history.json").write_text(history)
            answers: list[str] = []
            page.on("response", lambda answer: answers.append(answer.url))
            page.wait_for_timeout(2500)
            # One may have been on its way.
            assert len(answers) <= 1
            pause.click()
            expect(status).to_have_text(re.compile("^Complete"))


def test_the_page_says_that_its_server_is_gone(browser: Browser, run: Path) -> None:
    with browser.new_context() as context:
        page = context.new_page()
        with WatchServer(run).in_background() as server:
            page.goto(server.url)
            expect(page.get_by_role("alert")).to_be_hidden()
        page.get_by_role("button", name="Pause").click()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("alert")).to_contain_text("The connection is lost")


def test_the_page_needs_no_script(browser: Browser, server: WatchServer) -> None:
    with browser.new_context(java_script_enabled=False) as context:
        page = context.new_page()
        page.goto(server.url)
        expect(page.get_by_role("img", name="Loss", exact=True)).to_be_visible()
        expect(page.get_by_role("button")).to_be_hidden()
        # It renews itself all the same.
        assert page.locator("meta[http-equiv=refresh]").count() == 1
