"""What every method gained and cost: points, shapes and the title that compares them."""

import math

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from tradeoffbounds.report.tuned_methods_figure import predicted_cost, tuned_methods_figure

from .drawn import drawn, points, words
from .validate_records import (
    START,
    method_runs,
    record,
    run,
)

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def test_gain_and_cost_of_every_run_with_sft_and_dpo_told_apart():
    runs = [*method_runs(), run(penalty=1.0)]
    axes = tuned_methods_figure(record(*runs)).axes[0]
    sft, dpo = (points(axes, f"run {objective}") for objective in ("sft", "dpo"))
    assert len(sft) == 5 and len(dpo) == 4
    first = runs[0]["observed"]
    cost, gain = (first["safety_gap"]["value"] - START["safety_gap"], START["capability_gap"] - 0.2)
    assert sft[0] == pytest.approx((cost, gain))
    assert {line.get_marker() for line in drawn(axes, "run sft")} == {"o"}
    assert {line.get_marker() for line in drawn(axes, "run dpo")} == {"D"}
    assert len({line.get_color() for line in drawn(axes, "run sft")}) == 4
    held = drawn(axes, "run sft")[-1]
    assert held.get_markerfacecolor() == "white" and held.get_markersize() < drawn(axes, "run sft")[0].get_markersize()


def test_predicted_costs_are_drawn_where_given():
    runs = [run(penalty=1.0), run(radius=0.1, method="ia3"), run(method="p-tuning")]
    axes = tuned_methods_figure(record(*runs)).axes[0]
    expected = [0.8 * runs[0]["observed"]["safety_gap"]["value"] - START["safety_gap"],
                runs[1]["predicted"]["drift"]["value"]]  # fmt: skip
    assert [x for x, _ in points(axes, "predicted")] == pytest.approx(expected)
    assert math.isnan(predicted_cost(runs[2]))


def test_the_title_names_the_cheapest_and_the_dearest_and_doubts_where_intervals_overlap():
    clear = words(tuned_methods_figure(record(*method_runs())))
    assert "Unconstrained on gsm8k, ia3 DPO costs least safety (0.6 nats/response for a gain of 1.4)" in clear
    assert "p-tuning SFT most (6 nats/response for a gain of 2.8)" in clear and "overlap" not in clear
    assert "overlap" in words(tuned_methods_figure(record(*method_runs(half=3.0))))
    some = [run(penalty=1.0), run(penalty=1.0, method="ia3"), run()]
    assert "On the mean of all runs on gsm8k, ia3 SFT costs least" in words(tuned_methods_figure(record(*some)))


def test_every_capability_set_has_a_panel():
    figure = tuned_methods_figure(record(*method_runs(), run(capability="code")))
    FigureCanvasAgg(figure).draw()
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["Capability: gsm8k", "Capability: code"]
    assert len(points(figure.axes[1], "run sft")) == 1
    legend = figure.legends[0].get_window_extent()
    assert not any(legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
