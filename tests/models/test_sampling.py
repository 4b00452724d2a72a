"""Likelihoods against the loss of transformers itself; samples against the softmax they are drawn from."""

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tradeoffbounds.models import hidden_states
from tradeoffbounds.models.response_logits import pad
from tradeoffbounds.models.sampling import greedy_responses, log_likelihoods, sample_responses
from tradeoffbounds.sources import render

from ..tiny_models import tiny_llama

PROMPTS = ["x", "Name a river in France.", "river " * 12]
DRAWS = 4000


@pytest.fixture(scope="module")
def prefixes(tiny_tokenizer):
    return [render(tiny_tokenizer, prompt, system_prompt="", max_tokens=300).ids for prompt in PROMPTS]


@pytest.fixture
def one_batch(monkeypatch):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", 10**7)


@pytest.fixture
def own_model():
    """A model that a test may alter."""
    return tiny_llama(layers=2)


def next_token_probabilities(model, prefix):
    with torch.no_grad():
        return model(torch.tensor([prefix])).logits[0, -1].double().softmax(dim=-1).numpy()


def assert_drawn_from(tokens, probabilities):
    """Chi-square at one in a thousand; tokens expected fewer than five times share a cell."""
    observed = np.bincount(tokens, minlength=len(probabilities))
    expected = probabilities * len(tokens)
    rare = expected < 5
    cells = [np.append(each[~rare], each[rare].sum()) for each in (observed, expected)]
    assert len(cells[0]) > 20
    assert chisquare(*cells, sum_check=False).pvalue > 1e-3


# Likelihoods


@pytest.mark.parametrize("budget", [1, 150, 10**7], ids=["alone", "few together", "all together"])
def test_log_likelihoods_are_the_labelled_loss_of_transformers(tiny_model, prefixes, monkeypatch, budget):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", budget)
    responses = [np.random.default_rng(i).integers(4, 300, size=n).tolist() for i, n in enumerate((1, 40, 7, 2, 90, 1))]
    asked = [prefixes[i % 3] for i in range(len(responses))]
    expected = []
    for prefix, response in zip(asked, responses, strict=True):
        ids, labels = torch.tensor([[*prefix, *response]]), torch.tensor([[-100] * len(prefix) + response])
        with torch.no_grad():
            expected.append(-tiny_model(input_ids=ids, labels=labels).loss.item() * len(response))
    np.testing.assert_allclose(log_likelihoods(tiny_model, asked, responses), expected, atol=1e-4, rtol=1e-6)


def test_the_likelihoods_of_all_responses_of_one_token_sum_to_one(tiny_model, prefixes):
    vocabulary = tiny_model.config.vocab_size
    every = log_likelihoods(tiny_model, [prefixes[1]] * vocabulary, [[token] for token in range(vocabulary)])
    assert np.exp(every).sum() == pytest.approx(1, abs=1e-5)


def test_the_likelihood_of_a_response_is_the_product_over_its_parts(tiny_model, prefixes):
    whole, first, second = [7, 30, 12, 99], [7, 30], [12, 99]
    parts = log_likelihoods(tiny_model, [prefixes[0], [*prefixes[0], *first]], [first, second])
    assert log_likelihoods(tiny_model, [prefixes[0]], [whole]) == pytest.approx(parts.sum(), abs=1e-4)


# Samples


def test_first_tokens_are_drawn_from_the_softmax(tiny_model, tiny_tokenizer, prefixes, one_batch):
    drawn = sample_responses(tiny_model, tiny_tokenizer, [prefixes[1]] * DRAWS, max_new_tokens=1, seed=0)
    assert {len(response) for response in drawn} == {1}
    assert_drawn_from([response[0] for response in drawn], next_token_probabilities(tiny_model, prefixes[1]))


def test_padding_on_the_left_does_not_change_the_distribution(tiny_model, tiny_tokenizer, prefixes, one_batch):
    short, long = prefixes[0], prefixes[2]
    assert len(long) > 1.3 * len(short)
    drawn = sample_responses(tiny_model, tiny_tokenizer, [long, *[short] * DRAWS], max_new_tokens=1, seed=1)
    assert_drawn_from([response[0] for response in drawn[1:]], next_token_probabilities(tiny_model, short))


def test_a_second_token_is_drawn_given_the_first(own_model, tiny_tokenizer, prefixes, one_batch):
    with torch.no_grad():
        own_model.lm_head.weight[50] = 0.0  # any token, so that the first one is not almost always the same
    drawn = sample_responses(own_model, tiny_tokenizer, [prefixes[0]] * DRAWS, max_new_tokens=2, seed=2)
    pairs = [response for response in drawn if len(response) == 2]
    common = max({pair[0] for pair in pairs}, key=lambda first: sum(pair[0] == first for pair in pairs))
    after = [pair[1] for pair in pairs if pair[0] == common]
    assert len(after) > 200
    assert_drawn_from(after, next_token_probabilities(own_model, [*prefixes[0], common]))


def test_settings_of_the_checkpoint_do_not_bend_the_distribution(own_model, tiny_tokenizer, prefixes, one_batch):
    own = own_model.generation_config
    own.update(
        do_sample=True, temperature=0.2, top_k=3, top_p=0.3, min_p=0.1, repetition_penalty=6.0, no_repeat_ngram_size=1,
        suppress_tokens=list(range(200)), num_return_sequences=1,
    )  # fmt: skip
    drawn = sample_responses(own_model, tiny_tokenizer, [prefixes[1]] * DRAWS, max_new_tokens=1, seed=3)
    assert_drawn_from([response[0] for response in drawn], next_token_probabilities(own_model, prefixes[1]))
    assert own_model.generation_config is own and own.top_k == 3


def test_the_seed_decides_the_responses(tiny_model, tiny_tokenizer, prefixes):
    first, again, other = (
        sample_responses(tiny_model, tiny_tokenizer, prefixes * 4, max_new_tokens=5, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_progress_counts_every_prefix_once(tiny_model, tiny_tokenizer, prefixes, monkeypatch):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", 1)
    for call in (
        lambda count: sample_responses(
            tiny_model, tiny_tokenizer, prefixes, max_new_tokens=2, seed=0, on_batch=count.append
        ),
        lambda count: greedy_responses(tiny_model, tiny_tokenizer, prefixes, max_new_tokens=2, on_batch=count.append),
        lambda count: log_likelihoods(tiny_model, prefixes, [[5]] * 3, on_batch=count.append),
    ):
        done = []
        call(done)
        assert sum(done) == len(prefixes) and len(done) > 1


# The most likely responses


def likeliest(model, prefix, end, length):
    """One forward a token, without a cache."""
    response = []
    while len(response) < length and (not response or response[-1] != end):
        response.append(int(next_token_probabilities(model, [*prefix, *response]).argmax()))
    return response


def test_greedy_responses_are_the_most_likely_token_each_time(tiny_model, tiny_tokenizer, prefixes, one_batch):
    end = tiny_tokenizer.eos_token_id
    found = greedy_responses(tiny_model, tiny_tokenizer, prefixes, max_new_tokens=8)
    assert found == [likeliest(tiny_model, prefix, end, 8) for prefix in prefixes]


def test_settings_of_the_checkpoint_do_not_change_greedy_responses(own_model, tiny_tokenizer, prefixes):
    before = greedy_responses(own_model, tiny_tokenizer, prefixes, max_new_tokens=8)
    own_model.generation_config.update(do_sample=True, temperature=5.0, repetition_penalty=9.0, no_repeat_ngram_size=1)
    assert greedy_responses(own_model, tiny_tokenizer, prefixes, max_new_tokens=8) == before


# The end of a turn


def test_a_response_stops_at_its_first_end_of_turn_and_keeps_it(tiny_model, tiny_tokenizer, prefixes, one_batch):
    end = tiny_tokenizer.eos_token_id
    drawn = sample_responses(tiny_model, tiny_tokenizer, prefixes * 400, max_new_tokens=12, seed=4)
    finished = [response for response in drawn if end in response]
    assert 10 < len(finished) < len(drawn)
    assert all(response.index(end) == len(response) - 1 for response in finished)
    assert {len(response) for response in drawn if end not in response} == {12}


def test_the_share_that_stops_at_once_is_the_probability_of_the_end(own_model, tiny_tokenizer, prefixes, one_batch):
    ends = [tiny_tokenizer.eos_token_id, int(next_token_probabilities(own_model, prefixes[0]).argmax())]
    own_model.generation_config.eos_token_id = ends  # either of two ends the turn
    drawn = sample_responses(own_model, tiny_tokenizer, [prefixes[0]] * DRAWS, max_new_tokens=3, seed=5)
    stopped = np.array([len(response) == 1 for response in drawn])
    probability = next_token_probabilities(own_model, prefixes[0])[ends].sum()
    assert 0.01 < probability < 0.99
    assert abs(stopped.mean() - probability) < 4 * np.sqrt(probability * (1 - probability) / DRAWS)


def test_without_an_end_in_the_checkpoint_the_tokenizers_is_used(own_model, tiny_tokenizer, prefixes):
    own_model.generation_config.eos_token_id = None
    end = tiny_tokenizer.eos_token_id
    drawn = sample_responses(own_model, tiny_tokenizer, prefixes * 200, max_new_tokens=12, seed=6)
    assert any(response[-1] == end for response in drawn)
    assert not any(end in response[:-1] for response in drawn)


@pytest.mark.parametrize(("left", "expected"), [(True, [[0, 5], [6, 7]]), (False, [[5, 0], [6, 7]])])
def test_padding_is_masked_on_the_side_asked_for(left, expected):
    ids, mask = pad([[5], [6, 7]], left=left)
    assert ids.tolist() == expected
    assert mask.tolist() == [[int(token > 0) for token in row] for row in expected]
