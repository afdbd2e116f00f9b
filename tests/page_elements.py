"""The elements of a page, and what every page of ours has to have."""

import itertools
from html.parser import HTMLParser
from typing import Final

__all__ = ["Elements"]

_VOID: Final = frozenset({"meta", "link", "br", "img", "hr"})


class Elements(HTMLParser):
    """Collects the elements of a page, and checks that each one ends."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[tuple[str, str]] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names), attrs
        self.found.append((tag, dict(attrs)))
        if tag not in _VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open:
            self.texts.append((self._open[-1], data))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        """Return the attributes of each element of a name."""
        return [attributes for name, attributes in self.found if name == tag]

    def text(self, *tags: str) -> str:
        """Return the text of the elements of some names, or of all but the style sheet."""
        return " ".join(
            text for tag, text in self.texts if (tag in tags if tags else tag != "style")
        )

    def check_structure(self) -> None:
        """Check what a screen reader and a keyboard need."""
        assert self.all("html") == [{"lang": "en"}]
        # Drawings have titles too.
        titles = [one for one in self.all("title") if "id" not in one]
        assert len(self.all("h1")) == len(titles) == len(self.all("main")) == 1
        levels = [int(name[1]) for name, _ in self.found if name in {"h1", "h2", "h3", "h4"}]
        assert levels[0] == 1
        for above, level in itertools.pairwise(levels):
            assert level <= above + 1
        first = next(one for one in self.all("a"))
        assert first == {"href": "#main", "class": "skip"}
        identifiers = [str(one["id"]) for _, one in self.found if "id" in one]
        assert len(set(identifiers)) == len(identifiers)
        for link in self.all("a"):
            assert str(link["href"]).removeprefix("#") in identifiers
        for name, one in self.found:
            for reference in ("aria-labelledby", "aria-describedby"):
                assert set(str(one.get(reference) or "").split()) <= set(identifiers), name
        for drawing in self.all("svg"):
            assert drawing["role"] == "img"
            assert drawing["aria-labelledby"]
        for image in self.all("img"):
            assert image["alt"]
        assert {one["scope"] for one in self.all("th")} <= {"col", "row"}
        assert len(self.all("caption")) == len(self.all("table"))
        # What scrolls can be reached by the keyboard, and has a name.
        for one in self.all("div"):
            if one.get("class") == "scroll":
                assert one["tabindex"] == "0"
                assert (one["role"], bool(one["aria-label"])) == ("region", True)

    def check_policy(self) -> None:
        """Check that nothing is in the page that its policy would refuse."""
        assert not [one for _, one in self.found if "style" in one]
        assert not [name for _, one in self.found for name in one if name.startswith("on")]
