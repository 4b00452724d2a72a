"""What the command writes and says, from end to end: a tiny model, forty rows a source, no network."""

from __future__ import annotations

import dataclasses
import json
import math
import re

import numpy as np
import pytest

import tradeoffbounds
from tradeoffbounds import EstimateConfig, UserError, estimate
from tradeoffbounds.estimate import main
from tradeoffbounds.overlap.likelihood_ratios import exact_gaps
from tradeoffbounds.report import figures

from .records import (
    KINDS,
    PENALTIES,
    Q,
    quantities,
    row_at,
    trivial_total,
    without_out,
)

pytestmark = pytest.mark.usefixtures("offline", "unchecked_shapes")

# The record


def test_the_command_succeeds_and_its_record_has_the_published_shape(plain, data, tiny_folder):
    assert plain.code == 0
    record = plain.record
    assert record["schema"] == "tradeoffbounds/estimate/1"
    assert {
        "schema", "config", "environment", "sources", "overlap", "loss_constraint", "parameter_constraint", "verdict",
    } <= set(record)  # fmt: skip
    assert record["config"] | {
        "model": str(tiny_folder), "alignment": "safety", "data_dir": str(data), "penalty": list(PENALTIES), "seed": 0,
    } == record["config"]  # fmt: skip
    assert set(record["config"]) == {field.name for field in dataclasses.fields(EstimateConfig)}
    assert record["environment"]["device"] == "cpu" and record["environment"]["versions"]["torch"]
    assert set(record["sources"]) == {"alignment", "proxy", "capability"}
    for source in record["sources"].values():
        assert source["origin"] == "local" and source["rows"] == 40 and re.fullmatch("[0-9a-f]{64}", source["sha256"])
    assert {"tv_prompts", "prompt_entropy", "pair_entropy"} <= set(record["overlap"])
    assert [row["penalty"] for row in record["loss_constraint"]] == list(PENALTIES)
    for row in record["loss_constraint"]:
        for theorem in ("theorem1", "theorem2"):
            assert {"paper", "refined"} <= set(row[theorem])
        assert {"safety_gap", "proxy_gap", "capability_gap"} <= set(row["predicted"])
        assert "classifier_bound" in row
    assert record["verdict"] and all(isinstance(sentence, str) and sentence for sentence in record["verdict"])
    assert record["parameter_constraint"] is None


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher"])
def test_every_number_of_a_bound_comes_with_kind_interval_and_assumptions(request, which):
    record = request.getfixturevalue(which).record
    parts = {name: record[name] for name in ("overlap", "loss_constraint")}
    found = list(quantities(parts))
    assert len(found) > 20 * len(PENALTIES)
    for path, quantity in found:
        assert set(quantity) - {"infinite", "status"} == Q, path
        assert quantity["kind"] in KINDS and quantity["side"] in ("upper", "lower", "value"), path
        assert quantity["unit"] in ("nats/response", "nats", "probability"), path
        assert set(quantity["assumptions"]) <= set(record["assumptions"]), path
        assert quantity["method"], path
        assert (quantity["value"] is None) == bool(quantity.get("infinite")), path
        if quantity["interval"] is not None:
            assert 0.5 <= quantity["confidence"] < 1, path
            low, high = (end for end in quantity["interval"])
            assert low is None or high is None or low <= high, path
            # Where the value is a best guess or a limit, its interval has it inside.
            if quantity["value"] is not None:
                slack = 1e-9 * max(1, abs(quantity["value"]))
                assert low is None or low <= quantity["value"] + slack, path
                assert high is None or quantity["value"] <= high + slack, path


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher"])
def test_no_bound_is_a_naked_number(request, which):
    def leaves(node, path=""):
        if isinstance(node, dict) and "kind" not in node:
            for name, item in node.items():
                yield from leaves(item, f"{path}/{name}")
        else:
            yield path, node

    record = request.getfixturevalue(which).record
    rows = [{name: item for name, item in row.items() if name != "penalty"} for row in record["loss_constraint"]]
    for part in (record["overlap"], *rows):
        assert [path for path, leaf in leaves(part) if not isinstance(leaf, dict)] == []


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher"])
def test_bounds_on_the_total_never_exceed_the_one_known_without_data(request, which):
    for row in request.getfixturevalue(which).record["loss_constraint"]:
        limit = trivial_total(row["penalty"]) * (1 + 1e-9)
        assert 0 <= row["classifier_bound"]["value"] <= row["classifier_bound"]["interval"][1] <= limit
        assert 0 <= row["certificate"]["total"]["value"] <= limit
        assert 0 <= row["certificate"]["capability_gap"]["value"] <= math.log1p(row["penalty"]) * (1 + 1e-9)
        assert 0 <= row["certificate"]["proxy_gap"]["value"] <= math.log1p(1 / row["penalty"]) * (1 + 1e-9)


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher"])
def test_only_what_is_proved_is_called_certified(request, which):
    record = request.getfixturevalue(which).record
    for path, quantity in quantities({"loss_constraint": record["loss_constraint"]}):
        if quantity["kind"] == "certified" and quantity["value"] != 0:
            assert "/certificate/" in path
            assert quantity["side"] == "upper"
            assert not set(quantity["assumptions"]) & {"calibrated-prompts", "calibrated-responses"}


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher"])
def test_at_the_smallest_and_largest_penalty_one_side_costs_nothing(request, which):
    record = request.getfixturevalue(which).record
    smallest, largest = (row_at(record, penalty)["predicted"] for penalty in (1e-6, 1e6))
    for side in (smallest["capability_gap"], largest["proxy_gap"]):
        assert 0 <= side["interval"][0] <= side["interval"][1] <= 1.000001e-6
    assert 0 <= smallest["total"]["interval"][0] <= smallest["total"]["interval"][1] <= trivial_total(1e-6) < 2e-5
    assert 0 <= largest["total"]["interval"][0] <= largest["total"]["interval"][1] <= trivial_total(1e6) < 15


def test_the_trade_off_costs_more_the_more_the_proxy_counts(plain):
    for end in ("lower", "upper"):
        totals = [row["bracket"]["total"][end]["value"] for row in plain.record["loss_constraint"]]
        assert totals == sorted(totals)


def test_different_vocabularies_are_told_apart_and_equal_ones_are_not(plain):
    overlap = plain.record["overlap"]
    assert overlap["tv_prompts_capability_proxy"]["value"] > 0.8
    assert overlap["tv_prompts"]["value"] < 0.4
    # So the total is a small part of what two data sets can cost.
    row = row_at(plain.record, 1.0)
    assert row["classifier_bound"]["value"] < 0.4 * trivial_total(1.0)


def test_the_terminal_shows_every_source_and_where_the_file_is(plain):
    for word in ("safety", "other-safety", "code", "Bounds", "estimate.json"):
        assert word in plain.stdout
    assert "NaN" not in plain.stdout and "nan" not in plain.stdout
    assert "error" not in plain.stderr and "note:" not in plain.stderr


def test_nothing_temporary_is_left_behind(plain, cache):
    assert "estimate.json" in {path.name for path in plain.out.iterdir()}
    assert [path for folder in (plain.out, cache) for path in folder.rglob(".*")] == []


@pytest.mark.parametrize("which", ["plain", "same_source", "teacher", "out_of_reach"])
def test_every_kind_of_result_can_be_drawn(request, which):
    drawn = [path.read_bytes() for path in (request.getfixturevalue(which).out / "figures").iterdir()]
    assert drawn and all(image.startswith(b"\x89PNG") for image in drawn)


def test_figures_are_drawn_from_the_record_into_their_folder(call, monkeypatch, tmp_path):
    drawn = []
    monkeypatch.setattr(figures, "draw_figures", lambda record, folder: drawn.append((record, folder)))
    record = call("--quiet").record
    assert drawn == [(record, tmp_path / "out" / "figures")]


# Python, and again


def test_python_returns_what_the_file_holds_and_prints_nothing(from_python):
    path = from_python.result.folder / "estimate.json"
    assert from_python.result.record == json.loads(path.read_text("utf-8"))
    assert from_python.said == ""


def test_the_same_seed_gives_the_same_numbers(from_python, plain):
    assert without_out(from_python.result.record) == without_out(plain.record)


def test_another_seed_gives_others(out_of_reach, same_source):
    other, record = out_of_reach.record, same_source.record
    assert other["overlap"] != record["overlap"]
    assert other["sources"] == record["sources"]  # all rows were used


def test_from_python_a_wrong_call_raises(tmp_path, tiny_folder):
    with pytest.raises(UserError, match="unknown data set 'alpacca'"):
        estimate(EstimateConfig(model=str(tiny_folder), proxy="alpacca", out=tmp_path))


def test_the_name_stays_callable_however_it_was_imported():
    assert tradeoffbounds.estimate is tradeoffbounds.estimate
    import tradeoffbounds.estimate as module

    assert callable(tradeoffbounds.estimate) and module.main is main


def test_rows_are_sampled_by_the_seed(call):
    first, again, other = (call("--quiet", samples=25, seed=seed).record["sources"] for seed in (0, 0, 1))
    assert {source["rows"] for source in (*first.values(), *other.values())} == {25}
    assert first == again
    assert all(first[role]["sha256"] != other[role]["sha256"] for role in first)


# Alignment and proxy are the same data


def test_the_same_data_under_two_names_is_one_source(same_source):
    sources = same_source.record["sources"]
    assert sources["alignment"]["sha256"] == sources["proxy"]["sha256"]
    for row in same_source.record["loss_constraint"]:
        refined = row["theorem1"]["refined"]
        assert "same-source" in refined["assumptions"]
        assert math.isfinite(refined["value"])
        assert row["predicted"]["safety_gap"]["interval"] == row["predicted"]["proxy_gap"]["interval"]
    assert same_source.record["overlap"]["tv_prompts"]["value"] == 0


def test_the_same_data_earn_a_certificate_for_the_safety_gap(same_source, plain):
    for row in same_source.record["loss_constraint"]:
        certificate = row["certificate"]["safety_gap"]
        assert certificate["kind"] == "certified" and certificate["side"] == "upper"
        assert certificate["value"] == row["certificate"]["proxy_gap"]["value"]
        assert "same-source" in certificate["assumptions"]
    for row in plain.record["loss_constraint"]:
        assert "safety_gap" not in row["certificate"]
        assert "same-source" not in row["theorem1"]["refined"]["assumptions"]


def test_proxy_and_capability_of_the_same_data_are_noted(run):
    same = run(capability="other-safety")
    assert same.code == 0
    assert "note: proxy and capability are the same data" in same.stderr
    for row in same.record["loss_constraint"]:
        total = row["predicted"]["total"]
        assert total["interval"][0] == 0  # the truth
        assert total["interval"][1] == pytest.approx(trivial_total(row["penalty"]))  # all that shared prompts tell


# The other way round


def test_the_largest_safety_gap_is_turned_into_a_penalty(same_source):
    answer = same_source.record["max_safety_gap"]
    assert answer["limit"] == 0.1 and answer["certificate_covers"] == "safety gap"
    found = answer["penalty_from"]["estimated"]
    curve = same_source.record["curves"]["safety_gap"]
    at = curve["band_high"][same_source.record["curves"]["penalties"].index(found)]
    assert at <= 0.1
    below = [p for p in same_source.record["curves"]["penalties"] if p < found]
    assert curve["band_high"][len(below) - 1] > 0.1
    certified = answer["penalty_from"]["certified_proxy_gap"]
    assert certified is None or certified >= found
    assert f"from lambda = {found:.3g} on" in " ".join(same_source.record["verdict"])


def test_a_safety_gap_that_no_penalty_keeps_is_answered_with_its_floor(out_of_reach):
    answer = out_of_reach.record["max_safety_gap"]
    assert answer["penalty_from"] == {"estimated": None, "certified_proxy_gap": None}
    sentence = "No lambda up to 1000 keeps the estimated safety gap under 1e-09: its floor with this proxy is "
    assert f"{sentence}{answer['floor']:.3g}." in out_of_reach.record["verdict"]


def test_the_ends_of_the_allowed_penalties_give_finite_numbers(out_of_reach):
    for penalty in (1e-9, 1.0, 1e9):
        for path, quantity in quantities(row_at(out_of_reach.record, penalty)):
            assert quantity["value"] is not None and math.isfinite(quantity["value"]), path


def test_quiet_prints_nothing(out_of_reach):
    assert out_of_reach.code == 0 and out_of_reach.stdout == "" and out_of_reach.stderr == ""


# Sources that are models


def test_sources_that_are_models_have_exact_gaps_inside_the_predicted_brackets(teacher):
    assert teacher.code == 0
    for row in teacher.record["loss_constraint"]:
        for name in ("total", "capability_gap", "proxy_gap"):
            low, high = row["predicted"][name]["interval"]
            exact = row["exact"][name]
            assert exact["interval"][0] <= exact["value"] <= exact["interval"][1]
            assert low - 1e-9 <= exact["value"] <= high + 1e-9, (row["penalty"], name)
        assert row["exact"]["total"]["value"] == pytest.approx(
            row["exact"]["capability_gap"]["value"] + row["penalty"] * row["exact"]["proxy_gap"]["value"]
        )


def test_sources_that_are_models_say_so(teacher):
    sources = teacher.record["sources"]
    assert [sources[role]["origin"] for role in ("alignment", "proxy", "capability")] == ["model"] * 3
    assert sources["proxy"]["name"] == "system:You are kind and brief."
    assert sources["prompts"]["origin"] == "local" and sources["prompts"]["name"] == "safety"
    assert "exact" not in teacher.record["overlap"]
    assert "exact total" in teacher.stdout


@pytest.fixture
def likelihoods(call, monkeypatch, from_python):
    """What the classifiers are given beside the domains, for three system prompts."""

    def given(*system_prompts):
        seen = []

        def capture(*_, likelihoods, **__):
            seen.append(likelihoods)
            return from_python.result.case_one

        monkeypatch.setattr("tradeoffbounds.overlap.case_one.case_one", capture)
        roles = zip(("alignment", "proxy", "capability"), system_prompts, strict=True)
        record = call(
            "--quiet", teacher_prompts="safety", teacher_tokens=3, views="fast",
            **{role: f"system:{text}" for role, text in roles},
        ).record  # fmt: skip
        return seen[0], record

    return given


def test_every_model_finds_its_own_responses_likeliest(likelihoods):
    found, _ = likelihoods("You are kind.", "Write in French.", "def f(x): return x")
    for own, rows in enumerate((found.alignment, found.proxy, found.capability)):
        assert rows.shape == (40, 3)
        assert rows[:, own].mean() > np.delete(rows, own, axis=1).mean(axis=0).max() + 0.5


def test_equal_system_prompts_share_their_rows(likelihoods):
    found, record = likelihoods("You are kind.", " You are kind. ", "You write code.")
    assert record["sources"]["alignment"]["sha256"] == record["sources"]["proxy"]["sha256"]
    np.testing.assert_array_equal(found.alignment, found.proxy)
    np.testing.assert_array_equal(found.alignment[:, 0], found.alignment[:, 1])


def test_at_a_large_penalty_the_exact_total_nears_the_divergence_of_the_sources(likelihoods):
    """P_λ goes to μ̂, and the total to KL(μ_f|μ̂) + E_μ̂[1 - μ_f/μ̂], the second 0 but for sampling."""
    found, _ = likelihoods("You are kind.", "You are kind and brief.", "You are brief.")
    proxy, capability = found.proxy, found.capability
    limit = (capability[:, 2] - capability[:, 1]).mean() + 1 - np.exp(proxy[:, 2] - proxy[:, 1]).mean()
    assert exact_gaps(found, 1e6, confidence=0.95)["total"].value == pytest.approx(limit, rel=1e-3)


# Stand-ins


def test_a_stand_in_is_announced_in_terminal_and_record(call):
    result = call(alignment="orca", proxy="orca", capability="gsm8k", data_dir=None, samples=30, penalty=(1.0,))
    for role, name in (("alignment", "orca"), ("capability", "gsm8k")):
        source = result.record["sources"][role]
        assert source["origin"] == "bundled" and source["stand_in_for"] == name
        assert f"note: {role}: {name} is neither in the data folder nor on a reachable hub" in result.stderr
    assert "STAND-IN" in result.stdout
    assert "bundled stand-in data for alignment (orca)" in result.record["verdict"][0]


def test_stand_in_prompts_of_a_model_are_announced_too(call):
    result = call(
        alignment="system:kind", proxy="system:kind", capability="system:code", teacher_prompts="alpaca",
        teacher_tokens=2, data_dir=None, samples=30, penalty=(1.0,), views="fast",
    )  # fmt: skip
    assert result.record["sources"]["prompts"]["stand_in_for"] == "alpaca"
    assert "note: prompts: alpaca is neither" in result.stderr
    assert "STAND-IN" in result.stdout
    assert "bundled stand-in data for prompts (alpaca)" in result.record["verdict"][0]


def test_the_data_folder_may_come_from_the_environment(call, tmp_path, data, monkeypatch, tiny_folder):
    monkeypatch.setenv("TRADEOFFBOUNDS_DATA", str(data))
    record = call("--quiet", data_dir=None).record
    assert record["sources"]["proxy"]["origin"] == "local" and record["config"]["data_dir"] == str(data)
    config = EstimateConfig(
        model=str(tiny_folder), alignment="safety", proxy="gone", capability="code", out=tmp_path / "python"
    )
    with pytest.raises(UserError, match="unknown data set 'gone'"):  # the others were found
        estimate(config)
