"""Reading the record of real fine-tunes: judgements, what moved, runs that differ in one thing."""

import math

import pytest

from tradeoffbounds.report.quantities import ends, shortened, with_interval
from tradeoffbounds.report.validate_reading import (
    BOUNDS,
    by_bound,
    distinguishing,
    judgements,
    moved,
    predictions,
    run_text,
    steps,
    sweeps,
    words_of,
)

from .validate_records import (
    PENALTIES,
    RADII,
    measured,
    penalty_runs,
    radius_runs,
    record,
    run,
)


def test_a_quantity_with_its_interval():
    assert with_interval(measured(0.5, 0.125)) == "0.5 (0.38 to 0.62)"
    assert with_interval(measured(0.5, None)) == "0.5" and ends(measured(0.5, None)) == (0.5, 0.5)
    opened = measured(1.0) | {"interval": [None, 2.0]}
    assert ends(opened) == (-math.inf, 2.0) and with_interval(opened) == "1 (-inf to 2)"


def test_names_keep_both_ends():
    assert shortened("gsm8k", 8) == "gsm8k"
    short = shortened("/data/a/very/long/path/to/safety.jsonl", 20)
    assert len(short) <= 20 and short.startswith("/data") and short.endswith("jsonl") and " ... " in short


def test_judgements_are_those_of_the_runs_in_the_order_of_the_theorems():
    found = record(run(penalty=1.0), run(radius=0.1), run())
    assert len(judgements(found)) == 6 + 4
    assert list(by_bound(found)) == [name for name in BOUNDS if not name.startswith("interference.")]
    assert words_of(judgements(found))["violated"] == 0
    for each in judgements(found):
        assert each.observed is each.run["observed"][BOUNDS[each.name].quantity]
    assert not any(each.name == "classifier_bound" for each in judgements(record(run(penalty=1.0, total=False))))


def test_what_a_run_moved_has_the_intervals_of_both_ends():
    one = run(gaps={"safety_gap": 1.0}, half=0.1)
    assert moved(one, "safety_gap") == pytest.approx((0.95, 0.75, 1.15))


def test_predictions_come_with_their_observations():
    found = {name: seen for name, _, seen in predictions(run(penalty=1.0, radius=0.1, half=0.1))}
    assert set(found) == {"safety_gap", "proxy_gap", "capability_gap", "total", "drift"}
    assert found["drift"][2] - found["drift"][1] == pytest.approx(0.4)
    assert "total" not in {name for name, *_ in predictions(run(penalty=1.0, total=False))}
    assert list(predictions(run())) == []


def test_runs_in_words():
    assert run_text(run()) == "gsm8k, lora SFT, unconstrained"
    assert run_text(run("alpaca", penalty=0.5, radius=0.1, objective="dpo")) == (
        "alpaca -> gsm8k, lora DPO, lambda 0.5, radius 0.1"
    )


def test_sweeps_differ_in_one_constraint_and_the_seed_alone():
    runs = penalty_runs()
    found = sweeps(runs, "penalty")
    assert [(each.setting["proxy"], each.setting["capability"]) for each in found] == [
        ("safety-tuned", "gsm8k"), ("alpaca", "gsm8k"), ("safety-tuned", "code"),
    ]  # fmt: skip
    for each in found:
        assert [value for value, _ in each.points] == list(PENALTIES)
        assert [one["config"]["capability"] for one in each.without] == [each.setting["capability"]]
        assert each.without_name == "unconstrained"
    assert [value for value, _ in found[0].ordered()] == [0.0, *PENALTIES]
    (seeds,) = sweeps([run(penalty=1.0, seed=seed) for seed in (0, 1)], "penalty")
    assert len(seeds.points) == 1 and len(seeds.points[0][1]) == 2
    assert len(sweeps([run(penalty=1.0), run(penalty=10.0, steps=80)], "penalty")) == 2


def test_the_end_of_a_sweep_is_the_run_that_lacks_this_constraint_alone():
    both = [run(penalty=1.0, radius=radius) for radius in RADII]
    (ball,) = sweeps([*both, run(penalty=1.0), run(), *radius_runs()], "radius")[:1]
    assert [each["config"]["penalty"] for each in ball.without] == [1.0] and ball.without_name == "no ball"
    assert ball.ordered()[-1][0] == math.inf
    (penalty,) = sweeps([both[0], run(), *radius_runs()[:1]], "penalty")
    assert [each["config"]["radius"] for each in penalty.without] == [RADII[0]] and penalty.without_name == "no penalty"


def test_labels_say_what_differs():
    settings = [each.setting for each in sweeps([run(penalty=1.0), run(penalty=1.0, radius=0.1)], "penalty")]
    assert distinguishing(settings, ["proxy"]) == ["safety-tuned, no ball", "safety-tuned, radius 0.1"]
    steps_differ = [each.setting for each in sweeps([run(penalty=1.0), run(penalty=1.0, steps=80)], "penalty")]
    assert distinguishing(steps_differ, ["capability"]) == ["gsm8k, steps 40", "gsm8k, steps 80"]


def test_steps_have_a_direction_that_rounding_does_not_make_and_intervals_decide():
    gaps = (1.0, 1.0 + 1e-15, 1.08, 0.5)
    runs = [run(penalty=10.0**place, gaps={"safety_gap": gap}) for place, gap in enumerate(gaps)]
    found = steps(sweeps(runs, "penalty")[0], "safety_gap")
    assert [step.direction for step in found] == [0, 1, -1]
    assert [step.apart for step in found] == [False, False, True]
