"""Figures from a small record made by hand, in the shape of estimate.json."""

import copy
import math

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text

from tradeoffbounds.report.figures import build_figures, draw_figures
from tradeoffbounds.report.theorem1_figure import theorem1_figure
from tradeoffbounds.report.trade_off_figure import trade_off_figure

#: A layout that does not fit is a warning of matplotlib.
pytestmark = pytest.mark.filterwarnings("error::UserWarning")

NAMES = ["trade_off", "bounds", "theorem1_terms", "classifier_scores"]
GAPS = ("total", "capability_gap", "proxy_gap", "safety_gap")


def bound(value, *, kind="estimated", side="upper", interval=None, assumptions=(), status=None):
    quantity = {"value": value if math.isfinite(value) else None}
    if math.isinf(value):
        quantity["infinite"] = True
    quantity |= {"unit": "nats/response", "kind": kind, "side": side, "interval": interval, "confidence": 0.95}
    quantity |= {"method": "by hand", "assumptions": list(assumptions), "theorem": "none"}
    return quantity | ({"status": status} if status else {})


def record_at(*penalties, same_source=False, shared_prompts=False, exact=False, stand_in=True):
    """Trade-off of two sources that a tenth of the trivial bound describes well, at the penalties given."""
    grid = [0.01, 0.1, 1.0, 10.0, 100.0]

    def trivial(quantity, penalty):
        capability, proxy = math.log1p(penalty), math.log1p(1 / penalty)
        return {"capability_gap": capability, "total": capability + penalty * proxy}.get(quantity, proxy)

    def ends(quantity, penalty):
        # The lower end of a small gap reaches zero, which a logarithmic axis has no place for.
        high = 0.1 * trivial(quantity, penalty)
        low = 0.0 if high < 0.01 else high / 2
        return {"lower": low, "upper": high, "band_low": low / 2, "band_high": 1.5 * high}

    def curve(quantity):
        rows = [ends(quantity, penalty) for penalty in grid]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def row(penalty):
        at = {quantity: ends(quantity, penalty) for quantity in GAPS}
        proxy, nothing = bound(at["proxy_gap"]["upper"]), bound(0.0, side="value", assumptions=["same-source"])
        shift = (
            nothing if same_source else bound(2.0, side="value", status="the largest seen: a supremum is at least this")
        )
        terms = {"proxy_gap": proxy, "prompt_shift": shift, "response_kl": shift, "response_shift": shift}
        if not same_source:
            terms |= {"refined_response_kl": shift, "refined_prompt_cost": bound(0.1, side="value")}
        theorem1 = bound(1.0, assumptions=["same-source"] if same_source else [])
        certificates = {
            name: bound(0.5 * trivial(name, penalty), kind="certified") for name in GAPS[: 4 if same_source else 3]
        }
        result = {
            "penalty": penalty,
            "theorem1": {
                "paper": bound(6.0),
                "refined": theorem1,
                "terms": terms,
                "decomposition": {
                    "prompt_shift": bound(-0.2, side="value"),
                    "response_shift": bound(0.9, side="value"),
                },
            },
            "theorem2": {name: bound(0.1 * penalty) for name in ("paper", "b", "c", "d", "refined")},
            "classifier_bound": bound(0.3, interval=[0.0, 0.6]),
            "certificate": certificates,
            "bracket": {
                name: {"lower": bound(each["lower"], side="lower"), "upper": bound(each["upper"])}
                for name, each in at.items()
            },
            "predicted": {
                name: bound(each["lower"], side="value", interval=[each["band_low"], each["band_high"]])
                for name, each in at.items()
            },
        }
        if exact:
            result["exact"] = {name: bound(each["upper"], interval=[-0.1, 2.0]) for name, each in at.items()}
        return result

    source = {"name": "bundled:safety", "origin": "bundled", "rows": 20, "sha256": "0" * 64, "truncated": 0}
    edges = np.linspace(-2.0, 2.0, 5)
    return {
        "sources": {
            "alignment": source | ({"stand_in_for": "orca"} if stand_in else {}),
            "proxy": source | {"name": "costs_$5_or_$6.jsonl", "origin": "local"},
            "capability": source | {"name": "system:" + "You are a very polite assistant. " * 5, "origin": "model"},
        },
        "overlap": {"tv_prompts_capability_proxy": bound(0.8, side="value")},
        "loss_constraint": [row(penalty) for penalty in penalties],
        "learning_curve": {"quantity": "lower end", "rows": [10, 20], "lower": [0.0, 0.1], "flat": False},
        "curves": {
            "unit": "nats/response",
            "confidence": 0.95,
            "penalties": grid,
            **{name: curve(name) for name in GAPS},
            "certificate": {name: [0.5 * trivial(name, penalty) for penalty in grid] for name in GAPS[:3]},
            "trivial": {name: [trivial(name, penalty) for penalty in grid] for name in GAPS[:3]},
        },
        "classifier_scores": {
            "unit": "nats",
            "shared_prompts": shared_prompts,
            "bin_edges": edges.tolist(),
            "capability": [0, 1, 4, 15],
            "proxy": [14, 6, 0, 0],
        },
    }


def texts(figure: Figure) -> str:
    return "\n".join(text.get_text() for text in figure.findobj(Text))


def drawn(record) -> dict[str, str]:
    """Texts of every figure, after a layout and without pixels; lines joined, since titles wrap."""
    figures = build_figures(record)
    for figure in figures.values():
        figure.draw_without_rendering()
    return joined(figures)


def joined(figures: dict[str, Figure]) -> dict[str, str]:
    return {name: texts(figure).replace("\n", " ") for name, figure in figures.items()}


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
