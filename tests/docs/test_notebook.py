"""The notebook runs from top to bottom, with a tiny random model in the place of the embedded one."""

from __future__ import annotations

import nbformat
import pytest
from nbclient import NotebookClient

from .pages import ROOT

NOTEBOOK = ROOT / "docs" / "notebooks" / "first-look.ipynb"


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(NOTEBOOK, as_version=4)


def test_it_is_committed_without_outputs(notebook):
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code and all(cell.outputs == [] and cell.execution_count is None for cell in code)


def test_it_runs_and_shows_numbers_and_pictures(notebook, tiny_folder, tmp_path, monkeypatch):
    monkeypatch.setenv("FIRST_LOOK_MODEL", str(tiny_folder))
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    resources = {"metadata": {"path": str(tmp_path)}}
    done = NotebookClient(notebook.copy(), timeout=300, kernel_name="python3", resources=resources).execute()
    outputs = [output for cell in done.cells for output in cell.get("outputs", ())]
    said = "".join(output.get("text", "") for output in outputs)
    assert "certificate, proxy_gap" in said and "certified" in said and "estimate.json" in said
    shown = {kind for output in outputs for kind in output.get("data", {})}
    assert "image/png" in shown and any("plotly" in kind or kind == "text/html" for kind in shown)
