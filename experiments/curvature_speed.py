"""How close do Hessian-vector products come to the speed of plain matrix products, at the shapes of real models?

    python experiments/curvature_speed.py --shapes llama-1b llama-8b

Llama-shaped decoders of random weights in bfloat16, LoRA of rank 8 on queries and values. The card's own rate is
measured first, on square bfloat16 products. A product's work is counted as the model needs it: with N weights in
matrix products and T tokens a gradient in the adapter alone is 4NT (forward, and backward through the states), a
Hessian-vector product 8NT, one after linearisation 4NT, attention extra; what rematerialisation computes again is not
counted. Writes experiments/curvature_speed/DEVICE.json.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from tradeoffbounds.curvature.adapted import Adapted, adapt
from tradeoffbounds.curvature.response_loss import Shape
from tradeoffbounds.models.adapter_config import AdapterConfig, preset
from tradeoffbounds.models.decoder import Decoder
from tradeoffbounds.models.decoder_config import DecoderConfig, Rope
from tradeoffbounds.models.fresh_adapter import tensor_shapes
from tradeoffbounds.models.sharding import mesh, shard_params
from tradeoffbounds.runs import environment, write_json
from tradeoffbounds.sources.chat import Rendered


def _llama(hidden: int, inner: int, layers: int, heads: int, head_dim: int, *, tied: bool) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=128_256, hidden_size=hidden, intermediate_size=inner, layers=layers, heads=heads, kv_heads=8,
        head_dim=head_dim, norm_eps=1e-5, tied_head=tied, rope=Rope(theta=500_000.0),
    )  # fmt: skip


#: Llama-3.2-1B and Llama-3.1-8B; tiny is for trying the script.
SHAPES = {
    "llama-1b": _llama(2048, 8192, 16, 32, 64, tied=True),
    "llama-8b": _llama(4096, 14336, 32, 32, 128, tied=False),
    "tiny": DecoderConfig(512, 64, 128, 2, 4, 2, 16, 1e-5, tied_head=True),
}
RESULTS = Path(__file__).with_suffix("")


@dataclass(frozen=True)
class Options:
    shapes: tuple[str, ...] = ("llama-1b", "llama-8b")
    rows: tuple[int, ...] = (4, 8)
    """Rows at once."""
    tokens: int = 512
    vectors: int = 8
    repeats: int = 5
    square: int = 8192
    """Side of the matrices that the card's rate is measured on."""
    out: Path = RESULTS


def main(options: Options) -> None:
    device = jax.devices()[0]
    rate = _matmul_rate(options.square, options.repeats)
    print(f"{device.device_kind}: {rate / 1e12:.1f} TFLOP/s in {options.square}-square bfloat16 products", flush=True)
    measured = []
    for name in options.shapes:
        config = SHAPES[name]
        params = shard_params(_random_params(config), mesh([device]))
        for rows in options.rows:
            found = _measure(name, config, params, rows, options, rate)
            print(found, flush=True)
            measured.append(found)
        del params
    kind = device.device_kind.lower().replace(" ", "-")
    write_json(
        options.out / f"{kind}.json",
        {
            "schema": "tradeoffbounds/benchmark/1",
            "command": f"python experiments/curvature_speed.py --shapes {' '.join(options.shapes)}",
            "environment": environment(device.device_kind, "bfloat16"),
            "matmul_tflops": rate / 1e12,
            "measured": measured,
        },
    )


def _measure(name: str, config: DecoderConfig, params: Any, rows: int, options: Options, rate: float) -> dict[str, Any]:
    lora = preset("lora", config.hidden_size)
    adapted = _adapted(config, lora, params, rows, options.tokens)
    ids = np.random.default_rng(0).integers(0, config.vocab_size, (rows, options.tokens))
    loss = adapted.loss([Rendered(row.tolist(), (0, 1), (1, options.tokens), truncated=False) for row in ids])
    theta = adapted.theta
    vectors = jax.random.normal(jax.random.key(0), (options.vectors, theta.size))
    work = _forward_work(config, rows, options.tokens)
    jobs: dict[str, tuple[Callable[[], Any], int, int]] = {  # what, products, forward passes each is worth
        "gradient": (lambda: loss.value_and_gradient(theta), 1, 2),
        "hvp": (lambda: loss.hvp(theta, vectors[0]), 1, 4),
        "hvps": (lambda: loss.hvps(theta, vectors), options.vectors, 2),
    }
    result: dict[str, Any] = {"shape": name, "rows": rows, "tokens": options.tokens, "parameters": int(theta.size)}
    for job, (run, products, passes) in jobs.items():
        seconds = _best(run, options.repeats) / products
        result[job] = {"seconds": seconds, "share_of_matmul_rate": passes * work / seconds / rate}
    result["temporary_gigabytes"] = {k: v / 1e9 for k, v in adapted.programs.temporary_bytes().items()}
    return result


def _adapted(config: DecoderConfig, lora: AdapterConfig, params: Any, rows: int, tokens: int) -> Adapted:
    settings = {
        "hidden_size": config.hidden_size, "intermediate_size": config.intermediate_size, "head_dim": config.head_dim,
        "num_attention_heads": config.heads, "num_key_value_heads": config.kv_heads, "num_hidden_layers": config.layers,
    }  # fmt: skip
    rng = np.random.default_rng(0)
    tensors = {
        each: 0.02 * rng.standard_normal(shape, dtype=np.float32)
        for each, shape in tensor_shapes(lora, settings).items()
    }
    shape = Shape(rows, tokens, tokens - 1)
    return adapt(config, lora, params, tensors, shape, devices=jax.devices()[:1], fresh=False)


def _random_params(config: DecoderConfig) -> Any:
    """Weights on the device, made there in bfloat16."""
    shapes = jax.eval_shape(lambda: Decoder(config).init(jax.random.key(0), jnp.zeros((1, 8), jnp.int32)))["params"]
    leaves, structure = jax.tree.flatten(shapes)
    keys = jax.random.split(jax.random.key(0), len(leaves))
    made = [
        # Norm weights are vectors of ones (a layer axis in front), the rest is random.
        0.02 * jax.random.normal(key, leaf.shape, jnp.bfloat16) if min(leaf.shape) > config.layers or leaf.ndim > 2
        else jnp.ones(leaf.shape, jnp.bfloat16)
        for key, leaf in zip(keys, leaves, strict=True)
    ]  # fmt: skip
    return jax.tree.unflatten(structure, made)


def _forward_work(config: DecoderConfig, rows: int, tokens: int) -> float:
    """Floating-point operations of one forward pass: 2 per weight and token, and attention."""
    queries, keys = config.heads * config.head_dim, config.kv_heads * config.head_dim
    block = config.hidden_size * (2 * queries + 2 * keys + 3 * config.intermediate_size)
    weights = config.layers * block + config.vocab_size * config.hidden_size
    # Scores and mixing, over the full square, as it is computed.
    attention = config.layers * 4 * tokens * queries
    return float(rows * tokens * (2 * weights + attention))


def _matmul_rate(side: int, repeats: int) -> float:
    """Floating-point operations a second."""
    a, b = (jax.random.normal(key, (side, side), jnp.bfloat16) for key in jax.random.split(jax.random.key(0)))
    product = jax.jit(lambda x, y: x @ y)
    return 2 * side**3 / _best(lambda: product(a, b), 4 * repeats)


def _best(run: Callable[[], Any], repeats: int) -> float:
    jax.block_until_ready(run())
    seconds = []
    for _ in range(repeats):
        begin = time.perf_counter()
        jax.block_until_ready(run())
        seconds.append(time.perf_counter() - begin)
    return min(seconds)


if __name__ == "__main__":
    main(tyro.cli(Options))
