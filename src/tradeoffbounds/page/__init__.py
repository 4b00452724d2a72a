"""report.html: one file that shows a record of a door to people, without any request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tradeoffbounds.errors import UserError
from tradeoffbounds.runs import atomic_path

Record = dict[str, Any]

FILE = "report.html"
#: Schema of a record -> the door that wrote it.
DOORS = {f"tradeoffbounds/{door}/1": door for door in ("estimate", "validate", "audit", "study")}


def write_page(record: Record, folder: Path) -> Path:
    """Write ``report.html`` into the folder and return its path; an interrupted one leaves no file.

    Raises:
        UserError: the record is no door's.
    """
    return write_page_to(record, folder / FILE)


def write_page_to(record: Record, path: Path) -> Path:
    """As `write_page`, under any name."""
    text = render_page(record)
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def render_page(record: Record) -> str:
    """The whole page as text; the same for the same record.

    Raises:
        UserError: the record is no door's.
    """
    # Imported here: plotly and the pages' parts are of no use to someone who only imports the name.
    from tradeoffbounds.page.audit_page import audit_page
    from tradeoffbounds.page.cells import Notes
    from tradeoffbounds.page.estimate_page import estimate_page
    from tradeoffbounds.page.render import render
    from tradeoffbounds.page.study_page import study_page
    from tradeoffbounds.page.validate_page import validate_page

    schema = record.get("schema")
    if schema not in DOORS:
        raise UserError(f"no page for schema {schema!r}; expected a record with one of {', '.join(DOORS)}")
    pages = {"estimate": estimate_page, "validate": validate_page, "audit": audit_page, "study": study_page}
    build = pages[DOORS[schema]]
    notes = Notes()
    return render(build(record, notes), notes)
