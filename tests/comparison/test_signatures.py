"""Each signature is seen where it is, and not where noise, an equal rise or a missing comparison could make it up."""

from __future__ import annotations

import pytest

from tradeoffbounds.comparison.signatures import SIGNATURES, signatures

from .made_runs import run


def made(safety, *, proxy=None, gain=1.0, error=0.0, proxy_error=None, gain_error=None, **config):
    """A run by the rises of its gaps from starts of 2, 3 and 4; the proxy's rises with the safety gap by default."""
    proxy = safety if proxy is None else proxy
    proxy_error = error if proxy_error is None else proxy_error
    gain_error = error if gain_error is None else gain_error
    observed = {
        "safety_gap": (2 + safety, error), "safety_gap_start": (2.0, error),
        "proxy_gap": (3 + proxy, proxy_error), "proxy_gap_start": (3.0, proxy_error),
        "capability_gap": (4 - gain, gain_error), "capability_gap_start": (4.0, gain_error),
    }  # fmt: skip
    return run(observed, **config)


def free(safety, **rest):
    return made(safety, penalty=None, **rest)


def test_a_quiet_run_shows_nothing():
    assert signatures(made(0.1, gain=0.8), free(3.0)) == []
    assert signatures(made(0.0, gain=0.8), None) == []


def test_every_signature_has_its_sentence():
    found = signatures(made(4.0, proxy=0.0, gain=0.05), free(5.0))
    assert found == list(SIGNATURES)
    assert all(sentence.endswith(".") for sentence in SIGNATURES.values())


@pytest.mark.parametrize(
    ("rise", "error", "free_rise", "collapses"),
    [
        (1.01, 0.0, None, True),
        (0.99, 0.0, None, False),
        (1.5, 0.3, None, True),  # 1.5 - √2 · 0.3
        (1.5, 0.4, None, False),
        (2.0, 0.0, 4.0, True),
        (2.0, 0.0, 4.1, False),
        (2.0, 0.1, 3.5, True),
        (2.0, 0.3, 3.5, False),
        (2.0, 0.1, -1.0, True),
        (0.9, 0.0, 0.5, False),
    ],
)
def test_collapse(rise, error, free_rise, collapses):
    unconstrained = None if free_rise is None else free(free_rise, error=error)
    assert ("safety collapse" in signatures(made(rise, error=error), unconstrained)) is collapses


def test_an_unconstrained_run_collapses_by_its_rise_and_cannot_stagnate():
    alone = free(1.5, gain=0.0)
    assert signatures(alone, None) == ["safety collapse"]
    assert signatures(alone, alone) == ["safety collapse"]


@pytest.mark.parametrize(
    ("gain", "free_gain", "error", "stagnates"),
    [
        (0.09, 1.0, 0.0, True),
        (0.11, 1.0, 0.0, False),
        (-0.5, 1.0, 0.0, True),
        (0.0, 1.0, 0.05, True),
        (0.0, 1.0, 0.1, False),
        (0.0, 0.0, 0.0, False),  # there was nothing to gain
        (-0.5, 0.1, 0.2, False),  # nor certainly here
    ],
)
def test_stagnation(gain, free_gain, error, stagnates):
    found = signatures(made(0.0, gain=gain, gain_error=error), free(0.0, gain=free_gain, gain_error=error))
    assert ("capability stagnation" in found) is stagnates


def test_stagnation_needs_the_unconstrained_run():
    assert signatures(made(0.0, gain=0.0, radius=0.1, penalty=None), None) == []


@pytest.mark.parametrize(
    ("safety", "error", "proxy", "proxy_error", "mismatch"),
    [
        (0.8, 0.1, 0.0, 0.1, True),
        (0.8, 0.1, -0.5, 0.1, True),
        (0.8, 0.0, 0.07, 0.0, True),  # it rose, by less than a tenth
        (0.8, 0.0, 0.09, 0.0, False),
        (0.8, 0.1, 0.8, 0.1, False),
        (0.8, 0.7, 0.0, 0.0, False),  # the safety gap may not have risen
        (0.8, 0.1, 0.7, 2.0, False),  # nothing is known of the proxy gap
        (0.0, 0.0, 0.0, 0.0, False),
        (-1.0, 0.0, -2.0, 0.0, False),
    ],
)
def test_mismatch(safety, error, proxy, proxy_error, mismatch):
    found = signatures(made(safety, error=error, proxy=proxy, proxy_error=proxy_error), None)
    assert ("proxy mismatch" in found) is mismatch


def test_an_open_interval_is_never_certain():
    collapsed = made(5.0, error=0.1)
    assert signatures(collapsed, None) == ["safety collapse"]
    collapsed["observed"]["safety_gap"]["interval"][0] = None
    assert signatures(collapsed, None) == []


def test_an_infinite_gap_is_never_certain():
    run = made(5.0)
    run["observed"]["safety_gap"] |= {"value": None, "infinite": True}
    assert signatures(run, None) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seed": 1}, "of seed 0 like the run, got 1"),
        ({"method": "ia3"}, "of method 'lora' like the run, got 'ia3'"),
        ({"capability": "d"}, "of capability 'c'"),
        ({"objective": "dpo"}, "of objective 'sft'"),
        ({"radius": 0.5}, "neither penalty nor radius"),
    ],
)
def test_another_fine_tune_is_no_comparison(change, message):
    with pytest.raises(ValueError, match=message):
        signatures(made(1.0), free(1.0, **change))
