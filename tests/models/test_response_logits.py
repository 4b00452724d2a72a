"""Logits of batches against one row at a time through PEFT's own forward, where nothing is padded."""

import peft
import pytest
import torch

from tradeoffbounds.models import hidden_states
from tradeoffbounds.models.adapter_config import METHODS, preset
from tradeoffbounds.models.fresh_adapter import attach_fresh
from tradeoffbounds.models.response_logits import predictions

from ..tiny_models import tiny_llama

PEFT_METHODS = [method for method in METHODS if method != "output-head"]
PREFIXES = [[5], [7, 0, 9, 30, 2, 8, 8, 1, 4], [3, 4, 5], [6, 0], [11, 12, 13, 14]]
RESPONSES = [[0, 6, 0], [9], [1, 2, 3, 4, 5, 6, 7, 8], [0], [20, 21]]


def made(method):
    """Away from the adapter's start, where LoRA and IA3 would be the base model."""
    model = tiny_llama(layers=2)
    if method == "none":
        return model
    adapted = attach_fresh(model, preset(method, 32), seed=0).eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in adapted.parameters():
            if weight.requires_grad:
                weight += 0.2 * torch.randn(weight.shape, generator=generator)
    return adapted


@pytest.fixture(params=[*PEFT_METHODS, "none"])
def model(request):
    return made(request.param)


def alone(model, prefix, response):
    """What predicts each token of the response; rows for virtual tokens stand before all others."""
    ids = torch.tensor([[*prefix, *response]])
    logits = model(input_ids=ids).logits[0, -ids.shape[1] :]
    return logits[len(prefix) - 1 : -1]


def assert_rows_as_alone(model, found, *, atol=2e-4):
    assert found.keys() == set(range(len(PREFIXES)))
    for i, (prefix, response) in enumerate(zip(PREFIXES, RESPONSES, strict=True)):
        assert found[i].shape == (len(response), model.config.vocab_size) and found[i].dtype == torch.float32
        torch.testing.assert_close(found[i], alone(model, prefix, response).float(), rtol=1e-4, atol=atol)


@pytest.mark.parametrize("budget", [1, 24, 10**6], ids=["one by one", "some together", "all together"])
def test_each_row_has_the_logits_that_it_has_alone(model, monkeypatch, budget):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", budget)
    with torch.inference_mode():
        assert_rows_as_alone(model, dict(predictions(model, PREFIXES, RESPONSES)))


def test_rows_come_once_and_by_rising_length(model):
    order = [i for i, _ in predictions(model, PREFIXES, RESPONSES)]
    lengths = [len(PREFIXES[i]) + len(RESPONSES[i]) for i in order]
    assert sorted(order) == list(range(5)) and lengths == sorted(lengths)


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_adapters_change_the_logits_and_switched_off_they_do_not(method):
    model, base = made(method), made("none")
    with torch.inference_mode():
        on, plain = (dict(predictions(each, PREFIXES, RESPONSES)) for each in (model, base))
        with model.disable_adapter():
            off = dict(predictions(model, PREFIXES, RESPONSES))
    for i in range(len(PREFIXES)):
        torch.testing.assert_close(off[i], plain[i], rtol=1e-5, atol=1e-5)
        assert (on[i] - plain[i]).abs().max() > 0.05


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_an_adapter_out_of_its_folder_says_what_the_live_one_says(method, tmp_path):
    """P-tuning's folder holds the virtual tokens, without the encoder that made them."""
    model = made(method)
    model.save_pretrained(tmp_path, save_embedding_layers=False)
    reloaded = peft.PeftModel.from_pretrained(tiny_llama(layers=2), tmp_path).eval()
    with torch.inference_mode():
        live, again = (dict(predictions(each, PREFIXES, RESPONSES)) for each in (model, reloaded))
        assert_rows_as_alone(reloaded, again)
    for i in live:
        torch.testing.assert_close(again[i], live[i], rtol=1e-5, atol=1e-5)


def test_virtual_tokens_may_be_of_another_format_than_the_model():
    model = made("prompt-tuning")
    model.base_model.to(torch.bfloat16)
    assert {weight.dtype for weight in model.prompt_encoder.parameters()} == {torch.float32}
    with torch.inference_mode():
        assert_rows_as_alone(model, dict(predictions(model, PREFIXES, RESPONSES)), atol=0.1)


def test_a_row_without_a_response_has_no_logits(model):
    with torch.inference_mode():
        found = dict(predictions(model, [[4, 5], [6]], [[], [7]]))
    assert found[0].shape == (0, model.config.vocab_size) and found[1].shape[0] == 1
