"""The Flax decoder is the model that transformers and PEFT have: logits, gradients, and Hessian-vector products."""

from functools import cache
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.response_loss import chunked, common_shape, flat
from tradeoffbounds.models.adapter_config import AdapterConfig
from tradeoffbounds.models.decoder import Decoder, variables
from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.decoder_weights import adapter_from_peft
from tradeoffbounds.models.weights import model_settings, read_weights

from . import quick
from .torch_oracle import (
    ADAPTERS,
    MODELS,
    TEXTS,
    adapted_by_peft,
    arrays,
    derivatives,
    logits,
    random_model,
    row_loss,
    text,
    with_output_head,
)

#: Two rows a chunk, so that the last of three is half empty; padded for a longer text of another source.
SHAPE = common_shape([TEXTS, [text(26, 2, 15)]], chunk=2)
CPU = jax.devices("cpu")[:1]


@pytest.fixture(scope="module", autouse=True)
def quick_compilation():
    """These tests compile much and compute little."""
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", True)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@cache
def bare(name):
    """A model in torch and its weights in JAX."""
    model = random_model(name)
    config = DecoderConfig.from_transformers(model_settings(model))
    params = import_params(config, read_weights(model), "float32", CPU)
    return SimpleNamespace(model=model, config=config, params=params)


@cache
def adapted(name, method):
    """The same with an adapter that was moved."""
    base, adapter = bare(name), ADAPTERS[method]
    theirs = adapted_by_peft(base.model, adapter)
    ours = adapt(base.config, adapter, base.params, arrays(theirs), SHAPE, devices=CPU, fresh=False)
    return SimpleNamespace(theirs=theirs, ours=ours, loss=ours.loss(TEXTS))


def value_gradient_and_product(loss, theta, vector):
    """What `ChunkedLoss` has three programs for, in the time that one of them takes to compile."""

    def total(at, frozen, chunks):
        return jax.lax.map(lambda chunk: loss.rows(at, frozen, chunk), chunks).sum()

    def everything(theta, vector, frozen, chunks):
        (value, gradient), (_, product) = jax.jvp(
            lambda at: jax.value_and_grad(total)(at, frozen, chunks), (theta,), (vector,)
        )
        return value, gradient, product

    return jax.jit(everything, compiler_options=quick.OPTIONS)(theta, vector, loss.frozen, loss.chunks)


def theta(name, method, tensors):
    """Tensors under PEFT's names as one vector, which lies where the adapter's own does."""
    vector = flat(adapter_from_peft(bare(name).config, ADAPTERS[method], tensors))[0]
    return jax.device_put(vector, adapted(name, method).ours.theta.sharding)


def random_tensors(like, seed=3):
    generator = np.random.default_rng(seed)
    return {name: generator.standard_normal(array.shape).astype(np.float32) for name, array in like.items()}


def padded_to(name):
    """Dynamic scaling goes by the padded length, as that of transformers does in a batch."""
    return SHAPE.length if name == "Llama-2 dynamic" else 0


def assert_near(ours, theirs, tolerance):
    """Relative, of vectors as wholes."""
    assert np.linalg.norm(ours - theirs) <= tolerance * np.linalg.norm(theirs)


def assert_same_logits(decoder, weights, model, name):
    tokens = chunked(TEXTS, SHAPE).tokens.reshape(-1, SHAPE.length)
    ours = np.asarray(jax.jit(decoder.apply, compiler_options=quick.OPTIONS)(weights, tokens))
    for row, each in zip(ours, TEXTS, strict=False):
        with torch.inference_mode():
            theirs = logits(model, each.ids, padded_to(name)).numpy()
        assert theirs.std() > 0.5  # far from uniform
        np.testing.assert_allclose(row[: len(each.ids)], theirs, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", MODELS)
def test_bare_models_have_the_same_logits(name):
    base = bare(name)
    assert_same_logits(Decoder(base.config), variables(base.params), base.model, name)


@pytest.mark.parametrize("name", MODELS)
def test_what_is_special_about_a_family_can_be_seen_in_its_logits(name):
    with torch.inference_mode():
        model, plain = (logits(random_model(name, **changes), TEXTS[1].ids) for changes in ({}, MODELS[name][2]))
    assert (model - plain).abs().max() > 0.1


def test_llama_3_keeps_interpolates_and_slows_down():
    scaled = random_model("Llama-3").model.rotary_emb.inv_freq
    plain = random_model("Llama-3", **MODELS["Llama-3"][2]).model.rotary_emb.inv_freq
    kept, between, *slowed = (scaled / plain).tolist()
    assert kept == 1 and 0.13 < between < 0.9 and slowed == pytest.approx([1 / 8, 1 / 8])


@pytest.mark.parametrize("method", ADAPTERS)
@pytest.mark.parametrize("name", MODELS)
def test_adapted_models_have_the_same_logits_and_derivatives(name, method):
    case = adapted(name, method)
    tensors = arrays(case.theirs)
    pytree = adapter_from_peft(bare(name).config, ADAPTERS[method], tensors)
    assert_same_logits(case.ours.decoder, variables(case.ours.params, pytree), case.theirs, name)

    vector = random_tensors(tensors)
    loss, gradient, product = derivatives(case.theirs, TEXTS, vector, padded_to(name))
    value, slope, curved = value_gradient_and_product(case.loss, case.ours.theta, theta(name, method, vector))
    assert float(value) == pytest.approx(loss, rel=1e-5)
    assert_near(slope, theta(name, method, gradient), 1e-4)
    assert_near(curved, theta(name, method, product), 1e-3)


@pytest.mark.parametrize("name", ["Qwen2.5 untied", "Gemma"])  # with a head of its own, and without
def test_an_output_head_moves_the_logits_as_the_model_s_own_head_does(name):
    base, theirs = bare(name), with_output_head(bare(name).model)
    ours = adapt(base.config, AdapterConfig("output-head"), base.params, {}, SHAPE, devices=CPU, fresh=True)
    step = {"lm_head.weight": 0.1 * random_tensors(arrays(theirs))["lm_head.weight"]}
    with torch.no_grad():
        theirs.lm_head.weight += torch.from_numpy(step["lm_head.weight"])
    at = ours.theta + step["lm_head.weight"].reshape(-1)
    assert_same_logits(ours.decoder, variables(base.params, {"head": at.reshape(96, 32)}), theirs, name)

    vector = random_tensors(step, seed=4)
    loss, gradient, product = derivatives(theirs, TEXTS, vector)
    vector, gradient, product = (tensors["lm_head.weight"].reshape(-1) for tensors in (vector, gradient, product))
    value, slope, curved = value_gradient_and_product(ours.loss(TEXTS), at, vector)
    assert float(value) == pytest.approx(loss, rel=1e-5)
    assert_near(slope, gradient, 1e-4)
    assert_near(curved, product, 1e-3)


def test_a_fresh_lora_has_no_slope_in_a_and_its_hessian_no_block_there():
    name, case = "Llama-3", adapted("Llama-3", "lora")
    fresh = adapted_by_peft(bare(name).model, ADAPTERS["lora"], moved=False)
    tensors = arrays(fresh)
    in_a, in_b = (
        np.asarray(theta(name, "lora", {key: np.full(array.shape, kind in key) for key, array in tensors.items()})) > 0
        for kind in ("lora_A", "lora_B")
    )
    assert (in_a != in_b).all()
    at = theta(name, "lora", tensors)
    assert not np.asarray(at)[in_b].any()

    vector = random_tensors(tensors)
    loss, gradient, product = derivatives(fresh, TEXTS, vector)
    value, slope = case.loss.value_and_gradient(at)
    curved = case.loss.hvp(at, theta(name, "lora", vector))
    assert float(value) == pytest.approx(loss, rel=1e-5)
    assert_near(slope, theta(name, "lora", gradient), 1e-4)
    assert_near(curved, theta(name, "lora", product), 1e-3)

    assert not np.asarray(slope)[in_a].any() and np.linalg.norm(slope[in_b]) > 1
    of_a = np.asarray(case.loss.hvp(at, theta(name, "lora", vector) * in_a))
    assert not of_a[in_a].any() and np.linalg.norm(of_a[in_b]) > 1


def test_rows_have_the_losses_that_they_have_alone_in_torch():
    base, case = bare("Mistral"), adapted("Mistral", "prompt-tuning")
    with torch.inference_mode():
        with_adapter, without = ([row_loss(m, each).item() for each in TEXTS] for m in (case.theirs, base.model))
    np.testing.assert_allclose(case.ours.row_losses(TEXTS), with_adapter, rtol=1e-5)
    np.testing.assert_allclose(case.ours.base_row_losses(TEXTS), without, rtol=1e-5)
    assert not np.allclose(with_adapter, without, rtol=0.05)


def test_rows_sum_to_the_loss():
    case = adapted("Llama-3", "lora")
    at = case.ours.theta
    value, slope = case.loss.value_and_gradient(at)
    losses, gradients = np.asarray(case.loss.row_losses(at)), np.asarray(case.loss.row_gradients(at))
    assert losses.shape == (6,) and gradients.shape == (6, at.size)
    assert losses[5] == 0 and not gradients[5].any()  # the row that only fills the last chunk
    assert losses.sum() == pytest.approx(float(value), rel=1e-5)
    assert_near(gradients.sum(axis=0), slope, 1e-5)


def test_several_vectors_at_once_are_as_each_alone():
    name, method = "Llama-3", "lora"
    case, at = adapted(name, method), adapted(name, method).ours.theta
    vectors = [random_tensors(arrays(case.theirs), seed) for seed in range(2)]
    loss, gradient, product = derivatives(case.theirs, TEXTS, vectors[0])
    value, slope = case.loss.value_and_gradient(at)
    assert float(value) == pytest.approx(loss, rel=1e-5)
    assert_near(slope, theta(name, method, gradient), 1e-4)

    vectors = jnp.stack([theta(name, method, vector) for vector in vectors])
    products = case.loss.hvps(at, vectors)
    assert_near(products[0], theta(name, method, product), 1e-3)
    for vector, together in zip(vectors, products, strict=True):
        assert_near(together, case.loss.hvp(at, vector), 1e-5)
