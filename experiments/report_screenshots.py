"""What report.html looks like: screenshots of the three doors' pages, on a desk, on a phone and in the dark.

    python -m tradeoffbounds.estimate --alignment safety-tuned --proxy alpaca-gpt4 --capability alpaca --peft lora ia3 \
        --radius 0.01 0.1 1 --advise --max-safety-gap 0.5 --data-dir DATA --out runs/report
    python experiments/report_screenshots.py --estimate runs/report/estimate.json

The pages of `validate` and `audit` are of committed records. Needs playwright and a Chromium.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import tyro
from playwright.sync_api import Browser, sync_playwright

from tradeoffbounds.errors import UserError
from tradeoffbounds.page import write_page
from tradeoffbounds.runs import atomic_path

ROOT = Path(__file__).parents[1]
_CHROMIUM = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: A busy machine may take minutes to draw a page.
_PATIENCE = 600_000


@dataclass(frozen=True)
class Options:
    estimate: Path = ROOT / "experiments" / "two_system_prompts" / "estimate.json"
    """Record of the first page."""
    validate: Path = ROOT / "experiments" / "teacher_mode" / "validate.json"
    """Record of the second."""
    audit: Path = ROOT / "experiments" / "audited_fine_tune" / "audit.json"
    """Record of the third."""


@dataclass(frozen=True)
class Shot:
    """One picture: from the heading ``top`` on, as much as fits into the window."""

    name: str
    door: Literal["estimate", "validate", "audit"]
    size: tuple[int, int] = (1280, 1500)
    scheme: Literal["light", "dark"] = "light"
    top: str | None = None


SHOTS = (
    Shot("report_desktop", "estimate", (1280, 1050)),
    Shot("report_slider", "estimate", top="Case I"),
    Shot("report_phone", "estimate", (375, 1600), top="Case I"),
    Shot("report_dark", "estimate", scheme="dark", top="Case II"),
    Shot("report_validate", "validate", top="Bound beside observed"),
    Shot("report_audit", "audit", (1280, 1250)),
)


def main(options: Options) -> None:
    executable = next(filter(None, map(shutil.which, _CHROMIUM)), None)
    if executable is None:
        raise UserError(f"no browser found; install one of {', '.join(_CHROMIUM)}")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"], timeout=_PATIENCE)
        for door in ("estimate", "validate", "audit"):
            record: dict[str, Any] = json.loads(getattr(options, door).read_text("utf-8"))
            page = write_page(record, Path(folder) / door)
            for shot in SHOTS:
                if shot.door == door:
                    take(browser, page, shot)
        browser.close()


def take(browser: Browser, path: Path, shot: Shot) -> None:
    """Open the page as this reader would, and write figures/NAME.png."""
    width, height = shot.size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=shot.scheme)
    context.set_default_timeout(_PATIENCE)
    page = context.new_page()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached")
    if shot.top is not None:
        heading = page.get_by_role("heading", name=shot.top, level=2).first
        heading.evaluate("heading => window.scrollTo({top: heading.offsetTop - 24, behavior: 'instant'})")
    page.wait_for_timeout(500)
    with atomic_path(ROOT / "figures" / f"{shot.name}.png") as picture:
        page.screenshot(path=picture)
    context.close()
    print(f"figures/{shot.name}.png")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
