"""Weights and rows cut over several devices give the results of one; hosts are split into devices for it."""

import json
import os
import pickle
import subprocess
import sys

import jax
import numpy as np
import pytest

from tradeoffbounds.models.decoder_config import DecoderConfig
from tradeoffbounds.models.sharding import mesh, shard_params
from tradeoffbounds.models.weights import model_settings, read_weights

from . import quick
from .torch_oracle import ADAPTERS, TEXTS, adapted_by_peft, arrays, random_model

PROGRAM = """
import json, pickle, sys
import jax, numpy as np
from tradeoffbounds.curvature.adapted import adapt, import_params
from tradeoffbounds.curvature.response_loss import common_shape
from tradeoffbounds.models.sharding import mesh, shard_params

with open(sys.argv[1], "rb") as file:
    config, state, adapter, tensors, texts = pickle.load(file)
results = {}
for name, devices in (("one", jax.devices()[:1]), ("all", jax.devices())):
    params = import_params(config, state, "float32", devices)
    held = {device.id: 0 for device in devices}
    for leaf in jax.tree.leaves(params):
        for shard in leaf.addressable_shards:
            held[shard.device.id] += shard.data.size
    results[name] = {
        "devices": len(devices),
        "held": sorted(held.values()),
        "uncut": [leaf.shape for leaf in jax.tree.leaves(params) if leaf.sharding.is_fully_replicated],
    }
    adapted = adapt(config, adapter, params, tensors, common_shape([texts], chunk=3), devices=devices, fresh=False)
    loss, theta = adapted.loss(texts), adapted.theta
    vector = np.random.default_rng(0).standard_normal(theta.shape).astype(np.float32)
    value, gradient = loss.value_and_gradient(theta)
    product = loss.hvp(theta, jax.device_put(vector, theta.sharding))
    results[name] |= {
        "chunks": loss.chunks.tokens.shape,
        "rows on a device": loss.chunks.tokens.addressable_shards[0].data.shape[1],
        "value": float(value), "gradient": gradient.tolist(), "product": product.tolist(),
        "rows": adapted.row_losses(texts).tolist(), "base": adapted.base_row_losses(texts).tolist(),
    }
json.dump(results, sys.stdout)
"""


@pytest.mark.parametrize(("devices", "chunk", "chunks", "method"), [(2, 4, 2, "lora"), (8, 8, 1, "p-tuning")])
def test_several_devices_give_the_result_of_one(devices, chunk, chunks, method, tmp_path):
    model, adapter = random_model("Qwen2.5 tied"), ADAPTERS[method]
    config, tensors = DecoderConfig.from_transformers(model_settings(model)), arrays(adapted_by_peft(model, adapter))
    case = tmp_path / "case.pickle"  # read without torch
    case.write_bytes(pickle.dumps((config, read_weights(model), adapter, tensors, TEXTS)))
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}{quick.FLAGS}",
        "JAX_PLATFORMS": "cpu",
        "JAX_DISABLE_MOST_OPTIMIZATIONS": "1",
    }
    command = [sys.executable, "-c", PROGRAM, str(case)]
    run = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert run.returncode == 0, run.stderr
    results = json.loads(run.stdout)
    one, several = results["one"], results["all"]
    assert (one["devices"], several["devices"]) == (1, devices)

    (whole,) = one["held"]
    assert several["uncut"] == [] and several["held"] == [whole // devices] * devices
    assert one["chunks"][:2] == [2, 3] and several["chunks"][:2] == [chunks, chunk]
    assert several["rows on a device"] == chunk // devices
    assert several["value"] == pytest.approx(one["value"], rel=1e-5)
    for key in ("gradient", "product", "rows", "base"):
        expected = np.array(one[key])
        assert np.linalg.norm(several[key] - expected) <= 1e-5 * np.linalg.norm(expected), key


def test_on_one_device_nothing_is_cut():
    params = {"a": np.ones((3, 4)), "b": {"c": np.ones(7)}}
    placed = shard_params(params, mesh(jax.devices("cpu")[:1]))
    assert all(leaf.sharding.is_fully_replicated for leaf in jax.tree.leaves(placed))
    jax.tree.map(np.testing.assert_array_equal, placed, params)
