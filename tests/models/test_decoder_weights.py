"""Weights and adapters on their way between torch and the decoder: nothing is lost, nothing moves."""

import copy
from functools import cache, partial
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import peft
import pytest
import torch

from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.response_loss import chunked, common_shape, flat, response_loss
from tradeoffbounds.models.adapter_config import preset
from tradeoffbounds.models.decoder import Decoder, variables
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.decoder_weights import adapter_from_peft, adapter_to_peft, params_from_transformers
from tradeoffbounds.models.peft_folder import read_adapter, write_adapter
from tradeoffbounds.models.weights import model_settings, read_weights

from .test_fresh_adapter import PEFT_METHODS
from .torch_oracle import (
    ADAPTERS,
    MODELS,
    TEXTS,
    adapted_by_peft,
    arrays,
    logits,
    random_model,
    row_loss,
    trained,
)

pytestmark = pytest.mark.usefixtures("offline")
CPU = jax.devices("cpu")[:1]
SHAPE = common_shape([TEXTS], chunk=3)
quick_jit = partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})


@cache
def bare(name):
    model = random_model(name)
    config = DecoderConfig.from_transformers(model_settings(model))
    params = import_params(config, read_weights(model), "float32", CPU)
    return SimpleNamespace(model=model, config=config, params=params)


@pytest.mark.parametrize("method", PEFT_METHODS)
@pytest.mark.parametrize("name", ["Qwen2.5 tied", "Llama-2 linear"])
def test_an_adapter_that_peft_trained_and_saved_has_the_same_loss(name, method, tmp_path):
    base, theirs = bare(name), adapted_by_peft(bare(name).model, preset(method, 32), moved=False)
    optimizer = torch.optim.AdamW(trained(theirs).values(), lr=0.02)
    before = arrays(theirs)
    for _ in range(3):
        optimizer.zero_grad()
        sum(row_loss(theirs, text) for text in TEXTS).backward()
        optimizer.step()
    assert all(np.abs(array - before[key]).max() > 0.02 for key, array in arrays(theirs).items())
    theirs.save_pretrained(tmp_path, save_embedding_layers=False)

    adapter, tensors = read_adapter(tmp_path, model="owner/tiny", settings=model_settings(base.model))
    ours = adapt(base.config, adapter, base.params, tensors, SHAPE, devices=CPU, fresh=False)
    with torch.inference_mode():
        losses = [row_loss(theirs, text).item() for text in TEXTS]
    np.testing.assert_allclose(ours.row_losses(TEXTS), losses, rtol=1e-5)


@pytest.mark.parametrize("method", ADAPTERS)
def test_an_adapter_of_ours_has_the_same_logits_in_peft(method, tmp_path):
    base, adapter = bare("Gemma"), ADAPTERS[method]
    start, unravel = flat(
        adapter_from_peft(base.config, adapter, arrays(adapted_by_peft(base.model, adapter, moved=False)))
    )
    pytree = unravel(start + 0.2 * jax.random.normal(jax.random.key(0), start.shape))
    write_adapter(tmp_path / "new", adapter, adapter_to_peft(adapter, pytree), model="owner/tiny")
    theirs = peft.PeftModel.from_pretrained(copy.deepcopy(base.model), tmp_path / "new").eval()

    decoder, ids = Decoder(base.config, adapter), TEXTS[1].ids
    ours = quick_jit(decoder.apply)(variables(base.params, pytree), np.array([ids]))
    with torch.inference_mode():
        np.testing.assert_allclose(ours[0], logits(theirs, ids).numpy(), rtol=0, atol=1e-4)
        assert np.abs(ours[0] - logits(base.model, ids).numpy()).max() > 0.1


@pytest.mark.parametrize("method", ADAPTERS)
def test_tensors_come_back_bit_by_bit(method):
    base, adapter = bare("Gemma"), ADAPTERS[method]
    tensors = arrays(adapted_by_peft(base.model, adapter))
    again = adapter_to_peft(adapter, adapter_from_peft(base.config, adapter, tensors))
    if method == "p-tuning":  # PEFT saves what its encoder makes
        with torch.inference_mode():
            theirs = adapted_by_peft(base.model, adapter).get_prompt_embedding_to_save("default").numpy()
        assert again.keys() == {"prompt_embeddings"}
        np.testing.assert_allclose(again["prompt_embeddings"], theirs, rtol=0, atol=1e-6)
        return
    assert again.keys() == tensors.keys()
    assert all(again[key].dtype == np.float32 and np.array_equal(again[key], tensors[key]) for key in tensors)


@pytest.mark.parametrize("name", MODELS)
def test_every_weight_comes_once_and_without_rounding(name):
    model = random_model(name).to(torch.bfloat16)
    weights = read_weights(model)
    config = DecoderConfig.from_transformers(model_settings(model))
    params = params_from_transformers(config, weights, "bfloat16")
    assert {leaf.dtype for leaf in jax.tree.leaves(params)} == {jnp.dtype("bfloat16")}
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == sum(array.size for array in weights.values())
    last = config.layers - 1
    np.testing.assert_array_equal(
        params["layers"]["mlp"]["up_proj"]["weight"][last], weights[f"model.layers.{last}.mlp.up_proj.weight"]
    )
    # The decoder asks for these variables and no others.
    asked = jax.eval_shape(Decoder(config).init, jax.random.key(0), np.zeros((1, 4), np.int32))["params"]
    assert jax.tree.map(lambda leaf: leaf.shape, asked) == jax.tree.map(lambda leaf: leaf.shape, params)


def test_a_layer_without_a_tensor_is_named():
    base, adapter = bare("Llama-3"), ADAPTERS["lora"]
    weights = read_weights(base.model)
    del weights["model.layers.1.mlp.up_proj.weight"]
    with pytest.raises(ValueError, match=r"mlp\.up_proj\.weight is missing in layers \[1\]"):
        params_from_transformers(base.config, weights, "float32")
    tensors = arrays(adapted_by_peft(base.model, adapter))
    del tensors["base_model.model.model.layers.0.self_attn.q_proj.lora_B.weight"]
    with pytest.raises(ValueError, match=r"self_attn\.q_proj\.lora_B is missing in layers \[0\]"):
        adapter_from_peft(base.config, adapter, tensors)


@pytest.mark.parametrize("method", ["lora", "p-tuning"])
def test_recomputing_inner_values_does_not_change_a_result(method):
    base, adapter = bare("Mistral"), ADAPTERS[method]
    theta, unravel = flat(adapter_from_peft(base.config, adapter, arrays(adapted_by_peft(base.model, adapter))))
    chunk = jax.tree.map(lambda array: array[0], chunked(TEXTS, SHAPE))
    results = []
    for remat in (True, False):
        rows = response_loss(Decoder(base.config, adapter, remat), unravel)
        results.append(quick_jit(jax.value_and_grad(lambda at, rows=rows: rows(at, base.params, chunk).sum()))(theta))
    (value, gradient), (kept_value, kept_gradient) = results
    assert float(value) == pytest.approx(float(kept_value), rel=1e-6)
    assert np.linalg.norm(gradient - kept_gradient) <= 1e-5 * np.linalg.norm(kept_gradient)
