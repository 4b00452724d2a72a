"""Gaps over the radius beside Theorem 3: lines, shared bounds, the bracket that leaves its panel."""

import math

import numpy as np
import pytest

from tradeoffbounds.report.ball_figure import ball_figure

from .drawn import drawn, words
from .records import bound
from .validate_records import (
    RADII,
    START,
    radius_runs,
    record,
    run,
)

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def ball_axes(*runs):
    return ball_figure(record(*runs), runs).axes


def test_the_safety_gap_over_the_radius_beside_theorem_3_and_drift():
    runs = [*radius_runs(), run()]
    safety, _ = ball_axes(*runs)
    assert safety.get_xscale() == "log"
    values = [each["observed"]["safety_gap"]["value"] for each in runs[:3]]
    (observed,), (drift,), (free,) = (
        drawn(safety, gid) for gid in ("observed safety_gap", "drift", "without ball safety_gap")
    )
    np.testing.assert_allclose(observed.get_ydata(), values)
    np.testing.assert_allclose(drift.get_ydata(), [START["safety_gap"] + (v - START["safety_gap"]) / 2 for v in values])
    assert free.get_ydata()[0] == pytest.approx(START["safety_gap"] + 2)
    for name in ("theorem3.paper", "theorem3.refined"):
        (line,) = drawn(safety, name)
        np.testing.assert_allclose(line.get_xdata(), RADII)
        np.testing.assert_allclose(line.get_ydata(), [each["bounds"][name]["value"] for each in runs[:3]])
    assert len(safety.containers) == 3
    assert "Theorem 3 holds in 3 of 3 runs (paper), 3 of 3 runs (refined)" in words(safety.figure)


def test_a_ball_of_radius_0_has_no_place_on_the_axis():
    safety, _ = ball_axes(run(radius=0.0), *radius_runs())
    assert safety.get_xlim()[0] > 0.001
    assert list(drawn(safety, "observed safety_gap")[0].get_xdata()) == pytest.approx(RADII)


def test_capability_sets_share_the_bound_that_does_not_know_them():
    runs = [*radius_runs(), *(run(capability="code", radius=radius) for radius in RADII[1:])]
    safety, _ = ball_axes(*runs)
    assert len(drawn(safety, "observed safety_gap")) == 2
    assert len(drawn(safety, "theorem3.paper")) == 1
    other = run(capability="code", radius=0.1, bounds={"theorem3.paper": bound(7.0)})
    assert len(drawn(ball_axes(*radius_runs(), other)[0], "theorem3.paper")) == 2


def test_the_capability_gap_in_its_bracket_whose_lower_end_may_leave_the_panel():
    _, capability = ball_axes(*radius_runs())
    (observed,) = drawn(capability, "observed capability_gap")
    assert (np.diff(observed.get_ydata()) < 0).all()
    low, high = (line.get_ydata() for line in drawn(capability, "bracket"))
    assert (low <= observed.get_ydata()).all() and (observed.get_ydata() <= high).all()
    assert [text.get_text() for text in capability.texts] == ["the bracket's lower end goes down to -22"]
    assert capability.get_ylim()[0] > -5
    near = [run(radius=radius, bounds={"capability.lower": bound(1.0, side="lower")}) for radius in RADII]
    assert list(ball_axes(*near)[1].texts) == []


def test_infinite_and_violated_bounds_of_a_ball_are_said():
    runs = [run(radius=0.1, bounds={"theorem3.paper": bound(math.inf)}), run(radius=1.0, gaps={"safety_gap": 20.0})]
    safety, _ = ball_axes(*runs)
    labels = [text.get_text() for text in safety.get_legend().get_texts()]
    assert "Theorem 3 (paper), infinite in 1 of 2 runs" in labels
    assert "Theorem 3 holds in 2 of 2 runs (paper), 1 of 2 runs (refined)" in words(safety.figure)
