"""Figures of Case I from a small record made by hand."""

import copy
import math

import matplotlib
import pytest
from matplotlib.image import imread

from tradeoffbounds.report.figures import build_figures, draw_figures
from tradeoffbounds.report.theorem1_figure import theorem1_figure
from tradeoffbounds.report.trade_off_figure import trade_off_figure

from .records import GAPS, bound, joined, record_at, texts

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")

NAMES = ["trade_off", "bounds", "theorem1_terms", "classifier_scores"]


def drawn(record) -> dict[str, str]:
    """Texts of every figure, after a layout and without pixels; lines joined, since titles wrap."""
    figures = build_figures(record)
    for figure in figures.values():
        figure.draw_without_rendering()
    return joined(figures)


@pytest.fixture(scope="module")
def plain() -> dict[str, str]:
    return drawn(record_at(0.1, 1.0))


def test_four_images_and_nothing_else(tmp_path):
    settings = dict(matplotlib.rcParams)
    paths = draw_figures(record_at(0.1, 1.0), tmp_path / "figures")
    assert [path.name for path in paths] == [f"{name}.png" for name in NAMES]
    assert sorted((tmp_path / "figures").iterdir()) == sorted(paths)
    for path in paths:
        image = imread(path)[..., :3]
        assert image.shape[1] > 1000
        assert (image < 0.9).any(axis=-1).mean() > 0.01, "a blank page"
    assert dict(matplotlib.rcParams) == settings


def test_every_figure_warns_of_stand_in_data(plain):
    for text in plain.values():
        assert "STAND-IN DATA: orca -> bundled:safety, not the real data sets" in text
    for figure in build_figures(record_at(1.0, stand_in=False)).values():
        assert "STAND-IN" not in texts(figure)


def test_every_figure_names_its_sources_and_units(plain):
    for text in plain.values():
        assert "bundled:safety (20 rows, bundled)" in text
        assert "costs_$5_or_$6.jsonl" in text.replace(r"\$", "$")
        assert "nats/response" in text


@pytest.mark.parametrize(
    ("same_source", "shared_prompts", "exact"), [(True, False, False), (False, True, True), (True, True, True)]
)
def test_every_shape_of_record_draws(same_source, shared_prompts, exact):
    record = record_at(10.0, 0.1, 1.0, same_source=same_source, shared_prompts=shared_prompts, exact=exact)
    text = drawn(record)
    assert ("Safety gap = proxy gap" in text["trade_off"]) == same_source
    assert ("share their prompts" in text["classifier_scores"]) == shared_prompts
    assert ("exact from likelihoods" in text["trade_off"]) == exact


def test_titles_speak_of_the_numbers(plain):
    # 0.1 of (1+λ) h(1/(1+λ)) at λ = 1 is 0.1 log 4.
    assert "At penalty λ = 1 the best trade-off costs at most 0.14" in plain["trade_off"]
    assert "(certified: 0.69)" in plain["trade_off"]
    assert "6 times" in plain["bounds"]
    assert "95% of capability prompts and 100% of proxy prompts" in plain["classifier_scores"]


def test_infinite_values_are_left_out_and_said():
    record = record_at(0.1, 1.0)
    row = record["loss_constraint"][1]
    row["theorem1"]["paper"] = bound(math.inf)
    row["theorem1"]["terms"]["prompt_shift"] = bound(math.inf, side="value")
    for each in record["loss_constraint"]:
        each["theorem2"]["paper"] = bound(math.inf)
    row["classifier_bound"]["interval"] = [None, None]
    row["predicted"]["safety_gap"]["interval"] = [0.0, None]
    text = drawn(record)
    assert "infinite at 1 of 2 λ" in text["bounds"]
    assert "infinite at 2 of 2 λ" in text["bounds"]
    assert "∞" in text["theorem1_terms"]
    assert "infinite in the paper's form" in text["theorem1_terms"]


def test_vacuous_certificates_are_not_drawn_as_certificates():
    record = record_at(1.0)
    record["curves"]["certificate"] = copy.deepcopy(record["curves"]["trivial"])
    status = "vacuous: no better than the bound known without data"
    for name, certificate in record["loss_constraint"][0]["certificate"].items():
        certificate |= {"value": record["curves"]["trivial"][name][2], "status": status}
    text = joined(build_figures(record))
    assert "certificate: no better than known without data" in text["trade_off"]
    assert "no certificate" in text["trade_off"]
    assert "vacuous at 1 of 1 λ" in text["bounds"]


@pytest.mark.parametrize("quantities", [GAPS, ("safety_gap",)])
def test_a_lower_end_that_still_moves_is_shown_as_open_below(plain, quantities):
    assert "not excluded" not in plain["trade_off"]
    record = record_at(1.0)
    for quantity in quantities:
        record["loss_constraint"][0]["bracket"][quantity]["lower"]["status"] = "the learning curve is not flat"
    assert "not excluded" in texts(trade_off_figure(record))


def test_many_penalties_stay_legible():
    penalties = [10.0 ** (i / 5 - 2) for i in range(21)]
    figure = theorem1_figure(record_at(*penalties))
    labels = {text for text in texts(figure).splitlines() if text.startswith("λ = ")}
    assert len(labels) <= 7
    assert "λ = 1" in labels
