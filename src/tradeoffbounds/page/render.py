"""From a page's parts to one HTML file: template, style, scripts and data in it, and a policy that lets nothing in."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

import jinja2

from tradeoffbounds.page.cells import Cell, Notes
from tradeoffbounds.page.parts import Chart, Explorer, Page
from tradeoffbounds.page.plots import ON_DARK

_SCRIPTS = ("charts.js", "explorers.js", "tables.js", "notes.js", "start.js")


def render(page: Page, notes: Notes) -> str:
    """The file's text. Nothing in it is fetched, and no script runs but those written here."""
    scripts = [_plotly(), "\n".join(_asset(name) for name in _SCRIPTS)]
    policy = "; ".join((
        "default-src 'none'", f"script-src {' '.join(map(_hash, scripts))}", "style-src 'unsafe-inline'",
        "img-src data: blob:", "base-uri 'none'", "form-action 'none'",
    ))  # fmt: skip
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_asset), autoescape=True, trim_blocks=True, lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )  # fmt: skip
    numbered = _Numbered()
    body = environment.get_template("body.html.jinja").render(
        page=page, number=numbered, kind_of=lambda part: type(part).__name__,
        choice_table=lambda choice, symbol: choice.as_table(symbol),
    )  # fmt: skip
    # Only now every chart has its number.
    return environment.get_template("page.html.jinja").render(
        title=page.title, body=body, notes=list(notes), style=_asset("style.css"), scripts=scripts, policy=policy,
        data=_safe_json(numbered.data()),
    )  # fmt: skip


@dataclass
class _Numbered:
    """Charts and explorers in the order in which the template meets them."""

    charts: list[Chart] = field(default_factory=list)
    explorers: list[Explorer] = field(default_factory=list)
    tables: int = 0

    def chart(self, chart: Chart) -> int:
        self.charts.append(chart)
        return len(self.charts) - 1

    def explorer(self, explorer: Explorer) -> int:
        self.explorers.append(explorer)
        return len(self.explorers) - 1

    def table(self) -> int:
        self.tables += 1
        return self.tables

    def data(self) -> dict[str, Any]:
        return {
            "dark": ON_DARK,
            "charts": [
                {"data": each.data, "layout": each.layout, "height": each.height,
                 "cursor": None if each.cursor is None else
                 {"traces": each.cursor.traces, "x": each.cursor.x, "y": each.cursor.y}}
                for each in self.charts
            ],
            "explorers": [
                {"symbol": each.symbol, "choices": [
                    {"positions": choice.positions, "start": choice.start,
                     "lines": [[_cell(cell) for cell in line.cells] for card in choice.cards for line in card.lines]}
                    for choice in each.choices
                ]}
                for each in self.explorers
            ],
        }  # fmt: skip


def _cell(cell: Cell) -> list[Any]:
    return [cell.text, cell.interval, cell.kind, cell.remark, cell.note]


def _safe_json(value: Any) -> str:
    """JSON that no HTML parser can take for the end of the script that holds it."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def _hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode('utf-8')).digest()).decode()}'"


@cache
def _plotly() -> str:
    from plotly.offline import get_plotlyjs

    # A browser reads both line ends as one, and the policy's hash is of what it reads.
    return str(get_plotlyjs()).replace("\r\n", "\n").replace("\r", "\n")


@cache
def _asset(name: str) -> str:
    return files("tradeoffbounds.page").joinpath("assets", name).read_text(encoding="utf-8")
