"""Fisher scores against finite differences of a log-likelihood that is written out here once more."""

import numpy as np
import pytest
import torch

from tradeoffbounds.models import hidden_states
from tradeoffbounds.models.response_scores import response_scores
from tradeoffbounds.sources import Row, render_all
from tradeoffbounds.sources.chat import Rendered

from ..tiny_models import tiny_llama

#: Of four layers: half, seven tenths and nine tenths of the depth.
LAYERS = (1, 2, 3)
HIDDEN = 32
ROWS = [Row("x", "y"), Row("Name a river in France.", "The Loire."), Row("river " * 9, "Loire, " * 9)]


@pytest.fixture(scope="module")
def model():
    """In float64 throughout: Llama's own norm goes through float32, too coarse for a difference."""
    model = tiny_llama().double()

    def exact(norm):
        return lambda x: norm.weight * x * torch.rsqrt(x.square().mean(-1, keepdim=True) + norm.variance_epsilon)

    for module in model.modules():
        if hasattr(module, "variance_epsilon"):
            module.forward = exact(module)
    return model


@pytest.fixture(scope="module")
def texts(tiny_tokenizer):
    return render_all(tiny_tokenizer, ROWS, system_prompt="", max_tokens=200)


def steered_log_likelihood(model, text, layer, vector):
    """log P(response | prompt), float64, with ``vector`` added to a layer where a response token is predicted."""
    start, stop = text.response_span

    def add(_module, _inputs, output):
        output = output.clone()
        output[0, start - 1 : stop - 1] += vector
        return output

    handle = model.model.layers[layer].register_forward_hook(add)
    with torch.no_grad():
        log_probs = model(torch.tensor([text.ids])).logits[0].log_softmax(dim=-1)
    handle.remove()
    return sum(log_probs[t - 1, text.ids[t]].item() for t in range(start, stop))


def hooks(model):
    return sum(len(module._forward_hooks) for module in model.modules())


@pytest.mark.parametrize("budget", [1, 10_000], ids=["alone", "together"])
@pytest.mark.parametrize("depth", range(3))
def test_a_score_is_the_derivative_of_the_log_likelihood(model, texts, monkeypatch, rng, budget, depth):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", budget)
    scores = response_scores(model, texts)
    assert scores.shape == (len(texts), 3 * HIDDEN)
    step = 1e-4
    for text, score in zip(texts, scores, strict=True):
        own = score[depth * HIDDEN : (depth + 1) * HIDDEN].astype(float)
        for direction in torch.tensor(rng.normal(size=(4, HIDDEN))):
            ends = [steered_log_likelihood(model, text, LAYERS[depth], s * step * direction) for s in (1, -1)]
            scale = np.linalg.norm(own) * direction.norm().item()
            assert abs((ends[0] - ends[1]) / (2 * step) - own @ direction.numpy()) < 1e-4 * scale


def test_scores_of_the_models_own_responses_have_mean_zero(model, texts):
    """Exactly, over all responses of one token with their probabilities."""
    start = texts[1].response_span[0]
    prefix = texts[1].ids[:start]
    every = [
        Rendered([*prefix, token], texts[1].prompt_span, (start, start + 1), False)
        for token in range(model.config.vocab_size)
    ]
    scores = response_scores(model, every)
    with torch.no_grad():
        probabilities = model(torch.tensor([prefix])).logits[0, -1].softmax(dim=-1).numpy()
    assert np.abs(scores).max() > 0.1
    np.testing.assert_allclose(probabilities @ scores, 0, atol=1e-5)


def test_the_model_is_left_as_it_was(model, texts):
    def logits():
        with torch.no_grad():
            return model(torch.tensor([texts[1].ids])).logits

    before = logits()
    response_scores(model, texts)
    assert hooks(model) == 0
    assert torch.equal(logits(), before)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_hooks_are_removed_after_an_error(texts):
    model = tiny_llama(layers=2)

    def fail(*_):
        raise RuntimeError("out of memory")

    model.lm_head.register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        response_scores(model, texts)
    assert hooks(model) == 0


def test_decoder_layers_that_return_tuples_are_steered_too(model, texts):
    """As they did before transformers 5."""
    expected = response_scores(model, texts)
    inside = [
        layer.register_forward_hook(lambda _module, _inputs, output: (output, None)) for layer in model.model.layers
    ]
    unwrap = [
        layer.register_forward_pre_hook(lambda _module, inputs: (inputs[0][0], *inputs[1:]))
        for layer in model.model.layers[1:]
    ] + [model.model.norm.register_forward_pre_hook(lambda _module, inputs: (inputs[0][0],))]
    try:
        np.testing.assert_allclose(response_scores(model, texts), expected, rtol=1e-6)
    finally:
        for handle in inside + unwrap:
            handle.remove()
