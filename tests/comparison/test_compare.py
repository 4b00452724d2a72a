"""One run beside what was foretold of it: which bounds apply, the words, and what the slack consists of."""

import json
import math

import pytest

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.comparison.compare import QUANTITIES, Foretold, case_one_foretold, case_two_foretold, compared

from .foretold import ball, gaps, measured, nothing, penalty_row, predicted, upper

START = gaps(0.5, 0.6, 3.0)
HISTORY = [
    {"step": 0, "distance": 0.0, "safety_loss": 9.0, "safety_gradient": 2.0},
    {"step": 2, "loss": 5.5, "learning_rate": 1e-3, "grad_norm": 1.0},
    {"step": 2, "distance": 0.04, "safety_loss": 9.5, "safety_gradient": 6.0},
    {"step": 3, "projected_distance": 0.05},
    {"step": 3, "distance": 0.05, "safety_loss": 9.75, "safety_gradient": 4.0},
]


def beside(run=None, foretold=None, *, penalty=None, alone=None, history=(), start=START):
    found = compared(
        run or gaps(1.0, 0.9, 1.2), start, foretold or nothing(), penalty=penalty, alone=alone, history=history,
        confidence=0.95,
    )  # fmt: skip
    json.dumps(found, allow_nan=False)  # it is JSON as it stands
    return found


# What was observed


def test_observations_are_of_the_run_and_of_its_start():
    observed = beside(foretold=case_one_foretold(penalty_row(), None), penalty=2.0, history=HISTORY)["observed"]
    assert observed.pop("interference") is None  # without single-source training beside it
    values = {name: quantity["value"] for name, quantity in observed.items()}
    assert values == pytest.approx(
        {
            "safety_gap": 1.0, "proxy_gap": 0.9, "capability_gap": 1.2, "total": 1.2 + 2 * 0.9, "safety_gap_start": 0.5,
            "proxy_gap_start": 0.6, "capability_gap_start": 3.0, "distance": 0.05,
        }
    )  # fmt: skip
    assert {quantity["kind"] for quantity in observed.values()} == {"measured"}
    assert observed["distance"]["unit"] == "parameter norm" and observed["distance"]["interval"] is None
    total, capability, proxy = (observed[name]["interval"] for name in ("total", "capability_gap", "proxy_gap"))
    widths = [high - low for low, high in (total, capability, proxy)]
    assert widths[0] == pytest.approx(math.hypot(widths[1], 2 * widths[2]))


def test_without_a_penalty_there_is_no_total_and_without_training_no_distance():
    record = beside()
    assert record["observed"]["total"] is None and record["observed"]["distance"] is None
    assert record["slack"] is None and record["path"] is None
    assert record["bounds"] == record["predicted"] == record["judged"] == record["verdict"] == {}


# Which bounds apply


def test_a_run_with_a_penalty_has_the_bounds_of_case_one():
    foretold = case_one_foretold(penalty_row(), predicted(0.3))
    record = beside(foretold=foretold, penalty=1.0)
    of_case_one = {name for name in QUANTITIES if not name.startswith(("theorem3", "capability.", "interference."))}
    assert set(record["bounds"]) == set(record["judged"]) == set(record["verdict"]) == of_case_one
    assert record["bounds"]["certificate.total"]["value"] == 2.2
    assert {name: each["quantity"] for name, each in record["judged"].items()} == {
        name: QUANTITIES[name] for name in of_case_one
    }
    assert {name: each["value"] for name, each in record["predicted"].items()} == pytest.approx(
        {"safety_gap": 0.6, "proxy_gap": 0.5, "capability_gap": 0.4, "total": 0.9}
    )


def test_interference_is_the_total_less_what_training_apart_leaves_and_has_the_bounds_on_the_total():
    run, alone = gaps(1.0, 0.9, 1.2), gaps(5.0, 0.7, 1.1)
    record = beside(run, case_one_foretold(penalty_row(), None), penalty=2.0, alone=alone)
    assert record["observed"]["interference"]["value"] == pytest.approx((1.2 - 1.1) + 2 * (0.9 - 0.7))
    assert record["predicted"]["interference"] == record["predicted"]["total"]
    for name, of_total in (("classifier_bound", "classifier_bound"), ("certificate", "certificate.total")):
        assert record["bounds"][f"interference.{name}"] == record["bounds"][of_total]
        assert record["judged"][f"interference.{name}"]["quantity"] == "interference"
    sharing, information = (record["slack"][part]["value"] for part in ("sharing", "information"))
    assert record["observed"]["interference"]["value"] == pytest.approx(information + sharing)


def test_exact_gaps_stand_in_the_place_of_predicted_ones():
    exact = {"safety_gap": 0.3, "proxy_gap": 0.2, "capability_gap": 0.1, "total": 0.3}
    record = beside(foretold=case_one_foretold(penalty_row(exact=exact), None), penalty=1.0)
    assert {name: each["value"] for name, each in record["predicted"].items()} == exact


def test_bounds_of_a_ball_are_counted_from_the_measured_gaps_of_the_start():
    foretold = case_two_foretold(ball(), START, 0.95)
    record = beside(foretold=foretold)
    assert {name: each["value"] for name, each in record["bounds"].items()} == pytest.approx(
        {
            "theorem3.paper": 0.7 + 0.5, "theorem3.refined": 0.5 + 0.5, "capability.lower": -0.9 + 3.0,
            "capability.upper": -0.2 + 3.0,
        }
    )  # fmt: skip
    sides = {name: each["side"] for name, each in record["bounds"].items()}
    assert sides.pop("capability.lower") == "lower" and set(sides.values()) == {"upper"}
    start = record["observed"]["capability_gap_start"]["interval"]
    assert record["bounds"]["capability.upper"]["interval"] == pytest.approx([end - 0.2 for end in start])
    assert record["bounds"]["theorem3.paper"]["theorem"] == "theorem 3, paper, from the start's measured gap"
    assert record["bounds"]["theorem3.paper"]["kind"] == "estimated"
    assert set(record["judged"]) == set(record["bounds"])


def test_drift_is_predicted_where_descent_was_looked_at():
    assert case_two_foretold(ball(drift=0.25), START, 0.95).predicted["drift"].value == 0.25
    assert case_two_foretold(ball(drift=None), START, 0.95).predicted == {}


def test_a_bound_on_a_total_that_was_not_observed_is_shown_and_not_judged():
    record = beside(foretold=Foretold({"classifier_bound": upper(2.0), "theorem1.paper": upper(2.0)}, {}))
    assert set(record["bounds"]) == {"classifier_bound", "theorem1.paper"}
    assert set(record["judged"]) == set(record["verdict"]) == {"theorem1.paper"}


# The words


@pytest.mark.parametrize(
    ("bound", "safety", "word", "tightness", "certain", "sentence"),
    [
        (1.5, 1.0, "tight", 1.5, True, "holds, tight"),
        (5.0, 1.0, "loose", 5.0, True, "holds, loose"),
        (50.0, 1.0, "far", 50.0, True, "holds, far"),
        (math.inf, 1.0, "vacuous", None, True, "vacuous"),
        (0.5, 1.0, "violated", 0.5, True, "violated"),
        (0.98, 1.0, "violated", 0.98, False, "violated, within sampling error"),
        (1.02, 1.0, "tight", 1.02, False, "holds, tight"),
        (0.5, -1.0, "far", None, True, "holds, far"),
    ],
)
def test_a_bound_is_judged_by_its_tightness(bound, safety, word, tightness, certain, sentence):
    foretold = Foretold({"theorem1.refined": upper(bound)}, {"total": predicted(0.1)})
    record = beside(gaps(safety, 0.9, 1.2), foretold, penalty=1.0)
    judged = record["judged"]["theorem1.refined"]
    assert judged["quantity"] == "safety_gap" and judged["word"] == word and judged["certain"] is certain
    assert judged["tightness"] == (None if tightness is None else pytest.approx(tightness))
    assert record["verdict"]["theorem1.refined"] == sentence


@pytest.mark.parametrize(
    ("name", "limit"), [("theorem2.paper", math.log(3)), ("classifier_bound", math.log(3) + 2 * math.log(1.5))]
)
def test_what_is_known_of_capability_and_total_without_data_is_vacuous(name, limit):
    for value, word in ((limit * 1.001, "vacuous"), (limit * 0.999, "tight")):
        foretold = Foretold({name: upper(value)}, {"total": predicted(0.1)})
        record = beside(gaps(0.0, 0.3, 0.9, spread=0.0), foretold, penalty=2.0)
        assert record["judged"][name]["word"] == word


def test_nothing_is_known_of_a_safety_gap_without_data():
    foretold = Foretold({"theorem1.paper": upper(60.0)}, {"total": predicted(0.1)})
    record = beside(gaps(50.0, 0.3, 0.9), foretold, penalty=2.0)
    assert record["judged"]["theorem1.paper"]["word"] == "tight"


@pytest.mark.parametrize(("capability", "word"), [(2.0, "violated"), (2.5, "tight")])
def test_a_lower_bound_is_judged_from_below(capability, word):
    record = beside(gaps(1.0, 1.0, capability), case_two_foretold(ball(), START, 0.95))
    assert record["judged"]["capability.lower"]["word"] == word  # at 2.1
    assert record["judged"]["capability.upper"]["word"] == "tight"  # at 2.8


# The slack


def test_the_observed_total_is_information_and_slack_and_the_slack_is_training_apart_and_sharing():
    foretold = case_one_foretold(penalty_row(), predicted(0.3))
    alone = gaps(9.0, 0.2, 0.5)
    record = beside(gaps(1.0, 0.9, 1.2), foretold, penalty=2.0, alone=alone)
    slack = {name: quantity["value"] for name, quantity in record["slack"].items()}
    assert slack == pytest.approx(
        {
            "total": 1.2 + 2 * 0.9 - 0.9, "information": 0.9, "apart": 0.5 + 2 * 0.2,
            "sharing": (1.2 + 2 * 0.9) - (0.5 + 2 * 0.2) - 0.9, "sharing_predicted": 0.3,
        }
    )  # fmt: skip
    assert record["observed"]["total"]["value"] == pytest.approx(slack["information"] + slack["total"])
    assert slack["total"] == pytest.approx(slack["apart"] + slack["sharing"])
    # A prediction is in them, so they are no more than predicted; what is measured alone stays measured.
    assert {name: quantity["kind"] for name, quantity in record["slack"].items()} == {
        "total": "predicted", "information": "predicted", "apart": "measured", "sharing": "predicted",
        "sharing_predicted": "predicted",
    }  # fmt: skip
    assert record["slack"]["total"]["theorem"] == "delta + kappa"
    low, high = record["slack"]["total"]["interval"]
    observed = record["observed"]["total"]["interval"]
    assert (low, high) == pytest.approx((observed[0] - 1.0, observed[1] - 0.5))  # information is in [0.5, 1]


def test_the_cost_of_sharing_is_measured_on_paired_rows():
    """Trained apart and together, losses of one row rise and fall together; only the rest is uncertain."""
    run, alone = gaps(1.0, 0.9, 1.2, spread=3.0), gaps(1.0, 0.4, 0.7, spread=3.0)
    row = penalty_row() | {"predicted": penalty_row()["predicted"] | {"total": predicted(0.3)}}
    slack = beside(run, case_one_foretold(row, None), penalty=1.0, alone=alone)["slack"]
    assert slack["sharing"]["value"] == pytest.approx(1.0 - 0.3)
    assert slack["sharing"]["interval"] == pytest.approx([0.7, 0.7])
    low, high = slack["apart"]["interval"]
    assert high - low > 4 and slack["sharing_predicted"] is None


def test_without_training_apart_there_is_the_slack_alone():
    slack = beside(foretold=case_one_foretold(penalty_row(), None), penalty=1.0)["slack"]
    assert slack["total"]["value"] == pytest.approx(2.1 - 0.9)
    assert slack["apart"] is None and slack["sharing"] is None and slack["sharing_predicted"] is None


# The path


def test_the_path_follows_distance_loss_and_gradient():
    lipschitz = case_two_foretold(ball(), START, 0.95)
    path = beside(foretold=lipschitz, history=HISTORY)["path"]
    assert path["step"] == [0, 2, 3] and path["distance"] == [0.0, 0.04, 0.05]
    assert path["loss"] == [None, 5.5, None]  # logged where it is
    assert path["gradient_norm"] == [2.0, 6.0, 4.0] and path["safety_loss"] == [9.0, 9.5, 9.75]
    assert path["largest_gradient"]["value"] == 6.0 and path["lipschitz"]["value"] == 5.0
    assert path["largest_gradient"]["unit"] == path["lipschitz"]["unit"] == "nats/response/unit"
    assert beside(history=HISTORY)["path"]["lipschitz"] is None


def test_a_reference_below_zero_is_no_error():
    """A gap to a reference may be negative; the bound is then far above it, not NaN."""
    record = beside(gaps(-0.2, -0.1, -0.5), case_one_foretold(penalty_row(), None), penalty=1.0)
    assert {each["word"] for each in record["judged"].values()} == {"far", "vacuous"}
    assert all(each["tightness"] is None for each in record["judged"].values())


def test_an_observation_without_spread_makes_every_word_certain():
    record = beside(
        gaps(1.0, 0.9, 1.2, spread=0.0), Foretold({"theorem3.paper": Bound(0.999, "certified", side="upper")}, {})
    )
    assert record["judged"]["theorem3.paper"] == {
        "quantity": "safety_gap", "tightness": pytest.approx(0.999), "word": "violated", "certain": True,
    }  # fmt: skip
    assert measured(1.0, "s", 0.0).bound("gap", 0.95).interval == (1.0, 1.0)
