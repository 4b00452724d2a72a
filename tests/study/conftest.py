"""A tiny sweep of real fine-tunes, and what the study asks of each."""

from __future__ import annotations

import json

import pytest

from tradeoffbounds import ValidateConfig, validate
from tradeoffbounds.harm.bbq import DIMENSIONS
from tradeoffbounds.study_config import StudyConfig

from ..audit.conftest import PROMPTS, bbq_rows
from ..estimate.records import CODE, SAFETY, write_rows


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, words) in enumerate({"safety": SAFETY, "code": CODE}.items()):
        write_rows(folder / f"{name}.jsonl", words, seed, n=50)
    rows = [{"category": category, "prompt": prompt} for category, prompt in PROMPTS]
    (folder / "asked.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    (folder / "bbq").mkdir()
    for dimension in DIMENSIONS:
        lines = (json.dumps(row) for row in bbq_rows(dimension))
        (folder / "bbq" / f"{dimension}.jsonl").write_text("\n".join(lines) + "\n", "utf-8")
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def surroundings(cache, monkeypatch):
    """One cache for all, and nothing of the user's own."""
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
    monkeypatch.delenv("TRADEOFFBOUNDS_DATA", raising=False)


@pytest.fixture(scope="session")
def sweep(tiny_folder, data, cache, tmp_path_factory):
    """Two methods, unconstrained and with a penalty, two seeds; and one run that keeps no adapter."""
    out = tmp_path_factory.mktemp("sweep")
    grid = out / "grid.yaml"
    grid.write_text(
        "- {peft: [lora, ia3], penalty: [null, 1], seeds: [0, 1], learning_rate: 0.05}\n- {peft: full}\n", "utf-8"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
        validate(ValidateConfig(
            model=str(tiny_folder), alignment="safety", proxy=("safety",), capability=("code",), sweep=grid,
            data_dir=data, out=out, rows=24, validation_rows=6, test_rows=10, steps=4, batch=4, start_steps=4,
            device="cpu", dtype="float32", curvature="off",
        ))  # fmt: skip
    return out


@pytest.fixture(scope="session")
def options(sweep, data):
    """A call that works; what is given overrides it."""

    def config(out, **changed):
        chosen = {
            "sweep": (sweep,), "harm": "asked", "data_dir": data, "out": out, "samples": 72, "max_new_tokens": 6,
            "device": "cpu", "dtype": "float32",
        } | changed  # fmt: skip
        return StudyConfig(**chosen)

    return config
