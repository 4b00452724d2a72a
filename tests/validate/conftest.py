"""The command from end to end with a tiny model and a few rows a source: the calls that the tests look at."""

from __future__ import annotations

import contextlib
import io
import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from tradeoffbounds.report import validate_figures
from tradeoffbounds.validate import main

from ..estimate.records import CODE, SAFETY, write_rows

#: Of every call here, unless it says otherwise.
SMALL = {
    "rows": 24, "validation_rows": 6, "test_rows": 10, "steps": 4, "batch": 4, "start_steps": 4, "max_tokens": 128,
    "device": "cpu", "dtype": "float32", "curvature": "off", "penalty": (),
}  # fmt: skip
TEACHER = {
    "alignment": "system:You are kind.", "proxy": "brief=system:You are kind and brief.",
    "capability": "code=system:You write code.", "teacher_prompts": "safety", "teacher_tokens": 5,
    # So that the start is the alignment source itself.
    "start": "none", "system_prompt": "You are kind.",
}  # fmt: skip
PREFERENCES = {"capability": "likes=preferences", "proxy": "safety", "objective": ("dpo", "sft"), "peft": "p-tuning"}
SWEEP = """
- {proxy: near=other-safety, capability: code, penalty: 1}
- {proxy: near=other-safety, capability: likes=preferences, objective: dpo, peft: full, radius: [1e-3, 2e-3], steps: 3,
   batch: 2}
"""


@pytest.fixture(scope="session")
def data(tmp_path_factory):
    """A data folder: two sources of one vocabulary, one of another, and preferences between the two."""
    folder = tmp_path_factory.mktemp("data")
    for seed, (name, words) in enumerate({"safety": SAFETY, "other-safety": SAFETY, "code": CODE}.items()):
        write_rows(folder / f"{name}.jsonl", words, seed, n=50)
    rng = np.random.default_rng(9)
    rows = [
        {"prompt": f"{i} {' '.join(rng.choice(SAFETY.split(), 5))}"}
        | {name: " ".join(rng.choice(words.split(), 6)) for name, words in (("chosen", CODE), ("rejected", SAFETY))}
        for i in range(50)
    ]
    (folder / "preferences.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
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
def options(tiny_folder, data):
    """Command line of a call that works; what is added overrides it."""

    def arguments(out, **changed):
        chosen = {
            "model": tiny_folder, "alignment": "safety", "proxy": "near=other-safety", "capability": "code",
            "data_dir": data, "out": out, **SMALL,
        } | changed  # fmt: skip
        listed = []
        for name, value in chosen.items():
            if value is not None:
                values = value if isinstance(value, tuple) else (value,)
                listed += [f"--{name.replace('_', '-')}", *map(str, values)]
        return listed

    return arguments


def read_json(path: Path):
    """A record, in which NaN and infinity have no place."""
    return json.loads(path.read_text("utf-8"), parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))


@pytest.fixture(scope="session")
def command(options, cache):
    """Run the command into a folder; what it wrote and said."""

    def call(out, *flags, **changed):
        stdout, stderr = io.StringIO(), io.StringIO()
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
            patch.setenv("HF_HUB_OFFLINE", "1")
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                code = main([*options(out, **changed), *flags])
        assert code == 0, stderr.getvalue()
        record = read_json(out / "validate.json")
        return SimpleNamespace(out=out, record=record, stdout=stdout.getvalue(), stderr=stderr.getvalue())

    return call


@pytest.fixture(scope="session")
def dataset(command, tmp_path_factory):
    """Both constraints, two proxies of which one is the alignment's data."""
    out = tmp_path_factory.mktemp("dataset")
    return command(out, proxy=("near=other-safety", "same=safety"), penalty=1.0, radius=0.02)


@pytest.fixture(scope="session")
def teacher(command, tmp_path_factory):
    """Sources that are the model itself, SFT and DPO."""
    return command(tmp_path_factory.mktemp("teacher"), objective=("sft", "dpo"), penalty=0.5, **TEACHER)


@pytest.fixture(scope="session")
def preferences(command, tmp_path_factory):
    """DPO beside SFT on the preferred responses, P-tuning, within a ball."""
    with pytest.MonkeyPatch.context() as patch:
        no_figures(patch)
        return command(tmp_path_factory.mktemp("preferences"), "--quiet", radius=0.02, **PREFERENCES)


@pytest.fixture(scope="session")
def stand_ins(command, tmp_path_factory):
    """Published data sets where there are none; one fine-tune without any constraint."""
    return command(
        tmp_path_factory.mktemp("stand_ins"), alignment="orca", proxy="alpaca", capability="gsm8k", data_dir=None,
        start="none",
    )  # fmt: skip


@pytest.fixture(scope="session")
def swept(command, dataset, tmp_path_factory):
    """A sweep out of a file, in the place of what the options name; after the call that has one of its runs too."""
    path = tmp_path_factory.mktemp("sweep") / "grid.yaml"
    path.write_text(SWEEP)
    with pytest.MonkeyPatch.context() as patch:
        no_figures(patch)
        return command(path.parent / "out", sweep=path, proxy="gone", capability="gone", penalty=7.0)


def no_figures(patch):
    """Leave out what takes a second and is looked at elsewhere."""
    patch.setattr(validate_figures, "draw_validate_figures", lambda record, folder: None)
