"""Logits of batches against one row at a time through PEFT's own forward, where nothing is padded."""

import peft
import pytest
import torch

from tradeoffbounds.models import hidden_states
from tradeoffbounds.models.adapter_config import METHODS, preset
from tradeoffbounds.models.fresh_adapter import attach_fresh
from tradeoffbounds.models.response_logits import choice_predictions, left_padded, predictions

from ..tiny_models import tiny_llama

PEFT_METHODS = [method for method in METHODS if method != "output-head"]
PREFIXES = [[5], [7, 0, 9, 30, 2, 8, 8, 1, 4], [3, 4, 5], [6, 0], [11, 12, 13, 14]]
RESPONSES = [[0, 6, 0], [9], [1, 2, 3, 4, 5, 6, 7, 8], [0], [20, 21]]


#: Prefixes that begin alike, with one response or several, short and long.
QUESTIONS = [
    [([5, 6, 7], [[0, 6, 0], [9], [1, 2, 3]]), ([5, 6, 8, 9, 9], [[4], [4, 4]])],
    [([7, 0, 9, 30, 2, 8, 8, 1, 4], [[3]]), ([7, 0], [[2], [1]])],
    [([3, 4], [[20, 21, 22, 23, 24]])],
    [([6, 1, 1, 1], [[2], [3]]), ([6, 1, 1, 2], [[2], [3]]), ([6, 1, 1, 2, 5], [[2], [3]])],
]


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


# Several responses to several prefixes


@pytest.mark.parametrize("budget", [1, 60, 10**6], ids=["one by one", "some together", "all together"])
def test_each_choice_has_the_logits_that_it_has_alone(model, monkeypatch, budget):
    monkeypatch.setattr(hidden_states, "TOKENS_PER_BATCH", budget)
    with torch.inference_mode():
        found = dict(choice_predictions(model, QUESTIONS))
        assert found.keys() == set(range(len(QUESTIONS)))
        for i, question in enumerate(QUESTIONS):
            pairs = [(prefix, response) for prefix, responses in question for response in responses]
            for logits, (prefix, response) in zip(found[i], pairs, strict=True):
                assert logits.shape == (len(response), model.config.vocab_size) and logits.dtype == torch.float32
                torch.testing.assert_close(logits, alone(model, prefix, response).float(), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("method", PEFT_METHODS)
def test_choices_of_a_model_whose_adapter_is_off_are_the_base_s_bit_for_bit(method):
    model, base = made(method), made("none")
    with torch.inference_mode():
        on, plain = (dict(choice_predictions(each, QUESTIONS)) for each in (model, base))
        with model.disable_adapter():
            off = dict(choice_predictions(model, QUESTIONS))
    for i in plain:
        assert all(torch.equal(*each) for each in zip(off[i], plain[i], strict=True))
        assert all((a - b).abs().max() > 0.05 for a, b in zip(on[i], plain[i], strict=True))


def test_what_prefixes_share_is_read_once(monkeypatch):
    model, read = made("none"), []
    forward = type(model).forward

    def counted(self, input_ids, **options):
        read.append(tuple(input_ids.shape))
        return forward(self, input_ids, **options)

    monkeypatch.setattr(type(model), "forward", counted)
    start = list(range(5, 45))
    with torch.inference_mode():
        list(choice_predictions(model, [[([*start, 1, 2], [[7, 8], [9, 9]]), ([*start, 3, 4], [[7, 8], [9, 9]])]]))
    assert read == [(1, 40), (2, 2), (4, 1)]


@pytest.mark.parametrize("question", [[([5, 6], [[1]]), ([6, 6], [[1]])], [([5], [[1]])]])
def test_prefixes_without_a_common_start_are_refused(question):
    with pytest.raises(ValueError, match="begin with the same token"):
        list(choice_predictions(made("none"), [question]))


@pytest.mark.parametrize("method", ["prompt-tuning", "p-tuning"])
def test_virtual_tokens_stand_between_padding_and_text(method):
    model = made(method)
    with torch.inference_mode():
        inputs, mask = left_padded(model, [[5, 6, 7], [8]])
        virtual, words = model.get_prompt(batch_size=1)[0], model.word_embeddings(torch.tensor([5, 6, 7, 8]))
    assert mask.tolist() == [[1] * 23, [0, 0] + [1] * 21]
    assert torch.equal(inputs["inputs_embeds"][0], torch.cat([virtual, words[:3]]))
    assert torch.equal(inputs["inputs_embeds"][1, 2:], torch.cat([virtual, words[3:]]))
