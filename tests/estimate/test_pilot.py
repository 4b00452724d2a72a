"""`--pilot`: two short fine-tunes stand beside the classifiers' divergence, or a wrong call says why they cannot."""

from __future__ import annotations

import pytest

from tradeoffbounds.estimate import main

from .records import PENALTIES

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")


def test_the_record_and_the_verdict_hold_both_divergences(call, monkeypatch):
    monkeypatch.setattr("tradeoffbounds.finetune.pilot.STEPS", 3)
    record = call("--pilot").record
    divergence = record["pilot"]["response_kl"]
    assert divergence["kind"] == "estimated" and divergence["side"] == "value" and divergence["value"] >= 0
    assert [each["penalty"] for each in record["pilot"]["theorem1_refined"]] == list(PENALTIES)
    for each, row in zip(record["pilot"]["theorem1_refined"], record["loss_constraint"], strict=True):
        cost = row["theorem1"]["terms"]["refined_prompt_cost"]["value"]
        assert each["bound"]["value"] == pytest.approx(divergence["value"] + cost)
    assert sum(sentence.startswith("Pilot: ") for sentence in record["verdict"]) == 1


def test_without_it_nothing_is_tuned(call, monkeypatch):
    monkeypatch.setattr("tradeoffbounds.finetune.pilot.pilot", None)
    record = call().record
    assert record["pilot"] is None
    assert not any("Pilot" in sentence for sentence in record["verdict"])


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"proxy": "same-safety"}, "--pilot: alignment and proxy are the same data"),
        (
            {name: f"system:You are {name}." for name in ("alignment", "proxy", "capability")},
            "--pilot is for data sets",
        ),
    ],
)
def test_where_there_is_nothing_to_find_out(options, tmp_path, capfd, changed, said):
    assert main([*options(tmp_path, **changed), "--pilot"]) == 2
    assert said in capfd.readouterr().err
