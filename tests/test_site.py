"""The site of the documentation needs no network, leaves no page out, and has every public name."""

import os
import re
import socket
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest

import mnistburn

ROOT: Final = Path(__file__).parent.parent
API: Final = ROOT / "docs" / "api"

# No address is looked up and nothing is connected to; the extension can't be imported either.
OFFLINE: Final = """
import socket
import sys

def refuse(*arguments, **options):
    raise AssertionError("the build uses the network")

socket.socket.connect = socket.getaddrinfo = socket.create_connection = refuse
sys.modules["mnistburn"] = None

from mkdocs.__main__ import cli
cli(["build", "--site-dir", sys.argv[1]])
"""


def build(source: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """Build a site without a network and without the package."""
    return subprocess.run(
        [sys.executable, "-c", OFFLINE, str(site)],
        cwd=source,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site, built without a network and without the package."""
    folder = tmp_path_factory.mktemp("site")
    done = build(ROOT, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_a_warning_is_an_error(tmp_path: Path) -> None:
    for name in ("docs", "python"):
        (tmp_path / name).symlink_to(ROOT / name)
    text = (ROOT / "mkdocs.yml").read_text("utf-8")
    assert "  - Home: index.md\n" in text
    (tmp_path / "mkdocs.yml").write_text(
        text.replace("  - Home: index.md\n", "  - Home: index.md\n  - More: no-such-page.md\n")
    )
    done = build(tmp_path, tmp_path / "site")
    assert done.returncode == 1
    assert "no-such-page.md" in done.stderr


class Resources(HTMLParser):
    """Collects what a browser loads for a page by itself."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "link" and values.get("rel") not in {"next", "prev", "canonical"}:
            self.loaded.append(values.get("href") or "")
        self.loaded += [
            values[name] or "" for name in ("src", "srcset", "poster") if name in values
        ]


def test_no_page_loads_anything_from_a_network(site: Path) -> None:
    pages = sorted(site.rglob("*.html"))
    assert len(pages) > 20
    for page in pages:
        parser = Resources()
        parser.feed(page.read_text("utf-8"))
        assert parser.loaded
        for address in parser.loaded:
            assert not re.match(r"(\w+:)?//", address), (page, address)
    for sheet in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import )['\"]?(\w+:)?//", sheet.read_text("utf-8")), sheet


def test_the_search_works_in_pages_that_are_opened_as_files(site: Path) -> None:
    page = (site / "api" / "training.html").read_text("utf-8")
    # A page that is a file may not start a worker: a frame stands in for it.
    assert 'src="../assets/iframe-worker.js"' in page
    assert (site / "assets" / "iframe-worker.js").is_file()
    # Nor may it fetch anything: the index is a script.
    index = (site / "search" / "search_index.js").read_text("utf-8")
    for words in ("Winograd", "mnistburn.train", "ten minutes", "Where it looks"):
        assert words in index, words


def test_links_of_the_site_lead_to_pages_that_are_there(site: Path) -> None:
    for page in site.rglob("*.html"):
        if page.name == "404.html":
            continue
        for target in re.findall(r'<a[^>]* href="([^"#?]+)', page.read_text("utf-8")):
            if not re.match(r"\w+:", target):
                assert (page.parent / target).exists(), (page, target)


def test_every_public_name_is_documented_once() -> None:
    documented = re.findall(
        r"^::: mnistburn\.([\w.]+)$",
        "\n".join(page.read_text("utf-8") for page in API.glob("*.md")),
        re.MULTILINE,
    )
    assert len(documented) == len(set(documented))
    modules = {"callbacks", "datasets", "errors"}
    public = {name for name in mnistburn.__all__ if name not in modules} - {"__version__"}
    for module in modules:
        # A name that the package has too is the same thing, unless it is another one.
        own = vars(getattr(mnistburn, module))
        names = {name for name in own["__all__"] if own[name] is not getattr(mnistburn, name, None)}
        public |= {f"{module}.{name}" for name in names}
    public.remove("callbacks.CallbackLike")  # an alias of types
    assert set(documented) == public | {"sklearn.BurnClassifier"}


def test_the_examples_of_docstrings_are_shown_as_code(site: Path) -> None:
    text = (site / "api" / "models.html").read_text("utf-8")
    assert "&gt;&gt;&gt; " in text
    assert "<blockquote>" not in text


def test_the_network_is_refused_while_the_site_is_built() -> None:
    # The stand-in is one: a build that asked for an address would fail.
    code = OFFLINE.split("from mkdocs")[0] + "socket.getaddrinfo('localhost', 80)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "the build uses the network" in done.stderr
    assert socket.getaddrinfo("localhost", 80)
