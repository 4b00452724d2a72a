"""Gaps of rows against full softmaxes in float64, one row at a time; and against all responses there are."""

import copy
import itertools

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from tradeoffbounds.finetune import gaps
from tradeoffbounds.finetune.gaps import row_kls, row_losses
from tradeoffbounds.finetune.rows import Text
from tradeoffbounds.models import hidden_states

from ..tiny_models import tiny_llama
from .lessons import PEFT_METHODS, adapted, texts

ROWS = texts(7, seed=4)
#: The same prompts as the teacher reads them: under a system prompt of its own.
READ_BY_TEACHER = [(17, 4, *row.prefix[:-1], *(9,) * (i % 3), row.prefix[-1]) for i, row in enumerate(ROWS)]


@pytest.fixture(scope="module")
def teacher():
    return tiny_llama(layers=2, seed=5)


@pytest.fixture(params=[*PEFT_METHODS, "none"])
def model(request):
    return adapted(request.param)


def distributions(model, prefix, response):
    """log P(token | prefix, response so far) of every token of the vocabulary, one row a place, in float64."""
    ids = torch.tensor([[*prefix, *response]])
    with torch.no_grad():
        logits = copy.deepcopy(model).double()(input_ids=ids).logits[0, -ids.shape[1] :]
    return logits[len(prefix) - 1 : -1].log_softmax(dim=-1).numpy()


def kl_by_hand(model, teacher, row, prefix):
    theirs, ours = (distributions(each, read, row.response) for each, read in ((teacher, prefix), (model, row.prefix)))
    return float((np.exp(theirs) * (theirs - ours)).sum())


def test_losses_are_the_negative_log_likelihoods(model):
    expected = [-distributions(model, row.prefix, row.response)[range(len(row.response)), row.response] for row in ROWS]
    np.testing.assert_allclose(row_losses(model, ROWS), [each.sum() for each in expected], rtol=1e-5)


def test_kls_are_sums_over_the_whole_vocabulary(model, teacher):
    expected = [kl_by_hand(model, teacher, row, prefix) for row, prefix in zip(ROWS, READ_BY_TEACHER, strict=True)]
    assert min(expected) > 1
    np.testing.assert_allclose(row_kls(model, teacher, ROWS, READ_BY_TEACHER), expected, rtol=1e-4)


def test_the_teacher_reads_its_own_prompts(teacher):
    prefixes = [row.prefix for row in ROWS]
    np.testing.assert_array_equal(row_kls(teacher, teacher, ROWS, prefixes), 0)
    own = row_kls(teacher, teacher, ROWS, READ_BY_TEACHER)
    assert (own > 0.1).all()
    swapped = [Text(prefix, row.response) for row, prefix in zip(ROWS, READ_BY_TEACHER, strict=True)]
    there = row_kls(teacher, teacher, swapped, prefixes)  # KL(teacher's ‖ model's) is not KL(model's ‖ teacher's)
    assert (there > 0.1).all() and not np.allclose(own, there, rtol=0.01)


def test_what_the_teacher_said_may_be_kept_for_the_next_model(teacher, monkeypatch):
    monkeypatch.setattr(gaps, "_GROUP", 3)
    known = {}
    for method in ("lora", "none"):
        model = adapted(method)
        kept = row_kls(model, teacher if method == "lora" else None, ROWS, READ_BY_TEACHER, known)
        np.testing.assert_array_equal(kept, row_kls(model, teacher, ROWS, READ_BY_TEACHER))
    assert known.keys() == set(range(len(ROWS)))


@pytest.mark.parametrize("method", ["lora", "ia3"])
def test_an_adapter_that_starts_as_the_identity_has_no_gap(method):
    prefixes = [row.prefix for row in ROWS]
    np.testing.assert_allclose(row_kls(adapted(method, moved=0.0), adapted("none"), ROWS, prefixes), 0, atol=1e-5)


@pytest.mark.parametrize("method", ["prompt-tuning", "none"])
def test_what_is_in_the_same_batch_changes_nothing(method, teacher, monkeypatch):
    model = adapted(method)
    losses, kls = row_losses(model, ROWS), row_kls(model, teacher, ROWS, READ_BY_TEACHER)
    backwards = slice(None, None, -1)
    np.testing.assert_allclose(row_losses(model, ROWS[backwards])[backwards], losses, rtol=1e-5)
    np.testing.assert_allclose(
        row_kls(model, teacher, ROWS[backwards], READ_BY_TEACHER[backwards])[backwards], kls, rtol=1e-4
    )
    for group, tokens in ((2, 10**6), (3, 1), (100, 40)):
        monkeypatch.setattr(gaps, "_GROUP", group)
        monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", tokens)
        np.testing.assert_allclose(row_losses(model, ROWS), losses, rtol=1e-5)
        np.testing.assert_allclose(row_kls(model, teacher, ROWS, READ_BY_TEACHER), kls, rtol=1e-4)


def test_the_mean_over_the_teacher_s_responses_is_the_kl_of_whole_responses():
    """All responses of two tokens, weighted by the teacher: the chain rule, and no sampling error in it."""
    letters = 6
    config = LlamaConfig(
        vocab_size=letters, hidden_size=16, intermediate_size=24, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=1, initializer_range=0.3, bos_token_id=None, eos_token_id=None,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model, teacher = LlamaForCausalLM(config).eval(), LlamaForCausalLM(config).eval()
    prompt, read_by_teacher = (1, 2, 3), (5, 1, 2, 3)
    responses = list(itertools.product(range(letters), repeat=2))
    rows = [Text(prompt, response) for response in responses]
    p = np.array([distributions(model, prompt, y)[[0, 1], y].sum() for y in responses])
    mu = np.array([distributions(teacher, read_by_teacher, y)[[0, 1], y].sum() for y in responses])
    assert np.exp(p).sum() == pytest.approx(1) and np.exp(mu).sum() == pytest.approx(1)
    of_responses = float((np.exp(mu) * (mu - p)).sum())
    of_rows = row_kls(model, teacher, rows, [read_by_teacher] * len(rows))
    assert of_responses > 0.1
    assert float((np.exp(mu) * of_rows).sum()) == pytest.approx(of_responses, rel=1e-5)
    ratios = mu - p
    assert np.exp(mu) @ (of_rows - of_responses) ** 2 < np.exp(mu) @ (ratios - of_responses) ** 2  # Rao and Blackwell
