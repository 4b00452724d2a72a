"""Advice on the penalty and on the proxy, and what no bound covers of either."""

import math

from tradeoffbounds.bounds.classifier_bound import trivial_proxy
from tradeoffbounds.report.advice import advice
from tradeoffbounds.report.advice_items import stated
from tradeoffbounds.report.case_two_reading import reference_radius
from tradeoffbounds.report.quantities import ends

from .advice_records import advised, record, told
from .case_two_records import method
from .records import bound

# Penalty


def test_another_proxy_is_held_to_theorem_1():
    found = advice(record(limit=1.5, penalties=(0.1, 1.0)))
    said = told(found, "penalty")
    assert "lambda = 0.1 is the smallest that keeps the safety gap of the best trade-off within 1.5" in said
    assert "Theorem 1, refined, is 1 (estimated)" in said and "seen only from below" in said
    assert "No lambda is certified to keep the safety gap with this proxy" in said
    assert "a capability gap of" in said


def test_a_proxy_that_answers_otherwise_cannot_be_helped_by_lambda():
    said = advised(limit=0.5, about="penalty")
    assert "No lambda is advised for a safety gap within 0.5" in said
    assert "How differently the proxy answers is 2 (estimated) of it, which no lambda lowers" in said
    made = record(limit=0.5)
    for row in made["loss_constraint"]:
        row["theorem1"]["terms"]["refined_response_kl"] = bound(0.1, side="value")
    assert "which a larger lambda lowers (--penalty)" in told(advice(made), "penalty")


def test_an_infinite_theorem_1_advises_nothing():
    made = record(limit=5.0)
    for row in made["loss_constraint"]:
        row["theorem1"]["refined"] = bound(math.inf)
        row["theorem1"]["terms"]["prompt_shift"] = bound(math.inf)
    found = advice(made)
    assert "is not finite at any of those asked" in told(found, "penalty")
    assert "a term of Theorem 1 is infinite" in told(found, "proxy")


def test_a_guess_above_the_budget_outweighs_theorem_1():
    made = record(limit=1.5)
    for row in made["loss_constraint"]:
        row["predicted"]["safety_gap"] = bound(1.7, side="value")
    assert "No lambda is advised" in told(advice(made), "penalty")


def test_the_pilot_stands_in_for_the_classifiers():
    made = record(limit=1.5) | {
        "pilot": {
            "response_kl": bound(4.0, side="value"),
            "theorem1_refined": [{"penalty": each, "bound": bound(4.1)} for each in (0.1, 1.0)],
        }
    }
    said = told(advice(made), "penalty")
    assert "with the pilot's divergence is 4.1 (estimated)" in said
    assert "How differently the proxy answers is 4 (estimated)" in said


def test_the_same_data_are_held_to_the_upper_end_and_its_band():
    made = record(same_source=True, estimated=0.1, certified=0.1, limit=0.4)
    high = ends(made["loss_constraint"][0]["bracket"]["safety_gap"]["upper"])[1]
    assert high <= 0.4
    said = told(advice(made), "penalty")
    assert "lambda = 0.1 is the smallest" in said and "the safety gap's upper end is" in said
    upper = made["loss_constraint"][0]["bracket"]["safety_gap"]["upper"]
    upper["interval"] = [upper["value"], 0.41]
    assert "lambda = 1 is the smallest" in told(advice(made), "penalty")


def test_what_holds_must_hold_for_every_larger_penalty_asked():
    made = record(same_source=True, limit=0.4)
    made["loss_constraint"][1]["bracket"]["safety_gap"]["upper"]["value"] = 0.45
    assert "Of the penalties asked" not in told(advice(made), "penalty")


def test_a_penalty_between_or_beyond_those_asked():
    said = advised(same_source=True, limit=0.05, estimated=10.0, certified=None, about="penalty")
    assert "None of the penalties asked keeps" in said and "lambda = 10 does" in said
    before = advised(same_source=True, penalties=(1.0,), limit=0.3, estimated=0.1, about="penalty")
    assert "lambda = 0.1 would do by the same estimate" in before


def test_what_is_known_without_data_is_no_advice():
    made = record(same_source=True, penalties=(1.0, 10.0), limit=0.7, estimated=1.0, certified=10.0)
    for row in made["loss_constraint"]:
        row["bracket"]["safety_gap"]["upper"] = bound(trivial_proxy(row["penalty"]))
    made["curves"]["safety_gap"]["upper"] = [trivial_proxy(each) for each in made["curves"]["penalties"]]
    made["curves"]["certificate"]["proxy_gap"] = [trivial_proxy(each) for each in made["curves"]["penalties"]]
    said = told(advice(made), "penalty")
    assert "No lambda is advised for a safety gap" in said and "the value known without data" in said
    assert "No lambda is advised by certificate: from 10 on" in said and "these rows add nothing" in said


def test_certificates():
    said = advised(same_source=True, limit=0.5, penalties=(0.1, 2.0), certified=1.0, about="penalty")
    assert "take lambda = 2, the smallest asked: the safety gap of the best trade-off" in said
    assert "within 0.5 from lambda = 1 on, where the certificate is 0.347 (certified)" in said
    said = advised(same_source=True, limit=0.05, penalties=(0.1, 2.0), certified=10.0, about="penalty")
    assert "take lambda = 10, above all those asked" in said
    assert "No lambda up to 1000 is certified at 95%" in advised(same_source=True, about="penalty")


def test_likelihoods_count_before_classifiers():
    said = advised(exact=True, limit=3.0, about="penalty")
    assert "the safety gap by likelihoods is" in said and "classifiers" not in said


# Proxy


def test_the_proxy_that_is_the_alignment_needs_no_other():
    said = advised(same_source=True, about="proxy")
    assert said.startswith("No other proxy is advised: proxy and alignment are the same data")
    assert "Theorem 1's shifts are 0 (estimated)" in said and "overlap of prompts 0.05 (estimated)" in said
    shared = advised(same_source=True, shared_prompts=True, about="proxy")
    assert "here both ask the same" in shared and "rows whose prompts look like" not in shared


def test_answers_dominate():
    said = advised(about="proxy")
    assert "the difference of responses 4 (estimated)" in said
    assert "The difference of responses dominates" in said and "would be 0.1 (estimated)" in said


def dominated_by(**changes):
    made = record()
    for row in made["loss_constraint"]:
        row["theorem1"]["terms"] |= changes.get("terms", {})
        row["theorem1"]["decomposition"] |= changes.get("split", {})
        row["predicted"] |= changes.get("predicted", {})
    return told(advice(made), "proxy")


def test_prompts_dominate():
    said = dominated_by(terms={"prompt_shift": bound(9.0)}, split={"prompt_shift": bound(3.0)})
    assert "The shift of prompts dominates" in said
    assert "total variation 0.6 (estimated), at least 0.4 (certified)" in said


def test_the_proxy_gap_dominates():
    said = dominated_by(terms={"proxy_gap": bound(9.0)}, predicted={"proxy_gap": bound(5.0)})
    assert "The proxy gap dominates: another proxy changes little" in said
    assert "rows whose prompts look like the proxy's (overlap of prompts 0.05 (estimated))" in said


def test_parts_that_disagree_or_overlap_advise_no_other_proxy():
    for said in (
        dominated_by(terms={"prompt_shift": bound(9.0)}),
        dominated_by(split={"response_shift": bound(0.9, interval=[0.0, 2.0])}),
    ):
        assert "They do not tell which part dominates, so no other proxy is advised: --pilot measures" in said


# What no bound covers


def test_an_advised_penalty_comes_with_what_real_training_adds():
    made = record(method("lora"), same_source=True, limit=0.5, penalties=(0.1, 2.0), certified=1.0)
    at = reference_radius(made["parameter_constraint"])
    cost = min(at["sharing_cost"], key=lambda each: each["penalty"])
    said = next(each for each in advice(made) if "real trainings end" in each["sentence"])
    assert cost["interference"] in said["rests_on"] and f"inside radius {at['radius']:g}" in said["sentence"]
    assert f"cost {stated(cost['interference'])} nats a response" in said["sentence"]
    made["parameter_constraint"] = None
    assert "was not looked at (--curvature off)" in told(advice(made), "penalty")


def test_where_no_penalty_is_advised_nothing_is_said_of_it():
    assert "real trainings end" not in advised(about="penalty")
