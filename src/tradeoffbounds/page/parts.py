"""What a page is made of: tables, charts, explorers with a slider, and sections of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from tradeoffbounds.page.cells import Cell

Record = dict[str, Any]


@dataclass(frozen=True)
class Column:
    """A heading; ``note`` is the place of its explanation."""

    label: str
    note: int | None = None
    numeric: bool = True


@dataclass(frozen=True)
class Table:
    """Rows under headings that sort them."""

    caption: str
    columns: Sequence[Column]
    rows: Sequence[Sequence[Cell]]
    remark: str = ""


@dataclass(frozen=True)
class Cursor:
    """Where a slider's marks are: of some of the chart's traces the points at every position of the slider.

    Attributes:
        traces: places of the traces among the chart's.
        x, y: [position][trace] -> coordinates of the trace's points.
    """

    traces: list[int]
    x: list[list[list[float | None]]]
    y: list[list[list[float | None]]]


@dataclass(frozen=True)
class Chart:
    """One plotly figure.

    Attributes:
        title: above it.
        finding: what it shows, for those who do not see it.
        data, layout: as plotly's script takes them.
        remark: below it.
    """

    title: str
    finding: str
    data: list[Record]
    layout: Record
    height: int = 320
    cursor: Cursor | None = None
    remark: str = ""


@dataclass(frozen=True)
class Line:
    """A labelled number that a slider moves."""

    label: str
    cells: list[Cell]


@dataclass(frozen=True)
class Card:
    """Lines about one quantity, and its chart; the first line stands out where it is the headline."""

    title: str
    question: str
    lines: list[Line]
    chart: Chart | None = None
    headline: bool = True


@dataclass(frozen=True)
class Choice:
    """One setting of an explorer: positions of its slider and what stands at each."""

    label: str
    positions: list[str]
    asked: list[int]
    start: int
    cards: list[Card]
    chart: Chart | None = None
    intro: str = ""

    def as_table(self, symbol: str) -> Table:
        """Every number at every position, in words: what the charts show."""
        lines = [(card, line) for card in self.cards for line in card.lines]
        columns = [Column(symbol), *(Column(f"{card.title}: {line.label}") for card, line in lines)]
        rows = [
            [Cell(position, order=float(place)), *(line.cells[place] for _, line in lines)]
            for place, position in enumerate(self.positions)
        ]
        return Table(f"Every number at every {symbol}", columns, rows)


@dataclass(frozen=True)
class Explorer:
    """Numbers and charts moved together by one slider."""

    name: str
    symbol: str
    label: str
    choices: list[Choice]
    choose: str = ""


@dataclass(frozen=True)
class Facts:
    """Names with texts."""

    entries: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Prose:
    """Paragraphs; or, ``style="list"``, items; ``code``: one command."""

    texts: Sequence[str]
    style: Literal["plain", "list", "code"] = "plain"


Part = Table | Chart | Explorer | Facts | Prose


@dataclass(frozen=True)
class Folded:
    """Parts that open on demand, and in print."""

    summary: str
    parts: Sequence[Part]


@dataclass(frozen=True)
class Row:
    """Charts side by side where there is room."""

    charts: Sequence[Chart]


@dataclass(frozen=True)
class Section:
    """A heading with what stands under it."""

    title: str
    parts: Sequence[Part | Folded | Row]
    intro: str = ""


@dataclass(frozen=True)
class Page:
    """All of a report.

    Attributes:
        about: what was asked, name and text.
        warnings: what must not be missed.
        verdict: the sentences of the record.
    """

    title: str
    lead: str
    about: Sequence[tuple[str, str]]
    warnings: Sequence[str]
    verdict: Sequence[str]
    sections: Sequence[Section] = field(default_factory=list)
