"""Figures of real fine-tunes: which there are, that they fit their page, and what all of them say."""

import math

import pytest
from matplotlib.figure import Figure

from tradeoffbounds.report.figure_style import signed_log_axis
from tradeoffbounds.report.observed_figure import observed_figure
from tradeoffbounds.report.penalty_figure import penalty_figure
from tradeoffbounds.report.validate_figures import build_validate_figures, draw_validate_figures

from .drawn import words
from .records import bound
from .test_case_two_figures import overlapping_legends
from .validate_records import (
    PENALTIES,
    RADII,
    UNSHOWABLE,
    method_runs,
    penalty_runs,
    radius_runs,
    record,
    run,
)

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")


def test_only_the_figures_that_the_runs_allow(tmp_path):
    assert set(build_validate_figures(record(run()))) == {"observed"}
    assert set(build_validate_figures(record(*penalty_runs()))) == {"observed", "penalty"}
    assert set(build_validate_figures(record(*radius_runs()))) == {"observed", "ball"}
    assert set(build_validate_figures(record(*method_runs()))) == {"observed", "tuned_methods"}
    assert set(build_validate_figures(record(run(radius=0.0), run()))) == {"observed"}
    assert draw_validate_figures(record(), tmp_path) == []
    runs = [*penalty_runs(), run(penalty=1.0, method="ia3"), run(penalty=1.0, objective="dpo"), *radius_runs()]
    paths = draw_validate_figures(record(*runs), tmp_path)
    names = ["observed", "penalty", "penalty_ia3_sft", "penalty_lora_dpo", "ball", "tuned_methods"]
    assert [path.name for path in paths] == [f"{name}.png" for name in names]
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in paths)
    assert sorted(tmp_path.iterdir()) == sorted(paths)


LONG = "system: You are a polite assistant that costs $5 or $6 and never hurries, "
AWKWARD = {
    "teacher": record(*penalty_runs(), *radius_runs(), mode="teacher", correlation=(0.7, 0.4, 0.9)),
    "exact": record(*penalty_runs(half=None), *radius_runs(half=None), mode="finite"),
    "one run": record(run(penalty=1.0)),
    "nothing shown": record(run(penalty=1.0, **UNSHOWABLE)),
    "no total": record(run(penalty=1.0, total=False)),
    "nothing beside": record(run(penalty=1.0, alone=False, followed=False), run(radius=0.1, followed=False)),
    "unconstrained": record(run()),
    "both constraints": record(*(run(penalty=1.0, radius=radius) for radius in RADII)),
    "below zero": record(
        *(run(radius=radius, gaps={"safety_gap": -radius, "capability_gap": -2 * radius}) for radius in RADII),
        *(run(penalty=penalty, gaps={"safety_gap": -0.1 * penalty}) for penalty in PENALTIES),
    ),
    "infinite": record(
        run(penalty=1.0, bounds={"theorem1.paper": bound(math.inf), "classifier_bound": bound(math.inf)}),
        *(run(radius=radius, bounds={"theorem3.paper": bound(math.inf)}) for radius in RADII),
    ),
    "long names": record(
        *(run(LONG + name, LONG + "code", penalty=1.0) for name in "abcdef"), run(capability=LONG, method="p-tuning")
    ),
    "many seeds": record(*(run(penalty=1.0, seed=seed, gaps={"safety_gap": 1 + seed / 9}) for seed in range(9))),
}


@pytest.mark.parametrize("found", AWKWARD.values(), ids=AWKWARD)
def test_every_shape_of_record_draws_within_the_page(found):
    for name, figure in build_validate_figures(found).items():
        assert overlapping_legends(figure) == [], name
        said = words(figure)
        assert "nats/response" in said and "nan" not in said, name
        for axes in figure.axes:
            assert axes.get_window_extent().height > 150, f"{name}: squeezed"


def test_every_figure_names_sources_references_and_stand_ins():
    runs = [*penalty_runs(), *radius_runs(), *method_runs()]
    for figure in build_validate_figures(record(*runs, stand_in=True)).values():
        said = words(figure)
        assert "STAND-IN DATA: orca -> bundled:safety, not the real data sets" in said
        assert "proxy: alpaca (400 rows, local)" in said and "alpaca: alpaca" not in said
        assert "Gaps - safety gap: difference of losses to the aligned start, whose gap counts as 0;" in said
    alone = words(observed_figure(record(run(), mode="teacher")))
    assert "STAND-IN" not in alone
    assert "safety gap, proxy gap, capability gap: the teacher's own distribution" in alone


def test_long_references_are_cut_and_said_to_be():
    meanings = {f"{gap}_gap": f"difference of losses to {gap} " * 12 for gap in ("safety", "proxy", "capability")}
    said = words(observed_figure(record(run(), references=meanings)))
    assert "Gaps - safety gap: difference" in said and "... (in full in the record)" in said


def test_long_names_keep_both_ends():
    figure = penalty_figure(AWKWARD["long names"], AWKWARD["long names"]["runs"][:6])
    labels = [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
    assert len({label for label in labels if label.startswith("system: You")}) == 6


# An axis through 0


@pytest.mark.parametrize(
    ("values", "remark"),
    [([0.1, 30.0], ""), ([0.0, 2.0], "linear between ±0.1"), ([-40.0, -3.0], "linear"), ([0.0], "linear"), ([], "")],
)
def test_a_signed_axis_has_room_for_every_value_and_ticks_within(values, remark):
    axes = Figure().subplots()
    said = signed_log_axis(axes, "y", values)
    assert remark in said and bool(said) == bool(remark or not values)
    low, high = axes.get_ylim()
    assert all(low < value < high for value in values)
    ticks = axes.get_yticks()
    assert len(ticks) >= 1 and all(low <= tick <= high for tick in ticks)
