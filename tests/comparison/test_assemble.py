"""From what jobs wrote to the record: references, gaps by run, what a run is compared with."""

import json

import numpy as np
import pytest

from tradeoffbounds.comparison.assemble import comparison_parts, foretold_parts, run_records, start_record
from tradeoffbounds.finetune.plan import Run
from tradeoffbounds.finetune.training import LEARNING_RATES
from tradeoffbounds.runs import write_json

from .hand_sweep import TEST_ROWS, foresight, results, rows_of

PLAIN = Run("near", "code", "lora", "sft", None, None, 0, 40, 8, None)


def run(**changes):
    return Run(**{name: getattr(PLAIN, name) for name in PLAIN.__dataclass_fields__} | changes)


def record_of(records, **config):
    (found,) = (each for each in records if config.items() <= each["config"].items())
    return found


@pytest.fixture
def penalised(tmp_path):
    """Two proxies at one penalty, three seeds."""
    return results(
        [run(proxy=proxy, penalty=1.0, seed=seed) for seed in (0, 1, 2) for proxy in ("near", "far")], tmp_path
    )


# References


def test_alignment_is_counted_from_the_start(penalised):
    reference = penalised.references["alignment"]
    np.testing.assert_array_equal(reference.rows, rows_of(penalised.plan.start)["a0"])
    assert reference.spread is None and "aligned start" in reference.words


def test_other_sources_are_counted_from_the_best_seed_by_validation(penalised):
    """Seed 1's best validation is the lowest, though its last is not; the held-out rows have no say."""
    for label, address in penalised.gathered.addresses.items():
        if label == "alignment":
            continue
        jobs = penalised.plan.references[label]
        assert [job.config["training"]["seed"] for job in jobs] == [0, 1, 2]
        reference = penalised.references[label]
        np.testing.assert_array_equal(reference.rows, rows_of(jobs[1])[address])
        means = [rows_of(job)[address].mean() for job in jobs]
        assert reference.spread == pytest.approx(max(means) - min(means)) and reference.spread > 0
        assert "LoRA on this source alone" in reference.words
        assert "after 20 steps, seed 1, the best of 3 by validation" in reference.words


def test_of_one_seed_there_is_no_spread(tmp_path):
    found = results([run(penalty=1.0)], tmp_path)
    assert found.references["capability: code"].spread is None
    assert comparison_parts(found, foresight(), 0.95)["reference_spread"] == {}


def test_a_proxy_that_is_the_alignment_s_data_is_counted_from_the_start_too(tmp_path):
    found = results([run(penalty=1.0)], tmp_path, same=("proxy: near",))
    start = rows_of(found.plan.start)["a0"]
    np.testing.assert_array_equal(found.references["proxy: near"].rows, start)
    assert "proxy: near" not in found.plan.references
    (record,) = (each for each in run_records(found, foresight(), 0.95) if each["config"]["penalty"])
    for part in ("value", "interval"):
        assert record["observed"]["proxy_gap"][part] == record["observed"]["safety_gap"][part]


def test_exact_gaps_are_counted_from_nothing(tmp_path):
    found = results([run(penalty=1.0)], tmp_path, teacher=True)
    assert found.plan.references == {}
    for reference in found.references.values():
        assert reference.rows.tolist() == [0.0] * TEST_ROWS and "exact KLs" in reference.words
    (record,) = (each for each in run_records(found, foresight(), 0.95) if each["config"]["penalty"])
    job = found.plan.runs[run(penalty=1.0)]
    assert record["observed"]["safety_gap"]["value"] == pytest.approx(rows_of(job)["a0"].mean() / 10)
    assert start_record(found, "none", 0.95)["safety_gap"]["value"] == pytest.approx(
        rows_of(found.plan.start)["a0"].mean() / 10
    )


def test_references_are_named_in_words(penalised):
    words = comparison_parts(penalised, foresight(), 0.95)["references"]
    assert set(words) == {"safety_gap", "proxy_gap", "capability_gap"}
    assert all("whose gap counts as 0" in each for each in words.values())
    assert "near: " not in words["proxy_gap"]  # the same for both proxies


def test_references_that_differ_are_named_each(tmp_path):
    runs = [run(proxy=proxy, penalty=1.0) for proxy in ("near", "far")]
    found = results(runs, tmp_path, same=("proxy: near",))
    words = comparison_parts(found, foresight(), 0.95)["references"]["proxy_gap"]
    assert words.startswith("near: difference of losses to the aligned start") and "; far: " in words


# Runs


def test_every_run_has_the_gaps_of_its_own_job(penalised):
    records = run_records(penalised, foresight(), 0.95)
    assert len(records) == 9 and len({record["id"] for record in records}) == 9
    for asked, record in zip(penalised.plan.runs, records, strict=True):
        job = penalised.plan.runs[asked]
        assert record["id"] == job.id
        rows, references, addresses = rows_of(job), penalised.references, penalised.gathered.addresses
        for name, label in (
            ("safety_gap", "alignment"), ("proxy_gap", f"proxy: {asked.proxy}"), ("capability_gap", "capability: code"),
        ):  # fmt: skip
            address, subtracted = addresses[label], references[label].rows
            assert record["observed"][name]["value"] == pytest.approx((rows[address] - subtracted).mean())
            before = rows_of(penalised.plan.start)[address]
            assert record["observed"][f"{name}_start"]["value"] == pytest.approx((before - subtracted).mean())
            lengths = [len(text.response) for text in penalised.gathered.material[label].test]
            assert record["observed"][f"{name}_per_token"]["value"] == pytest.approx(
                record["observed"][name]["value"] / np.mean(lengths)
            )
        if asked.penalty:
            parts = record["observed"]
            assert parts["total"]["value"] == pytest.approx(
                parts["capability_gap"]["value"] + parts["proxy_gap"]["value"]
            )


def test_a_run_is_compared_with_training_apart_of_its_own_seed_and_proxy(penalised):
    for record in run_records(penalised, foresight(), 0.95):
        config = record["config"]
        if config["penalty"] is None:
            assert record["slack"] is None
            continue
        asked = run(proxy=config["proxy"], penalty=1.0, seed=config["seed"])
        free, proxy_alone = penalised.plan.runs[run(seed=config["seed"])], penalised.plan.proxy_alone[asked]
        assert proxy_alone.config["rows"] == penalised.gathered.addresses[f"proxy: {config['proxy']}"]
        assert proxy_alone.config["training"]["seed"] == free.config["training"]["seed"] == config["seed"]
        label = f"proxy: {config['proxy']}"
        addresses, references = penalised.gathered.addresses, penalised.references
        apart = (rows_of(free)["a3"] - references["capability: code"].rows).mean()
        apart += (rows_of(proxy_alone)[addresses[label]] - references[label].rows).mean()
        slack = {name: each["value"] for name, each in record["slack"].items()}
        assert slack["apart"] == pytest.approx(apart)
        assert slack["information"] == 0.9 and slack["sharing_predicted"] == 0.125
        assert record["observed"]["total"]["value"] == pytest.approx(slack["information"] + slack["total"])
        assert slack["total"] == pytest.approx(slack["apart"] + slack["sharing"])


def test_training_apart_takes_as_many_steps_as_the_run(tmp_path):
    found = results([run(penalty=1.0, steps=steps) for steps in (10, 40)], tmp_path)
    for asked in found.plan.runs:
        if asked.penalty:
            assert found.plan.proxy_alone[asked].config["training"]["steps"] == asked.steps
    short, long = (
        record_of(run_records(found, foresight(), 0.95), penalty=1.0, steps=steps)["slack"]["apart"]["value"]
        for steps in (10, 40)
    )
    assert short != long


def test_what_is_said_of_a_run_depends_on_its_constraint(tmp_path):
    runs = [run(penalty=2.0), run(radius=0.3), run(radius=0.0), run(radius=0.1, method="full")]
    records = run_records(results(runs, tmp_path), foresight(), 0.95)
    penalty = record_of(records, penalty=2.0)
    assert penalty["predicted"]["total"]["value"] == pytest.approx(1.35) and "theorem2.paper" in penalty["bounds"]
    assert penalty["slack"]["sharing_predicted"] is None  # Case II was asked at another penalty
    in_ball = record_of(records, radius=0.3)
    assert in_ball["predicted"]["drift"]["value"] == 0.5 and in_ball["path"]["lipschitz"]["value"] == 5.0
    assert set(in_ball["bounds"]) == {"theorem3.paper", "theorem3.refined", "capability.lower", "capability.upper"}
    start = in_ball["observed"]["safety_gap_start"]["value"]
    assert in_ball["bounds"]["theorem3.refined"]["value"] == pytest.approx(0.5 + start)
    for unsaid in ({"radius": 0.0}, {"radius": 0.1}, {"radius": None, "penalty": None, "method": "lora"}):
        record = record_of(records, **unsaid)
        assert record["bounds"] == record["predicted"] == record["judged"] == {}


def test_distance_and_path_come_from_the_history(penalised):
    for record in run_records(penalised, foresight(), 0.95):
        assert record["observed"]["distance"]["value"] == pytest.approx(0.4)
        assert record["path"]["step"] == [0, 20, 40] and record["path"]["loss"] == [None, 3.0, 3.0]


def test_a_run_s_learning_rate_is_the_one_it_was_trained_with(tmp_path):
    runs = [run(), run(method="ia3"), run(method="full", learning_rate=0.25)]
    records = run_records(results(runs, tmp_path), foresight(), 0.95)
    rates = [record["config"]["learning_rate"] for record in records]
    assert rates == [LEARNING_RATES["lora"], LEARNING_RATES["ia3"], 0.25]


def test_preference_runs_have_the_bound_of_section_5(tmp_path):
    found = results([run(objective="dpo"), run()], tmp_path)
    of_dpo, of_sft = (record_of(run_records(found, foresight(), 0.95), objective=each) for each in ("dpo", "sft"))
    ratios = rows_of(found.plan.runs[run(objective="dpo")])["a0"] - rows_of(found.plan.start)["a0"]
    assert of_dpo["preference"]["expectation"]["value"] == pytest.approx(ratios.mean())
    assert of_dpo["preference"]["beta"] == 0.2 and of_sft["preference"] is None
    rise = of_dpo["observed"]["safety_gap"]["value"] - of_dpo["observed"]["safety_gap_start"]["value"]
    assert rise == pytest.approx(ratios.mean())  # the loss on rows of mu is what the gap is made of


# The record


@pytest.mark.parametrize("teacher", [False, True])
def test_the_parts_are_json_and_make_a_record(tmp_path, teacher):
    runs = [run(penalty=1.0), run(radius=0.1), run(objective="dpo")]
    found = results(runs, tmp_path, teacher=teacher)
    parts = comparison_parts(found, foresight(), 0.95)
    write_json(tmp_path / "parts.json", parts)  # refuses NaN
    assert json.loads((tmp_path / "parts.json").read_text()) == parts
    assert set(parts) == {"references", "reference_spread", "runs", "summary"}
    assert parts["summary"]["violations"]["theorem2.refined"]["of"] == 1
    for record in parts["runs"]:
        assert isinstance(record["signatures"], list)


def test_case_one_is_recorded_by_pair_and_case_two_where_there_is_any(tmp_path):
    seen = foresight()
    parts = foretold_parts(type(seen)(seen.case_one, {}))
    assert [(each["proxy"], each["capability"]) for each in parts["predictions"]] == [("near", "code"), ("far", "code")]
    assert [row["penalty"] for row in parts["predictions"][0]["loss_constraint"]] == [1.0, 2.0]
    assert parts["curvature"] == []


def test_the_start_says_what_it_is(tmp_path, monkeypatch):
    monkeypatch.setenv("TRADEOFFBOUNDS_CACHE", str(tmp_path / "cache"))
    found = results([run()], tmp_path / "runs")
    aligned = tmp_path / "cache" / "aligned" / "0123"
    aligned.mkdir(parents=True)
    (aligned / "run.json").write_text(json.dumps({"history": [{"step": 5, "loss": 1.0}, {"step": 35, "loss": 0.5}]}))
    record = start_record(found, "sft", 0.95)
    assert (record["model"], record["trained"], record["steps"]) == ("aligned:0123", "sft", 35)
    assert record["safety_gap"]["value"] == 0 and record["safety_gap"]["interval"] == [0, 0]
    assert record["loss"]["capability: code"] == pytest.approx(rows_of(found.plan.start)["a3"].mean())
    assert start_record(found, "none", 0.95)["steps"] == 0
