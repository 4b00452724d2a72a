"""The manual builds without a warning, and what is built asks no other host for anything."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from .pages import ROOT

#: What a browser fetches by itself: tag -> attribute.
FETCHED = {
    "script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "video": "src", "object": "data",
    "embed": "src", "use": "href",
}  # fmt: skip
ELSEWHERE = re.compile(r"^(https?:)?//", re.I)


class Fetched(HTMLParser):
    """Addresses on other hosts that a page makes a browser fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        for address in ((named.get(FETCHED[tag]) if tag in FETCHED else None), *(named.get("srcset") or "").split(",")):
            if address and ELSEWHERE.match(address.strip()):
                self.found.append(f"<{tag}> {address}")


def elsewhere(path: Path) -> list[str]:
    text = path.read_text("utf-8")
    if path.suffix == ".html":
        parser = Fetched()
        parser.feed(text)
        return parser.found + re.findall(r"<style[^>]*>[^<]*(?:@import|url\()\s*['\"]?(?:https?:)?//[^<)]*", text)
    return re.findall(r"(?:@import\s*|url\(\s*)['\"]?((?:https?:)?//[^)'\"]+)", text)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    build = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    said = subprocess.run(build, cwd=ROOT, capture_output=True, text=True)
    assert said.returncode == 0, said.stdout + said.stderr
    return folder


def test_every_page_is_built(site):
    built = {path.relative_to(site).as_posix() for path in site.rglob("*.html")}
    assert {page.with_suffix(".html").name for page in (ROOT / "docs").glob("*.md")} <= built
    assert {"first-look.html", "proofs/theory.html", "CHANGELOG.html"} <= built


def test_nothing_is_fetched_from_another_host(site):
    looked_at = [path for path in site.rglob("*") if path.suffix in (".html", ".css")]
    assert len(looked_at) > 10
    assert {str(path): found for path in looked_at if (found := elsewhere(path))} == {}


def test_pictures_are_there(site):
    for page in site.rglob("*.html"):
        for picture in re.findall(r'<img [^>]*src="([^"]+)"', page.read_text("utf-8")):
            assert picture.startswith("data:") or (page.parent / picture).is_file(), f"{page.name}: {picture}"


def test_a_signature_and_its_docstring_are_in_the_reference(site):
    text = (site / "api.html").read_text("utf-8")
    assert 'id="tradeoffbounds.bounds.theorem3.refined"' in text and "Case II" in text


def test_a_foreign_script_would_be_found(tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        '<a href="https://a.org"></a><script src="//b.org/x.js"></script><img srcset="x.png, http://c.org">'
    )
    assert elsewhere(page) == ["<script> //b.org/x.js", "<img>  http://c.org"]
    style = tmp_path / "style.css"
    style.write_text("@import 'https://d.org/x.css'; a {background: url(y.png)}")
    assert elsewhere(style) == ["https://d.org/x.css"]
