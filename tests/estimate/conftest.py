"""The command from end to end with a tiny model and forty rows a source: the runs that the tests look at."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
from types import SimpleNamespace

import pytest

import tradeoffbounds
from tradeoffbounds import EstimateConfig
from tradeoffbounds.estimate import main
from tradeoffbounds.report import figures

from .records import (
    CODE,
    PENALTIES,
    SAFETY,
    write_rows,
)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A data folder: safety and other-safety of one vocabulary, code of another."""
    folder = tmp_path_factory.mktemp("data")
    write_rows(folder / "safety.jsonl", SAFETY, 1)
    write_rows(folder / "other-safety.jsonl", SAFETY, 2)
    write_rows(folder / "code.jsonl", CODE, 3)
    shutil.copy(folder / "safety.jsonl", folder / "same-safety.jsonl")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def surroundings(cache, monkeypatch):
    """One cache for the module, and nothing of the user's own."""
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
    monkeypatch.delenv("TRADEOFFBOUNDS_DATA", raising=False)


@pytest.fixture(scope="module")
def options(tiny_folder, data):
    """Command line of a call that works; what is added overrides it."""

    def arguments(out, **changed):
        chosen = {
            "model": tiny_folder, "alignment": "safety", "proxy": "other-safety", "capability": "code",
            "data_dir": data, "penalty": PENALTIES, "device": "cpu", "dtype": "float32", "out": out, "curvature": "off",
        } | changed  # fmt: skip
        listed = []
        for name, value in chosen.items():
            if value is not None:
                values = value if isinstance(value, tuple) else (value,)
                listed += [f"--{name.replace('_', '-')}", *map(str, values)]
        return listed

    return arguments


@pytest.fixture(scope="module")
def run(options, cache, tmp_path_factory):
    """Run the command once for each set of options; what it wrote and said."""
    finished = {}

    def call(*flags, **changed):
        key = (flags, tuple(changed.items()))
        if key not in finished:
            out = tmp_path_factory.mktemp("out")
            stdout, stderr = io.StringIO(), io.StringIO()
            with pytest.MonkeyPatch.context() as patch:
                patch.setenv("TRADEOFFBOUNDS_CACHE", str(cache))
                with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                    code = main([*options(out, **changed), *flags])
            text = (out / "estimate.json").read_text("utf-8")
            finished[key] = SimpleNamespace(
                code=code, out=out, stdout=stdout.getvalue(), stderr=stderr.getvalue(), text=text,
                record=json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON")),
            )  # fmt: skip
        return finished[key]

    return call


@pytest.fixture(scope="module")
def plain(run):
    return run()


@pytest.fixture(scope="module")
def same_source(run):
    return run(proxy="same-safety", max_safety_gap=0.1)


@pytest.fixture(scope="module")
def teacher(run):
    return run(
        alignment="system:You are kind.", proxy="system: You are kind and brief.", capability="system:You write code.",
        teacher_prompts="safety", teacher_tokens=6,
    )  # fmt: skip


@pytest.fixture(scope="module")
def from_python(tiny_folder, data, tmp_path_factory):
    """The call of `plain` from Python, on a cache of its own, so that everything is computed again."""
    config = EstimateConfig(
        model=str(tiny_folder), alignment="safety", proxy="other-safety", capability="code", data_dir=data,
        penalty=PENALTIES, device="cpu", dtype="float32", out=tmp_path_factory.mktemp("python"), curvature="off",
    )  # fmt: skip
    stdout, stderr = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(figures, "draw_figures", lambda record, folder: None)
        with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
            result = tradeoffbounds.estimate(config)
    return SimpleNamespace(result=result, said=stdout.getvalue() + stderr.getvalue())


@pytest.fixture
def fitted(from_python, monkeypatch):
    """Whatever is asked, the classifiers' answer of `plain`, and no figures: for tests of what lies around them."""
    monkeypatch.setattr(figures, "draw_figures", lambda record, folder: None)
    monkeypatch.setattr("tradeoffbounds.overlap.case_one.case_one", lambda *_, **__: from_python.result.case_one)


@pytest.fixture
def call(options, tmp_path, capfd, fitted):
    """As `run`, with the classifiers left out."""

    def called(*flags, **changed):
        capfd.readouterr()
        assert main([*options(tmp_path / "out", **changed), *flags]) == 0
        said = capfd.readouterr()
        record = json.loads((tmp_path / "out" / "estimate.json").read_text("utf-8"))
        return SimpleNamespace(record=record, stdout=said.out, stderr=said.err)

    return called


@pytest.fixture(scope="module")
def out_of_reach(run):
    return run("--quiet", max_safety_gap=1e-9, proxy="same-safety", seed=1, penalty=(1e-9, 1.0, 1e9))
