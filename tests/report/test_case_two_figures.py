"""Figures of Case II: what is drawn, how its kind shows, and what is said of what a logarithmic axis cannot show."""

import itertools
import math

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PolyCollection

from tradeoffbounds.report.figures import build_figures, draw_figures
from tradeoffbounds.report.methods_figure import methods_figure
from tradeoffbounds.report.radius_figure import radius_figure

from .case_two_records import NORM_S, RADII, method, record
from .records import texts

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def figure_of(found):
    return radius_figure(record(found), found)


def line(axes, label):
    (found,) = (each for each in axes.get_lines() if str(each.get_label()).startswith(label))
    return found


def labels(axes):
    return [str(each.get_label()) for each in axes.get_lines()]


def is_guess(drawn):
    return drawn.get_linestyle() == "--" and drawn.get_markerfacecolor() == "none"


def words(figure):
    return texts(figure).replace("\n", " ")


def overlapping_legends(figure):
    """Legends that leave the page, or touch another one, once everything has its place."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    boxes = [axes.get_legend().get_window_extent() for axes in figure.axes if axes.get_legend()]
    page = figure.bbox
    outside = [box for box in boxes if box.x0 < page.x0 - 1 or box.x1 > page.x1 + 1 or box.y0 < page.y0 - 1]
    return outside + [both for both in itertools.combinations(boxes, 2) if both[0].overlaps(both[1])]


# Which figures


def test_one_figure_for_each_method_and_one_for_their_comparison(tmp_path):
    case_one = set(build_figures(record()))
    assert not any("radius" in name or name == "methods" for name in case_one)
    assert set(build_figures(record(method()))) == case_one | {"radius"}
    both = record(method(), method("ia3"), drifts=(0.1, 0.2))
    assert set(build_figures(both)) == case_one | {"radius", "radius_ia3", "methods"}
    paths = draw_figures(both, tmp_path)
    assert {"radius.png", "radius_ia3.png", "methods.png"} <= {path.name for path in paths}
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)


AWKWARD = {
    "plain": {},
    "one radius": {"radii": (0.1,)},
    "start above the aligned model": {"start": 3.0, "gain_start": 4.0},
    "start below it": {"start": -3.0, "gain_start": -1.0},
    "drift changes sign": {"slope": -1.0, "bend": 14.0},
    "infinite at the end": {"infinite_from": 0.2, "slope": -3.0, "start": -0.5},
    "infinite everywhere": {"infinite_from": 0.1},
    "no capability gradient": {"moving": False},
    "no safest direction": {"safest": False},
    "proved constants": {"certified": True},
}


@pytest.mark.parametrize("changed", AWKWARD.values(), ids=AWKWARD)
def test_every_shape_of_method_draws_within_the_page(changed):
    found = method(**changed)
    figure = figure_of(found)
    assert overlapping_legends(figure) == []
    assert "nats/response" in words(figure)
    assert "nan" not in words(figure)


# Safety gap


def test_estimated_bounds_are_dashed_and_open_and_at_their_values():
    safety = figure_of(method()).axes[0]
    assert safety.get_xscale() == safety.get_yscale() == "log"
    for label, values in (("paper: estimated", (1.3, 3.2)), ("refined: estimated", (1.15, 2.6))):
        drawn = line(safety, label)
        np.testing.assert_allclose(drawn.get_xdata(), RADII)
        np.testing.assert_allclose(drawn.get_ydata(), values)
        assert is_guess(drawn)
    assert "certified" not in " ".join(labels(safety))


def test_certified_bounds_are_solid_and_filled():
    safety, _, lipschitz, smoothness = figure_of(method("output-head", certified=True)).axes
    proved = line(safety, "paper, proved constants: certified")
    np.testing.assert_allclose(proved.get_ydata(), (100.0, 200.0))
    assert proved.get_linestyle() == "-" and proved.get_markerfacecolor() == proved.get_color()
    # Its gradient norm is measured: no guess, and no certificate.
    measured = line(safety, "refined, proved constants: measured")
    assert measured.get_linestyle() == "-" and measured.get_markerfacecolor() == "none"
    assert is_guess(line(safety, "paper: estimated"))
    assert any("certified" in label for label in labels(lipschitz))
    assert any("$S_s$: certified" in label for label in labels(smoothness))


def test_the_band_reaches_from_the_largest_constants_found_to_the_estimate():
    safety = figure_of(method()).axes[0]
    bands = [each.get_paths()[0].vertices for each in safety.collections if isinstance(each, PolyCollection)]
    for band, known, estimate in zip(bands, ((1.1, 2.4), (1.1, 2.4)), ((1.3, 3.2), (1.15, 2.6)), strict=True):
        for radius, low, high in zip(RADII, known, estimate, strict=True):
            at = band[np.isclose(band[:, 0], radius), 1]
            assert (at.min(), at.max()) == pytest.approx((low, high))


def test_predicted_gaps_follow_the_drift_from_the_start():
    safety = figure_of(method(start=3.0)).axes[0]
    along = line(safety, r"predicted along $-\nabla G_f$")
    assert along.get_ydata()[-1] == pytest.approx(3.0 + 0.42)
    assert along.get_linestyle() == "--"
    assert line(safety, "predicted along the safest").get_ydata()[-1] == pytest.approx(3.0 + 0.01)
    before = line(safety, "before any step: 3, measured")
    assert set(before.get_ydata()) == {3.0}


def test_an_identity_has_no_line_for_its_start():
    assert not any("before any step" in label for label in labels(figure_of(method()).axes[0]))


def test_a_falling_gap_is_not_drawn_and_said_to_fall():
    figure = figure_of(method(slope=-3.0))
    along = line(figure.axes[0], r"predicted along $-\nabla G_f$")
    assert np.isnan(along.get_ydata()).all()
    assert "≤ 0, so not drawn (-0.58 at 0.2)" in along.get_label()
    assert "along the capability gradient the gap is predicted to fall by 0.58" in words(figure)


def test_a_gap_that_falls_first_is_drawn_from_where_it_rises():
    # -t + 7t² is 0 at 1/7.
    along = line(figure_of(method(slope=-1.0, bend=14.0)).axes[0], r"predicted along $-\nabla G_f$")
    visible = np.isfinite(along.get_ydata())
    assert visible.any() and (along.get_xdata()[visible] > 1 / 7).all() and (along.get_xdata()[~visible] < 1 / 7).all()
    assert "≤ 0 up to radius 0.14" in along.get_label()


def test_a_start_below_the_aligned_model_is_said():
    figure = figure_of(method(start=-3.0))
    assert "before any step: -3, measured, so not drawn" in words(figure)
    assert line(figure.axes[0], "paper").get_label().endswith("≤ 0 at 1 of 2 radii")


def test_infinite_bounds_are_left_out_and_said():
    figure = figure_of(method(infinite_from=0.2))
    safety, gain, lipschitz, _ = figure.axes
    refined = line(safety, "refined")
    assert np.isnan(refined.get_ydata()[1]) and refined.get_ydata()[0] == pytest.approx(1.15)
    for axes, label in ((safety, "refined"), (gain, "at most"), (lipschitz, "$L_s$: ")):
        assert "infinite at 1 of 2 radii" in line(axes, label).get_label()
    assert "at radius 0.1 the refined bound" in words(figure)
    assert "Theorem 3 is infinite" in words(figure_of(method(infinite_from=0.1)))


# Gain and constants


def test_the_gain_lies_between_its_two_ends():
    gain = figure_of(method(gain_start=4.0)).axes[1]
    np.testing.assert_allclose(line(gain, "at least").get_ydata(), (0.4, 0.6))
    np.testing.assert_allclose(line(gain, "at most").get_ydata(), (0.6, 1.4))
    assert is_guess(line(gain, "at least")) and is_guess(line(gain, "at most"))
    for direction, last in ((r"predicted along $-\nabla G_f$", 0.92), ("predicted along the safest", 0.72)):
        assert line(gain, direction).get_ydata()[-1] == pytest.approx(last)
    assert "start: capability gap 4 (aligned model: 0)" in labels(gain)
    assert not any("larger balls" in label for label in labels(gain))


def test_a_promise_that_falls_with_the_radius_is_explained():
    figure = figure_of(method(steep_from=0.2))
    assert any("larger balls gain no less" in label for label in labels(figure.axes[1]))
    assert "at radius 0.1 the refined bound is an estimated 1.1" in words(figure)


def test_constants_show_the_largest_found_and_the_estimate():
    _, _, lipschitz, smoothness = figure_of(method()).axes
    np.testing.assert_allclose(line(lipschitz, "$L_s$: ").get_ydata(), (13.0, 16.0))
    found = line(lipschitz, "$L_s$, largest found: measured")
    np.testing.assert_allclose(found.get_ydata(), (11.0, 12.0))
    assert found.get_linestyle() == "-" and found.get_markerfacecolor() == "none"
    assert set(line(lipschitz, r"$\|\nabla G_s\|$").get_ydata()) == {NORM_S}
    np.testing.assert_allclose(line(smoothness, "$L'_f$: ").get_ydata(), (20.0, 20.0))
    np.testing.assert_allclose(line(smoothness, "$S_s$, largest found").get_ydata(), (20.0, 20.0))


# Titles


def test_the_title_speaks_of_the_numbers():
    title = words(figure_of(method()))
    assert "lora, on 8 rows: at radius 0.2 the refined bound is an estimated 2.6 nats/response" in title
    assert "growing 6.2 times as far as predicted along the capability gradient" in title  # 2.6 / 0.42
    assert "the safest direction gains 0.72 instead of 0.92, moving the gap by 0.01" in title


def test_the_title_says_what_there_is_not():
    assert "no direction that gains keeps clear of the safety gradient" in words(figure_of(method(safest=False)))
    assert "the capability gradient is zero" in words(figure_of(method(moving=False)))


# Methods side by side


def comparison(*costs, **changed):
    """Methods with (name, start, drift)."""
    methods = [method(name, start=start, **changed) for name, start, _ in costs]
    return record(*methods, drifts=[drift for *_, drift in costs])


def test_methods_stand_in_the_order_of_their_cost_with_both_parts():
    cost = methods_figure(comparison(("prompt-tuning", 2.0, 0.5), ("lora", 0.0, 0.75), ("ia3", 0.0, -0.25))).axes[0]
    assert [label.get_text() for label in cost.get_yticklabels()] == ["ia3", "lora", "prompt-tuning"]
    bars = [(round(bar.get_x() + bar.get_width(), 9), bar.get_linestyle()) for bar in cost.patches]
    # Start, then drift on top of it or to the other side; what is predicted is dashed and open.
    assert bars == [(0, "-"), (-0.25, "--"), (0, "-"), (0.75, "--"), (2, "-"), (2.5, "--")]
    predicted = [bar for bar in cost.patches if bar.get_linestyle() == "--"]
    assert all(bar.get_facecolor()[3] == 0 for bar in predicted)
    sums = [each.get_xdata()[0] for each in cost.get_lines() if each.get_marker() == "D"]
    assert sums == [-0.25, 0.75, 2.5]


@pytest.mark.parametrize(
    ("costs", "said"),
    [
        ((("lora", 0.0, 0.1), ("p-tuning", 2.0, 0.1)), "adapters (lora) cost less than prompt methods (p-tuning)"),
        ((("lora", 0.0, 3.0), ("p-tuning", 1.0, 0.1)), "prompt methods (p-tuning) cost less than adapters (lora)"),
        (
            (("lora", 0.0, 0.1), ("ia3", 0.0, 4.0), ("prompt-tuning", 2.0, 0.1)),
            "neither adapters (lora, ia3) nor prompt methods (prompt-tuning) cost less throughout",
        ),
        (
            (("lora", 0.0, 0.3), ("p-tuning", 0.5, 0.1)),
            "(p-tuning), but within the sampling intervals of their starts",
        ),
    ],
)
def test_the_title_says_either_way_which_family_costs_less(costs, said):
    title = words(methods_figure(comparison(*costs)))
    assert said in title
    assert "On 8 rows, for a gain of 0.25 nats/response against the aligned model, the predicted cost" in title


def test_the_title_says_no_more_than_the_order_where_one_family_is_missing():
    title = words(methods_figure(comparison(("lora", 0.0, 0.1), ("ia3", 0.0, 0.2), ("output-head", 0.0, 0.05))))
    assert "output-head (0.05) < lora (0.1) < ia3 (0.2)" in title
    assert "cost less" not in title


def test_a_method_that_cannot_gain_as_much_is_named():
    figure = methods_figure(comparison(("lora", 0.0, 0.1), ("p-tuning", 2.0, None)))
    assert "lora (0.1), and no step of p-tuning reaches it" in words(figure)
    assert "2 at the start; no step gains that much" in words(figure)
    nothing = methods_figure(comparison(("lora", 0.0, None), ("ia3", 0.0, None)))
    assert "no method is predicted to gain anything" in words(nothing)


def test_constants_of_methods_show_infinite_and_proved_ones():
    methods = (method("lora", infinite_from=0.2), method("output-head", certified=True))
    _, lipschitz, *_ = methods_figure(record(*methods, drifts=(0.1, 0.2))).axes
    assert "> 12, est. ∞" in [text.get_text() for text in lipschitz.texts]
    dots = {
        each.get_xdata()[0]: each.get_markerfacecolor() == each.get_color()
        for each in lipschitz.get_lines()
        if each.get_marker() == "o" and math.isfinite(each.get_xdata()[0])
    }
    assert dots == {16.0: False, 1000.0: True}  # estimated: open; certified: filled


def test_the_comparison_fits_its_page():
    names = ("lora", "ia3", "prompt-tuning", "p-tuning", "output-head")
    figure = methods_figure(comparison(*((name, float(i), 0.1 * i) for i, name in enumerate(names))))
    FigureCanvasAgg(figure).draw()
    legend = figure.legends[0].get_window_extent()
    assert figure.bbox.x0 <= legend.x0 and legend.x1 <= figure.bbox.x1
    assert not any(legend.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    for axes in figure.axes:
        for text in axes.texts:
            assert text.get_window_extent().x1 <= figure.bbox.x1, text.get_text()
