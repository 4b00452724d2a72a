"""The pilot: does it see how differently a proxy answers, and does Theorem 1 then take it?"""

from __future__ import annotations

import pytest

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.finetune.pilot import Pilot, pilot
from tradeoffbounds.models.load import Placement
from tradeoffbounds.overlap.features import Reader
from tradeoffbounds.sources import Row, Source


def _source(name: str, answer: str, rows: int) -> Source:
    return Source.from_rows(name, "local", [Row(f"question {i}", answer) for i in range(rows)])


@pytest.fixture(scope="module")
def found(tiny_folder) -> dict[str, Pilot]:
    reader = Reader(str(tiny_folder), Placement("cpu", "float32"), None, 64, full=False, progress=lambda *_: None)
    alignment = _source("alignment", "the Loire", 24)
    return {
        name: pilot(
            reader, alignment, _source(name, answer, 23), reader.placement, confidence=0.95, seed=0, steps=100
        )
        for name, answer in (("alike", "the Loire"), ("contrary", "système 😀"))
    }  # fmt: skip


def test_a_proxy_that_answers_otherwise_is_further_away(found):
    alike, contrary = (found[name].response_kl for name in ("alike", "contrary"))
    assert contrary.value > 3 * alike.value
    assert contrary.interval[0] > alike.interval[1]


def test_it_is_an_estimate_and_says_of_what(found):
    divergence = found["contrary"].response_kl
    assert divergence.kind == "estimated" and divergence.side == "value"
    assert "100 steps on 18 rows" in divergence.status and "6 held-out rows" in divergence.method
    assert divergence.interval[0] <= divergence.value <= divergence.interval[1]


def test_theorem_1_adds_the_prompts_cost_and_bounds_nothing(found):
    cost = Bound(0.25, "estimated")
    refined = found["contrary"].refined(cost)
    assert refined.value == pytest.approx(found["contrary"].response_kl.value + 0.25)
    assert refined.side == "value" and refined.kind == "estimated"
