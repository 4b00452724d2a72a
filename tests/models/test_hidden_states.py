"""Pooled states against a plain forward pass of transformers, one text at a time."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tradeoffbounds.models import hidden_states
from tradeoffbounds.models.hidden_states import TOKENS_PER_BATCH, batches, pooled_states
from tradeoffbounds.sources import Row, render_all

ROWS = [
    Row("Name a river in France.", "The Loire is the longest one."),
    Row("x", "y"),
    Row("river " * 30, "Loire"),
    Row("Name one", "The Loire, the Seine and the Garonne. " * 6),
    Row("système: ça va? 😀", "oui 😀\n\n1. un\n2. deux"),
]


@pytest.fixture(scope="module")
def texts(tiny_tokenizer):
    return render_all(tiny_tokenizer, ROWS, system_prompt="Be brief.", max_tokens=200)


def expected_states(model, text, span):
    """Of four layers the first and the third: a quarter and four fifths of the depth."""
    with torch.no_grad():
        states = model(torch.tensor([text.ids]), output_hidden_states=True).hidden_states
    return np.concatenate([states[layer][0, slice(*span)].mean(dim=0).numpy() for layer in (1, 3)])


@pytest.mark.parametrize("budget", [1, 250, 10_000], ids=["alone", "few together", "all together"])
def test_states_are_the_means_over_the_spans_of_an_unbatched_forward_pass(tiny_model, texts, monkeypatch, budget):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", budget)
    pooled = pooled_states(tiny_model, texts)
    assert pooled.prompts.shape == pooled.responses.shape == (len(texts), 2 * 32)
    for i, text in enumerate(texts):
        np.testing.assert_allclose(
            pooled.prompts[i], expected_states(tiny_model, text, text.prompt_span), atol=1e-5, rtol=1e-5
        )
        np.testing.assert_allclose(
            pooled.responses[i], expected_states(tiny_model, text, text.response_span), atol=1e-5, rtol=1e-5
        )


def test_the_prompts_vector_does_not_change_when_the_response_does(tiny_model, tiny_tokenizer):
    answers = ["y", "Loire " * 40, "The Seine."]
    texts = render_all(tiny_tokenizer, [Row("Name a river", answer) for answer in answers], max_tokens=400)
    pooled = pooled_states(tiny_model, texts)
    np.testing.assert_allclose(pooled.prompts[1:], pooled.prompts[[0, 0]], atol=1e-5)
    assert np.abs(pooled.responses[0] - pooled.responses[1]).max() > 0.1


def test_prompt_and_response_do_not_share_a_vector(tiny_model, texts):
    pooled = pooled_states(tiny_model, texts)
    assert np.abs(pooled.prompts - pooled.responses).max(axis=1).min() > 0.1


def test_progress_counts_every_text_once(tiny_model, texts, monkeypatch):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", 250)
    done = []
    pooled_states(tiny_model, texts, on_batch=done.append)
    assert sum(done) == len(texts) and len(done) > 1


@given(st.lists(st.integers(1, 3 * TOKENS_PER_BATCH), max_size=60))
def test_batches_hold_every_index_once_in_order_of_length_within_the_budget(lengths):
    result = list(batches(lengths))
    order = [i for batch in result for i in batch]
    assert sorted(order) == list(range(len(lengths)))
    assert [lengths[i] for i in order] == sorted(lengths)
    for batch in result:
        assert len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= TOKENS_PER_BATCH


def test_a_batch_is_not_cut_before_the_budget_is_reached():
    assert list(map(len, batches([TOKENS_PER_BATCH // 4] * 9))) == [4, 4, 1]
