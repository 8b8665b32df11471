"""The site of docs/: every link leads somewhere, every page is in it, and no page loads anything from elsewhere."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Final

import pytest
import yaml

from tests.unit.fakes import ROOT

MKDOCS: Final = ROOT / ".local" / "mkdocs" / "bin" / "mkdocs"
#: Elements that a browser loads by itself, and where each says what.
LOADS: Final = {
    "script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "audio": "src", "embed": "src",
    "object": "data", "link": "href", "use": "href", "image": "href",
}  # fmt: skip
#: Rows of `link` that name another page and load nothing.
NAMES: Final = {"canonical", "prev", "next"}
#: What would have the theme's script ask elsewhere: for drawings, and for stars of a repository.
ASKS: Final = ('class="mermaid"', 'data-md-component="source"')


def build(config: Path, site: Path) -> subprocess.CompletedProcess[str]:
    """`make docs`, into another directory."""
    assert MKDOCS.exists(), "`make docs` installs mkdocs"
    command = [str(MKDOCS), "build", "--strict", "--config-file", str(config), "--site-dir", str(site)]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built."""
    made = tmp_path_factory.mktemp("site")
    built = build(ROOT / "mkdocs.yml", made)
    assert built.returncode == 0, built.stderr
    return made


class Loaded(HTMLParser):
    """What a page has the browser load."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Look at one element."""
        given = {name: value or "" for name, value in attrs}
        if tag in LOADS and not (tag == "link" and given.get("rel") in NAMES):
            self.found += [given.get(LOADS[tag], ""), *given.get("srcset", "").split()]


def loaded(site: Path) -> Iterator[tuple[str, str]]:
    """Each page and style sheet with each address that it loads."""
    for file in sorted(site.rglob("*")):
        where = file.relative_to(site).as_posix()
        if file.suffix == ".html":
            page = Loaded()
            page.feed(file.read_text())
            yield from ((where, address) for address in page.found)
        if file.suffix in (".html", ".css"):
            styles = re.findall(r"(?:url\(|@import +)[\"']?([^)\"';]*)", file.read_text())
            yield from ((where, address) for address in styles)


def elsewhere(address: str) -> bool:
    """Whether it is neither a file of the site nor in the page itself."""
    return bool(re.match(r"(?!data:)[a-z][a-z0-9+.-]*:|//", address))


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """Neither by its elements, nor by its styles, nor by the theme's script."""
    found = list(loaded(site))
    assert len({where for where, _ in found if where.endswith(".html")}) > 30
    assert [(where, address) for where, address in found if elsewhere(address)] == []
    asking = [page.name for page in site.rglob("*.html") if any(ask in page.read_text() for ask in ASKS)]
    assert asking == []


def test_an_address_elsewhere_is_seen(tmp_path: Path) -> None:
    """So that silence means something."""
    (tmp_path / "a.html").write_text('<img src="https://example.org/a.png"><a href="https://example.org">fine</a>')
    (tmp_path / "b.css").write_text("@import '//example.org/b.css'; p { background: url(data:x) }")
    assert [each for each in loaded(tmp_path) if elsewhere(each[1])] == [
        ("a.html", "https://example.org/a.png"), ("b.css", "//example.org/b.css"),
    ]  # fmt: skip


@pytest.mark.parametrize("link", ["[to nothing](no.md)", "[to no heading](index.md#no)", "[up](../README.md)"])
def test_a_link_to_nothing_fails_the_build(link: str, tmp_path: Path) -> None:
    """By its page, its heading, or because it leads out of the site."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "index.md").write_text(f"# Start\n\n{link}\n")
    config = yaml.safe_load((ROOT / "mkdocs.yml").read_text()) | {"nav": [{"Start": "index.md"}]}
    (tmp_path / "mkdocs.yml").write_text(yaml.safe_dump(config))
    built = build(tmp_path / "mkdocs.yml", tmp_path / "site")
    assert built.returncode == 1
    assert "index.md" in built.stderr
