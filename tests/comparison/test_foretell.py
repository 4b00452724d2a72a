"""Which rows Case II and the gradient along a training look at, and what is said of which run."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from tradeoffbounds.comparison.foretell import covered, curved_texts, labels_of, probe_rows
from tradeoffbounds.curvature.case_two import BUDGETS
from tradeoffbounds.curvature.methods import rows_read
from tradeoffbounds.finetune.material import Material
from tradeoffbounds.finetune.plan import Run
from tradeoffbounds.finetune.rows import Text

from .foretold import gaps
from .hand_sweep import foresight, gathered

START = gaps(0.5, 0.6, 3.0)
RUN = Run("near", "code", "lora", "sft", None, None, 0, 40, 8, None)
BUDGET = BUDGETS["quick"]


def text(prompt, response):
    return Text(tuple(range(1, 1 + prompt)), tuple(range(101, 101 + response)))


@pytest.fixture
def settings():
    return SimpleNamespace(curvature="quick", max_tokens=20)


@pytest.fixture
def many():
    """Thirty training rows of alignment: of each third, one is cut, one leaves no room, one fits."""
    rows = tuple(text(*size) for size in ((10, 30), (17, 9), (5, 4)) for _ in range(10))
    sources = gathered()
    return replace(sources, material=sources.material | {"alignment": Material("alignment", rows, (), ())})


def test_rows_are_cut_to_the_length_of_case_two_and_those_without_room_left_out(many, settings):
    rows = curved_texts(many, "alignment", *rows_read(settings))
    assert 0 < len(rows) <= max(BUDGET.rows, BUDGET.offset_rows)
    for each in rows:
        prompt, (start, end) = each.response_span[0], each.response_span
        assert prompt in (10, 5) and end <= 20 and each.response_span == (start, len(each.ids))
        assert each.ids == [*range(1, 1 + prompt), *range(101, 101 + end - start)]
        assert each.truncated == (prompt == 10)


def test_the_gradient_is_followed_on_the_rows_of_case_two(many, settings):
    probe = probe_rows(many, settings.curvature, settings.max_tokens)
    rows = curved_texts(many, "alignment", *rows_read(settings))[: BUDGET.rows]
    assert [[*each.prefix, *each.response] for each in probe.train] == [each.ids for each in rows]
    assert [len(each.prefix) for each in probe.train] == [each.response_span[0] for each in rows]


def test_case_two_covers_adapters_alone():
    assert covered(["full", "p-tuning", "lora", "lora"]) == ("lora", "p-tuning")
    assert covered(["full"]) == ()


def test_roles_have_labels():
    assert labels_of(("near", "code")) == {
        "alignment": "alignment", "proxy": "proxy: near", "capability": "capability: code",
    }  # fmt: skip


def test_of_an_unconstrained_run_nothing_is_said():
    said = foresight().of(RUN, START, 0.95)
    assert said.bounds == said.predicted == {} and said.sharing is None and said.lipschitz is None


def test_of_a_run_with_both_constraints_case_one_is_said():
    said = foresight().of(replace(RUN, penalty=1.0, radius=0.1), START, 0.95)
    assert "theorem2.paper" in said.bounds and "theorem3.paper" not in said.bounds
    assert said.sharing.value == 0.125


def test_of_each_proxy_its_own_is_said():
    seen = foresight()
    seen.case_one["far", "code"].penalties[0][1]["classifier_bound"] = replace(
        seen.case_one["near", "code"].penalties[0][1]["classifier_bound"], value=1.125
    )
    values = {
        proxy: seen.of(replace(RUN, proxy=proxy, penalty=1.0), START, 0.95).bounds["classifier_bound"].value
        for proxy in ("near", "far")
    }
    assert values == {"near": 2.0, "far": 1.125}
