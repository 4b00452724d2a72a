"""The loss of responses against a few lines of numpy on the decoder's logits."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from tradeoffbounds.curvature.response_loss import Shape, chunked, common_shape, flat
from tradeoffbounds.models.decoder import Decoder, variables
from tradeoffbounds.sources.chat import Rendered

from .tiny_adapted import CAPABILITY, SAFETY, SHAPE, adapted, base

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def logits():
    """ids -> the bare model's scores after each of them, one text at a time."""
    _, config, params = base()
    decoder = Decoder(config)
    return lambda ids: np.asarray(decoder.apply(variables(params), jnp.asarray([ids]))[0], np.float64)


def by_hand(logits, text):
    """-Σ log P(y_t | x, y_<t), the token at t being predicted by the scores at t - 1."""
    scores, (first, last) = logits(text.ids), text.response_span
    return -sum(scores[t - 1][text.ids[t]] - logsumexp(scores[t - 1]) for t in range(first, last))


@pytest.mark.parametrize("rows", [1, 3, 4, 6])
def test_row_losses_are_the_negative_log_probabilities_of_the_responses(logits, rows):
    """Of each row, in their order, however the last chunk is filled; nothing of the prompt counts."""
    ours = adapted("lora")
    expected = [by_hand(logits, text) for text in SAFETY[:rows]]
    assert len(set(np.round(expected, 3))) == rows  # an order that could be told
    for found in (ours.base_row_losses(SAFETY[:rows]), ours.row_losses(SAFETY[:rows])):  # LoRA starts with B = 0
        assert found.shape == (rows,)
        np.testing.assert_allclose(found, expected, rtol=2e-5)


def test_the_loss_is_the_mean_over_rows(logits):
    """Six rows in two chunks of four: the two rows that fill up neither count nor weigh."""
    ours = adapted("lora")
    loss = ours.loss(SAFETY)
    value, gradient = loss.value_and_gradient(ours.theta)
    assert float(value) == pytest.approx(np.mean([by_hand(logits, text) for text in SAFETY]), rel=2e-5)
    losses, gradients = loss.row_losses(ours.theta), loss.row_gradients(ours.theta)
    assert losses.shape == (8,) and not np.any(losses[6:]) and not np.any(gradients[6:])
    np.testing.assert_allclose(gradients.sum(axis=0), gradient, atol=1e-5)


def test_an_adapter_changes_the_loss_and_the_base_stays():
    """Another theta gives other losses; the aligned model's own do not depend on it."""
    moved, fresh = adapted("lora", moved=0.1), adapted("lora")
    assert not np.allclose(moved.row_losses(SAFETY), fresh.row_losses(SAFETY), rtol=1e-3)
    np.testing.assert_array_equal(moved.base_row_losses(SAFETY), fresh.base_row_losses(SAFETY))


def test_padding_to_another_shape_changes_nothing():
    """Longer texts and longer responses of another source only add pads."""
    longer = SHAPE._replace(length=SHAPE.length + 7, responses=SHAPE.responses + 5, chunk=3)
    ours = adapted("lora", moved=0.1)
    here = ours.loss(SAFETY)
    there = type(here)(here.rows, here.frozen, chunked(SAFETY, longer))
    np.testing.assert_allclose(
        np.asarray(there.row_losses(ours.theta))[:6], np.asarray(here.row_losses(ours.theta))[:6], rtol=1e-5
    )


def test_the_common_shape_holds_every_text_of_every_source():
    """The longest text and the longest response, which may be of different texts."""
    long_prompt = Rendered(list(range(40)), (0, 38), (38, 40), truncated=False)
    long_response = Rendered(list(range(20)), (0, 1), (1, 20), truncated=False)
    assert common_shape([[long_prompt], [long_response], SAFETY], chunk=5) == Shape(5, 40, 19)
    assert common_shape([SAFETY, CAPABILITY], chunk=4).length <= 15


def test_chunks_say_where_each_response_token_is_predicted():
    """Positions one before the targets, targets the response, weights 1/n on them and 0 elsewhere."""
    chunks = chunked(SAFETY[:3], Shape(2, 20, 13))
    assert chunks.tokens.shape == (2, 2, 20) and chunks.positions.shape == (2, 2, 13)
    assert chunks.weights.sum() * 3 == pytest.approx(sum(np.diff(text.response_span)[0] for text in SAFETY[:3]))
    rows = [np.asarray(array).reshape(4, -1) for array in chunks]
    for row, text in enumerate(SAFETY[:3]):
        tokens, positions, targets, weights = (array[row] for array in rows)
        first, last = text.response_span
        counted = weights > 0
        assert counted.sum() == last - first
        assert tokens[: len(text.ids)].tolist() == text.ids and not tokens[len(text.ids) :].any()
        assert positions[counted].tolist() == list(range(first - 1, last - 1))
        assert targets[counted].tolist() == text.ids[first:last]
    assert not any(array[3].any() for array in rows)


def test_a_row_without_a_response_has_no_loss(logits):
    """It still counts among the rows that the mean is over."""
    ours = adapted("lora")
    empty = Rendered([5, 6, 7], (0, 3), (3, 3), truncated=False)
    found = ours.row_losses([SAFETY[0], empty])
    np.testing.assert_allclose(found, [by_hand(logits, SAFETY[0]), 0.0], rtol=2e-5)


def test_flat_goes_there_and_back():
    """One vector, and the adapter out of it."""
    tree = {"a": jnp.arange(6.0).reshape(2, 3), "b": {"c": jnp.ones(2)}}
    theta, unravel = flat(tree)
    assert theta.shape == (8,)
    np.testing.assert_array_equal(unravel(theta * 2)["a"], np.arange(6.0).reshape(2, 3) * 2)
