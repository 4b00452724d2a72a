"""Records to make pages of, and what a reader finds on a page."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from tradeoffbounds.page import render_page

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
COMMITTED = sorted(
    str(path.relative_to(EXPERIMENTS))
    for pattern in (
        "*/validate.json",
        "*/audit.json",
        "*/estimate.json",
        "*/study.json",
        "methods_compared/case_two.json",
    )
    for path in EXPERIMENTS.glob(pattern)
)
_VOID = {"meta", "link", "input", "br", "hr"}


@dataclass
class Read(HTMLParser):
    """A page as read: tags in order, visible text, and the data and policy in it."""

    text: list[str] = field(default_factory=list)
    verdict: list[str] = field(default_factory=list)
    tags: list[tuple[str, dict]] = field(default_factory=list)
    data: str = ""
    open: list[tuple[str, dict]] = field(default_factory=list)

    def __post_init__(self):
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        opened, _ = self.open.pop()
        assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data):
        tag, attributes = self.open[-1] if self.open else ("", {})
        if attributes.get("type") == "application/json":
            self.data += data
        elif tag not in ("script", "style"):
            inside = [each.get("class") for _, each in self.open]
            (self.verdict if "verdict" in inside else self.text).append(data)


def read(html: str) -> Read:
    found = Read()
    found.feed(html)
    found.close()
    assert not found.open
    return found


@cache
def committed(name: str) -> tuple[dict, str, Read]:
    record = json.loads((EXPERIMENTS / name).read_text("utf-8"))
    html = render_page(record)
    return record, html, read(html)
