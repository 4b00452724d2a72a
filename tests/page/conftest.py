"""Chromium, once for all tests, and a record of `estimate` on small sources."""

from __future__ import annotations

import shutil

import pytest

import tradeoffbounds
from tradeoffbounds import EstimateConfig

from ..estimate.records import CODE, SAFETY, write_rows

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
#: A busy machine may take minutes to draw a page.
PATIENCE = 180_000


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="needs playwright")
    executable = next(filter(None, map(shutil.which, _NAMES)), None)
    if executable is None:
        pytest.skip(f"needs a browser: none of {', '.join(_NAMES)} is installed")
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=executable, args=["--no-sandbox"], timeout=PATIENCE)
        yield browser
        browser.close()


@pytest.fixture
def show(chromium, tmp_path):
    """Open a page from disk; at the end nothing may have been asked for, refused, or complained about."""
    contexts, complaints = [], []

    def shown(html, **options):
        path = tmp_path / f"{len(contexts)}.html"
        path.write_text(html, encoding="utf-8")
        context = chromium.new_context(**{"viewport": {"width": 1280, "height": 900}} | options)
        context.set_default_timeout(PATIENCE)
        contexts.append(context)
        page = context.new_page()
        page.on("console", lambda message: complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: _expect(request.url, path, complaints))
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        return page

    yield shown
    for context in contexts:
        context.close()
    assert not complaints


def _expect(url, path, complaints):
    if url != path.as_uri() and not url.startswith(("data:", "blob:")):
        complaints.append(f"asked for {url}")


@pytest.fixture(scope="session")
def sources(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sources")
    write_rows(folder / "safety.jsonl", SAFETY, seed=0)
    write_rows(folder / "other-safety.jsonl", SAFETY, seed=1)
    write_rows(folder / "code.jsonl", CODE, seed=2)
    return folder


@pytest.fixture(scope="session")
def estimated(sources, tiny_folder, tmp_path_factory):
    """What the call from Python returns, at any penalties."""

    def call(*penalties):
        return tradeoffbounds.estimate(EstimateConfig(
            model=str(tiny_folder), alignment="safety", proxy="other-safety", capability="code", data_dir=sources,
            penalty=penalties, device="cpu", dtype="float32", curvature="off", out=tmp_path_factory.mktemp("out"),
        ))  # fmt: skip

    return call
