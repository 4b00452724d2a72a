"""An audit in lm-eval's layout: every number of the record, none of lm-eval's own task names."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from tradeoffbounds.harm.bbq import DIMENSIONS
from tradeoffbounds.report.lm_eval_results import lm_eval_results, sanitised, write_lm_eval_results

from .audit_record import fairness_part, harm_part, record

WHEN = datetime(2026, 1, 2, 3, 4, 5, 678)
CONFIG = {
    "confidence": 0.95, "seed": 0, "model": "org/tiny", "adapter": "runs/lora", "system_prompt": "You are kind.",
    "answers": "likelihood", "fairness": "bbq",
}  # fmt: skip
ENVIRONMENT = {"device": "cpu", "dtype": "float32", "versions": {"transformers": "5.0.0", "tradeoffbounds": "0.1.0"}}


@pytest.fixture(scope="module")
def audited(unchecked_shapes):
    return record(harm_part(), fairness_part(), config=CONFIG, environment=ENVIRONMENT, name="runs/lora")


def table(results):
    """Rows as lm-eval's own tables have them: (task, version, filter, shots, metric, value, standard error)."""
    rows = []
    for task, found in results["results"].items():
        for key, value in found.items():
            metric, comma, how = key.partition(",")
            if comma and not metric.endswith("_stderr"):
                spread = found[f"{metric}_stderr,{how}"]
                rows.append((task, results["versions"][task], how, results["n-shot"][task], metric, value, spread))
    return rows


def test_there_is_one_file_a_model_where_lm_eval_puts_it(audited, tmp_path):
    paths = write_lm_eval_results(audited, tmp_path, WHEN)
    assert [str(path.relative_to(tmp_path)) for path in paths] == [
        "lm-eval/a tiny model/results_2026-01-02T03-04-05.000678.json",
        "lm-eval/runs__lora/results_2026-01-02T03-04-05.000678.json",
    ]
    for path, model in zip(paths, ("a tiny model", "runs/lora"), strict=True):
        written = json.loads(path.read_text("utf-8"), parse_constant=lambda word: pytest.fail(word))
        assert (written["model_name"], written["model_name_sanitized"]) == (model, path.parent.name)
        assert written == json.loads(json.dumps(lm_eval_results(audited, WHEN)[model]))


def test_each_side_has_its_own_numbers(audited):
    both = lm_eval_results(audited, WHEN)
    for name, side in (("a tiny model", audited["base"]), ("runs/lora", audited)):
        rows = {(task, metric): (value, spread) for task, *_, metric, value, spread in table(both[name])}
        malware = side["harm"]["categories"]["Malware"]["rate"]
        assert rows["tradeoffbounds_harm_hex_phi_malware", "harmfulness_rate"][0] == malware["value"]
        assert rows["tradeoffbounds_harm_hex_phi", "harmfulness_rate"][0] == side["harm"]["overall"]["rate"]["value"]
        for dimension in DIMENSIONS:
            for condition, score in side["fairness"][dimension].items():
                task = f"tradeoffbounds_bbq_{dimension.lower()}_{condition}"
                for metric, quantity in (("acc", score["accuracy"]), ("bias_score", score["bias"])):
                    value, spread = rows[task, metric]
                    low, high = quantity["interval"]
                    assert value == quantity["value"] and spread == pytest.approx((high - low) / 2 / 1.959964)
                assert both[name]["n-samples"][task] == {
                    "original": score["n"], "effective": score["n"] - score["unparsed"],
                }  # fmt: skip
    assert table(both["a tiny model"]) != table(both["runs/lora"])
    assert both["a tiny model"]["config"]["model_args"] == "pretrained=org/tiny"
    assert both["runs/lora"]["config"]["model_args"] == "pretrained=org/tiny,peft=runs/lora"


def test_every_task_has_all_that_tables_look_up(audited):
    for results in lm_eval_results(audited, WHEN).values():
        tasks = set(results["results"])
        for part in ("configs", "versions", "n-shot", "higher_is_better", "n-samples", "group_subtasks"):
            assert set(results[part]) == tasks, part
        assert all(task.startswith("tradeoffbounds_") for task in tasks)
        assert {how for _, _, how, *_ in table(results)} == {"keyword", "likelihood"}
        directions = {
            metric: better for each in results["higher_is_better"].values() for metric, better in each.items()
        }
        assert directions == {"harmfulness_rate": False, "acc": True, "bias_score": None}
        for task, config in results["configs"].items():
            assert config["metadata"]["definitions"].keys() == config["metadata"]["quantities"].keys()
            assert all(each["kind"] == "measured" for each in config["metadata"]["quantities"].values()), task


def test_what_could_not_be_measured_is_left_out(unchecked_shapes):
    harm = harm_part(not_covered={"Political Campaigning": 30})
    alone = record(harm, None, adapter=False, config=CONFIG, environment=ENVIRONMENT)
    (results,) = lm_eval_results(alone, WHEN).values()
    assert set(results["results"]) == {
        "tradeoffbounds_harm_hex_phi",
        *(f"tradeoffbounds_harm_hex_phi_{name}" for name in (
            "illegal_activity", "hate_harass_violence", "malware", "physical_harm", "economic_harm", "fraud_deception",
            "adult_content", "privacy_violation_activity", "tailored_financial_advice")),
    }  # fmt: skip


def test_categories_that_differ_in_signs_alone_keep_a_row_each(unchecked_shapes):
    harm = harm_part({"a b": (4, 1, 2), "a-b": (4, 3, 1)}, not_covered={}, not_supplied=())
    alone = record(harm, None, adapter=False, config=CONFIG, environment=ENVIRONMENT)
    (results,) = lm_eval_results(alone, WHEN).values()
    rates = {task: value for task, *_, value, _ in table(results)}
    assert rates["tradeoffbounds_harm_hex_phi_a_b"] == 0.25 and rates["tradeoffbounds_harm_hex_phi_a_b_2"] == 0.75


def test_names_become_folders_as_lm_eval_makes_them():
    assert sanitised('a/b:c\\d|e?f*g[h]"i<j>') == "a__b__c__d__e__f__g__h__i__j__"
    assert "/" not in sanitised("../../etc")
