"""Bounds and predictions beside observations: where points are, their marks, and what is said of those not shown."""

import math

import numpy as np
import pytest
from matplotlib.colors import same_color, to_rgb

from tradeoffbounds.report.figure_style import BLACK, COLOURS, WARNING
from tradeoffbounds.report.observed_figure import observed_figure

from .drawn import drawn, points, words
from .records import bound
from .validate_records import (
    START,
    UNSHOWABLE,
    VIOLATED,
    penalty_runs,
    predicted,
    record,
    run,
)

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def bounds_drawn(axes):
    return [line for line in axes.get_lines() if str(line.get_gid()).startswith("bound ")]


# Bound beside observed


def bounds_panel(*runs, **changed):
    return observed_figure(record(*runs, **changed)).axes[0]


def test_every_bound_is_a_point_at_observed_and_bound():
    one = run(penalty=1.0, radius=0.1)
    axes = bounds_panel(one)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    names = {line.get_gid().removeprefix("bound ") for line in bounds_drawn(axes)}
    assert names == {name for name in one["bounds"] if not name.startswith("capability.")}
    assert len(bounds_drawn(axes)) == 8
    for name, quantity in (("theorem1.paper", "safety_gap"), ("theorem2.refined", "capability_gap"),
                           ("classifier_bound", "total"), ("theorem3.refined", "safety_gap")):  # fmt: skip
        expected = one["observed"][quantity]["value"], one["bounds"][name]["value"]
        assert points(axes, f"bound {name}") == [pytest.approx(expected)]
    assert "not shown" not in words(axes.figure)


def test_one_colour_a_theorem_and_one_marker_a_method():
    axes = bounds_panel(run(penalty=1.0, radius=0.1), run(penalty=1.0, method="ia3"))
    colours = {"theorem1.refined": COLOURS["safety_gap"], "theorem2.refined": COLOURS["capability_gap"],
               "certificate.total": COLOURS["total"], "theorem3.paper": BLACK}  # fmt: skip
    for name, colour in colours.items():
        assert all(same_color(line.get_color(), colour) for line in drawn(axes, f"bound {name}"))
    assert [line.get_marker() for line in drawn(axes, "bound theorem1.refined")] == ["o", "s"]
    legend = [text.get_text() for text in axes.get_legend().get_texts()]
    assert {"lora", "ia3", "Theorem 1 (safety gap)", "Theorem 3 (safety gap in a ball)"} <= set(legend)


def test_vacuous_is_hollow_the_papers_form_pale_and_the_rest_full():
    axes = bounds_panel(run(penalty=1.0))
    (vacuous,), (pale,), (full,) = (
        drawn(axes, f"bound {name}") for name in ("theorem2.paper", "theorem1.paper", "theorem1.refined")
    )
    assert vacuous.get_markerfacecolor() == "white"
    assert full.get_markerfacecolor() == full.get_color()
    assert all(a > b for a, b in zip(to_rgb(pale.get_markerfacecolor()), to_rgb(full.get_color()), strict=True))


def test_violated_bounds_are_ringed_below_the_line_and_counted():
    found = record(run(penalty=0.5, **VIOLATED), run(penalty=1.0))
    figure = observed_figure(found)
    axes = figure.axes[0]
    rings = drawn(axes, "violated")
    assert sorted(points(axes, "violated")) == [pytest.approx((1.2, 1.18)), pytest.approx((2.0, 1.2))]
    assert all(y < x for x, y in points(axes, "violated"))
    assert all(same_color(ring.get_markeredgecolor(), WARNING) for ring in rings)
    # 1.18 is in the interval of 1.2, and 1.2 is not in that of 2.
    width = {round(float(ring.get_xdata()[0]), 3): ring.get_markeredgewidth() for ring in rings}
    assert width[2.0] > 2 * width[1.2]
    said = words(figure)
    assert "On 2 fine-tunes 10 of 12 upper bounds hold, 2 of them vacuously" in said
    assert "violated: Theorem 1 (refined) in 1 of 2, Theorem 2 (refined) in 1 of 2 (1 of these 2 within" in said
    assert drawn(bounds_panel(run(penalty=1.0)), "violated") == []


def test_observed_intervals_are_drawn():
    axes = bounds_panel(run(penalty=1.0, gaps={"safety_gap": 0.8}, half=0.25))
    limit = 3 * 0.8
    spans = [line.get_xdata() for line in axes.get_lines() if line.get_gid() is None and line.get_ydata()[0] == limit]
    assert [list(span) for span in spans] == [pytest.approx([0.55, 1.05])]


def test_the_line_of_equality_is_in_view_even_far_below_the_bounds():
    for axes in (bounds_panel(run(penalty=1.0)), bounds_panel(run(penalty=1.0, **UNSHOWABLE))):
        (line,) = drawn(axes, "equality")
        np.testing.assert_allclose(line.get_xdata(), line.get_ydata())
        low, high = axes.get_ylim()
        assert ((line.get_ydata() >= low) & (line.get_ydata() <= high)).sum() > 5


def test_what_a_logarithmic_axis_cannot_show_is_counted_with_its_reason():
    hidden = run(
        penalty=1.0, gaps={"safety_gap": -0.2},
        bounds={"theorem1.refined": bound(-0.3), "theorem2.paper": bound(math.inf), "theorem2.refined": bound(0.0)},
    )  # fmt: skip
    figure = observed_figure(record(hidden))
    assert len(bounds_drawn(figure.axes[0])) == 2
    said = words(figure)
    assert "not shown: 4 of 6 bounds" in said
    # Theorem 1, paper, is 20 times the observed gap, so it is violated too.
    assert "(observed gap ≤ 0: 2, 2 violated; bound infinite: 1; bound ≤ 0: 1, 1 violated)" in said


def test_where_no_point_can_be_shown_the_figure_says_so():
    figure = observed_figure(record(run(penalty=1.0, **UNSHOWABLE)))
    assert bounds_drawn(figure.axes[0]) == []
    said = words(figure)
    assert "not shown: 6 of 6 bounds, so no point at all" in said and "(observed gap ≤ 0: 6)" in said
    assert "6 of 6 upper bounds hold, 2 of them vacuously and 4 over an observed gap of 0 or below" in said
    nothing = words(observed_figure(record(run())))
    assert "On 1 fine-tune no bound could be put beside an observed gap" in nothing
    assert "nothing was predicted" in nothing


# Predicted beside observed


def test_predictions_are_points_also_at_and_below_zero():
    low = run(penalty=1.0, gaps={"safety_gap": -0.5}, predictions={"safety_gap": predicted(0.0)})
    axes = observed_figure(record(low)).axes[1]
    assert points(axes, "predicted safety_gap") == [pytest.approx((-0.5, 0.0))]
    assert axes.get_xlim() == pytest.approx(axes.get_ylim())
    left, right = axes.get_xlim()
    for quantity in ("safety_gap", "proxy_gap", "capability_gap", "total"):
        ((x, y),) = points(axes, f"predicted {quantity}")
        assert left < x < right and left < y < right
    assert "linear between ±0.1" in axes.get_xlabel()
    (line,) = drawn(axes, "equality")
    np.testing.assert_allclose(line.get_xdata(), line.get_ydata())


def test_infinite_predictions_and_observations_are_counted():
    one = run(penalty=1.0, predictions={"total": predicted(math.inf)}, gaps={"safety_gap": math.inf})
    figure = observed_figure(record(one))
    assert points(figure.axes[1], "predicted capability_gap") == [pytest.approx((1.5, 1.36), rel=0.01)]
    said = words(figure)
    assert "total: no rank correlation (1 run); 1 infinite, not shown" in said
    assert "not shown: 2 of 6 bounds" in said and "(observed gap infinite: 2)" in said


def test_drift_is_beside_what_the_fine_tune_moved():
    one = run(radius=0.1)
    axes = observed_figure(record(one)).axes[1]
    moved = one["observed"]["safety_gap"]["value"] - START["safety_gap"]
    assert points(axes, "predicted drift") == [pytest.approx((moved, moved / 2))]


def test_rank_correlations_stand_beside_their_quantity():
    ranked = words(observed_figure(record(*penalty_runs(), correlation=(0.71, 0.4, 0.88))))
    assert "safety gap: rank correlation 0.71 (0.4 to 0.88), 9 runs" in ranked
    assert "drift" not in ranked
    assert "total: no rank correlation (1 run)" in words(observed_figure(record(run(penalty=1.0))))
