"""Gaps over the penalty, and the trade-off: lines, intervals, levels and labels."""

import numpy as np
import pytest
from matplotlib.colors import same_color

from tradeoffbounds.report.figure_style import SERIES_COLOURS
from tradeoffbounds.report.penalty_figure import penalty_figure

from .drawn import drawn, words
from .validate_records import (
    CAPABILITIES,
    PENALTIES,
    START,
    penalty_runs,
    record,
    run,
)

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def penalty_axes(*runs):
    return penalty_figure(record(*runs), runs)


def test_the_safety_gap_over_the_penalty_by_proxy_with_intervals_and_predictions():
    runs = penalty_runs()
    left, _ = penalty_axes(*runs).axes
    assert left.get_xscale() == "log"
    observed, guessed = drawn(left, "observed"), drawn(left, "predicted")
    assert len(observed) == len(guessed) == 2  # two proxies on gsm8k
    for line, guess, proxy, colour in zip(observed, guessed, ("safety-tuned", "alpaca"), SERIES_COLOURS, strict=False):
        own = [each for each in runs if each["config"]["proxy"] == proxy and each["config"]["capability"] == "gsm8k"]
        gaps = [each["observed"]["safety_gap"]["value"] for each in own if each["config"]["penalty"]]
        np.testing.assert_allclose(line.get_ydata(), gaps)
        np.testing.assert_allclose(guess.get_ydata(), 0.8 * np.array(gaps))
        np.testing.assert_allclose(line.get_xdata(), PENALTIES, rtol=0.05)
        assert same_color(line.get_color(), colour) and same_color(guess.get_color(), colour)
        assert line.get_linestyle() == "-" and guess.get_linestyle() == "--"
    assert len(left.containers) == 6, "an interval for every run"
    (level,) = drawn(left, "without penalty")
    assert list(level.get_ydata()) == pytest.approx([START["safety_gap"] + 2] * 2)
    assert "unconstrained" in [text.get_text() for text in left.get_legend().get_texts()]
    (start,) = drawn(left, "start")
    assert list(start.get_ydata()) == pytest.approx([START["safety_gap"]] * 2)


def test_the_trade_off_by_capability_set_with_labels_start_and_unconstrained():
    runs = penalty_runs()
    _, right = penalty_axes(*runs).axes
    observed = drawn(right, "observed")
    assert len(observed) == len(CAPABILITIES)
    own = [each["observed"] for each in runs[:3]]
    for values, gap in zip(observed[0].get_data(), ("safety_gap", "capability_gap"), strict=True):
        np.testing.assert_allclose(values, [each[gap]["value"] for each in own])
    assert [text.get_text() for text in right.texts] == ["0.1", "1", "10"] * 2
    stars = [line for line in right.get_lines() if line.get_marker() == "*"]
    crosses = [line for line in right.get_lines() if line.get_marker() == "X"]
    assert [line.get_xydata().tolist()[0] for line in stars] == [pytest.approx(list(START.values()))] * 2
    free = [[each["observed"][gap]["value"] for gap in ("safety_gap", "capability_gap")] for each in runs[-2:]]
    assert [line.get_xydata().tolist()[0] for line in crosses] == [pytest.approx(each) for each in free]
    assert all(line.get_linestyle() == "--" for line in drawn(right, "predicted"))


def test_the_title_says_which_way_the_gap_goes():
    falls = words(penalty_axes(*penalty_runs()))
    assert "lora SFT on gsm8k: with safety-tuned the safety gap falls from 1.8 (λ = 0.1) to 0.25 (λ = 10)" in falls
    assert "with alpaca it falls from 2.5" in falls and "; unconstrained it is 2" in falls
    rising = [run(penalty=penalty, gaps={"safety_gap": penalty}) for penalty in PENALTIES]
    assert "with safety-tuned the safety gap rises from 0.1 (λ = 0.1) to 10 (λ = 10)" in words(penalty_axes(*rising))
    many = [run(proxy, penalty=penalty) for proxy in ("a", "b", "c", "d") for penalty in PENALTIES]
    assert "falls from the smallest to the largest penalty in 4 of 4 settings" in words(penalty_axes(*many))


def test_seeds_are_points_of_one_line():
    runs = [run(penalty=p, seed=seed, gaps={"safety_gap": p + seed}) for p in (0.1, 1.0) for seed in (0, 1)]
    left, right = penalty_axes(*runs).axes
    (line,) = drawn(left, "observed")
    np.testing.assert_allclose(line.get_ydata(), [0.6, 1.5])
    assert len(left.containers) == 4
    assert len(right.texts) == 2


def test_unconstrained_runs_of_other_settings_are_not_drawn():
    left, right = penalty_axes(run(penalty=1.0), run(steps=80), run(capability="code")).axes
    assert drawn(left, "without penalty") == []
    assert not [line for line in right.get_lines() if line.get_marker() == "X"]
