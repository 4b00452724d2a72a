"""``--advise``: it needs a budget, and reaches the record, the terminal and nothing else."""

from __future__ import annotations

import json

import pytest

from tradeoffbounds import EstimateConfig, UserError
from tradeoffbounds.estimate import main
from tradeoffbounds.report.advice import advice

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")


def test_advice_without_a_budget_is_refused_in_one_line(options, tmp_path, capfd):
    with pytest.raises(UserError, match="--advise needs a budget") as caught:
        EstimateConfig(advise=True)
    assert main([*options(tmp_path / "out"), "--advise"]) == 2
    said = capfd.readouterr()
    assert said.err == f"error: {caught.value}\n" and "--max-safety-gap 0.5" in said.err and said.out == ""
    assert not (tmp_path / "out").exists()


def test_advice_reaches_record_and_terminal(call, tmp_path):
    result = call("--advise", max_safety_gap=0.5)
    found = result.record["advice"]
    assert {each["about"] for each in found} == {"method", "penalty", "radius", "proxy", "afterwards"}
    assert "Advice for a safety gap within 0.5 nats a response" in result.stdout
    saved = json.loads((tmp_path / "out" / "estimate.json").read_text("utf-8"))
    assert advice(saved) == found


def test_without_the_option_the_record_says_so(call):
    result = call(max_safety_gap=0.5)
    assert result.record["advice"] is None and "Advice" not in result.stdout
