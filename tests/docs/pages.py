"""The manual's pages, their code blocks and their links."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w-]*)[^\n]*\n(?P<text>.*?)^(?P=indent)```[ \t]*$", re.M | re.S)
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.M)
#: Why a block is not run stands in a comment on the line before it.
_NOT_RUN = re.compile(r"<!-- not run: (\S[^\n]*?) -->\s*\Z")


@dataclass(frozen=True)
class Block:
    """A fenced block of code; ``not_run`` is the reason why it only has to be well-formed, or None."""

    place: str
    language: str
    text: str
    not_run: str | None


def pages() -> list[Path]:
    """Every page of the manual that is written by hand."""
    found = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", ROOT / "proofs" / "README.md"]
    found += sorted((ROOT / "docs").glob("**/*.md")) + sorted((ROOT / "src" / "tradeoffbounds").glob("**/README.md"))
    return [path for path in found if path.is_file()]


def name(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    text = page.read_text("utf-8")
    found = []
    for fence in _FENCE.finditer(text):
        reason = _NOT_RUN.search(text, 0, fence.start())
        line = text.count("\n", 0, fence.start()) + 1
        indent = len(fence["indent"])
        body = "".join(row[indent:] for row in fence["text"].splitlines(keepends=True))
        found.append(Block(f"{name(page)}:{line}", fence["language"], body, reason and reason[1]))
    return found


def commands(text: str) -> list[list[str]]:
    """The words of each command of a shell block: continued lines joined, comments left out."""
    lines = text.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def inline_commands(page: Path) -> list[list[str]]:
    """Calls of a door within a sentence or a table; what ends in dots is the beginning of one."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    found = re.findall(r"(?<!`)`((?:python -m tradeoffbounds\.|tradeoffbounds )[a-z][^`]*)`(?!`)", text)
    return [shlex.split(each) for each in found if not each.endswith(("…", "..."))]


def links(page: Path) -> list[str]:
    """Targets of a page's links and pictures; what stands in code is no link."""
    text = _FENCE.sub("", page.read_text("utf-8"))
    return _LINK.findall(re.sub(r"`[^`\n]*`", "code", text))


def anchors(page: Path) -> set[str]:
    """The names of a page's headings, where Markdown's readers agree on them: plain ASCII words."""
    headings = (re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", each) for each in _headings(page))
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", each).strip().lower()) for each in headings if each.isascii()}


def _headings(page: Path) -> list[str]:
    return _HEADING.findall(_FENCE.sub("", page.read_text("utf-8")))
