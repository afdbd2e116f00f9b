"""The page of ``mnistburn demo`` in a browser: from its server, and as one file."""

import base64
import re
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy
import pytest
from browser import violations
from demo_pages import opened, settle
from demo_server import served
from numpy.typing import NDArray
from pictures import write_png
from playwright.sync_api import Browser, Page, expect

import mnistburn
from mnistburn import ConvNetConfig, Dataset, Model, TrainingConfig, TrainingResult
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


def draw(page: Page, points: list[tuple[float, float]]) -> None:
    """Draw a stroke with the mouse."""
    page.locator("#drawing").scroll_into_view_if_needed()
    box = page.locator("#drawing").bounding_box()
    assert box is not None
    places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in points]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=3)
    page.mouse.up()


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
    page.emulate_media(color_scheme="dark")
    assert violations(page) == []


def test_the_answer_is_spoken_once_it_stands(page: Page) -> None:
    draw(page, TWO)
    settle(page)
    expect(page.get_by_role("status")).to_have_text(re.compile(r"^2, (> )?\d+\.\d %$"))


def test_everything_of_the_network_is_shown(page: Page) -> None:
    draw(page, TWO)
    settle(page)
    expect(page.locator("#layers figcaption")).to_have_text(
        [
            "Block 1 16 channels of 12 × 12",
            "Block 2 32 channels of 5 × 5",
            "Hidden layer 1 256 features",
        ]
    )
    for canvas in ("#image", "#occlusion", "#layers figure:nth-child(2) canvas"):
        assert len(set(pixels(page, canvas))) > 10, canvas
    # As MNIST was made: light on dark, in the middle.
    image = numpy.array([int(colour.split(",")[0]) for colour in pixels(page, "#image")])
    image = image.reshape(28, 28)
    assert image.max() == 255
    assert image[:3].max() == image[:, :3].max() == 0
    assert abs((image.sum(0) * numpy.arange(28)).sum() / image.sum() - 14) <= 0.51


def pixels(page: Page, canvas: str) -> list[str]:
    """Return the colours of the pixels on a canvas."""
    return list(
        page.locator(canvas).evaluate(
            """(canvas) => {
              const { width, height } = canvas;
              const context = new OffscreenCanvas(width, height).getContext("2d");
              context.drawImage(canvas, 0, 0);
              const { data } = context.getImageData(0, 0, width, height);
              return Array.from({ length: width * height },
                (_, place) => data.slice(4 * place, 4 * place + 4).join());
            }"""
        )
    )


def test_the_keyboard_draws_undoes_and_clears(page: Page) -> None:
    page.keyboard.press("Tab")
    expect(page.locator("#drawing")).to_be_focused()
    # A one: up, then the pen is lowered and goes down.
    for key in ["ArrowUp"] * 9 + ["Space"] + ["ArrowDown"] * 18 + ["Space"]:
        page.keyboard.press(key)
    settle(page)
    expect(page.locator("#label")).to_have_text("1")
    page.keyboard.press("Backspace")
    expect(page.locator("#label")).to_have_text("?")
    expect(page.locator("#undo")).to_be_disabled()
    for key in ["Space", "ArrowUp", "Space", "Escape"]:
        page.keyboard.press(key)
    expect(page.locator("#label")).to_have_text("?")
    # Everything else is reached too.
    reached = set()
    for _ in range(24):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.id"))
    assert {"clear", "width", "file", "camera", "others"} <= reached


def test_buttons_undo_and_clear(page: Page) -> None:
    draw(page, TWO)
    draw(page, [(0.1, 0.1), (0.15, 0.1)])
    page.get_by_role("button", name="Undo").click()
    settle(page)
    expect(page.locator("#label")).to_have_text("2")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#label")).to_have_text("?")
    expect(page.locator("#hint")).to_be_visible()


def test_images_of_the_test_set_are_tried(page: Page, samples: Dataset) -> None:
    tray = page.locator("#tray button")
    expect(tray).to_have_count(12)
    expect(tray.first).to_have_attribute("aria-label", "Try an image of 7")
    tray.first.click()
    settle(page)
    expect(page.locator("#label")).to_have_text("7")
    expect(tray.first).to_have_attribute("aria-current", "true")
    page.get_by_role("button", name="Show others").click()
    expect(tray.first).to_have_attribute("aria-label", f"Try an image of {samples.targets[12]}")
    # Drawing takes its place.
    draw(page, TWO)
    settle(page)
    expect(page.locator("#label")).to_have_text("2")
    expect(page.locator("#shown")).to_be_hidden()


def test_what_is_no_picture_is_told(page: Page, tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no picture")
    page.locator("#file").set_input_files(tmp_path / "text.png")
    expect(page.get_by_role("alert")).to_contain_text("That is no picture that this browser reads")
    draw(page, TWO)
    settle(page)
    expect(page.locator("#failure")).to_be_hidden()


def test_the_camera_takes_a_picture(page: Page) -> None:
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Take the picture").click()
    settle(page)
    expect(page.locator("#viewfinder")).to_be_hidden()
    expect(page.locator("#shown")).to_be_visible()
    page.get_by_role("button", name="Camera").click()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#viewfinder")).to_be_hidden()


def test_a_camera_that_does_not_start_is_left(page: Page) -> None:
    page.evaluate("() => { HTMLMediaElement.prototype.play = () => new Promise(() => {}); }")
    page.get_by_role("button", name="Camera").click()
    expect(page.get_by_role("button", name="Take the picture")).to_be_disabled()
    page.get_by_role("button", name="Cancel").click()
    expect(page.locator("#viewfinder")).to_be_hidden()


def test_a_phone_shows_answer_and_paper_at_once_and_draws_by_touch(
    browser: Browser, address: str
) -> None:
    window = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    with opened(browser, address, **window) as page:
        for part in ("#verdict", "#bars", "#paper", "#clear"):
            box = page.locator(part).bounding_box()
            assert box is not None
            assert box["y"] + box["height"] <= 844, part
            assert box["x"] >= 0, part
            assert box["x"] + box["width"] <= 390, part
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        box = page.locator("#drawing").bounding_box()
        assert box is not None
        finger = page.context.new_cdp_session(page)
        kinds = ["touchStart"] + ["touchMove"] * (len(TWO) - 1)
        for kind, (x, y) in zip(kinds, TWO, strict=True):
            point = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
            finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        settle(page)
        expect(page.locator("#label")).to_have_text("2")
        # The paper is drawn on, and does not scroll.
        assert page.evaluate("scrollY") == 0
        assert violations(page) == []


@pytest.fixture(scope="module")
def colours_model() -> Model:
    """A model that tells red from blue pictures, with names that a page must not take for HTML."""
    random = numpy.random.default_rng(9)
    images = random.integers(0, 90, (64, 12, 12, 3), dtype=numpy.uint8)
    targets = numpy.arange(64) % 2
    images[targets == 0, ..., 0] += 150
    images[targets == 1, ..., 2] += 150
    names = ["<img src=x onerror=alert(1)>", "größtes & ältestes </script>"]
    data = Dataset.from_numpy(images, targets, class_names=names)
    config = TrainingConfig(
        model=ConvNetConfig.for_data(data, widths=(8,)),
        num_epochs=30,
        batch_size=16,
        learning_rate=1e-2,
    )
    with tempfile.TemporaryDirectory() as folder:
        return mnistburn.train(f"{folder}/run", config, data=(data, data), progress=False).model


@pytest.mark.parametrize("served_by", ["server", "file"])
def test_own_pictures_are_opened_and_not_drawn(
    served_by: str, browser: Browser, colours_model: Model, tmp_path: Path
) -> None:
    write_png(tmp_path / "red.png", numpy.full((40, 60, 3), (220, 40, 40), dtype=numpy.uint8))
    write_png(tmp_path / "blue.png", numpy.full((9, 5, 3), (30, 30, 230), dtype=numpy.uint8))
    with ExitStack() as stack:
        if served_by == "file":
            path = mnistburn.export_page(colours_model, tmp_path / "page.html", title="<b>red</b>")
            address = path.as_uri()
        else:
            content = Content(colours_model, "<b>red</b>", drawn=False)
            address = f"http://127.0.0.1:{stack.enter_context(served(content))}/"
        page = stack.enter_context(opened(browser, address))
        expect(page.locator("#drawing")).to_be_hidden()
        expect(page.locator("#samples")).to_be_hidden()
        expect(page.locator("#subtitle")).to_contain_text("<b>red</b> · 2 classes")
        for name, answer in zip(("red", "blue"), colours_model.class_names or (), strict=True):
            page.locator("#file").set_input_files(tmp_path / f"{name}.png")
            settle(page)
            expect(page.locator("#label")).to_have_text(answer)
            expect(page.locator("#bars .best .name")).to_have_text(answer)
            assert set(pixels(page, "#image")) == {
                "220,40,40,255" if name == "red" else "30,30,230,255"
            }
        assert page.locator("main img").count() == 0
        assert violations(page) == []


def test_a_server_that_is_gone_is_told(browser: Browser, fast_run: TrainingResult) -> None:
    with ExitStack() as stack:
        server = stack.enter_context(ExitStack())
        port = server.enter_context(served(Content(fast_run.model, "digits", drawn=True)))
        context = browser.new_context()
        stack.callback(context.close)
        page = context.new_page()
        page.goto(f"http://127.0.0.1:{port}/")
        expect(page.locator("body")).to_have_attribute("data-state", "ready")
        server.close()
        draw(page, TWO)
        expect(page.get_by_role("alert")).to_contain_text("the server is gone")


def test_occlusion_is_that_of_its_definition(page: Page, fast_run: TrainingResult) -> None:
    image = mnistburn.datasets.load("mnist", "test").images[1]
    label = int(fast_run.model.predict(image[None])[0])
    found = page.evaluate(
        """async ([text, label]) => {
          const engine = await Engine.start();
          return Array.from(await occlusion(engine, fromBase64(text), label, () => true));
        }""",
        [base64.b64encode(image.tobytes()).decode(), label],
    )
    # Patches overlap unless the network is slow here.
    expected = [occlusion(fast_run.model, image.reshape(28, 28), label, step) for step in (2, 4)]
    apart = [numpy.abs(numpy.array(found).reshape(28, 28) - one).max() for one in expected]
    assert min(apart) <= 0.05 * numpy.abs(expected[0]).max(), apart


def occlusion(
    model: Model, image: NDArray[numpy.uint8], label: int, step: int
) -> NDArray[numpy.float64]:
    """Return for each pixel the mean fall of the log-odds over the patches of 4 x 4 on it."""
    falls, counts = numpy.zeros((28, 28)), numpy.zeros((28, 28))
    for top in range(step - 4, 28, step):
        for left in range(step - 4, 28, step):
            patch = (slice(max(top, 0), top + 4), slice(max(left, 0), left + 4))
            covered = image.copy()
            covered[patch] = 0
            logits = model.forward(numpy.stack([image, covered])).astype(float)
            others = numpy.delete(logits, label, axis=1)
            odds = logits[:, label] - numpy.log(numpy.exp(others).sum(1))
            falls[patch] += odds[0] - odds[1]
            counts[patch] += 1
    return falls / counts


def test_answers_on_a_thousand_images_are_ours(
    browser: Browser, fast_run: TrainingResult, tmp_path: Path
) -> None:
    """In the browser itself, from the page's file: what is in it is all that it takes."""
    test = mnistburn.datasets.load("mnist", "test")[:1000]
    path = mnistburn.export_page(fast_run.model, tmp_path / "digits.html")
    with opened(browser, path.as_uri()) as page:
        found = page.evaluate(
            """async (text) => {
              const engine = await Engine.start();
              const pixels = fromBase64(text);
              const images = Array.from({ length: pixels.length / 784 },
                (_, place) => pixels.slice(784 * place, 784 * (place + 1)));
              return (await engine.logits(images)).map((logits) => Array.from(logits));
            }""",
            base64.b64encode(test.images.tobytes()).decode(),
        )
    halves = {
        name: values.astype("<f2").astype("<f4")
        for name, values in fast_run.model.state_dict().items()
    }
    rounded = Model(fast_run.model.config)
    rounded.load_state_dict(halves)
    assert numpy.abs(numpy.array(found) - rounded.forward(test.images)).max() <= 1e-3
    answers = numpy.array(found).argmax(1)
    assert numpy.array_equal(answers, fast_run.model.predict(test.images))
