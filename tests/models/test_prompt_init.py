"""How virtual tokens start: as long as PEFT makes them, or as the text's own embeddings; and the same from disk."""

import json

import numpy as np
import peft
import pytest
import torch

from tradeoffbounds.errors import UserError
from tradeoffbounds.models.adapter_config import METHODS, preset
from tradeoffbounds.models.embedded import NAME
from tradeoffbounds.models.fresh_adapter import attach_fresh, fresh_adapter, peft_config
from tradeoffbounds.models.import_model import import_model
from tradeoffbounds.models.load import EMBEDDED, Placement, load_model, load_tokenizer, tokenizer_source
from tradeoffbounds.models.peft_folder import read_adapter, write_adapter
from tradeoffbounds.models.prompt_init import (
    PROMPT_INITS,
    TEXTS,
    check_prompt_init,
    method_name,
    prompt_inits_of,
    short_prompt_init,
    starting_text,
)
from tradeoffbounds.models.weights import model_settings

from .test_load import tiny_gguf  # noqa: F401  a fixture

pytestmark = pytest.mark.usefixtures("offline")
ON_CPU = Placement("cpu", "float32")
HIDDEN, TOKENS = 32, 20
OWN = "text:Be kind."


def made(folder, prompt_init, seed=0, dtype="float32"):
    """Virtual tokens before any step."""
    model = load_model(str(folder), Placement("cpu", dtype))
    config = preset("prompt-tuning", HIDDEN, prompt_init)
    (values,) = fresh_adapter(model, config, seed, spec=str(folder)).values()
    return values


def embeddings(folder):
    return load_model(str(folder), ON_CPU).get_input_embeddings().weight.detach().numpy()


def repeated(ids):
    """Cut, or said again and again, to the number of virtual tokens."""
    return (ids * TOKENS)[:TOKENS]


def test_random_numbers_are_longer_than_tokens_by_the_embedding_s_own_scale(tiny_folder):
    rows = embeddings(tiny_folder)
    vocabulary, random = (np.linalg.norm(made(tiny_folder, each), axis=1) for each in ("vocabulary", "random"))
    assert random.mean() == pytest.approx(HIDDEN**0.5, rel=0.1)
    assert vocabulary.mean() == pytest.approx(np.linalg.norm(rows, axis=1).mean(), rel=0.1)
    assert random.mean() / vocabulary.mean() == pytest.approx(1 / rows.std(), rel=0.15)


@pytest.mark.parametrize("prompt_init", [*TEXTS, OWN, "text: and so on" * 20])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_from_a_text_they_start_as_its_tokens_embeddings(tiny_folder, prompt_init, dtype):
    ids = load_tokenizer(str(tiny_folder))(starting_text(prompt_init))["input_ids"]
    expected = torch.tensor(embeddings(tiny_folder)[repeated(ids)]).to(getattr(torch, dtype)).float().numpy()
    found = made(tiny_folder, prompt_init, dtype=dtype)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("prompt_init", [*TEXTS, OWN])
def test_peft_called_as_its_manual_says_starts_from_the_same(tiny_folder, prompt_init):
    config = peft.PromptTuningConfig(
        task_type="CAUSAL_LM", num_virtual_tokens=TOKENS, prompt_tuning_init="TEXT",
        prompt_tuning_init_text=starting_text(prompt_init), tokenizer_name_or_path=str(tiny_folder),
    )  # fmt: skip
    theirs = peft.get_peft_model(load_model(str(tiny_folder), ON_CPU), config)
    weight = theirs.prompt_encoder["default"].embedding.weight.detach().numpy()
    np.testing.assert_array_equal(made(tiny_folder, prompt_init), weight)


def test_random_values_without_an_initialisation_asked_for_are_peft_s_of_the_seed(tiny_folder):
    torch.manual_seed(5)
    theirs = peft.get_peft_model(
        load_model(str(tiny_folder), ON_CPU), peft.PromptTuningConfig(task_type="CAUSAL_LM", num_virtual_tokens=TOKENS)
    )
    weight = theirs.prompt_encoder["default"].embedding.weight.detach().numpy()
    np.testing.assert_array_equal(made(tiny_folder, "random", seed=5), weight)


@pytest.mark.parametrize("prompt_init", [*PROMPT_INITS, OWN])
def test_the_seed_decides_but_where_a_text_does(tiny_folder, prompt_init):
    first, again, other = (made(tiny_folder, prompt_init, seed) for seed in (1, 1, 2))
    assert np.array_equal(first, again)
    assert np.array_equal(first, other) == (starting_text(prompt_init) is not None)


def test_every_initialisation_is_another_start(tiny_folder):
    starts = [made(tiny_folder, each) for each in (*PROMPT_INITS, OWN)]
    assert len({start.tobytes() for start in starts}) == len(starts)


def test_out_of_a_gguf_file_the_text_is_read_too(tiny_gguf, tiny_folder):  # noqa: F811
    assert tokenizer_source(str(tiny_gguf)) == (str(tiny_gguf.parent), {"gguf_file": tiny_gguf.name})
    found, expected = made(tiny_gguf, "safety-text"), made(tiny_folder, "safety-text")
    assert found.shape == expected.shape == (TOKENS, HIDDEN)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("prompt_init", ["random", "safety-text"])
def test_a_saved_adapter_answers_as_the_live_one_and_needs_no_tokenizer(tiny_folder, tmp_path, prompt_init):
    config = preset("prompt-tuning", HIDDEN, prompt_init)
    model = attach_fresh(load_model(str(tiny_folder), ON_CPU), config, 0, spec=str(tiny_folder)).eval()
    with torch.no_grad():
        model.prompt_encoder["default"].embedding.weight += 0.1
    model.save_pretrained(tmp_path / "theirs", save_embedding_layers=False)
    saved = json.loads((tmp_path / "theirs" / "adapter_config.json").read_text())
    assert saved["prompt_tuning_init"] == ("RANDOM" if prompt_init == "random" else "TEXT")
    assert saved["prompt_tuning_init_text"] == starting_text(prompt_init)
    (tmp_path / "theirs" / "adapter_config.json").write_text(json.dumps(saved | {"tokenizer_name_or_path": "gone"}))
    ids = torch.arange(12).reshape(2, 6)
    settings = model_settings(model.get_base_model())
    read, tensors = read_adapter(tmp_path / "theirs", model=str(tiny_folder), settings=settings)
    assert read == preset("prompt-tuning", HIDDEN)  # of a trained adapter the start says nothing
    write_adapter(tmp_path / "ours", config, tensors, model=str(tiny_folder))
    with torch.inference_mode():
        expected = model(ids).logits
        for name in ("theirs", "ours"):
            again = peft.PeftModel.from_pretrained(load_model(str(tiny_folder), ON_CPU), str(tmp_path / name)).eval()
            assert torch.equal(again(ids).logits, expected)


def test_case_two_starts_from_the_same_values(tiny_folder):
    methods = ("lora", "prompt-tuning", "p-tuning")
    asked, default = (
        import_model(str(tiny_folder), "float32", methods, seed=0, prompt_init=each).adapters
        for each in ("text", "vocabulary")
    )
    np.testing.assert_array_equal(asked[1][1]["prompt_embeddings"], made(tiny_folder, "text"))
    np.testing.assert_array_equal(default[1][1]["prompt_embeddings"], made(tiny_folder, "vocabulary"))
    for place in (0, 2):
        assert asked[place][0] == default[place][0] == preset(methods[place], HIDDEN)
        for name, tensor in default[place][1].items():
            np.testing.assert_array_equal(asked[place][1][name], tensor)


def test_a_text_without_a_tokenizer_is_refused():
    with pytest.raises(ValueError, match="need the model's tokenizer"):
        peft_config(preset("prompt-tuning", HIDDEN, "text"))


# Names


def test_only_prompt_tuning_takes_notice():
    for method in METHODS:
        concerned = method == "prompt-tuning"
        assert (preset(method, HIDDEN, "random") != preset(method, HIDDEN)) == concerned
        assert prompt_inits_of(method, ["random", "text"]) == (("random", "text") if concerned else (None,))
        assert prompt_inits_of(method, ["vocabulary"]) == (None,)
    assert prompt_inits_of("prompt-tuning", ["vocabulary", "random"]) == ("vocabulary", "random")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("tokens", "virtual tokens from 'tokens'; expected one of vocabulary, random, text, safety-text, or text:YOUR"),
        ("", "cannot start virtual tokens from ''"),
        ("Text", "cannot start virtual tokens from 'Text'"),
        ("text:", "the text to start virtual tokens from is empty; write it after text:"),
        ("text: \n", "the text to start virtual tokens from is empty"),
    ],
)
def test_an_unknown_initialisation_is_refused_in_one_line(given, said):
    with pytest.raises(UserError) as caught:
        check_prompt_init(given)
    assert said in str(caught.value) and "\n" not in str(caught.value)


def test_names_are_short_and_say_what_was_chosen():
    assert method_name("lora", None) == "lora"
    assert method_name("prompt-tuning", "random") == "prompt-tuning (random)"
    assert short_prompt_init(OWN) == "“Be kind.”"
    assert short_prompt_init("text:Be kind to everyone who asks.") == "“Be kind to everyone who …”"


def test_the_texts_written_here_say_all_within_the_virtual_tokens():
    if not tokenizer_is_there():
        pytest.skip(f"{NAME} is not installed")
    tokenizer = load_tokenizer(EMBEDDED)
    for text in TEXTS.values():
        ids = tokenizer(text)["input_ids"]
        assert len(ids) >= TOKENS
        assert tokenizer.decode(ids[:TOKENS]).rstrip(".") == text.rstrip(".")


def tokenizer_is_there():
    try:
        load_tokenizer(EMBEDDED)
    except UserError:
        return False
    return True
