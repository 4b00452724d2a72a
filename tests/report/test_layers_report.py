"""Layers in the record, in words, in tables and drawn, from drifts that were written down."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console

from tradeoffbounds.bounds.bound import Bound
from tradeoffbounds.curvature.directions import TOO_FAR
from tradeoffbounds.curvature.layer_noise import Draws, Noise
from tradeoffbounds.curvature.layers import LayerDrift, no_layers
from tradeoffbounds.report.case_two_tables import case_two_tables
from tradeoffbounds.report.case_two_verdict import case_two_verdict
from tradeoffbounds.report.figures import build_figures
from tradeoffbounds.report.layers_reading import without_one
from tradeoffbounds.report.layers_record import layers_record
from tradeoffbounds.report.layers_verdict import layers_verdict, named

from .case_two_records import RADII, method, record
from .records import texts

pytestmark = pytest.mark.filterwarnings("error::UserWarning")

#: At radius 0.2, about which the sentences speak: shares of 0.32, 0.06, -0.02 and 0.04, which add up to 0.4.
SLOPES = np.array([1.5, 0.3, -0.1, 0.2])
GAINS = np.array([0.05, 0.25, 0.3, 0.4])
CURVATURE = np.diag([1.0, 0.0, 0.0, 0.0])


def draws(count, spread, rng):
    return Draws(
        SLOPES + spread * rng.standard_normal((count, 4)), np.tile(CURVATURE.sum(axis=1), (count, 1)),
        np.tile(GAINS, (count, 1)),
    )  # fmt: skip


def drift(*, noise=None, sign=1.0, tops=False):
    """A drift of four layers; ``noise``: the spread of its slopes on resampled rows."""
    found = None
    if noise is not None:
        rng = np.random.default_rng(0)
        found = Noise(draws(500, noise, rng), (draws(20, noise, rng), draws(20, noise, rng)), 8)
    cosines = np.array([0.5, -0.5, math.nan, 0.0])
    top = [Bound(2.0, "measured")] * 4 if tops else None
    return LayerDrift(sign * SLOPES, sign * CURVATURE, GAINS, np.ones(4), np.ones(4), cosines, top, found)


def with_layers(layers, *, status="ok", **changed):
    """A method's record with the layers of this drift, or the reason why there are none."""
    found = method(**changed)
    radii = [SimpleNamespace(radius=radius, drift={"descent": None}) for radius in RADII]
    if isinstance(layers, LayerDrift):
        for at in radii:
            at.drift["descent"] = Bound(layers.drift(at.radius), "predicted", status=status)
    return found | {"layers": layers_record(SimpleNamespace(layers=layers, radii=radii), 0.95)}


def said(found):
    return " ".join(layers_verdict(found))


def printed(found):
    console = Console(width=200)
    with console.capture() as capture:
        for table in case_two_tables(record(found)):
            console.print(table)
    return capture.get()


def test_layers_that_were_not_asked_for_are_not_spoken_of():
    found = with_layers(None)
    assert found["layers"] is None and layers_verdict(found) == [] and "layer" not in printed(found)
    assert "layers" not in build_figures(record(found))
    assert case_two_verdict(record(found)) == case_two_verdict(record(method()))  # a record of an earlier version


@pytest.mark.parametrize("peft", ["prompt-tuning", "output-head"])
def test_methods_without_layers_say_so(peft):
    found = with_layers(no_layers(peft), peft=peft)
    (sentence,) = layers_verdict(found)
    assert sentence.startswith(f"Layers of {peft}: {peft} trains ") and sentence.endswith("belongs to a layer.")
    assert "layers" not in build_figures(record(found)) and "layers of the drift" not in printed(found)


def test_the_record_is_json_and_every_share_adds_up():
    found = with_layers(drift(noise=0.1, tops=True))["layers"]
    json.dumps(found, allow_nan=False)
    assert [each["layer"] for each in found["layers"]] == [0, 1, 2, 3]
    assert found["layers"][2]["cosine"] is None and found["layers"][0]["top_curvature"]["value"] == 2.0
    for at, radius in zip(found["radii"], RADII, strict=True):
        values = at["shares"]
        assert at["radius"] == radius and sum(values["value"]) == pytest.approx(at["drift"]["value"])
        low, value, high = (np.array(values[name]) for name in ("low", "value", "high"))
        assert (low <= value).all() and (value <= high).all()
        assert sum(values["high"]) > sum(values["low"])
        for frozen in at["freezing"]:
            assert (frozen["drift"]["kind"], frozen["gain_kept"]["kind"]) == ("predicted", "estimated")
            assert frozen["gain_kept"]["interval"] is not None
    plain = with_layers(drift())["layers"]
    assert plain["radii"][0]["shares"]["low"] is None and plain["radii"][0]["agreement"] is None
    assert plain["layers"][0]["slope"]["interval"] is None


def test_what_each_layer_leaves_when_it_is_frozen_alone():
    found = with_layers(drift())
    at = found["layers"]["radii"][1]
    expected = [drift().drift(0.2, [layer]) for layer in range(4)]
    assert without_one(found, at) == pytest.approx(expected)


def test_the_sentence_names_layers_gain_and_drift():
    text = said(with_layers(drift()))
    assert "Layers of lora (counted from 0): of the 0.4 by which a step of 0.2 along the capability gradient" in text
    assert "layer 0 of 4 carries at least half" in text and "not known: too few rows" in text
    assert "Freezing layer 0 is predicted to keep 95% of the first-order capability gain and to remove 80%" in text
    assert "0.4 becoming 0.08, on the rows that the layers were chosen on." in text


@pytest.mark.parametrize(("noise", "words"), [(1e-6, "much alike"), (30.0, "mostly sampling noise")])
def test_the_sentence_says_how_far_other_rows_agree(noise, words):
    text = said(with_layers(drift(noise=noise)))
    assert words in text and "keep 95% of the first-order" in text
    if noise < 1:
        assert "rank correlation of 1.00" in text and "one layer chosen on one half of the rows removes 80%" in text


def test_layers_that_remove_nothing_elsewhere_are_said_to():
    found = with_layers(drift(noise=0.1))
    found["layers"]["radii"][1]["freezing"][0]["removed_on_other_rows"]["value"] = -0.2
    assert "chosen on one half of the rows removes nothing on the other half." in said(found)


def test_a_drift_that_is_not_positive_is_none_to_freeze_for():
    text = said(with_layers(drift(sign=-1.0)))
    assert "predicted to lower the safety gap by 0.4, most of it (0.32) in layer 0" in text and "Freezing" not in text
    assert "the same step" not in printed(with_layers(drift(sign=-1.0)))


def test_a_step_that_is_too_long_is_not_shared_out():
    assert said(with_layers(drift(sign=-9.0), status=TOO_FAR)).endswith("by layer as in all.")


def test_many_layers_are_counted():
    assert named([3]) == "layer 3" and named([3, 7]) == "layers 3 and 7" and named([1, 2, 9]) == "layers 1, 2 and 9"
    assert named(range(7)) == "7 layers"


def test_tables_show_shares_with_their_intervals_and_the_chain():
    found = with_layers(drift(noise=0.1, tops=True))
    text = printed(found)
    assert "layers of the drift at radius 0.2, p0.4 in all" in text and "the same step with layers frozen" in text
    row = next(line for line in text.splitlines() if line.split()[:1] == ["0"] and "p0.32" in line)
    assert "[" in row and "~5.0%" in row and "m0.5" in row and "p0.08" in row and row.split()[-1] == "m2"
    assert "top curvature" in text and "top curvature" not in printed(with_layers(drift()))
    chain = next(line for line in text.splitlines() if line.split()[:2] == ["0", "~95%"])
    frozen = found["layers"]["radii"][1]["freezing"][0]
    assert "p80%" in chain and f"~{frozen['removed_on_other_rows']['value']:.0%}" in chain


@pytest.mark.parametrize(
    "found",
    [drift(), drift(noise=0.1), drift(sign=-1.0), drift(noise=5.0, tops=True)],
    ids=["plain", "noise", "falling", "much noise"],
)
def test_the_figure_is_drawn_and_its_title_is_what_is_said(found):
    whole = record(with_layers(found), with_layers(no_layers("prompt-tuning"), peft="prompt-tuning"))
    figures = build_figures(whole)
    assert "layers" in figures and "layers_prompt-tuning" not in figures
    words = texts(figures["layers"]).replace("\n", " ")
    carried = figures["layers"].axes[0]
    assert [patch.get_height() for patch in sorted(carried.patches, key=lambda bar: bar.get_x())] == pytest.approx(
        found.shares(0.2).tolist()
    )
    assert ("freezing layer 0 keeps 95%" in words) == (found.drift(0.2) > 0)
    figures["layers"].canvas.draw()
