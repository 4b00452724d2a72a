"""Layers of a drift: against dense Hessians, summed up, with one layer planted, frozen, and on resampled rows."""

from __future__ import annotations

import re
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tradeoffbounds.bounds.bound import PER_UNIT, Bound
from tradeoffbounds.curvature.blocks import Blocks
from tradeoffbounds.curvature.directions import along_descent
from tradeoffbounds.curvature.freezing import agreement, by_layer, freezing, without
from tradeoffbounds.curvature.layers import LayerDrift, layer_drift, no_layers
from tradeoffbounds.curvature.response_loss import flat
from tradeoffbounds.curvature.start import Start
from tradeoffbounds.models.decoder_weights import adapter_from_peft
from tradeoffbounds.models.fresh_adapter import fresh_adapter

from .losses import Waves
from .tiny_adapted import ADAPTERS, CAPABILITY, SAFETY, adapted, base

pytestmark = pytest.mark.usefixtures("quick_compilation")

#: Two tensors, of two numbers and of one number a layer.
BLOCKS = Blocks(4, (2, 1))
SIZE = 12
LAYER_OF = np.array([0, 0, 1, 1, 2, 2, 3, 3, 0, 1, 2, 3])


def start(waves, at):
    """Gradient and those of the rows, as `start_of` gives them."""
    rows = len(waves.weights)
    of_rows = jnp.asarray(waves.row_gradients(at) * rows)
    return Start(float(waves.rows(at).sum()), of_rows.mean(axis=0), of_rows, rows)


def find(safety, capability, at, **changed):
    options = {"seed": 0, **changed}
    return layer_drift(
        safety.loss(3, jnp.float64), jnp.asarray(at), BLOCKS, (start(safety, at), start(capability, at)), **options
    )


@pytest.fixture
def problem(float64, rng):
    """Two smooth losses of twelve numbers in four layers, a point, and what is found there."""
    safety, capability, at = Waves.random(rng, 8, SIZE), Waves.random(rng, 9, SIZE), rng.standard_normal(SIZE)
    return safety, capability, at, find(safety, capability, at, lanczos=3)


def by_hand(values):
    return np.array([values[layer == LAYER_OF].sum() for layer in range(4)])


# Shares


def test_blocks_say_where_the_layers_lie(float64, rng):
    scales, values = rng.standard_normal((3, 4)), rng.standard_normal((3, SIZE))
    np.testing.assert_array_equal(BLOCKS.expand(jnp.asarray(scales)), scales[:, LAYER_OF])
    np.testing.assert_allclose(BLOCKS.sums(values), [by_hand(each) for each in values], rtol=1e-12)


def test_slopes_interactions_and_norms_are_those_of_dense_derivatives(problem):
    """In every layer and between every two of them."""
    safety, capability, at, found = problem
    safe, able, hessian = safety.gradient(at), capability.gradient(at), safety.hessian(at)
    d = -able / np.linalg.norm(able)
    np.testing.assert_allclose(found.slopes, by_hand(safe * d), rtol=1e-9)
    parts = np.stack([np.where(layer == LAYER_OF, d, 0.0) for layer in range(4)])
    np.testing.assert_allclose(found.interactions, parts @ hessian @ parts.T, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.curvatures, by_hand(d * (hessian @ d)), rtol=1e-8)
    np.testing.assert_allclose(found.gains, by_hand(able**2) / (able @ able), rtol=1e-9)
    for norms, gradient in ((found.safety_norms, safe), (found.capability_norms, able)):
        np.testing.assert_allclose(norms, np.sqrt(by_hand(gradient**2)), rtol=1e-9)
    np.testing.assert_allclose(found.cosines * found.safety_norms * found.capability_norms, by_hand(safe * able))


def test_shares_add_up_to_the_drift(problem):
    """To that of `directions`, for every length of the step; and to the loss itself but for the third order."""
    safety, capability, at, found = problem
    losses = safety.loss(3, jnp.float64), capability.loss(3, jnp.float64)
    gradients = tuple(jnp.asarray(each.gradient(at)) for each in (safety, capability))
    along = along_descent(*losses, jnp.asarray(at), gradients, jnp.zeros((0, SIZE)))["descent"]
    for distance in (1e-3, 0.1, 3.0):
        whole = along.drift(distance, "descent", 1e9).value
        assert found.shares(distance).sum() == pytest.approx(whole, rel=1e-9)
        assert found.drift(distance) == pytest.approx(whole, rel=1e-9)
    d = -capability.gradient(at) / np.linalg.norm(capability.gradient(at))
    for frozen in ((), (0,), (1, 3)):
        part = np.where(np.isin(LAYER_OF, frozen), 0.0, d)
        errors = [
            abs(safety.rows(at + t * part).sum() - safety.rows(at).sum() - found.drift(t, frozen)) for t in (0.02, 0.01)
        ]
        assert errors[0] > 1e-11 and errors[0] / errors[1] == pytest.approx(8, rel=0.15)


def test_what_freezing_one_more_layer_removes_is_the_difference(problem):
    *_, found = problem
    for distance, frozen in ((0.1, ()), (0.5, (2,)), (2.0, (0, 3))):
        removed = found.removed(distance, frozen)
        for layer in range(4):
            left = found.drift(distance, {*frozen, layer})
            assert removed[layer] == pytest.approx(found.drift(distance, frozen) - left, rel=1e-9, abs=1e-12)


def test_the_top_curvature_of_a_layer_is_that_of_its_diagonal_block(problem):
    """Three Lanczos steps in three dimensions find all there is."""
    safety, _, at, found = problem
    hessian = safety.hessian(at)
    for layer, top in enumerate(found.tops):
        values = np.linalg.eigvalsh(hessian[np.ix_(layer == LAYER_OF, layer == LAYER_OF)])
        assert top.value == pytest.approx(values[np.argmax(np.abs(values))], rel=1e-6)
        assert abs(found.interactions[layer, layer]) <= abs(top.value) * found.gains[layer] * (1 + 1e-6)


def test_without_a_capability_gradient_there_is_nothing_to_share_out(float64, rng):
    safety, at = Waves.random(rng, 8, SIZE), rng.standard_normal(SIZE)
    still = Start(1.0, jnp.zeros(SIZE), jnp.zeros((8, SIZE)), 8)
    loss = safety.loss(3, jnp.float64)
    assert layer_drift(loss, jnp.asarray(at), BLOCKS, (start(safety, at), still), seed=0) is None


# A decoder


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_a_decoders_layers_are_those_of_the_tensors_names(method):
    """Every tensor filled with the number that PEFT's name of it holds."""
    model, config, _ = base()
    tensors = {
        name: np.full_like(tensor, int(re.search(r"layers\.(\d+)\.", name)[1]))
        for name, tensor in fresh_adapter(model, ADAPTERS[method], seed=0).items()
    }
    tree = adapter_from_peft(config, ADAPTERS[method], tensors)
    blocks = Blocks.of(tree)
    assert blocks.layers == config.layers == 2
    np.testing.assert_array_equal(blocks.expand(jnp.arange(2.0)), flat(tree)[0])
    assert adapted(method).blocks == blocks


@pytest.mark.parametrize("method", ["prompt-tuning", "output-head"])
def test_virtual_tokens_and_an_output_head_have_no_layers(method):
    assert adapted(method).blocks is None and no_layers(method).startswith(f"{method} trains ")


@pytest.mark.slow
def test_layers_of_a_tiny_model_against_its_dense_hessian():
    """All second derivatives of the loss of an adapter away from its start, by jax.hessian in one piece."""
    ours = adapted("lora", moved=0.05)
    losses = [ours.loss(rows[:4]) for rows in (SAFETY, CAPABILITY)]
    values, gradients = zip(*(loss.value_and_gradient(ours.theta) for loss in losses), strict=True)
    starts = tuple(Start(float(v), g, None, 4) for v, g in zip(values, gradients, strict=True))
    found = layer_drift(losses[0], ours.theta, ours.blocks, starts, seed=0)
    chunk = jax.tree.map(lambda array: array[0], losses[0].chunks)
    hessian = np.asarray(jax.jit(jax.hessian(lambda theta: ours.rows(theta, ours.params, chunk).sum()))(ours.theta))
    safe, able = (np.asarray(each, np.float64) for each in gradients)
    d = -able / np.linalg.norm(able)
    layer_of = np.asarray(ours.blocks.expand(jnp.arange(2.0)))
    parts = np.stack([np.where(layer_of == layer, d, 0.0) for layer in range(2)])
    np.testing.assert_allclose(found.slopes, parts @ safe, rtol=1e-4, atol=1e-6 * np.linalg.norm(safe))
    dense = parts @ hessian @ parts.T
    np.testing.assert_allclose(found.interactions, dense, rtol=1e-3, atol=1e-4 * np.abs(dense).max())
    assert found.noise is None


# Freezing


def test_where_one_layer_matters_it_is_the_one_to_freeze(float64, rng):
    """Safety moves with layer 2 alone, capability with all of them; rows are copies, so any half says the same."""
    at = rng.standard_normal(SIZE)
    safety, capability = (copies(Waves.random(rng, 1, SIZE)) for _ in range(2))
    safety = replace(safety, waves=np.where(LAYER_OF == 2, safety.waves, 0.0))
    if safety.gradient(at) @ capability.gradient(at) > 0:  # else what gains capability costs no safety
        safety = replace(safety, phases=safety.phases + np.pi)
    found = find(safety, capability, at)
    others = [0, 1, 3]
    np.testing.assert_allclose(found.slopes[others], 0.0, atol=1e-12)
    np.testing.assert_allclose(found.interactions[others], 0.0, atol=1e-12)
    assert np.argmax(found.shares(0.01)) == 2 and found.drift(0.01) > 0
    only = without(found, 0.01, [2], 0.95)
    assert only.drift.value == pytest.approx(0.0, abs=1e-12) and only.held_out.value == pytest.approx(1.0)
    assert only.gain.value == pytest.approx(1 - found.gains[2])
    assert [each.layers for each in freezing(found, 0.01, 0.95)] == ([(2,)] if found.gains[2] <= 0.5 else [])


def copies(waves):
    """Eight rows that are all alike."""
    return Waves(np.full(8, 1 / 8), np.repeat(waves.waves, 8, axis=0), np.repeat(waves.phases, 8))


def planted(slopes, gains, interactions=None):
    """A drift by layer, written down."""
    count = len(slopes)
    zeros = np.zeros((count, count)) if interactions is None else np.asarray(interactions, float)
    ones = np.ones(count)
    return LayerDrift(np.asarray(slopes, float), zeros, np.asarray(gains, float), ones, ones, ones, None, None)


def test_layers_are_frozen_by_the_drift_that_they_remove_for_their_gain():
    """0.3 for 0.05, then 0.4 for 0.2; the third would leave too little, the fourth removes nothing."""
    found = planted([0.4, 0.3, 0.3, -0.1], [0.2, 0.05, 0.3, 0.45])
    chain = freezing(found, 1.0, 0.95)
    assert [each.layers for each in chain] == [(1,), (0, 1)]
    assert [each.drift.value for each in chain] == pytest.approx([0.6, 0.2])
    assert [each.gain.value for each in chain] == pytest.approx([0.95, 0.75])
    assert {each.drift.kind for each in chain} == {"predicted"} and {each.gain.kind for each in chain} == {"estimated"}
    assert all(each.held_out is None and each.gain.interval is None for each in chain)


def test_curvature_between_layers_counts_only_while_both_move():
    """Layers 0 and 1 cost together what neither costs alone: one of them is enough."""
    found = planted([0.0, 0.0, 0.0], [0.2, 0.3, 0.5], [[0, 2, 0], [2, 0, 0], [0, 0, 0]])
    assert found.drift(1.0) == 2.0 and found.shares(1.0).tolist() == [1.0, 1.0, 0.0]
    assert [each.layers for each in freezing(found, 1.0, 0.95)] == [(0,)]
    assert without(found, 1.0, [0], 0.95).drift.value == 0.0


@pytest.mark.parametrize("slopes", [[-1.0, 0.5], [0.0, 0.0]])
def test_where_the_drift_is_not_positive_nothing_is_frozen(slopes):
    assert freezing(planted(slopes, [0.5, 0.5]), 1.0, 0.95) == []


# Noise


def test_resampled_shares_are_those_of_the_resampled_rows(problem):
    """For rows drawn by hand, the forms give what the whole computation gives on those rows."""
    safety, capability, at, found = problem
    halves = found.noise.halves
    rng = np.random.default_rng(0)
    sizes = len(safety.weights), 8
    for n in sizes:  # what the bootstrap draws first
        rng.multinomial(n, np.full(n, 1 / n), size=1000)
    chosen = [np.stack([_half(rng, n) for _ in range(100)]) for n in sizes]
    groups = np.array_split(np.arange(9), 8)
    for split in (0, 7):
        for side, half in enumerate(halves):
            rows, picked = (each[split] if side == 0 else ~each[split] for each in chosen)
            able = np.concatenate([groups[j] for j in np.flatnonzero(picked)])
            weights = np.where(rows, safety.weights * 8 / rows.sum(), 0.0)
            again = find_weighted(replace(safety, weights=weights), capability, at, able)
            np.testing.assert_allclose(half.slopes[split], again.slopes, rtol=1e-8)
            np.testing.assert_allclose(half.curvatures[split], again.curvatures, rtol=1e-7, atol=1e-10)
            np.testing.assert_allclose(half.gains[split], again.gains, rtol=1e-8)


def find_weighted(safety, capability, at, able):
    """With the safety rows so weighed, along the gradient of some capability rows."""
    gradient = jnp.asarray(capability.row_gradients(at)[able].sum(axis=0))
    starts = Start(1.0, jnp.asarray(safety.gradient(at)), None, 8), Start(1.0, gradient, None, 9)
    return layer_drift(safety.loss(3, jnp.float64), jnp.asarray(at), BLOCKS, starts, seed=0)


def _half(rng, n):
    chosen = np.zeros(n, bool)
    chosen[rng.permutation(n)[: n // 2]] = True
    return chosen


def test_halves_agree_where_rows_are_alike_and_do_not_where_they_are_noise(float64, rng):
    """Rows that are copies put the layers into one order; rows without anything in common into any."""
    at = rng.standard_normal(SIZE)
    one = copies(Waves.random(rng, 1, SIZE))
    alike = find(one, one, at)
    same = agreement(alike, 0.1)
    assert same.value == pytest.approx(1.0) and (same.kind, same.unit) == ("estimated", "rank correlation")
    slope = by_layer(alike.slopes, alike, "slopes", 0.95, Bound(0.0, "estimated", unit=PER_UNIT))[0]
    assert slope.value == pytest.approx(alike.slopes[0]) and np.ptp(slope.interval) < 1e-9 and slope.confidence == 0.95
    found = [find(Waves.random(rng, 8, SIZE), Waves.random(rng, 8, SIZE), at).noise.agreement(0.1) for _ in range(8)]
    assert abs(np.mean(found)) < 0.4


def test_intervals_of_slopes_cover_those_of_the_source(float64):
    """Of a source whose mean gradient is known, in most draws of eight rows."""
    rng = np.random.default_rng(3)
    truth = [rng.standard_normal(SIZE) for _ in range(2)]
    exact = -by_hand(truth[0] * truth[1]) / np.linalg.norm(truth[1])
    loss, covered = Waves.random(rng, 8, SIZE).loss(4, jnp.float64), []
    for draw in range(40):
        of_rows = [jnp.asarray(each + 0.3 * rng.standard_normal((8, SIZE))) for each in truth]
        starts = tuple(Start(1.0, each.mean(axis=0), each, 8) for each in of_rows)
        found = layer_drift(loss, jnp.zeros(SIZE), BLOCKS, starts, seed=draw)
        slopes = by_layer(found.slopes, found, "slopes", 0.95, Bound(0.0, "estimated", unit=PER_UNIT))
        covered += [
            low <= value <= high for (low, high), value in zip([s.interval for s in slopes], exact, strict=True)
        ]
    assert np.mean(covered) > 0.88


def test_with_too_few_rows_there_is_no_noise_to_speak_of(float64, rng):
    at = rng.standard_normal(SIZE)
    assert find(Waves.random(rng, 3, SIZE), Waves.random(rng, 9, SIZE), at).noise is None
    few = find(Waves.random(rng, 8, SIZE), Waves.random(rng, 3, SIZE), at)
    assert few.noise is None and agreement(few, 0.1) is None
