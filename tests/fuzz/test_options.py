"""Options of every door, from the command line and from Python: they hold what was given, or one line says why not."""

from __future__ import annotations

import dataclasses
import io
import math
import typing
from functools import partial
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.audit_config import AuditConfig
from tradeoffbounds.config import EstimateConfig
from tradeoffbounds.door import run_command
from tradeoffbounds.errors import UserError
from tradeoffbounds.harm.judges import make_judge
from tradeoffbounds.models.load import Placement
from tradeoffbounds.report.progress import Reporter
from tradeoffbounds.report.terminal import print_sentences, print_written, wide_console
from tradeoffbounds.runs import open_run_folder
from tradeoffbounds.study_config import StudyConfig
from tradeoffbounds.validate_config import ValidateConfig, name_of

from .trial import Reached, Refused, at_door, inputs, outcome
from .values import HALVES, NUMBERS, TEXT, nested

DOORS = (EstimateConfig, ValidateConfig, AuditConfig, StudyConfig)
WORDS = st.one_of(
    TEXT, NUMBERS.map(str), st.floats(1e-3, 10).map(str), st.integers(0, 500).map(str),
    st.sampled_from(["lora", "ia3", "sft", "dpo", "quick", "cpu", "none", "None", "1_000", "0x10", "1,5", "-1", "--",
    "--seed"]),
)  # fmt: skip


def fields_of(door):
    kinds = typing.get_type_hints(door)
    return {
        each.name: kinds[each.name]
        for each in dataclasses.fields(door)
        if not (door is StudyConfig and each.name in ("model", "adapter", "system_prompt"))
    }


def flag(name):
    return f"--{name.replace('_', '-')}"


@st.composite
def command_lines(draw):
    door = draw(st.sampled_from(DOORS))
    names = draw(st.lists(st.sampled_from(sorted(fields_of(door))), max_size=3, unique=True))
    given_words = {}
    for name in names:
        kind = fields_of(door)[name]
        if kind is bool:
            given_words[name] = []
        elif typing.get_origin(kind) is tuple:
            given_words[name] = draw(st.lists(WORDS, max_size=3))
        else:
            given_words[name] = [draw(WORDS)]
    return door, given_words


@inputs(0.35)
@given(command_lines())
@example((EstimateConfig, {"samples": ["400"], "penalty": ["2", "1"], "alignment": ["mine"]}))
@example((AuditConfig, {"system_prompt": ["a\udcffb"]}))
def test_a_command_line_gives_the_options_that_it_says_or_one_line(drawn):
    door, given_words = drawn
    held = []

    def opened(config, _):
        held.append(config)
        raise Reached

    arguments = [word for name, words in given_words.items() for word in (flag(name), *words)]
    main = partial(run_command, "tradeoffbounds.door", door, opened, lambda _: None)
    if at_door("options", main, arguments) is not None or any(
        word.startswith("-") for words in given_words.values() for word in words
    ):
        return
    (config,), kinds = held, fields_of(door)
    for name, words in given_words.items():
        value, kind = getattr(config, name), kinds[name]
        if kind is str:
            assert [value] == words
        elif kind is int:
            assert [value] == [int(word) for word in words]
        elif kind is float:
            assert [value] == [float(word) for word in words]
        elif kind is Path:
            assert str(value) == str(Path(words[0]))
        elif kind == tuple[float, ...]:
            assert value == tuple(sorted({float(word) for word in words}))
        elif kind == tuple[int, ...]:
            assert value == tuple(dict.fromkeys(int(word) for word in words))
        elif kind == tuple[str, ...]:
            assert value == tuple(dict.fromkeys(words))


PLAIN = {
    int: NUMBERS.filter(lambda each: isinstance(each, int)) | st.integers(0, 1000),
    float: NUMBERS | st.floats(0, 10), bool: st.booleans(), str: TEXT | HALVES, Path: TEXT.map(Path) | TEXT,
    type(None): st.none(),
}  # fmt: skip


def values_of(kind):
    """Values of the kind that an option is annotated with."""
    origin, parts = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Literal:
        return st.sampled_from(parts)
    if origin is tuple:
        return st.lists(values_of(parts[0]), max_size=3).map(tuple)
    if parts:
        return st.one_of(*map(values_of, parts))
    return PLAIN[kind]


@inputs(0.45)
@given(st.data())
def test_options_from_python_of_any_kind_are_held_or_refused(data):
    door = data.draw(st.sampled_from([EstimateConfig, AuditConfig, StudyConfig]))
    kinds = fields_of(door)
    names = data.draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=3, unique=True))
    options = {name: data.draw(values_of(kinds[name]) | values_of(kinds[name]) | nested(TEXT)) for name in names}
    config = outcome("options", lambda: door(**options), one_line=False)
    if isinstance(config, Refused):
        return
    for name, value in options.items():
        held = getattr(config, name)
        if isinstance(value, str | int | bool) and not isinstance(held, Path):
            assert held == value
    if isinstance(config, EstimateConfig):
        assert all(0 < each < math.inf for each in (*config.penalty, *config.radius))
    assert 0.5 <= config.confidence < 1 and 0 <= config.seed < 2**31


@inputs(0.1)
@given(st.data())
def test_options_of_validate_of_their_kinds_are_held_or_refused(data):
    kinds = fields_of(ValidateConfig)
    names = data.draw(st.lists(st.sampled_from(sorted(kinds)), min_size=1, max_size=3, unique=True))
    options = {name: data.draw(values_of(kinds[name])) for name in names}
    if any(
        isinstance(each, int) and abs(each) > 2**63
        for value in options.values()
        for each in (value if isinstance(value, tuple) else [value])
    ):
        return
    config = outcome("options", lambda: ValidateConfig(**options), one_line=False)
    if not isinstance(config, Refused):
        assert all(each > 0 for each in config.penalty) and config.steps >= 1


@inputs(0.1)
@given(
    st.one_of(TEXT, st.tuples(st.sampled_from(["keyword", "llama-guard", "classifier", ""]), TEXT, TEXT).map(":".join))
)
@example("llama-guard:x@" + "9" * 5000)
@example("llama-guard:" + "x" * 5000)
def test_a_judge_that_is_none_is_refused(spec):
    def load(*_):
        raise Reached

    with pytest.MonkeyPatch.context() as patch:
        for name in ("classifier_judge.load_settings", "llama_guard.load_tokenizer"):
            patch.setattr(f"tradeoffbounds.harm.{name}", load)
        try:
            made = outcome("options", lambda: make_judge(spec, Placement("cpu", "float32")), one_line=False)
        except Reached:
            assert spec.startswith(("llama-guard:", "classifier:"))
            return
    assert isinstance(made, Refused) or spec in ("keyword", "keyword:")


@inputs(0.05)
@given(TEXT)
def test_a_source_with_a_name_of_its_own_keeps_its_spec(text):
    name, spec = name_of(text)
    assert text == spec if name == text else text == f"{name}={spec}"


# Minimal inputs of what was found


@pytest.mark.parametrize("options", [
    {"penalty": 1.0}, {"penalty": (10**400,)}, {"samples": "400"}, {"samples": 20.5}, {"curvature": "huge"},
    {"quiet": 1},
    {"system_prompt": "a\udcffb"}, {"alignment": "a\0b"}, {"out": 3}, {"radius": (None,)}, {"adapter": "x" * 5000},
    {"out": "a\0b"},
])  # fmt: skip
def test_options_of_another_kind_are_one_line(options):
    with pytest.raises(UserError) as caught:
        EstimateConfig(**options)
    assert str(caught.value).startswith("--") and "\n" not in str(caught.value)


def test_a_run_folder_with_a_nul_in_its_name_is_one_line():
    with pytest.raises(UserError, match="cannot write results to"):
        open_run_folder(Path("a\0b"))


def test_a_line_number_is_no_emoji_and_control_sequences_are_not_obeyed(capfd):
    Reporter(quiet=True).error("d.jsonl:100: a column 'x\n\x1b[2J' \ud800 [red]x[/]")
    said = capfd.readouterr().err
    assert said == "error: d.jsonl:100: a column 'x\\n\\x1b[2J' \\ud800 [red]x[/]\n"


def test_names_that_look_like_markup_are_printed_as_they_are():
    console = wide_console()
    console.file = io.StringIO()
    print_sentences(console, ["The first thing to work on is data[/x].csv :100:."])
    print_written(console, Path("runs[/a]"), "estimate.json")
    said = console.file.getvalue()
    assert "data[/x].csv :100:" in said and "runs[/a]/estimate.json" in said
