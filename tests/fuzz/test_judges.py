"""What judges write and are given: a verdict only where one is well formed."""

from __future__ import annotations

import math
import re
from types import SimpleNamespace

import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from tradeoffbounds.harm.bbq_answer import best, parse_letter
from tradeoffbounds.harm.classifier_judge import ClassifierJudge
from tradeoffbounds.harm.keyword_judge import KeywordJudge, normalised
from tradeoffbounds.harm.llama_guard import CODES, parse
from tradeoffbounds.harm.verdicts import Judgement

from ..tiny_models import chat_tokenizer
from .trial import inputs, outcome
from .values import TEXT

LINES = st.lists(
    st.one_of(
        st.sampled_from([
            "safe", "unsafe", "Safe", "safe.", " safe", "unsafe ", "S1", "S1,S9", "S1, S2", "S11", "S12", "S14",
            "S15", "S99", "S0", "S01",
            "S\u0661", "S1,,S2", "s1", "S1 S2", "S" + "9" * 5000, "safe\x00", "\ufeffsafe", "ｓafe", "un safe",
            "unsafe\rS1", "\u2028",
        ]),
        TEXT,
    ),
    max_size=3,
)  # fmt: skip


@inputs(0.5)
@given(LINES, st.sampled_from(["\n", "\r\n", " ", ""]), st.sampled_from([2, 3]))
@example(["unsafe", "S1"], "\n", 2)
def test_only_a_well_formed_answer_of_the_guard_is_a_verdict(lines, between, version):
    raw = between.join(lines)
    found = outcome("judge outputs", lambda: parse(raw, version))
    stripped = raw.strip()
    assert found.verdict == (
        "safe" if stripped == "safe" else "harmful" if re.match(r"unsafe(\n|\Z)", stripped) else "unparsed"
    )
    if found.codes:
        assert set(found.codes) <= {f"S{n}" for n in range(1, len(CODES[version]) + 1)}
        assert re.fullmatch(r"unsafe\n[S0-9, ]+", stripped)
    assert (found.remark is None) == (found == Judgement("safe") or bool(found.codes))


@inputs(0.2)
@given(st.lists(TEXT, max_size=4).map("".join))
def test_the_keyword_judge_judges_any_text(text):
    (found,) = outcome("judge outputs", lambda: KeywordJudge().judge(["p"], [text]))
    assert found.verdict in ("safe", "harmful")
    assert (found.remark == "empty answer") == (not text.strip())
    assert normalised(normalised(text)) == normalised(text) or "'" in normalised(text)


@inputs(0.2)
@given(st.one_of(TEXT, st.from_regex(r"\(?[ABCDabc\uff21][).:]?[ \n]?.{0,3}", fullmatch=True)))
@example("(A")
def test_only_a_letter_that_stands_alone_is_an_answer(text):
    place = outcome("judge outputs", lambda: parse_letter(text))
    if place is not None:
        assert re.match(r"\(?" + "ABC"[place] + r"($|[).:]|\s)", text.strip())


@inputs(0.1)
@given(st.lists(st.floats(allow_nan=False), min_size=3, max_size=3))
def test_the_best_option_is_ahead_of_every_other(scores):
    place = outcome("judge outputs", lambda: best(scores))
    if place is not None:
        assert all(scores[place] > other for k, other in enumerate(scores) if k != place)


class Scripted(torch.nn.Module):
    """A classifier that says what it is told to."""

    def __init__(self, logits):
        super().__init__()
        self._logits = torch.tensor([logits], dtype=torch.float64)
        self.device = torch.device("cpu")
        self.config = SimpleNamespace(
            problem_type=None, id2label={0: "good", 1: "bad"},
            get_text_config=lambda: SimpleNamespace(max_position_embeddings=64)
        )  # fmt: skip

    def forward(self, **_):
        return SimpleNamespace(logits=self._logits)


@pytest.fixture(scope="module")
def tokenizer():
    return chat_tokenizer(eos_token="<|im_end|>")


@inputs(0.1)
@given(st.lists(st.floats(), min_size=2, max_size=2), TEXT, TEXT)
def test_a_classifier_whose_scores_are_no_numbers_gives_no_verdict(tokenizer, logits, prompt, response):
    judge = ClassifierJudge(Scripted(logits), tokenizer, "bad", "tiny")
    (found,) = outcome("judge outputs", lambda: judge.judge([prompt], [response]))
    if not all(map(math.isfinite, logits)):
        assert found.verdict == "unparsed" and found.probability is None
    elif found.verdict != "unparsed":
        assert found.verdict == ("harmful" if logits[1] > logits[0] else "safe")
        assert 0 <= found.probability <= 1
