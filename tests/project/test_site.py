"""`docs/` is a site too: it builds without a warning and offline, and shows what the pages hold."""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.project.pages import PAGES, ROOT, label

DOCS = ROOT / "docs"
# What a wrong reading of Markdown loses first: lists without an empty line before them, titled blocks, tables.
SHAPES = ("h1", "h2", "h3", "li", "pre", "table", "tr", "td", "code", "a")


class Elements(HTMLParser):
    """Counts elements of the page's own text, and collects what a browser would fetch for it."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()
        self.fetched: list[str] = []
        self._classes: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in SHAPES and "headerlink" not in (given.get("class") or ""):
            self.seen[tag] += 1
        fetched = given.get("src") if tag in ("script", "img", "iframe") else None
        if tag == "link" and given.get("rel") != "canonical":
            fetched = given.get("href")
        self.fetched += [fetched] if fetched else []


def elements(html: str) -> Elements:
    parser = Elements()
    parser.feed(html)
    return parser


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site") / "html"
    # Not --quiet, which keeps --strict from hearing of warnings.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    # No way out: what the build wants from elsewhere fails it.
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "PATH": ""}
    done = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def page_of(site: Path, page: Path) -> str:
    place = page.relative_to(DOCS).with_suffix("")
    return (site / ("index.html" if place.name == "index" else f"{place}/index.html")).read_text(encoding="utf-8")


def test_every_page_shows_the_lists_tables_and_blocks_that_github_shows(site: Path) -> None:
    github = MarkdownIt("commonmark").enable("table")
    for page in (page for page in PAGES if page.is_relative_to(DOCS)):
        (text,) = re.findall(r'<div class="col-md-9" role="main">(.*?)<footer', page_of(site, page), re.DOTALL)
        source = page.read_text(encoding="utf-8")
        titled = len(re.findall(r"^```\w+ \S+$", source, re.MULTILINE))  # their names stand above them on the site
        wanted = elements(github.render(source)).seen + Counter(code=titled)
        assert elements(text).seen == wanted, label(page)


def test_a_block_says_which_file_it_shows(site: Path) -> None:
    text = page_of(site, DOCS / "tutorial" / "write-an-attack.md")
    assert re.search(r"<code>plugins/example/src/\w+/contrast.py</code>:</p>\s*<pre>", text)


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        outside = [url for url in elements(page.read_text(encoding="utf-8")).fetched if "//" in url]
        assert not outside, page
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(\W?https?:", style.read_text(encoding="utf-8")), style


def test_the_site_holds_the_schema_and_no_programs(site: Path) -> None:
    assert (site / "reference" / "auditor.schema.json").is_file()
    assert not list(site.rglob("*.py"))
