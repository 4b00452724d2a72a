"""Advice: for every branch what is said, of which kind, and that nothing is advised by a number that says nothing."""

import copy
import math
import re
import shlex

import pytest

from tradeoffbounds import UserError
from tradeoffbounds.bounds.classifier_bound import trivial_proxy
from tradeoffbounds.bounds.theorem3 import largest_radius_paper
from tradeoffbounds.report.advice import advice
from tradeoffbounds.report.advice_items import rounded_down, rounded_up, stated
from tradeoffbounds.report.case_two_advice import reaches
from tradeoffbounds.report.case_two_reading import reference_radius
from tradeoffbounds.report.quantities import ends, number
from tradeoffbounds.report.tables import print_estimate
from tradeoffbounds.validate_config import ValidateConfig

from .case_two_records import NORM_S, S_ESTIMATE, method
from .case_two_records import record as case_two_record
from .records import bound, record_at

ABOUT = {"method", "penalty", "radius", "proxy", "afterwards"}
#: How a sentence begins, past a remark on stand-ins, that tells somebody to do something by a number.
ADVISES = re.compile(r"(Take|Keep|Of the penalties asked|None of the penalties asked keeps|For a proof|With proved)")


def record(
    *methods, limit=0.5, penalties=(0.1, 1.0), same_source=False, estimated=None, certified=None, drifts=None,
    shared_prompts=False, exact=False, stand_in=False, **options
):  # fmt: skip
    """An estimate with a budget; ``estimated`` and ``certified`` are the penalties that its inversion found."""
    config = {
        "confidence": 0.95, "max_tokens": 256, "model": "embedded", "alignment": "orca", "proxy": "alpaca-gpt4",
        "capability": "my data.jsonl", "data_dir": None, "system_prompt": "You are a helpful assistant.",
    } | options  # fmt: skip
    made = case_two_record(*methods, drifts=drifts) | record_at(
        *penalties, same_source=same_source, shared_prompts=shared_prompts, exact=exact, stand_in=stand_in
    )
    made["overlap"] |= {
        "tv_prompts": bound(0.6, side="value"), "overlap_mass": bound(0.05, side="value"),
        "tv_prompts_lower": bound(0.4, kind="certified", side="lower"),
    }  # fmt: skip
    return made | {
        "config": config,
        "max_safety_gap": {
            "limit": limit, "penalty_from": {"estimated": estimated, "certified_proxy_gap": certified},
            "searched": [0.001, 1000.0], "floor": 0.0,
        },
    }  # fmt: skip


def told(found, about):
    return " ".join(each["sentence"] for each in found if each["about"] == about)


def advised(*methods, about, **options):
    return told(advice(record(*methods, **options)), about)


def vacuous(quantity):
    return math.isinf(number(quantity)) or quantity.get("status", "ok").startswith("vacuous")


EVERY = {
    "nothing of Case II": ((), {}),
    "one method": ((method(),), {}),
    "several, none fits": ((method(start=2.0), method("p-tuning", start=3.0)), {"drifts": (0.1, 0.2)}),
    "several fit": ((method(), method("ia3"), method("p-tuning", start=0.1)), {"drifts": (0.1, 0.2, 9.0)}),
    "no gain": ((method(), method("ia3")), {"drifts": (None, None)}),
    "infinite everywhere": ((method(infinite_from=0.1), method("ia3", infinite_from=0.1)), {"drifts": (0.1, 0.2)}),
    "infinite in the larger ball": ((method(infinite_from=0.2), method("ia3")), {"drifts": (0.1, 0.2)}),
    "proved": ((method("output-head", certified=True),), {"limit": 500.0}),
    "no gradient": ((method(moving=False),), {}),
    "stand-ins": ((method(),), {"stand_in": True}),
    "same source": ((method(),), {"same_source": True, "estimated": 0.1, "certified": 0.1}),
    "same source, small budget": ((), {"same_source": True, "limit": 0.001}),
    "same source, between": ((), {"same_source": True, "limit": 0.05, "estimated": 10.0, "certified": 10.0}),
    "likelihoods": ((), {"exact": True, "limit": 3.0}),
    "a large budget": ((method(),), {"limit": 100.0}),
}  # fmt: skip


@pytest.mark.parametrize(("methods", "options"), EVERY.values(), ids=EVERY)
def test_every_piece_is_whole_and_none_advises_by_a_number_that_says_nothing(methods, options):
    found = advice(record(*methods, **options))
    assert {each["about"] for each in found} == ABOUT
    for each in found:
        assert set(each) == {"about", "sentence", "rests_on"}
        said = each["sentence"]
        assert said.endswith(".") and not re.search(r"\b(nan|inf|None)\b(?! of)", said), said
        # A number with its kind, or the reason why there is none.
        for quantity in each["rests_on"]:
            assert quantity["kind"] in ("certified", "measured", "estimated", "predicted")
        if not each["rests_on"]:
            assert re.search(r"--curvature|--peft|--radius|no radius|infinite|Only alignment data|--adapter", said), (
                said
            )
        for value, kind in re.findall(r"([-\d.e+]+) \([^()]*?(certified|measured|estimated|predicted)\)", said):
            kinds = {
                q["kind"] for q in each["rests_on"] if not vacuous(q) and f"{number(q):.3g}" == f"{float(value):.3g}"
            }
            assert kind in kinds or "Theorem 1 is made of" in said, (value, kind, said)
        if ADVISES.search(said):
            assert each["rests_on"] and not any(map(vacuous, each["rests_on"])), said


@pytest.mark.parametrize(("methods", "options"), EVERY.values(), ids=EVERY)
def test_advice_changes_nothing_in_the_record(methods, options):
    made = record(*methods, **options)
    before = copy.deepcopy(made)
    assert advice(made) == advice(before)
    assert made == before


def test_an_estimate_without_a_budget_is_refused():
    with pytest.raises(UserError, match="--max-safety-gap"):
        advice(record() | {"max_safety_gap": None})


# Method


def test_without_case_two_the_reason_is_given():
    said = advised(about="method")
    assert "--curvature off" in said and "--peft lora ia3 prompt-tuning p-tuning" in said
    assert "--curvature off" in advised(about="radius")


def test_one_method_is_compared_with_nothing():
    said = advised(method(), about="method")
    assert "Only lora was looked at" in said and "no more than 3.2 (estimated) within radius 0.2" in said
    assert "--peft lora ia3 prompt-tuning p-tuning compares four" in said
    adapter = advised(method() | {"adapter": "trained"}, about="method")
    assert "starts from a trained adapter (--adapter)" in adapter and "compares" not in adapter


def test_no_method_fits():
    said = advised(method(start=2.0), method("p-tuning", infinite_from=0.1), drifts=(0.1, 0.2), about="method")
    assert said.startswith("No method fits a safety gap within 0.5 nats a response at any radius")
    assert "lora: before any step its safety gap is 2 (1.5 to 2.5, measured)" in said
    assert "p-tuning: at its smallest radius, 0.1, Theorem 3 is vacuous" in said


def test_the_only_one_that_fits_is_taken():
    said = advised(method(start=2.0), method("ia3"), drifts=(0.1, 0.2), about="method")
    assert said.startswith("Take ia3, the only method of those looked at that fits")


def test_the_cheapest_beyond_the_intervals_is_taken():
    said = advised(method(), method("p-tuning", start=0.1), drifts=(0.1, 2.0), about="method")
    assert "cost in safety is lora 0.1 (predicted), p-tuning 2.1 (1.6 to 2.6, predicted): take lora" in said
    assert "For a gain of 0.25 (predicted) nats" in said


def test_methods_that_no_interval_tells_apart():
    both = advised(method(), method("ia3"), drifts=(0.1, 0.2), about="method")
    assert "no interval tells lora and ia3 apart on 8 rows, so none is advised over another" in both
    within = advised(method(), method("p-tuning", start=0.1), drifts=(0.1, 0.2), about="method")
    assert "none is advised over another" in within
    some = advised(method(), method("ia3"), method("p-tuning", start=0.1), drifts=(0.1, 0.2, 2.0), about="method")
    assert "take lora or ia3 rather than p-tuning; no interval tells lora and ia3 apart" in some


def test_theorem_3_speaks_where_its_constants_leave_nothing_open():
    steep = method("ia3")
    for at in steep["radii"]:
        at["theorem3"] = {form: bound(50.0) for form in ("paper", "refined")}
        for name in ("L_s", "S_s"):
            at["constants"][name]["lower"]["value"] = 5000.0
    said = advised(method(), steep, drifts=(0.2, 0.1), about="method")
    assert "lora is lowest in both, beyond what the constants leave open" in said
    assert "take lora, for which Theorem 3 speaks" in said
    open_ = advised(method(), method("p-tuning", start=0.1), drifts=(0.2, 0.1), about="method")
    assert "lora is lowest in both, but by less than the constants leave open" in open_


def test_the_common_radius_is_one_where_all_are_finite():
    said = advised(method(infinite_from=0.2), method("ia3"), drifts=(0.1, 0.2), about="method")
    assert "At radius 0.1 Theorem 3 allows" in said
    apart = method("ia3", infinite_from=0.2)
    apart["radii"][0]["theorem3"]["paper"] = bound(math.inf)
    none = advised(method(), apart, drifts=(0.1, 0.2), about="method")
    assert "no radius at which it is finite for all of them (lora, ia3)" in none


def test_a_cost_above_the_budget_advises_nothing():
    said = advised(method(), method("ia3"), drifts=(3.0, 4.0), about="method")
    assert "even the least exceeds 0.5, so none is advised for that gain" in said
    assert "none is advised by cost" in advised(method(), method("ia3"), drifts=(None, None), about="method")


def test_a_method_that_does_not_fit_is_left_out_by_name():
    found = advice(record(method(), method("ia3"), method("p-tuning", start=2.0), drifts=(0.1, 0.2, 0.3)))
    said = told(found, "method")
    assert "p-tuning is not advised: before any step its safety gap is 2" in said
    assert "p-tuning" not in said.split("p-tuning is not advised")[0]


# Radius


def test_the_radius_keeps_theorem_3_within_the_budget():
    lora = method()
    (paper, refined) = reaches(lora, 0.5)
    # ‖∇G_s‖ + S_s·0.1 is L_s of the smaller ball, which allows more than that of the larger one.
    assert paper.radius == pytest.approx(0.5 / (NORM_S + S_ESTIMATE * 0.1), rel=1e-2)
    assert NORM_S * refined.radius + S_ESTIMATE * refined.radius**2 / 2 == pytest.approx(0.5, rel=1e-2)
    assert paper.bound["value"] <= 0.5 and refined.bound["value"] <= 0.5
    said = advised(lora, about="radius")
    assert f"Keep lora within a radius of {paper.radius:g}" in said and "in the paper's form" in said
    assert "(estimated) there" in said and "(predicted)" in said


def test_a_budget_beyond_the_largest_ball_gives_its_radius():
    assert "at least 0.2 in the paper's form" in advised(method(), limit=100.0, about="radius")


def test_no_radius_and_why():
    assert "before any step its safety gap is 2 (1.5 to 2.5, measured)" in advised(method(start=2.0), about="radius")
    said = advised(method(infinite_from=0.1), about="radius")
    assert said.startswith("No radius of lora") and "Theorem 3 is vacuous" in said


def test_an_uncertain_start_is_said():
    said = advised(method(start=0.2), about="radius")
    assert "though the interval of its start lets that be 0.9" in said


def test_proved_constants_have_a_radius_of_their_own():
    found = [each for each in advice(record(method("output-head", certified=True))) if each["about"] == "radius"]
    assert found[-1]["sentence"].startswith("With proved constants output-head may go to radius")
    assert found[-1]["rests_on"][0]["kind"] in ("certified", "measured") and found[-1]["rests_on"][0]["value"] <= 0.5
    assert found[0]["rests_on"][0]["kind"] == "estimated"


def test_the_radius_of_a_record_is_theorem_3s_own(monkeypatch):
    calls = []
    monkeypatch.setattr(
        "tradeoffbounds.report.case_two_advice.theorem3.largest_radius_paper",
        lambda *arguments: calls.append(arguments) or largest_radius_paper(*arguments),
    )
    reaches(method(), 0.5)
    assert [arguments[0] for arguments in calls] == [0.5, 0.5]


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


# Afterwards, stand-ins, the terminal


def test_what_cannot_be_predicted_is_said_with_the_commands():
    found = advice(record(method("ia3"), limit=1.5, system_prompt="Be kind."))
    audit, check = (each["sentence"] for each in found if each["about"] == "afterwards")
    assert "categories of harm" in audit and "dimensions of fairness" in audit and "cannot predict" in audit
    assert "python -m tradeoffbounds.audit --model START --adapter ADAPTER" in audit
    words = shlex.split(check.split("`")[1])[3:]
    options = {name: words[words.index(name) + 1] for name in words if name.startswith("--")}
    radius = min(each.radius for each in reaches(method("ia3"), 1.5))
    assert options == {
        "--model": "embedded", "--alignment": "orca", "--proxy": "alpaca-gpt4", "--capability": "my data.jsonl",
        "--penalty": "0.1", "--peft": "ia3", "--radius": f"{radius:g}", "--system-prompt": "Be kind.",
    }  # fmt: skip
    ValidateConfig(penalty=(float(options["--penalty"]),), radius=(float(options["--radius"]),), peft=("ia3",))
    assert "--penalty 0.1 1 " in check and "--start none" in check
    assert "though none was advised" not in check
    assert "at lambda = 1, though none was advised," in advised(about="afterwards")


def test_an_output_head_is_not_trained_by_validate():
    assert "--peft" not in advised(method("output-head"), about="afterwards")


def test_where_no_method_is_advised_the_check_takes_the_first_and_no_radius_that_does_not_hold():
    said = advised(method("ia3", start=2.0), method(start=3.0), drifts=(0.1, 0.2), about="afterwards")
    assert "--peft ia3`" in said and "--radius" not in said


def test_stand_ins_are_named_in_what_rests_on_them():
    found = advice(record(method(), stand_in=True))
    for each in found:
        assert each["sentence"].startswith("On stand-in data, not on orca: ") == (each["about"] != "afterwards")


def test_advice_is_printed_under_the_verdict(tmp_path, capsys):
    made = record(method()) | {"verdict": ["All is said."]}
    print_estimate(made | {"advice": advice(made)}, tmp_path)
    said = capsys.readouterr().out
    assert said.index("All is said.") < said.index("Advice for a safety gap within 0.5 nats") < said.index("• method: ")
    print_estimate(made | {"advice": None}, tmp_path)
    assert "Advice" not in capsys.readouterr().out


# Numbers in sentences


@pytest.mark.parametrize(("value", "down", "up"), [(0.012349, 0.0123, 0.0124), (0.5, 0.5, 0.5), (1234.5, 1230, 1240)])
def test_rounding_stays_on_the_safe_side(value, down, up):
    assert (rounded_down(value), rounded_up(value)) == (down, up)


def test_open_intervals_are_said_as_such():
    assert stated(bound(1.3, interval=[0.0, None])) == "1.3 (at least 0, estimated)"
    assert stated(bound(1.3, interval=[None, 2.0])) == "1.3 (at most 2, estimated)"
    assert stated(bound(1.3, interval=[None, None])) == "1.3 (estimated)"
    assert stated(bound(1.3, interval=[1.0, 2.0], kind="measured")) == "1.3 (1 to 2, measured)"
