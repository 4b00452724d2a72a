"""Advice: for every branch what is said, of which kind, and that nothing is advised by a number that says nothing."""

import copy
import math
import re
import shlex

import pytest

from tradeoffbounds import UserError
from tradeoffbounds.bounds.theorem3 import largest_radius_paper
from tradeoffbounds.report.advice import advice
from tradeoffbounds.report.advice_items import rounded_down, rounded_up, stated
from tradeoffbounds.report.case_two_advice import reaches
from tradeoffbounds.report.quantities import number
from tradeoffbounds.report.tables import print_estimate
from tradeoffbounds.validate_config import ValidateConfig

from .advice_records import advised, record, told
from .case_two_records import NORM_S, S_ESTIMATE, method
from .records import bound

ABOUT = {"method", "penalty", "radius", "proxy", "afterwards"}
#: How a sentence begins, past a remark on stand-ins, that tells somebody to do something by a number.
ADVISES = re.compile(r"(Take|Keep|Of the penalties asked|None of the penalties asked keeps|For a proof|With proved)")


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
