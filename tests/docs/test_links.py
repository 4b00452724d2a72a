"""Every link within the repository leads somewhere."""

from __future__ import annotations

import re

import pytest

from .pages import ROOT, anchors, links, name, pages

PAGES = pages()


@pytest.mark.parametrize("page", PAGES, ids=map(name, PAGES))
def test_links_and_pictures_lead_somewhere(page):
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists() and target.is_relative_to(ROOT), f"{name(page)}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{name(page)}: {link}: no such heading; {sorted(anchors(target))}"


@pytest.mark.parametrize("page", PAGES, ids=map(name, PAGES))
def test_every_script_that_is_named_exists(page):
    scripts = re.findall(r"\b(?:experiments|benchmarks)/\w+\.py\b", page.read_text("utf-8"))
    assert [script for script in scripts if not (ROOT / script).is_file()] == []


def test_every_page_of_the_manual_is_in_its_contents():
    import yaml

    contents = yaml.safe_load((ROOT / "mkdocs.yml").read_text("utf-8"))["nav"]
    listed = [each if isinstance(each, str) else next(iter(each.values())) for each in contents]
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page.name not in listed] == []


def test_a_dead_link_would_be_found(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# One\n[a](gone.md) `[b](code.md)`\n```sh\n[c](block.md)\n```\n![d](#one)\n")
    assert links(page) == ["gone.md", "#one"]
    assert anchors(page) == {"one"}
